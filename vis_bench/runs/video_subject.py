"""What a figure of one video is drawn of: a config's method, and the videos to choose from.

Everything is found and checked before the first video is predicted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import torch

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.datasets import Dataset
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.method import VISMethod
from vis_bench.progress import Advance
from vis_bench.runs.bundled import find_config
from vis_bench.runs.config import Cell, load_cells
from vis_bench.runs.jobs import inference_plan
from vis_bench.runs.load_method import BuildMethod, find_weights, load_method
from vis_bench.runs.predict import find_inputs
from vis_bench.runs.sources import open_dataset


@dataclass(frozen=True)
class VideoSource:
    """Where videos come from besides the config, and which one is meant.

    Attributes:
        video: a name or an id; the first video if None.
        frames: a folder of frames, of such folders, or a video file instead of the data set.
        data_root: the folder with the data sets.
    """

    video: str | None = None
    frames: Path | None = None
    data_root: Path | None = None


@dataclass(frozen=True)
class VideoSubject:
    """A method, its videos and its classes; `dataset` is None for a user's own frames."""

    cell: Cell
    method: VISMethod
    video: Video
    videos: Sequence[Video]
    categories: Mapping[int, str]
    dataset: Dataset | None
    plan: InferencePlan

    def ground_truth(self, videos: Sequence[Video]) -> GroundTruth | None:
        """The annotations of some videos; None where there are none.

        Raises:
            InputError: for the first thing that is wrong with them.
        """
        if self.dataset is None or not self.dataset.has_annotations:
            return None
        return self.dataset.ground_truth(videos)


def load_subject(
    build_method: BuildMethod,
    config: str,
    overrides: Sequence[str],
    device: torch.device,
    source: VideoSource,
    weights: Path | None = None,
) -> VideoSubject:
    """Finds what a config names, and loads its method.

    Args:
        config: a path or a bundled config's name, of one cell.
        weights: a checkpoint instead of the one that the config names.

    Raises:
        InputError: for whatever of it does not exist or does not fit.
    """
    cells = load_cells(find_config(config), overrides)
    if len(cells) != 1:
        raise InputError(f"{config} has {len(cells)} cells; a figure takes a config of one")
    [cell] = cells
    dataset, videos, categories = None, None, None
    if source.frames is None:
        dataset = open_dataset(cell.dataset, source.data_root)
        videos, categories = dataset.videos, dataset.categories
    else:
        inputs = find_inputs(cell, source.frames, None)
        videos, categories = inputs.videos, inputs.categories
    video = choose_video(videos, source.video)
    plan = inference_plan(cell.model_copy(update={"compile": "none"}), device)
    method = _load(build_method, cell, len(categories), device, weights)
    return VideoSubject(cell, method, video, videos, categories, dataset, plan)


def _load(
    build_method: BuildMethod, cell: Cell, num_classes: int, device: torch.device,
    weights: Path | None,
) -> VISMethod:  # fmt: skip
    """The method with its weights; one that would draw what random weights do is refused."""
    file = find_weights(cell, weights)
    method = load_method(build_method, cell, num_classes, file, device)
    if file is None and method.weights_source is None and method.num_params:
        raise InputError(
            f"the config names no weights for {cell.method}; --set weights=FILE names them"
        )
    return method


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


def load_subjects(
    build_method: BuildMethod,
    configs: Sequence[str],
    overrides: Sequence[str],
    device: torch.device,
    source: VideoSource,
) -> dict[str, VideoSubject]:
    """The subjects of several configs by name, all with the same video.

    Args:
        configs: as `load_subject` takes them, or NAME=CONFIG.

    Raises:
        InputError: as `load_subject`, for a name that is given twice, and configs of different
            data sets.
    """
    subjects: dict[str, VideoSubject] = {}
    for text in configs:
        name, separator, config = text.partition("=")
        if not separator or Path(text).exists():
            name, config = text, text
        if name in subjects:
            raise InputError(f"two rows are called {name}; expected NAME=CONFIG with other names")
        subjects[name] = load_subject(build_method, config, overrides, device, source)
    names = {subject.cell.dataset for subject in subjects.values()}
    if len(names) > 1:
        listed = ", ".join(f"{name}: {s.cell.dataset.name}" for name, s in subjects.items())
        raise InputError(f"the configs have different data sets ({listed}); expected the same one")
    return subjects


def predict_each(subjects: Mapping[str, VideoSubject], advance: Advance) -> dict[str, Results]:
    """Each subject's tracks of its video, clip by clip as its config says.

    Args:
        advance: is called with the number of frames that are done.

    Returns:
        Results by name, which says so where a method is a reconstruction.

    Raises:
        InputError: as `track_video`.
    """
    results = {}
    for name, subject in subjects.items():
        tracks = track_video(subject.method, subject.video, subject.plan, list(subject.categories))
        title = f"{name} (reconstruction)" if subject.method.reconstruction else name
        results[title] = Results.of(tracks, name)
        advance(subject.video.length)
    return results
