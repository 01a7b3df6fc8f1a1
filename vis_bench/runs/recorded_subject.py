"""What a figure of attention is drawn of: a method that records it, and the videos to choose from.

Everything is found and checked before the first video is predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import torch

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.dataset import Dataset
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.attention import AttentionPart, RecordsAttention
from vis_bench.inference.loop import InferencePlan
from vis_bench.runs.bundled import find_config
from vis_bench.runs.config import Cell, load_cells
from vis_bench.runs.load_method import BuildMethod
from vis_bench.runs.open_dataset import open_dataset
from vis_bench.runs.predict import find_inputs, load_predictor

PART_WORDS: Mapping[AttentionPart, str] = {
    "decoder": "deformable attention in its decoder",
    "memory": "memory tokens",
}


@dataclass(frozen=True)
class RecordedSubject:
    """A method, its videos and its classes.

    `dataset` is None where the videos are a user's own frames; `num_layers` of the recorded part.
    """

    method: RecordsAttention
    num_layers: int
    videos: Sequence[Video]
    categories: Mapping[int, str]
    dataset: Dataset | None
    plan: InferencePlan

    def video(self, name: str | None) -> Video:
        """The video of a name or an id, the first one if None.

        Raises:
            InputError: where there is none, with names that are close.
        """
        return choose_video(self.videos, name)

    def ground_truth(self, videos: Sequence[Video]) -> GroundTruth | None:
        """The annotations of some videos; None where there are none.

        Raises:
            InputError: for the first thing that is wrong with them.
        """
        if self.dataset is None or not self.dataset.has_annotations:
            return None
        return self.dataset.ground_truth(videos)


def choose_video(videos: Sequence[Video], name: str | None) -> Video:
    """The video of a name or an id, the first one if None.

    Raises:
        InputError: where there is none, with names that are close.
    """
    if name is None:
        return videos[0]
    for video in videos:
        if name in (video.name, str(video.id)):
            return video
    known = [video.name for video in videos]
    close = get_close_matches(name, known, n=3)
    hint = f"similar names: {', '.join(close)}" if close else f"the first one is {known[0]}"
    raise InputError(
        f"--video {name} is not one of the {len(videos)} videos; expected a name or an id, {hint}"
    )


def load_subject(
    build_method: BuildMethod,
    methods_recording: Callable[[AttentionPart], Sequence[str]],
    part: AttentionPart,
    config: str,
    overrides: Sequence[str],
    device: torch.device,
    *,
    video: str | None = None,
    frames: Path | None = None,
    data_root: Path | None = None,
    weights: Path | None = None,
) -> RecordedSubject:
    """Finds what a config names, and loads its method.

    Args:
        methods_recording: names the methods that record a part, for a message.
        part: that the figure shows.
        config: a path or a bundled config's name, of one cell.
        video: is looked up before the method is loaded.
        frames: a folder of frames, of such folders, or a video file instead of the data set.

    Raises:
        InputError: for whatever of it does not exist or does not fit.
    """
    cells = load_cells(find_config(config), overrides)
    if len(cells) != 1:
        raise InputError(f"{config} has {len(cells)} cells; a figure takes a config of one")
    cell = cells[0]
    dataset = None if frames else open_dataset(cell.dataset, data_root)
    inputs = find_inputs(cell, frames, None) if frames else None
    videos = inputs.videos if inputs else dataset.videos if dataset else ()
    categories = inputs.categories if inputs else dataset.categories if dataset else {}
    choose_video(videos, video)
    method = load_predictor(build_method, cell, len(categories), device, weights=weights)
    layers = method.recorded_layers.get(part) if isinstance(method, RecordsAttention) else None
    if not isinstance(method, RecordsAttention) or not layers:
        raise InputError(_without(cell, part, methods_recording(part)))
    plan = InferencePlan("whole", 1, cell.resolution, device, cell.precision)
    return RecordedSubject(method, layers, videos, categories, dataset, plan)


def _without(cell: Cell, part: AttentionPart, names: Sequence[str]) -> str:
    return (
        f"method {cell.method}, as {_options(cell)} builds it, has no {PART_WORDS[part]} to "
        f"record; methods that have it: {', '.join(names) or 'none'}"
    )


def _options(cell: Cell) -> str:
    given = ", ".join(f"{key}={value}" for key, value in cell.options.items())
    return f"options {given}" if given else "the config"
