r"""Back end `mmdet` against MMDetection's own evaluation, in a second environment.

    python3.11 -m venv .venv-mmdet
    .venv-mmdet/bin/pip install torch mmdet==3.3.0 mmengine==0.10.7 mmcv-lite==2.1.0 \
        'setuptools<81'

VIS_BENCH_MMDET_PYTHON may name another interpreter. mmcv-lite has no compiled operators; the two
that MaskTrack R-CNN needs are in `tests/support/mmdet_lab/lab_operators.py`.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import fill
from masktrack_rcnn_golden import Golden, overlaps
from methods import build_method
from paths import GOLDEN
from upgrade_pages import evaluated, same_figures
from vis_bench.data.categories import CATEGORIES
from vis_bench.data.results_file import results_of
from vis_bench.data.video import Video
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.metrics.equal_tracks import equal_tracks

LAB = Path(__file__).parents[2] / "support" / "mmdet_lab"
PYTHON = os.environ.get("VIS_BENCH_MMDET_PYTHON", ".venv-mmdet/bin/python")
# Frames and original sizes; the first fits (160, 96) by its height, the second by its width.
VIDEOS = [(5, 120, 180), (4, 90, 200)]
# The metric's 12 figures, in its order.
FIGURES = ("ap", "ap50", "ap75", "ap_s", "ap_m", "ap_l", "ar1", "ar10", "ar100", "ar_s", "ar_m",
           "ar_l")  # fmt: skip


def video_frames(number):
    return list(fill.frames(*VIDEOS[number], number))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Frames and annotations as MMDetection reads them."""
    folder = tmp_path_factory.mktemp("mmdet")
    videos, images = [], []
    for number, (length, height, width) in enumerate(VIDEOS):
        size = {"height": height, "width": width}
        (folder / f"v{number}").mkdir()
        videos.append({"id": number + 1, "name": f"v{number}", "length": length, **size})
        for t, frame_HW3 in enumerate(video_frames(number)):
            name = f"v{number}/{t}.png"
            Image.fromarray(frame_HW3).save(folder / name)
            images.append(
                {
                    "id": len(images) + 1,
                    "video_id": number + 1,
                    "frame_id": t,
                    "file_name": name,
                    **size,
                }
            )
    categories = [{"id": key, "name": name} for key, name in CATEGORIES["ytvis2019"].items()]
    content = {"videos": videos, "images": images, "annotations": [], "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def driven(config, folder, **changes):
    """MMDetection's model with the folder's weights."""
    options = {"back_end": "mmdet", "config_file": config, "project_path": str(LAB)}
    method = build_method("external_video", num_classes=40, python=PYTHON, **options, **changes)
    method.take_weights(folder / "weights.pth")
    method.prepare_for_inference()
    method.check_resolution(96)
    return method


def predicted(config, folder):
    """The tracks of all videos, as `YouTubeVISMetric` writes them."""
    method = driven(config, folder)
    plan = InferencePlan("whole", 1, 96, torch.device("cpu"))
    tracks = []
    for number, (_, height, width) in enumerate(VIDEOS):
        video = Video(number + 1, f"v{number}", height, width, video_frames(number))
        tracks += track_video(method, video, plan, range(1, 41))
    return tracks


second_environment = pytest.mark.skipif(not shutil.which(PYTHON), reason=" ".join(__doc__.split()))


@pytest.mark.parametrize("config", ["masktrack_rcnn.py", "mask2former_vis.py"])
@pytest.mark.slow
@second_environment
def test_tubes_are_those_of_its_own_evaluation(config, folder):
    subprocess.run([PYTHON, str(LAB / "evaluate.py"), str(LAB / config), str(folder)], check=True)
    expected = json.loads((folder / "results.json").read_text())
    tracks = predicted(config, folder)
    assert len(expected) > 3
    assert equal_tracks(tracks, results_of(expected, "YouTubeVISMetric").tracks).equal


@pytest.mark.slow
@second_environment
def test_its_masktrack_rcnn_gives_the_tracks_of_this_projects(tmp_path):
    """Weights, frames and numbers of boxes of a golden file."""
    golden = Golden("a")
    torch.save({"state_dict": golden.state()}, tmp_path / "weights.pth")
    sizes = {"rpn.nms_pre": 200, "rpn.max_per_img": 200, "rcnn.max_per_img": 100}
    opts = [part for k, n in sizes.items() for part in (f"model.detector.test_cfg.{k}", n)]
    method = driven("masktrack_rcnn.py", tmp_path, opts=opts)
    tracks, own = golden.tracks("whole", method), golden.tracks("whole")
    assert [t.category_id for t in tracks] == [t.category_id for t in own]
    np.testing.assert_allclose([t.score for t in tracks], [t.score for t in own], atol=1e-4)
    ious = overlaps(tracks, [{"segmentations": t.segmentations} for t in own], golden.size_HW)
    assert ious.mean() >= 0.999
    assert ious.min() >= 0.99


def metric_of(golden, *frames):
    """Files of a golden, and what MMDetection's metric makes of them."""
    files = [str(GOLDEN / f"{golden}.{part}.json") for part in ("gt", "preds")]
    command = [PYTHON, str(LAB / "metric.py"), *files, *frames]
    return files, json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


@pytest.mark.parametrize("golden", ["eval_quirks", "eval_dense"])
@second_environment
def test_metric_of_the_same_annotations_and_results(golden, capsys):
    files, metric = metric_of(golden)
    own = evaluated(capsys, *files)
    assert [own[key] for key in FIGURES] == [
        None if figure == -1 else figure for figure in metric["formatted"]
    ]


@second_environment
def test_metric_of_frames_takes_areas_of_boxes(tmp_path, capsys):
    """Figures of docs/from_mmdetection.md on the file that the metric writes."""
    (truth_file, _), metric = metric_of("eval_dense", "frames")
    (tmp_path / "results.json").write_text(json.dumps(metric["results"]))
    own = evaluated(capsys, truth_file, tmp_path / "results.json")
    theirs = {name.removeprefix("youtube_vis/segm_"): f for name, f in metric["printed"].items()}
    figures = dict(zip(theirs, metric["processed"], strict=True))
    equal = same_figures("from_mmdetection.md")
    assert len(equal) == 6
    for name, key in equal.items():
        assert own[key] == figures[name]
        assert round(own[key], 3) == theirs[name]
    assert own["ap_m"] != figures["mAP_m"]
    truth = json.loads(Path(truth_file).read_text())
    for annotation in truth["annotations"]:
        annotation["areas"] = [box and box[2] * box[3] for box in annotation["bboxes"]]
    (tmp_path / "boxes.json").write_text(json.dumps(truth))
    of_boxes = evaluated(capsys, tmp_path / "boxes.json", tmp_path / "results.json")
    assert [of_boxes[key] for key in FIGURES] == metric["processed"]
