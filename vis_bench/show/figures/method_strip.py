"""A strip of one video with a row for each method.

After figure 4 of SeqFormer (Wu et al., ECCV 2022): methods below each other, to see which is
stable over time.
"""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.runs.sources import Side
from vis_bench.show.figures.page import PAGE_WIDTH
from vis_bench.show.overlay.frame import VideoPictures
from vis_bench.show.overlay.rows import rows_of
from vis_bench.show.overlay.strip import GAP, MARKS, draw_strip


def draw_method_strip(
    video: Video,
    results: Mapping[str, Results],
    truth: GroundTruth | None,
    categories: Mapping[int, str],
    *,
    columns: int,
    min_score: float,
) -> Image.Image:
    """The strip, with the ground truth on top where there is one.

    Args:
        results: of this video, by the name of the row.
        columns: frames that are drawn.
        min_score: tracks with lower scores are not drawn.

    Raises:
        InputError: for a frame that cannot be read.
    """
    frames = video
    sources = [Side(name, own) for name, own in results.items()]
    rows = rows_of(frames, sources, truth, categories, min_score)
    pictures = VideoPictures(frames, rows, _refuse)
    width = (PAGE_WIDTH + GAP) // columns - GAP
    return draw_strip(pictures, columns, width, () if truth is None else MARKS)


def _refuse(message: str) -> None:
    """A frame that was read for the prediction must be readable now."""
    raise InputError(message)
