"""The videos that lose most AP to each kind of error, each as a strip below the annotations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.video import Video
from vis_bench.metrics.video_errors import VideoErrors
from vis_bench.runs.sources import Side
from vis_bench.show.figures.page import PAGE_WIDTH, TEXT
from vis_bench.show.overlay.frame import VideoPictures
from vis_bench.show.overlay.label_box import font_of, shortened
from vis_bench.show.overlay.painting import BLACK, WHITE
from vis_bench.show.overlay.rows import rows_of
from vis_bench.show.overlay.strip import MARKS, draw_strip

_HEADING, _BETWEEN = 26, 10


@dataclass(frozen=True)
class FailureCase:
    """A video, and the kind of error that it loses AP to."""

    kind: str
    errors: VideoErrors

    @property
    def heading(self) -> str:
        """In words, with figures in points."""
        video, ap, gain = self.errors.video, self.errors.ap, self.errors.gains[self.kind]
        return (
            f"{self.kind}: {video.name} loses {100 * gain:.1f} points of AP to it "
            f"(AP by itself {100 * ap:.1f})"
        )


def draw_failure_cases(
    cases: Sequence[FailureCase],
    videos: Mapping[int, Video],
    source: Side,
    truth: GroundTruth,
    categories: Mapping[int, str],
    *,
    columns: int,
    min_score: float,
    warn: Callable[[str], None],
    advance: Callable[[], object],
) -> Image.Image:
    """The strips below each other: annotations, then results, with what `draw` marks in them.

    Args:
        videos: by id.
        columns: frames in a strip.
        min_score: tracks with lower scores are not drawn.
        warn: is told about each frame that cannot be read.
        advance: called after each case.

    Raises:
        InputError: for results or annotations that do not fit a video's frames.
    """
    width = (PAGE_WIDTH + 4) // columns - 4
    strips = []
    for place, case in enumerate(cases):
        video = videos[case.errors.video.id]
        rows = rows_of(video, [source], truth, categories, min_score)
        pictures = VideoPictures(video, rows, warn)
        marks = MARKS if place == len(cases) - 1 else ()
        strips.append(draw_strip(pictures, columns, width, marks))
        advance()
    height = sum(strip.height + _HEADING for strip in strips) + _BETWEEN * (len(strips) - 1)
    page = Image.new("RGB", (max(PAGE_WIDTH, *(strip.width for strip in strips)), height), WHITE)
    canvas, font, top = ImageDraw.Draw(page), font_of(TEXT + 2), 0
    for case, strip in zip(cases, strips, strict=True):
        middle = (0, top + _HEADING / 2)
        heading = shortened(case.heading, font, page.width)
        canvas.text(middle, heading, fill=BLACK, font=font, anchor="lm")
        page.paste(strip, (0, top + _HEADING))
        top += _HEADING + strip.height + _BETWEEN
    return page
