"""What `figure time-weights` prints of the frames in which objects are absent."""

from __future__ import annotations

from tabulate import tabulate

from vis_bench.metrics.time_weights import AbsentFrames, LayerWeights
from vis_bench.show.tables.model import ABSENT


def time_weights_text(found: AbsentFrames) -> str:
    """How many tracks count, and each layer's mean weights with an interval."""
    head = (
        f"tracks that find an object: {found.num_found}; of these with an object that is absent in "
        f"some frames: {found.num_counted}, in {found.num_counted_videos} of {found.num_videos} "
        f"videos (absent in {found.num_absent} frames, present in {found.num_present})\n"
    )
    if not found.num_counted:
        return head
    rows = [[str(n), *_figures(layer)] for n, layer in enumerate(found.layers, 1)]
    columns = ["Layer", "Absent", "Present", "Absent - present", "95 % interval"]
    table = tabulate(rows, columns, tablefmt="github", disable_numparse=True, stralign="right")
    return (
        f"{head}mean weight of a frame, in multiples of an equal share (1 / frames of the video); "
        f"intervals by a bootstrap over videos:\n{table}\n"
    )


def _figures(layer: LayerWeights) -> list[str]:
    values = [layer.absent, layer.present, layer.difference, layer.low, layer.high]
    absent, present, difference, low, high = (
        ABSENT if value is None else f"{value:.2f}" for value in values
    )
    interval = ABSENT if layer.low is None else f"{low} to {high}"
    return [absent, present, difference, interval]
