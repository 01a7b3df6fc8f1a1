"""Files of the command `draw`: for each video a strip, an animation, and single frames."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vis_bench.charts import encode_picture
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.categories import distinct_names
from vis_bench.data.video import Video
from vis_bench.files import overwrite_guard, write_atomically
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.progress import Bars
from vis_bench.runs.sources import Side
from vis_bench.show.overlay.animation import AnimationFormat, draw_animation, require_pyav
from vis_bench.show.overlay.frame import Row, ShownLabels, VideoPictures
from vis_bench.show.overlay.pixels import paint_sheet, paint_tile
from vis_bench.show.overlay.rows import rows_of
from vis_bench.show.overlay.strip import strip_sheet

# Long sides of a frame in pixels; single frames keep their size but are enlarged to the last one.
STRIP_SIDE, ANIMATION_SIDE, SINGLE_SIDE = 320, 640, 480

# With its ending no file name is longer than a file system holds, whatever its alphabet.
_STEM_CHARACTERS = 60


@dataclass(frozen=True)
class OverlayPlan:
    """Options of overlays.

    Attributes:
        columns: frames in a strip.
        side: long side of a frame in strips and animations, in pixels; None for their defaults.
        animation_format: of the animation; `fps` are its frames per second.
        single: also writes every frame of every row as a picture of its own.
        min_score: tracks with lower scores are left out.
        labels: which frames of strips and animations name the tracks; single frames all do, unless
            none does.
    """

    columns: int = 5
    side: int | None = None
    animation_format: AnimationFormat = "webp"
    fps: float = 6.0
    single: bool = False
    min_score: float = SCORE_THRESHOLD
    labels: ShownLabels = "first"


def draw_overlays(
    videos: Sequence[Video],
    sides: Sequence[Side],
    truth: GroundTruth | None,
    categories: Mapping[int, str],
    output: Path,
    plan: OverlayPlan,
    bars: Bars,
) -> tuple[dict[str, list[Path]], list[str]]:
    """Draw the videos into a folder; nothing is drawn if results do not fit the frames.

    Args:
        categories: id -> name, for the labels.

    Returns:
        the files of each video by its name, with its id where names repeat, and sentences about
        frames that cannot be read.
    """
    if plan.animation_format == "mp4":
        require_pyav()
    all_rows = [rows_of(video, sides, truth, categories, plan.min_score) for video in videos]
    stems = _distinct([video.name for video in videos], lambda i: str(videos[i].id))
    for video, stem, rows in zip(videos, stems, all_rows, strict=True):
        overwrite_guard(_planned(video, rows, output, stem, plan), set(video.files))
    titles = distinct_names({video.id: video.name for video in videos})
    warnings: dict[str, None] = {}
    files: dict[str, list[Path]] = {}
    with bars.bar("draw", len(videos)) as advance:
        for video, stem, rows in zip(videos, stems, all_rows, strict=True):
            pictures = VideoPictures(
                video, rows, lambda text: warnings.update({text: None}), plan.labels
            )
            files[titles[video.id]] = _draw_video(pictures, output, stem, plan)
            advance()
    return files, list(warnings)


def _planned(
    video: Video, rows: Sequence[Row], output: Path, stem: str, plan: OverlayPlan
) -> Iterator[Path]:
    """Yield the files of a video's pictures."""
    yield from _strip_and_animation(output, stem, plan)
    if plan.single:
        for name in _row_folders(rows):
            yield from (_single_frame(output / stem / name, t) for t in range(video.length))


def _strip_and_animation(output: Path, stem: str, plan: OverlayPlan) -> list[Path]:
    return [output / f"{stem}_strip.png", output / f"{stem}.{plan.animation_format}"]


def _single_frame(folder: Path, t: int) -> Path:
    return folder / f"{t:05d}.png"


def _draw_video(pictures: VideoPictures, output: Path, stem: str, plan: OverlayPlan) -> list[Path]:
    strip_width = pictures.width(plan.side or STRIP_SIDE)
    strip = paint_sheet(strip_sheet([("", pictures)], plan.columns, strip_width))
    written = _strip_and_animation(output, stem, plan)
    write_atomically(written[0], encode_picture(strip, "PNG", compress_level=3))
    width = pictures.width(plan.side or ANIMATION_SIDE)
    animation = draw_animation(pictures, width, plan.fps, plan.animation_format)
    write_atomically(written[1], animation)
    if plan.single:
        pictures.labels = "none" if plan.labels == "none" else "all"
        written += _draw_single_frames(pictures, output / stem)
    return written


def _draw_single_frames(pictures: VideoPictures, folder: Path) -> list[Path]:
    side = max(pictures.video.height, pictures.video.width)
    width = pictures.width(side * math.ceil(SINGLE_SIDE / side))
    written = []
    for t, tiles in enumerate(pictures.in_turn(width)):
        for name, tile in zip(_row_folders(pictures.rows), tiles, strict=True):
            written.append(_single_frame(folder / name, t))
            picture = encode_picture(paint_tile(tile), "PNG", compress_level=3)
            write_atomically(written[-1], picture)
    return written


def _row_folders(rows: Sequence[Row]) -> list[str]:
    return _distinct([row.name for row in rows], str)


def _distinct(names: Sequence[str], number: Callable[[int], str]) -> list[str]:
    """Return distinct file names without separators and leading dots, numbered where equal."""
    plain = [
        re.sub(r"[^\w.=-]+", "_", name).lstrip(".")[:_STEM_CHARACTERS] or "_" for name in names
    ]
    counts = Counter(map(str.casefold, plain))
    taken = {name for name, times in counts.items() if times == 1}
    distinct = []
    for i, name in enumerate(plain):
        if counts[name.casefold()] > 1:
            name = f"{name}_{number(i)}"
            while name.casefold() in taken:
                name += "_"
            taken.add(name.casefold())
        distinct.append(name)
    return distinct
