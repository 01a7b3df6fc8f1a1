"""Figures made of strips: methods below each other, and the videos that lose most AP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vis_bench.charts import encode_picture
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.metrics.errors import VideoErrors
from vis_bench.runs.sources import Side, Sources
from vis_bench.show.figures.page import PAGE_WIDTH, TEXT, PageStyle
from vis_bench.show.figures.vectors import draw_sheet, vector_letters
from vis_bench.show.overlay.frame import Labels, VideoPictures
from vis_bench.show.overlay.label_box import Letters
from vis_bench.show.overlay.pixels import LIGHT, Ground, paint_sheet
from vis_bench.show.overlay.rows import rows_of
from vis_bench.show.overlay.strip import GAP, Blocks, strip_sheet

# Kind of error -> what costs AP.
_CAUSES = {
    "class": "wrong classes", "duplicate": "duplicates", "background": "tracks of no object",
    "missed": "missed objects", "switch": "switches", "fragment": "fragments", "drift": "drift",
}  # fmt: skip


def method_strip(
    video: Video,
    results: Mapping[str, Results],
    truth: GroundTruth | None,
    categories: Mapping[int, str],
    *,
    min_score: float,
    labels: Labels,
) -> Blocks:
    """Return the ground truth of one video, if there is one, and a row per method.

    After figure 4 of SeqFormer (Wu et al., ECCV 2022). Unreadable frames are an InputError.

    Args:
        results: of this video, by the name of the row.
        min_score: tracks with lower scores are not drawn.
        labels: which frames name the tracks.
    """

    def refuse(message: str) -> None:
        raise InputError(message)

    sides = [Side(name, own) for name, own in results.items()]
    rows = rows_of(video, sides, truth, categories, min_score)
    return [("", VideoPictures(video, rows, refuse, labels))]


def failure_cases(
    sources: Sources,
    cases: Sequence[tuple[str, VideoErrors]],
    *,
    min_score: float,
    labels: Labels,
    warn: Callable[[str], None],
) -> Blocks:
    """Return annotations and results of each case, with a heading.

    Args:
        sources: of one set of predictions.
        cases: kind of error, and a video that loses AP to it.
        min_score: tracks with lower scores are not drawn.
        labels: which frames name the tracks.
        warn: called with a sentence for each frame that cannot be read.
    """
    videos = {video.id: video for video in sources.videos}
    truth = sources.truth
    return [
        (
            failure_heading(kind, errors),
            VideoPictures(
                videos[errors.video.id],
                rows_of(videos[errors.video.id], sources.sides, truth, truth.categories, min_score),
                warn,
                labels,
            ),
        )
        for kind, errors in cases
    ]


def encode_strips(
    blocks: Blocks, columns: int, column: float | None, form: str, ground: Ground = LIGHT
) -> bytes:
    """Draw the strips below each other: vectors in SVG, PDF and for a paper, else pixels.

    Args:
        columns: number of frames in a strip.
        column: width in a paper, in inches.
        form: "png", "svg" or "pdf".
        ground: colors of the page, of pixels.
    """
    style = PageStyle.of_column(column)
    width = (int(style.width) + GAP) // columns - GAP
    if form != "png" or column is not None:
        letters = vector_letters(style.small), vector_letters(style.text)
        sheet = strip_sheet(blocks, columns, width, *letters, int(style.width))
        return draw_sheet(sheet, style).encoded(form)
    heading = Letters.of_pixels(TEXT + 2)
    sheet = strip_sheet(blocks, columns, width, None, heading, PAGE_WIDTH)
    return encode_picture(paint_sheet(sheet, ground), "PNG", optimize=True)


def failure_heading(kind: str, errors: VideoErrors) -> str:
    """Heading of a failure case, with AP in points."""
    cause = kind
    if kind == "identity":
        cause = max(errors.identity_gains, key=lambda part: errors.identity_gains[part])
    return (
        f"{kind.capitalize()}, {errors.video.name}: AP {100 * errors.ap:.1f}, "
        f"{100 * errors.gains[kind]:.1f} lost to {_CAUSES.get(cause, cause)}"
    )
