"""Strips as figures: methods below each other, and files of strips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.metrics.errors import of_video, repaired_ap
from vis_bench.metrics.frame_matches import followed_videos
from vis_bench.runs.sources import Side
from vis_bench.show.figures.page import PAGE_WIDTH, SMALL, TEXT, PageStyle, encode_png
from vis_bench.show.figures.vectors import draw_sheet, vector_letters
from vis_bench.show.overlay.frame import Labels, VideoPictures
from vis_bench.show.overlay.label_box import Letters
from vis_bench.show.overlay.pixels import LIGHT, Ground, paint_sheet
from vis_bench.show.overlay.rows import rows_of
from vis_bench.show.overlay.strip import GAP, Blocks, strip_sheet
from vis_bench.text import count

# Pixels of a PNG per pixel of its layout, for sharp letters on dense screens.
_DENSITY = 2


def method_strip(
    video: Video,
    results: Mapping[str, Results],
    truth: GroundTruth | None,
    categories: Mapping[int, str],
    *,
    min_score: float,
    labels: Labels,
) -> Blocks:
    """Return the ground truth of one video, if there is one, and a row per method with its AP.

    After figure 4 of SeqFormer (Wu et al., ECCV 2022). Unreadable frames are an InputError.

    Args:
        results: of this video, by the name of the row.
        min_score: tracks with lower scores are pale, or not drawn.
        labels: which frames name the tracks.
    """

    def refuse(message: str) -> None:
        raise InputError(message)

    sides = [Side(name, own) for name, own in results.items()]
    rows = rows_of(video, sides, truth, categories, min_score)
    heading = f"{video.name}: {count(video.length, 'frame')}"
    if truth is not None:
        num_objects = sum(thing.video_id == video.id for thing in truth.objects)
        heading = f"{heading}, {count(num_objects, 'object')}"
        aps = [video_ap(truth, own, video) for own in results.values()]
        notes = ["", *("" if ap is None else f"AP {100 * ap:.1f}" for ap in aps)]
        rows = [replace(row, note=note) for row, note in zip(rows, notes, strict=True)]
    return [(heading, VideoPictures(video, rows, refuse, labels))]


def video_ap(truth: GroundTruth, results: Results, video: Video) -> float | None:
    """Return the AP of one video as a data set of its own; None if it has no object to find."""
    own, tracks = of_video(truth, results, video)
    [followed] = followed_videos(own, tracks)
    return repaired_ap([followed.video], own.categories)


def encode_strips(
    blocks: Blocks,
    columns: int,
    column: float | None,
    form: str,
    ground: Ground = LIGHT,
    remark: str = "",
) -> bytes:
    """Draw the strips below each other: vectors in SVG, PDF and for a paper, else pixels.

    Args:
        columns: number of frames in a strip.
        column: width in a paper, in inches.
        form: "png", "svg" or "pdf".
        ground: colors of the page, of pixels.
        remark: stands below the strips.
    """
    style = PageStyle.of_column(column)
    if form != "png" or column is not None:
        width = (int(style.width) + GAP) // columns - GAP
        vectors = vector_letters(style.small), vector_letters(style.text)
        sheet = strip_sheet(blocks, columns, width, *vectors, int(style.width), remark)
        return draw_sheet(sheet, style).encoded(form)
    page_width = _DENSITY * PAGE_WIDTH
    width = (page_width + GAP) // columns - GAP
    letters, heading = (Letters.of_pixels(_DENSITY * size) for size in (SMALL - 1, TEXT + 2))
    sheet = strip_sheet(blocks, columns, width, letters, heading, page_width, remark)
    return encode_png(paint_sheet(sheet, ground))
