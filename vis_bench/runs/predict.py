"""Prediction without ground truth: frames, video files or a server's video list to results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vis_bench.data.categories import OF_IMAGES
from vis_bench.data.datasets import read_dataset
from vis_bench.data.frames import ImageFiles, is_file
from vis_bench.data.results_file import Track, write_results
from vis_bench.data.video import Video, find_images, find_videos
from vis_bench.errors import InputError
from vis_bench.files import check_writable
from vis_bench.inference.clips import check_clip_limit
from vis_bench.inference.compiled import compiled
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.method import VISMethod
from vis_bench.progress import Bars
from vis_bench.runs.config import Cell
from vis_bench.runs.load_method import BuildMethod, find_weights, load_method, naming_method
from vis_bench.runs.sources import config_categories
from vis_bench.text import one_line


@dataclass(frozen=True)
class PredictInputs:
    """The videos to predict on; `categories`: id -> name, a column of class probabilities each.

    `of_images`: they are single images, and results are written in COCO's form.
    """

    videos: Sequence[Video]
    categories: Mapping[int, str]
    warnings: Sequence[str] = ()
    of_images: bool = False


def find_inputs(cell: Cell, frames: Path, annotations: Path | None) -> PredictInputs:
    """The videos below `frames`, or those that an annotations file lists.

    Args:
        cell: its data set names the categories; where that consists of images, so do the frames.
        frames: a folder of frames or of videos, or a video file; with `annotations` the folder
            that their file names start from.
        annotations: a file in YouTube-VIS form or COCO's, such as a public valid.json; it may lack
            annotations. Videos get its ids. Without it ids are 1, 2, ... in the order of names.

    Raises:
        InputError: for frames that are missing or differ in size, a video id that is listed
            twice, or categories of another data set.
    """
    if annotations is None:
        of_images = cell.dataset.name in OF_IMAGES
        videos, warnings = find_images(frames) if of_images else find_videos(frames)
        return PredictInputs(videos, config_categories(cell.dataset), warnings, of_images)
    if not frames.is_dir():
        raise InputError(
            f"--frames {frames} is not a folder; expected the one that the file names in "
            f"{annotations} start from"
        )
    dataset = read_dataset(cell.dataset.name, cell.dataset.split, annotations, frames)
    _check_frames_exist(dataset.videos, frames)
    warnings = dataset.check_frames(dataset.videos)
    return PredictInputs(dataset.videos, dataset.categories, warnings, dataset.of_images)


def load_predictor(
    build_method: BuildMethod, cell: Cell, num_classes: int, device: torch.device,
    *, weights: Path | None = None, random_weights: bool = False,
) -> VISMethod:  # fmt: skip
    """The cell's method, ready to infer.

    Args:
        weights: a checkpoint instead of the one that the config names.
        random_weights: load none, whatever the config names.

    Raises:
        InputError: where a method with parameters has no weights and random ones are not asked
            for, where both are, or for what `load_method` refuses.
    """
    if random_weights and weights is not None:
        raise InputError(f"--weights {weights} and --random-weights exclude each other; give one")
    file = None if random_weights else find_weights(cell, weights)
    method = load_method(build_method, cell, num_classes, file, device)
    trained = file is not None or method.weights_source is not None
    if not trained and not random_weights and method.num_params:
        raise InputError(
            f"the config names no weights for {cell.method}: give --weights FILE, or "
            "--random-weights for a dry run"
        )
    return compiled(method, cell.compile)


def predict(
    method: VISMethod, inputs: PredictInputs, plan: InferencePlan, output: Path, bars: Bars
) -> dict[str, Any]:
    """Writes the results file and says what it holds.

    Returns:
        `output`, `of_images`, `num_videos`, `num_tracks`, `videos` (id -> name), and `categories`
        (id -> `name` and `num_tracks`).

    Raises:
        InputError: for clips that are longer than the method takes and an output that cannot be
            written, which are found out first, and for a method whose code fails.
    """
    check_clip_limit(
        method.registered_name, method.max_clip_length, plan.clip_length, inputs.videos
    )
    check_writable(output)
    tracks: list[Track] = []
    with bars.bar("predict", sum(video.length for video in inputs.videos)) as advance:
        for video in inputs.videos:
            with naming_method(method.registered_name):
                tracks += track_video(method, video, plan, list(inputs.categories))
            advance(video.length)
    write_results(tracks, output, of_images=inputs.of_images)
    num_tracks = Counter(track.category_id for track in tracks)
    return {
        "output": str(output),
        "of_images": inputs.of_images,
        "num_videos": len(inputs.videos),
        "num_tracks": len(tracks),
        "videos": {video.id: video.name for video in inputs.videos},
        "categories": {
            number: {"name": name, "num_tracks": num_tracks[number]}
            for number, name in inputs.categories.items()
        },
    }


def summary_text(summary: Mapping[str, Any]) -> str:
    """What `predict` returns, in two lines."""
    found = [entry for entry in summary["categories"].values() if entry["num_tracks"]]
    found.sort(key=lambda entry: -entry["num_tracks"])
    counts = ", ".join(f"{entry['name']} {entry['num_tracks']}" for entry in found)
    things, unit = ("instances", "image") if summary["of_images"] else ("tracks", "video")
    units = f"1 {unit}" if summary["num_videos"] == 1 else f"{summary['num_videos']} {unit}s"
    first = one_line(f"{summary['num_tracks']} {things} in {units}: {summary['output']}")
    by_category = one_line(f"{things} by category: {counts}") + "\n" if found else ""
    return f"{first}\n{by_category}"


def _check_frames_exist(videos: Sequence[Video], frames: Path) -> None:
    """Refuses what would be missed only after hours of inference."""
    files = [f for v in videos if isinstance(v.frames, ImageFiles) for f in v.frames.files]
    missing = [file for file in files if not is_file(file)]
    if missing:
        raise InputError(
            f"--frames {frames} lacks {len(missing)} of {len(files)} frames; the first is "
            f"{missing[0]}"
        )
