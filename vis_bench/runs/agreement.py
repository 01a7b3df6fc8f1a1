"""Whether faster arithmetic says what float32 says: AP, and the best tracks of every video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vis_bench.data.results_file import Results, Track
from vis_bench.errors import InputError
from vis_bench.metrics.agreement import TrackAgreement, agreement_of
from vis_bench.metrics.ytvis import evaluate
from vis_bench.progress import Bars
from vis_bench.runs.accuracy import infer
from vis_bench.runs.config import Cell
from vis_bench.runs.jobs import Job, RunSettings, resolve_jobs
from vis_bench.runs.load_method import BuildMethod

# How far AP may move, in points, and the mean IoU that the masks have to keep. The least IoU has no
# limit: of an object of 50 pixels a single one is 2 %.
MOST_POINTS = 0.3
MEAN_IOU = 0.99

# float32 without TF32 that is not compiled: what everything else is compared with.
_REFERENCE: dict[str, Any] = {"precision": "float32", "tf32": False, "compile": "none"}
_WORDS: dict[str, dict[str, Any]] = {
    "bfloat16": {"precision": "bfloat16"},
    "float16": {"precision": "float16"},
    "tf32": {"tf32": True},
    "compile": {"compile": "default"},
    "cuda_graphs": {"compile": "cuda_graphs"},
}


def default_settings(device: torch.device) -> list[str]:
    """What is compared unless it is said: bfloat16, and on a GPU all else that it has."""
    if device.type != "cuda":
        return ["bfloat16"]
    return ["tf32", "bfloat16", "compile", "cuda_graphs", "bfloat16+cuda_graphs"]


def parse_setting(text: str) -> dict[str, Any]:
    """The keys of a cell for a setting such as `bfloat16+cuda_graphs`.

    Raises:
        InputError: for another word, or two that exclude each other.
    """
    found: dict[str, Any] = {}
    for word in text.split("+"):
        if word not in _WORDS or found.keys() & _WORDS[word].keys():
            raise InputError(
                f"setting {text!r} is not one of {', '.join(_WORDS)}, or several of them that go "
                "together, such as bfloat16+cuda_graphs"
            )
        found |= _WORDS[word]
    return {**_REFERENCE, **found}


@dataclass(frozen=True)
class Agreement:
    """A method in one setting against itself in float32.

    `ap` and `reference_ap` are fractions; `videos` what became of each video's sure tracks.
    """

    method: str
    setting: str
    ap: float
    reference_ap: float
    videos: Sequence[TrackAgreement]

    @property
    def points(self) -> float:
        """How far AP moved, in points."""
        return 100 * (self.ap - self.reference_ap)

    @property
    def num_same(self) -> int:
        """Videos whose sure tracks all kept their classes."""
        return sum(video.same_classes for video in self.videos)

    @property
    def ious_N(self) -> np.ndarray:
        """The IoU of every sure track with its partner, over all videos."""
        return np.concatenate([video.ious_N for video in self.videos])

    @property
    def least_iou(self) -> float | None:
        """None where no track was sure."""
        return float(self.ious_N.min()) if len(self.ious_N) else None

    @property
    def mean_iou(self) -> float | None:
        """None where no track was sure."""
        return float(self.ious_N.mean()) if len(self.ious_N) else None

    def problems(self) -> list[str]:
        """A sentence for each limit that is exceeded."""
        what = f"{self.method} in {self.setting}"
        found = []
        if abs(self.points) > MOST_POINTS:
            found.append(f"{what}: AP moved by {self.points:+.2f} points; at most {MOST_POINTS}")
        if self.num_same < len(self.videos):
            found.append(
                f"{what}: classes differ in {len(self.videos) - self.num_same} of "
                f"{len(self.videos)} videos; expected none"
            )
        if self.mean_iou is not None and self.mean_iou < MEAN_IOU:
            found.append(
                f"{what}: masks have a mean IoU of {self.mean_iou:.4f}; at least {MEAN_IOU}"
            )
        return found


def check_agreement(
    cells: Sequence[Cell],
    settings: Sequence[str],
    run: RunSettings,
    build_method: BuildMethod,
    bars: Bars,
) -> Iterator[Agreement]:
    """Each cell in each setting against float32 on the same device.

    Everything is found and checked before anything is inferred.

    Args:
        cells: what is measured; what they say of arithmetic and of measurements is not used.
        settings: as `parse_setting` reads them.
        run: device, data, and how many videos.

    Raises:
        InputError: for a setting that does not exist or that the device does not have, and as
            `resolve_jobs`.
    """
    changes = [_REFERENCE, *map(parse_setting, settings)]
    wanted = [
        cell.model_copy(update={**change, "measure": ("accuracy",)})
        for cell in cells
        for change in changes
    ]
    jobs = resolve_jobs(wanted, run, build_method, bars.say)
    return _compare(jobs, settings, bars)


def _compare(jobs: Sequence[Job], settings: Sequence[str], bars: Bars) -> Iterator[Agreement]:
    step = len(settings) + 1
    for start in range(0, len(jobs), step):
        reference, *others = jobs[start : start + step]
        exact = _tracks(reference, "float32", bars)
        exact_ap = _ap(reference, exact)
        for job, setting in zip(others, settings, strict=True):
            tracks = _tracks(job, setting, bars)
            videos = [agreement_of(exact[video.id], tracks[video.id]) for video in job.videos]
            yield Agreement(job.cell.method, setting, _ap(job, tracks), exact_ap, videos)


def _tracks(job: Job, setting: str, bars: Bars) -> dict[int, list[Track]]:
    with bars.bar(f"{job.cell.method} in {setting}", job.num_frames) as advance:
        return infer(job, job.load_method(), job.videos, advance)


def _ap(job: Job, tracks: dict[int, list[Track]]) -> float:
    assert job.ground_truth is not None, "resolve_jobs refuses accuracy without annotations"
    results = Results.of([track for own in tracks.values() for track in own])
    return evaluate(job.ground_truth, results).summary()["ap"]
