"""Drawing what the command `predict` wrote, over the frames that it read."""

from __future__ import annotations

from pathlib import Path

from vis_bench.data.annotations import GroundTruth
from vis_bench.files import check_writable
from vis_bench.progress import Bars
from vis_bench.show.overlay.drawn_inputs import annotations_to_draw, read_inputs
from vis_bench.show.overlay.frame_files import annotated_videos
from vis_bench.show.overlay.overlays import Drawn, OverlayPlan, draw_overlays


def check_can_draw(frames: Path, output: Path, annotations: Path | None) -> None:
    """Refuses what `draw_predictions` would refuse only after everything is predicted.

    Raises:
        InputError: for a folder that cannot be written to, or annotations that are wrong.
    """
    check_writable(output / "strip.png")
    if annotations is not None:
        content = annotations_to_draw(annotations)
        annotated_videos(content, GroundTruth.of(content, str(annotations)), frames)


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
