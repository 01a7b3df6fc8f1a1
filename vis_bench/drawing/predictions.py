"""Drawing what the command `predict` wrote, over the frames that it read."""

from __future__ import annotations

from pathlib import Path

from vis_bench.drawing.drawn_inputs import read_inputs
from vis_bench.drawing.overlays import Drawn, OverlayPlan, draw_overlays
from vis_bench.progress import Bars


def draw_predictions(
    results: Path,
    frames: Path,
    output: Path,
    dataset: str | None,
    bars: Bars,
    annotations: Path | None = None,
) -> Drawn:
    """Draws a strip and an animation per video.

    Args:
        results: the results file.
        frames: one video's frames, or a folder per video, as `predict` read them.
        output: folder of pictures to write.
        dataset: whose class names to write; None without a known one.
        annotations: the list of videos, where `predict` had one.

    Raises:
        InputError: as `read_inputs` and `draw_overlays`.
    """
    inputs = read_inputs([str(results)], frames, annotations, dataset=dataset)
    return draw_overlays(
        inputs.videos, inputs.sources, None, inputs.categories, output, OverlayPlan(), bars
    )
