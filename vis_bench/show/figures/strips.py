"""Figures made of strips: methods below each other, and the videos that lose most AP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from PIL import Image, ImageDraw

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.metrics.errors import VideoErrors
from vis_bench.runs.sources import Side, Sources
from vis_bench.show.figures.page import PAGE_WIDTH, TEXT
from vis_bench.show.overlay.frame import Labels, VideoPictures
from vis_bench.show.overlay.label_box import font_of, shortened
from vis_bench.show.overlay.painting import BLACK, WHITE
from vis_bench.show.overlay.rows import rows_of
from vis_bench.show.overlay.strip import GAP, draw_strip

_HEADING, _BETWEEN = 26, 10


def draw_method_strip(
    video: Video,
    results: Mapping[str, Results],
    truth: GroundTruth | None,
    categories: Mapping[int, str],
    *,
    columns: int,
    min_score: float,
    labels: Labels,
) -> Image.Image:
    """Draw a strip of one video with the ground truth, if there is one, and a row per method.

    After figure 4 of SeqFormer (Wu et al., ECCV 2022). Unreadable frames are an InputError.

    Args:
        results: of this video, by the name of the row.
        columns: number of frames.
        min_score: tracks with lower scores are not drawn.
        labels: which frames name the tracks.
    """

    def refuse(message: str) -> None:
        raise InputError(message)

    sides = [Side(name, own) for name, own in results.items()]
    rows = rows_of(video, sides, truth, categories, min_score)
    return draw_strip(VideoPictures(video, rows, refuse, labels), columns, _width(columns))


def draw_failure_cases(
    sources: Sources,
    cases: Sequence[tuple[str, VideoErrors]],
    *,
    columns: int,
    min_score: float,
    labels: Labels,
    warn: Callable[[str], None],
    advance: Callable[[], object],
) -> Image.Image:
    """Draw a strip for each case, below each other: annotations, then results.

    Args:
        sources: of one set of predictions.
        cases: kind of error, and a video that loses AP to it.
        columns: number of frames in a strip.
        min_score: tracks with lower scores are not drawn.
        labels: which frames name the tracks.
        warn: called with a sentence for each frame that cannot be read.
        advance: called after each case.
    """
    videos = {video.id: video for video in sources.videos}
    truth = sources.truth
    strips = []
    for _, errors in cases:
        video = videos[errors.video.id]
        rows = rows_of(video, sources.sides, truth, truth.categories, min_score)
        strips.append(
            draw_strip(VideoPictures(video, rows, warn, labels), columns, _width(columns))
        )
        advance()
    height = sum(strip.height + _HEADING for strip in strips) + _BETWEEN * (len(strips) - 1)
    page = Image.new("RGB", (max(PAGE_WIDTH, *(strip.width for strip in strips)), height), WHITE)
    canvas, font, top = ImageDraw.Draw(page), font_of(TEXT + 2), 0
    for case, strip in zip(cases, strips, strict=True):
        heading = shortened(failure_heading(*case), font, page.width)
        canvas.text((0, top + _HEADING / 2), heading, fill=BLACK, font=font, anchor="lm")
        page.paste(strip, (0, top + _HEADING))
        top += _HEADING + strip.height + _BETWEEN
    return page


def failure_heading(kind: str, errors: VideoErrors) -> str:
    """Heading of a failure case, with AP in points."""
    return (
        f"{kind}: {errors.video.name} loses {100 * errors.gains[kind]:.1f} points of AP to it "
        f"(AP by itself {100 * errors.ap:.1f})"
    )


def _width(columns: int) -> int:
    """Width of a frame, so that the columns fill the page."""
    return (PAGE_WIDTH + GAP) // columns - GAP
