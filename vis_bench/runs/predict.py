"""Prediction on frames alone: a folder of frames, or of such folders, to a results file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from vis_bench.data.frames import ImageFiles
from vis_bench.data.results_file import Track, write_results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.progress import Bars
from vis_bench.runs.config import Cell
from vis_bench.runs.load_method import BuildMethod, find_weights, load_method
from vis_bench.runs.open_dataset import config_categories

FRAME_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def predict_folder(
    build_method: BuildMethod, cell: Cell, folder: Path, output: Path,
    weights: Path | None, device: torch.device, bars: Bars,
) -> dict[str, Any]:  # fmt: skip
    """Writes the results JSON of a folder's videos and says how much it holds.

    Video ids are 1, 2, ... in the order of the folders' names.

    Raises:
        InputError: for a folder without frames, or frames of different sizes.
    """
    videos = find_videos(folder)
    category_ids = list(config_categories(cell.dataset))
    method = load_method(build_method, cell, len(category_ids), find_weights(cell, weights), device)
    plan = InferencePlan(
        cell.clip_length, cell.clip_stride, cell.resolution, device, cell.precision
    )
    tracks: list[Track] = []
    with bars.bar(f"predict {folder}", sum(video.length for video in videos)) as advance:
        for video in videos:
            tracks += track_video(method, video, plan, category_ids)
            advance(video.length)
    write_results(tracks, output)
    return {
        "output": str(output),
        "num_videos": len(videos),
        "num_tracks": len(tracks),
        "videos": {video.id: video.name for video in videos},
    }


def find_videos(folder: Path) -> list[Video]:
    """The videos below a folder: itself if it holds frames, else each sub-folder that does.

    Frames go by name. Raises InputError where there is no frame.
    """
    if not folder.is_dir():
        raise InputError(f"--frames {folder} is not a folder")
    own = _frame_files(folder)
    groups = [own] if own else [_frame_files(d) for d in sorted(folder.iterdir()) if d.is_dir()]
    groups = [files for files in groups if files]
    if not groups:
        kinds = ", ".join(FRAME_SUFFIXES)
        raise InputError(
            f"--frames {folder} holds no frames, nor do its folders; looked for {kinds}"
        )
    return [_video(number, files) for number, files in enumerate(groups, 1)]


def _frame_files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in FRAME_SUFFIXES)


def _video(number: int, files: Sequence[Path]) -> Video:
    sizes = {path: _size_HW(path) for path in files}
    first = sizes[files[0]]
    for path, size in sizes.items():
        if size != first:
            raise InputError(
                f"frame {path} is {size[0]}x{size[1]}, but {files[0].name} is "
                f"{first[0]}x{first[1]}; all frames of a video have one size"
            )
    name = files[0].parent.name
    return Video(number, name, *first, ImageFiles(files, name, first))


def _size_HW(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except Exception:  # Pillow raises many kinds for broken files
        raise InputError(f"frame {path} is not an image that can be read") from None
