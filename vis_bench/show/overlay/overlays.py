"""Overlays"""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from PIL import Image, ImageFile

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.files import overwrite_guard, write_atomically
from vis_bench.progress import Bars
from vis_bench.runs.sources import Side
from vis_bench.show.overlay.frame import Row, VideoPictures
from vis_bench.show.overlay.rows import rows_of
from vis_bench.show.overlay.strip import MARKS, Panel, compose, draw_strip

# Long sides of a frame in pixels; single frames keep their size but are enlarged to the last one.
STRIP_SIDE, ANIMATION_SIDE, SINGLE_SIDE = 320, 640, 480

# With its ending no file name is longer than a file system holds, whatever its alphabet.
_STEM_CHARACTERS = 60


@dataclass(frozen=True)
class OverlayPlan:
    """What is drawn.

    Attributes:
        columns: frames in a strip.
        side: long side of a frame in strips and animations, in pixels; None for their defaults.
        animation_format: of the animation; `fps` are its frames per second.
        single: also writes every frame of every row as a picture of its own.
        min_score: tracks with lower scores are left out.
    """

    columns: int = 5
    side: int | None = None
    animation_format: AnimationFormat = "webp"
    fps: float = 6.0
    single: bool = False
    min_score: float = 0.3


@dataclass(frozen=True)
class Drawn:
    """The files that were written per video, and sentences about frames that cannot be read."""

    files: Mapping[str, Sequence[Path]]
    warnings: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """For a program that reads it."""
        files = {name: [str(path) for path in paths] for name, paths in self.files.items()}
        return {"videos": files, "warnings": list(self.warnings)}


def draw_overlays(
    videos: Sequence[Video],
    sources: Sequence[Side],
    truth: GroundTruth | None,
    categories: Mapping[int, str],
    output: Path,
    plan: OverlayPlan,
    bars: Bars,
) -> Drawn:
    """Draws the videos into a folder.

    Args:
        categories: id -> name, for the labels.

    Raises:
        InputError: for results or annotations that do not fit a video's frames, or a picture in
            the place of a frame; then nothing is drawn. For a frame of another size than its
            video's.
    """
    if plan.animation_format == "mp4":
        require_pyav()
    all_rows = [rows_of(video, sources, truth, categories, plan.min_score) for video in videos]
    stems = _stems(videos)
    for video, stem, rows in zip(videos, stems, all_rows, strict=True):
        overwrite_guard(_planned(video, rows, output, stem, plan), set(video.files))
    marks = () if truth is None else MARKS
    warnings: dict[str, None] = {}
    files: dict[str, list[Path]] = {}
    with bars.bar("draw", len(videos)) as advance:
        for video, stem, rows in zip(videos, stems, all_rows, strict=True):
            pictures = VideoPictures(video, rows, lambda text: warnings.update({text: None}))
            files[video.name] = _draw_video(pictures, output, stem, plan, marks)
            advance()
    return Drawn(files, list(warnings))


def _planned(
    video: Video, rows: Sequence[Row], output: Path, stem: str, plan: OverlayPlan
) -> Iterator[Path]:
    """The files that a video's pictures go to."""
    yield from _strip_and_animation(output, stem, plan)
    if plan.single:
        for name in _row_folders(rows):
            yield from (_single_frame(output / stem / name, t) for t in range(video.length))


def _strip_and_animation(output: Path, stem: str, plan: OverlayPlan) -> list[Path]:
    return [output / f"{stem}_strip.png", output / f"{stem}.{plan.animation_format}"]


def _single_frame(folder: Path, t: int) -> Path:
    return folder / f"{t:05d}.png"


def _draw_video(
    pictures: VideoPictures, output: Path, stem: str, plan: OverlayPlan, marks: Sequence[str]
) -> list[Path]:
    strip = draw_strip(pictures, plan.columns, _width(pictures, plan.side or STRIP_SIDE), marks)
    written = _strip_and_animation(output, stem, plan)
    write_atomically(written[0], _png(strip))
    animation = draw_animation(
        pictures, _width(pictures, plan.side or ANIMATION_SIDE), plan.fps, marks,
        plan.animation_format,
    )  # fmt: skip
    write_atomically(written[1], animation)
    if plan.single:
        written += _draw_single_frames(pictures, output / stem)
    return written


def _draw_single_frames(pictures: VideoPictures, folder: Path) -> list[Path]:
    video = pictures.video
    side = max(video.height, video.width)
    width = _width(pictures, side * math.ceil(SINGLE_SIDE / side))
    offsets: list[dict[int, tuple[float, float]]] = [{} for _ in pictures.rows]
    folders = _row_folders(pictures.rows)
    written = []
    for t in range(video.length):
        for name, picture in zip(folders, pictures.at(t, width, offsets=offsets), strict=True):
            written.append(_single_frame(folder / name, t))
            write_atomically(written[-1], _png(picture))
    return written


def _width(pictures: VideoPictures, side: int) -> int:
    """The width of a frame whose long side is `side`."""
    video = pictures.video
    return max(1, round(video.width * side / max(video.height, video.width)))


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=3)
    return out.getvalue()


def _stems(videos: Sequence[Video]) -> list[str]:
    return _distinct([video.name for video in videos], lambda i: str(videos[i].id))


def _row_folders(rows: Sequence[Row]) -> list[str]:
    return _distinct([row.name for row in rows], str)


def _distinct(names: Sequence[str], number: Callable[[int], str]) -> list[str]:
    """Names for files: no separators nor leading dots, and a number where two would be equal."""
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


AnimationFormat = Literal["webp", "mp4"]
# A switch stays marked for half a second at 6 frames per second.
_MARKED_FRAMES = 3
_LARGEST_WEBP = 16383


def draw_animation(
    pictures: VideoPictures,
    width: int,
    fps: float,
    marks: Sequence[str],
    animation_format: AnimationFormat,
) -> bytes:
    """The file of an animation that shows every frame of a video.

    Up to three rows stand below each other, more in two columns.

    Args:
        width: of one frame, in pixels.
        fps: frames per second.

    Raises:
        InputError: for `mp4` without PyAV.
    """
    length = pictures.video.length
    offsets: list[dict[int, tuple[float, float]]] = [{} for _ in pictures.rows]

    def page(t: int) -> Image.Image:
        drawn = pictures.at(t, width, since=t - _MARKED_FRAMES, offsets=offsets)
        columns = 1 if len(drawn) <= 3 else 2
        panels = [
            Panel(picture, row.name, f"frame {t}" if r == columns - 1 else "")
            for r, (row, picture) in enumerate(zip(pictures.rows, drawn, strict=True))
        ]
        rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
        return compose(rows, marks)

    encode = encode_mp4 if animation_format == "mp4" else encode_webp
    return encode(page, length, fps)


def encode_webp(page: Callable[[int], Image.Image], length: int, fps: float) -> bytes:
    """An animated WebP that repeats; `page(t)` is asked for one frame at a time.

    Raises:
        InputError: for pages larger than WebP holds.
    """
    out = io.BytesIO()
    pages = _Pages(page, length)
    if max(pages.size) > _LARGEST_WEBP:
        raise InputError(
            f"the animation has {pages.width}x{pages.height} pixels, and WebP holds no side above "
            f"{_LARGEST_WEBP}; give a smaller --side or fewer results files"
        )
    pages.save(out, "WEBP", save_all=True, duration=1000 / fps, loop=0, quality=80, method=0)
    return out.getvalue()


def encode_mp4(page: Callable[[int], Image.Image], length: int, fps: float) -> bytes:
    """An MP4 with H.264, its sides rounded up to even numbers.

    Raises:
        InputError: where PyAV is not installed.
    """
    require_pyav()
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "20"}
        for t in range(length):
            picture = _even(page(t))
            if t == 0:
                stream.width, stream.height = picture.size
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return out.getvalue()


def require_pyav() -> None:
    """Refuses to go on without PyAV.

    Raises:
        InputError: saying how to install it.
    """
    try:
        import av  # noqa: F401
    except ImportError:
        raise InputError(
            "--format mp4 needs PyAV, which is not installed: pip install 'vis-bench[video]'"
        ) from None


def _even(picture: Image.Image) -> Image.Image:
    """With a white line more where a side is odd, as H.264 needs it."""
    width, height = (side + side % 2 for side in picture.size)
    if (width, height) == picture.size:
        return picture
    page = Image.new("RGB", (width, height), "white")
    page.paste(picture)
    return page


class _Pages(ImageFile.ImageFile):
    """Pages as a file of many pictures, each drawn when Pillow seeks it: none is kept."""

    format = "PAGES"

    def __init__(self, page: Callable[[int], Image.Image], length: int) -> None:
        self._page = page
        self._t = 0
        self.n_frames = length
        super().__init__(io.BytesIO())

    def _open(self) -> None:
        first = self._page(0)
        self._size, self._mode = first.size, first.mode
        self.im = first.im

    def load(self) -> Image.core.PixelAccess | None:
        return None

    def seek(self, frame: int) -> None:
        if frame != self._t:
            self._t, self.im = frame, self._page(frame).im

    def tell(self) -> int:
        return self._t
