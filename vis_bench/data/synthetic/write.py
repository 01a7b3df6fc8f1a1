"""Synthetic videos as files, in the layout of YouTube-VIS.

    DIR/<split>.json                               annotations
    DIR/<split>/JPEGImages/<video>/00000.png       frames

PNG is the default: frames decode to exactly the bytes that they have in memory. JPEG (quality 95,
no chroma subsampling) is smaller and changes colors slightly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from vis_bench.data.frames import ImageFormat, write_frame
from vis_bench.data.synthetic.videos import SPLITS, SyntheticVideos, generate
from vis_bench.errors import InputError
from vis_bench.files import write_atomically
from vis_bench.progress import Bars


def write_dataset(
    directory: Path, bars: Bars, *, plain: bool = False, seed: int = 0,
    num_videos: dict[str, int] | None = None, image_format: ImageFormat = "png",
) -> dict[str, Any]:  # fmt: skip
    """Writes both splits and says where they are and how much they hold.

    Args:
        directory: made where it is missing.
        num_videos: per split; default 200 of `train` and 24 of `val`. Splits left out of it are
            not written.

    Raises:
        InputError: where a split's files exist already, so that nothing is overwritten.
    """
    counts = num_videos or dict.fromkeys(SPLITS)
    splits = [
        generate(split, plain=plain, seed=seed, num_videos=count) for split, count in counts.items()
    ]
    for videos in splits:
        _refuse_existing(directory, videos.split)
    written: dict[str, Any] = {"directory": str(directory), "plain": plain, "seed": seed}
    for videos in splits:
        num_frames = write_split(videos, directory, bars, image_format)
        written[f"{videos.split}_videos"] = videos.num_videos
        written[f"{videos.split}_frames"] = num_frames
    return written


def write_split(
    videos: SyntheticVideos, directory: Path, bars: Bars, image_format: ImageFormat = "png"
) -> int:
    """Writes one split's frames, then its annotations; returns the number of frames."""
    opened = videos.videos
    num_frames = sum(video.length for video in opened)
    annotations = videos.annotations(image_format)
    with bars.bar(f"synth {videos.split}", num_frames) as advance:
        for video, record in zip(opened, annotations["videos"], strict=True):
            for name, frame_HW3 in zip(record["file_names"], video.frames, strict=True):
                write_frame(frames_dir(directory, videos.split) / name, frame_HW3, image_format)
                advance()
    write_atomically(annotations_path(directory, videos.split), orjson.dumps(annotations))
    return num_frames


def frames_dir(directory: Path, split: str) -> Path:
    """Where a split's folders of frames are."""
    return directory / split / "JPEGImages"


def annotations_path(directory: Path, split: str) -> Path:
    """Where a split's annotations are."""
    return directory / f"{split}.json"


def _refuse_existing(directory: Path, split: str) -> None:
    for path in (annotations_path(directory, split), frames_dir(directory, split)):
        if path.exists():
            raise InputError(f"{path} already exists; choose an empty folder or remove it")
