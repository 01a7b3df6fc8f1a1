"""Work of some size: `CASES[name](number, folder)` is what it works on, and the work."""

from fractions import Fraction
from itertools import count

import numpy as np
import scipy.sparse.csgraph  # noqa: F401  which many tracks import, and few do not

from record_example import example_record
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.files import write_atomically
from vis_bench.masks.rle import encode_masks
from vis_bench.masks.tubes import SparseTube
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.half_samples import ap_samples
from vis_bench.metrics.matching import match
from vis_bench.metrics.scores import Asked, drawn_scores
from vis_bench.metrics.streaming import TimedClip, VideoStream, show_figures
from vis_bench.record.names import unmarked_names
from vis_bench.record.store import RecordStore

H, W = 12, 20
_FOLDERS = count()


def data_set(num_videos, num_classes, per_video=1):
    """Objects of two frames, two tracks for each; a video has a frame for each object."""
    rng = np.random.default_rng(0)
    pixels_NHW = np.zeros((6, H, W), bool)
    for n in range(6):
        pixels_NHW[n, 2:8, n : n + 9] = True
    masks, num_frames, annotations, tracks = encode_masks(pixels_NHW), per_video + 1, [], []
    for n in range(num_videos * per_video):
        video, first, category = n // per_video + 1, n % per_video, n % num_classes + 1
        frames = (first, first + 1)
        segmentations = list(SparseTube(num_frames, dict.fromkeys(frames, masks[0])))
        entry = {"id": n + 1, "video_id": video, "category_id": category, "iscrowd": 0}
        annotations.append({**entry, "segmentations": segmentations, "areas": [54]})
        for score in rng.random(2):
            tube = {frame: masks[int(rng.integers(6))] for frame in frames}
            tracks.append(Track(video, category, float(score), SparseTube(num_frames, tube)))
    size = {"height": H, "width": W, "length": num_frames}
    content = {
        "videos": [{"id": v + 1, **size} for v in range(num_videos)],
        "categories": [{"id": k + 1} for k in range(num_classes)],
        "annotations": annotations,
    }
    return GroundTruth.of(content), Results.of(tracks)


def interval(num_classes):
    return lambda number, folder: (
        match(*data_set(number, num_classes)),
        lambda matches: ap_samples(matches, 20),
    )


def tracking(num_videos=None):
    return lambda number, folder: (
        data_set(num_videos or number, 3, number if num_videos else 1),
        lambda data: evaluate(*data, Asked(tracking_threshold=0.0)),
    )


def scores(number, folder):
    evaluation = evaluate(*data_set(number, 3), Asked(tracking_threshold=0.0, num_resamples=20))
    return evaluation, drawn_scores


def streaming(number, folder):
    clips = [TimedClip(k, k + 1, predict=10**6) for k in range(number)]
    stream = VideoStream.of(clips, Fraction(30), "all")
    return stream, lambda stream: show_figures([stream], Fraction(1, 30))


def writes(number, folder):
    names = [folder / f"of {number}" / f"{n}.json" for n in range(number)]
    return names, lambda names: [write_atomically(name, b"") for name in names]


def records(number, folder):
    own = [example_record(config_sha256=f"{n:064x}"[::-1]) for n in range(number)]
    store = RecordStore(folder / f"records {next(_FOLDERS)}")

    def write_between_looks(own):
        for record in own:
            assert store.find(record.config_sha256) is None
            store.write(record)

    return own, write_between_looks


def labels(number, folder):
    return [example_record(options={"a": n}) for n in range(number)], unmarked_names


CASES = {
    "interval of one class over videos": interval(1),
    "interval of 20 classes over videos": interval(20),
    "tracking over videos": tracking(),
    "scores of compare over videos": scores,
    "tracking over tracks of a video": tracking(1),
    "streaming over frames": streaming,
    "files written into a folder": writes,
    "records written between looks": records,
    "labels of records": labels,
}
