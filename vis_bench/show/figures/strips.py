"""Strips as figures: methods below each other, and files of strips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.metrics.errors import of_video, repaired_ap
from vis_bench.metrics.frame_matches import followed_videos
from vis_bench.runs.sources import Side, Sources
from vis_bench.show.figures.page import PAGE_WIDTH, SMALL, TEXT, PageStyle, encode_png
from vis_bench.show.figures.vectors import draw_sheet, vector_letters
from vis_bench.show.overlay.frame import ShownLabels, VideoPictures
from vis_bench.show.overlay.label_box import Letters
from vis_bench.show.overlay.pixels import DARK, LIGHT, paint_sheet
from vis_bench.show.overlay.rows import rows_of
from vis_bench.show.overlay.strip import GAP, Blocks, strip_sheet
from vis_bench.show.overlay.tracks import objects_of, outcomes, tracks_of
from vis_bench.text import count

# Pixels of a PNG per pixel of its layout, for sharp letters on dense screens.
_DENSITY = 2


@dataclass(frozen=True)
class MethodStrip:
    """One video and the results of some methods on it, by the name of the row."""

    video: Video
    results: Mapping[str, Results]
    truth: GroundTruth | None
    categories: Mapping[int, str]

    @classmethod
    def of(cls, sources: Sources, video: Video) -> MethodStrip:
        """Take the results of all sides on a video."""
        results = {side.name: side.results for side in sources.sides}
        return cls(video, results, sources.annotated, sources.truth.categories)

    def aps(self) -> dict[str, float | None]:
        """Return the AP of each row on this video; None without annotations."""
        if self.truth is None:
            return dict.fromkeys(self.results)
        return {name: video_ap(self.truth, own, self.video) for name, own in self.results.items()}


def method_strip(strip: MethodStrip, *, min_score: float, labels: ShownLabels) -> Blocks:
    """Return the ground truth of one video, if there is one, and a row per method with its AP.

    After figure 4 of SeqFormer (Wu et al., ECCV 2022). Unreadable frames are an InputError.

    Args:
        min_score: tracks with lower scores are pale, or not drawn.
        labels: which frames name the tracks.
    """

    def refuse(message: str) -> None:
        raise InputError(message)

    video, truth = strip.video, strip.truth
    sides = [Side(name, own) for name, own in strip.results.items()]
    rows = rows_of(video, sides, truth, strip.categories, min_score)
    heading = f"{video.name}: {count(video.length, 'frame')}"
    if truth is not None:
        num_objects = sum(thing.video_id == video.id for thing in truth.objects)
        heading = f"{heading}, {count(num_objects, 'object')}"
        aps = ["" if ap is None else f"AP {100 * ap:.1f}" for ap in strip.aps().values()]
        rows = [replace(row, note=note) for row, note in zip(rows, ["", *aps], strict=True)]
    return [(heading, VideoPictures(video, rows, refuse, labels))]


def telling_strip(sources: Sources, min_score: float) -> MethodStrip:
    """Return the video with most objects among those whose picture agrees with the ranking.

    There AP and the number of objects that tracks with at least `min_score` find fall from side to
    side, as the AP of all videos does. If no video agrees, all are candidates.

    Args:
        sources: the best side first.
    """

    def agrees(strip: MethodStrip) -> bool:
        aps = [ap or 0.0 for ap in strip.aps().values()]
        found = [_num_found(sources, own, strip.video, min_score) for own in strip.results.values()]
        pairs = [*pairwise(zip(aps, found, strict=True))]
        return all(ap > other and num >= less for (ap, num), (other, less) in pairs)

    objects = Counter(item.video_id for item in sources.truth.objects)
    strips = [MethodStrip.of(sources, video) for video in sources.videos]
    return max([*filter(agrees, strips)] or strips, key=lambda strip: objects[strip.video.id])


def _num_found(sources: Sources, results: Results, video: Video, min_score: float) -> int:
    tracks, objects = tracks_of(results, video, min_score), objects_of(sources.truth, video)
    return int((outcomes(tracks, objects).found_N >= 0).sum())


def video_ap(truth: GroundTruth, results: Results, video: Video) -> float | None:
    """Return the AP of one video as a data set of its own; None if it has no object to find."""
    own, tracks = of_video(truth, results, video)
    [followed] = followed_videos(own, tracks)
    return repaired_ap([followed.video])


def encode_strips(
    blocks: Blocks,
    columns: int,
    column: float | None,
    form: str,
    remark: str = "",
    *,
    dark: bool = False,
) -> bytes:
    """Draw the strips below each other: vectors in SVG, PDF and for a paper, else pixels.

    Args:
        columns: number of frames in a strip.
        column: width in a paper, in inches.
        form: "png", "svg" or "pdf".
        remark: stands below the strips.
        dark: draw on a dark ground.
    """
    style = PageStyle.of_column(column, dark=dark)
    if form != "png" or column is not None:
        width = (int(style.width) + GAP) // columns - GAP
        vectors = vector_letters(style.small), vector_letters(style.text)
        sheet = strip_sheet(blocks, columns, width, *vectors, int(style.width), remark)
        return draw_sheet(sheet, style).encoded(form)
    page_width = _DENSITY * PAGE_WIDTH
    width = (page_width + GAP) // columns - GAP
    letters, heading = (Letters.of_pixels(_DENSITY * size) for size in (SMALL - 1, TEXT + 2))
    sheet = strip_sheet(blocks, columns, width, letters, heading, page_width, remark)
    return encode_png(paint_sheet(sheet, DARK if dark else LIGHT))
