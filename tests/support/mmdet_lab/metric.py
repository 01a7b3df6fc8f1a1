"""Figures of MMDetection's metric, in its environment: `metric.py GT.json PREDS.json [frames]`.

Prints a JSON object: `formatted`, the metric's 12 figures on annotations and predictions as the
files have them; with `frames` also `processed`, those on the same masks as frames of a model's
output, `printed`, what it returns for these, and `results`, the results file that it writes.
"""

import json
import sys
import tempfile
from pathlib import Path

import lab_operators  # noqa: F401  (before mmdet, which needs them to be imported)
import numpy as np
import torch
from mmdet.evaluation.metrics import youtube_vis_metric
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask

# The metric of mmdet 3.3.0 uses a name that NumPy 1.24 removed.
np.float = float  # noqa: NPY001
ITEMS = ["mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l", "AR@1", "AR@10", "AR@100",
         "AR_s@100", "AR_m@100", "AR_l@100"]  # fmt: skip


class Evaluator(youtube_vis_metric.YTVISeval):
    """Keeps the unrounded figures."""

    def summarize(self):
        super().summarize()
        Evaluator.last = self.stats.tolist()


youtube_vis_metric.YTVISeval = Evaluator


def new_metric(truth, **options):
    metric = youtube_vis_metric.YouTubeVISMetric(metric_items=ITEMS, **options)
    metric.dataset_meta = {"classes": [category["name"] for category in truth["categories"]]}
    return metric


def objects_of(frame, annotations):
    """Objects of a frame, as MMDetection's data set hands them to the metric."""
    found = []
    for annotation in annotations:
        if annotation["segmentations"][frame]:
            x, y, width, height = annotation["bboxes"][frame]
            found.append(
                {
                    "bbox": [x, y, x + width, y + height],
                    "bbox_label": annotation["category_id"] - 1,
                    "instance_id": annotation["id"],
                    "ignore_flag": annotation["iscrowd"],
                    "mask": annotation["segmentations"][frame],
                }
            )
    return found


def frame_of(frame, video, annotations, tracks):
    shape = video["height"], video["width"]
    present = [n for n, track in enumerate(tracks) if track["segmentations"][frame]]
    masks_NHW = np.zeros((len(present), *shape), bool)
    for place, n in enumerate(present):
        masks_NHW[place] = coco_mask.decode(tracks[n]["segmentations"][frame])
    sample = DetDataSample(
        metainfo={
            "img_id": 1000 * video["id"] + frame,
            "video_id": video["id"],
            "ori_shape": shape,
            "ori_video_length": video["length"],
            "instances": objects_of(frame, annotations),
        }
    )
    sample.pred_track_instances = InstanceData(
        bboxes=torch.zeros(len(present), 4),
        masks=torch.from_numpy(masks_NHW),
        scores=torch.tensor([tracks[n]["score"] for n in present], dtype=torch.float64),
        labels=torch.tensor([tracks[n]["category_id"] - 1 for n in present], dtype=torch.int64),
        instances_id=torch.tensor(present, dtype=torch.int64),
    )
    return sample


def evaluate(truth, predictions, **options):
    metric = new_metric(truth, **options)
    for video in truth["videos"]:
        parts = [
            [entry for entry in entries if entry["video_id"] == video["id"]]
            for entries in (truth["annotations"], predictions)
        ]
        frames = [frame_of(t, video, *parts) for t in range(video["length"])]
        metric.process({}, [{"video_data_samples": frames}])
    return metric.evaluate(len(truth["videos"]))


def main(truth_file, predictions_file, *frames):
    read = [json.loads(Path(path).read_text()) for path in (truth_file, predictions_file)]
    metric = new_metric(read[0])
    metric._vis_meta_info["videos"] = read[0]["videos"]
    metric.compute_metrics([(read[1], read[0]["annotations"])])
    figures = {"formatted": Evaluator.last}
    if not frames:
        return figures
    read = [json.loads(Path(path).read_text()) for path in (truth_file, predictions_file)]
    figures["printed"] = evaluate(*read)
    figures["processed"] = Evaluator.last
    with tempfile.TemporaryDirectory() as folder:
        evaluate(*read, format_only=True, outfile_prefix=f"{folder}/results")
        figures["results"] = json.loads(Path(folder, "results.json").read_text())
    return figures


if __name__ == "__main__":
    sys.stdout, out = sys.stderr, sys.stdout
    json.dump(main(*sys.argv[1:]), out)
