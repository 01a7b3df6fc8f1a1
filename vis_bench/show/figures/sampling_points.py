"""Sampling points of the decoder's deformable attention: a row per layer, a column per frame.

After figure 2 of SeqFormer's supplement (Wu et al., ECCV 2022): filled circles at the sampling
points of each instance, in its color. Here a circle's area is its attention weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vis_bench.inference.attention import RecordedVideo
from vis_bench.show.figures.page import (
    GAP,
    README,
    FigurePage,
    PageStyle,
    circles,
    pale,
    points,
    size_beside,
)
from vis_bench.show.overlay.rows import ShownTrack

_LEFT, _BAND = 24, 24
# The diameter of the circle of the largest weight, in pixels of a picture that is 210 wide.
_LARGEST = 15.0
# Least width of an entry of the legend, in heights of text.
_ENTRY = 13


def draw_sampling_points(
    recorded: RecordedVideo,
    shown: Sequence[ShownTrack],
    layers: Sequence[int],
    frames: Sequence[int],
    style: PageStyle = README,
) -> FigurePage:
    """Draw the figure of one video.

    Args:
        recorded: with the decoder's attention.
        shown: the instances; the first lies on top.
        layers: from 0.
        frames: from 0.
    """
    decoder = recorded.attention.decoder
    assert decoder is not None, "the method records its decoder"
    width, height = size_beside(style, recorded.video, len(frames), _LEFT)
    entries = max(1, int((style.width - _LEFT) / (_ENTRY * style.text)))
    lines = 1 + len(shown) // entries
    page = FigurePage(_BAND + len(layers) * (height + GAP) + lines * _BAND + 4, style)
    rows = [track.row for track in shown]
    locations = decoder.sampling_locations_LTQMKP2[:, :, rows].float().cpu().numpy()
    weights = decoder.attention_weights_LTQMKP[:, :, rows].float().cpu().numpy()
    largest = weights[list(layers)][:, list(frames)].max()
    for c, t in enumerate(frames):
        left = _LEFT + c * (width + GAP)
        page.small(left + width / 2, _BAND / 2, f"frame {t}", "center")
        frame_HW3 = recorded.video.frames[t]
        for r, layer in enumerate(layers):
            axes = page.picture(pale(frame_HW3), left, _BAND + r * (height + GAP), width, height)
            for n in reversed(range(len(shown))):
                x, y = locations[layer, t, n].reshape(-1, 2).T
                relative = np.maximum(weights[layer, t, n].ravel() / largest, 0.01)
                areas = relative * points(_LARGEST * width / 210) ** 2
                circles(axes, x, y, areas, shown[n].color, alpha=0.85)
            axes.set(xlim=(0, 1), ylim=(1, 0))
    for r, layer in enumerate(layers):
        y = _BAND + r * (height + GAP) + height / 2
        page.small(_LEFT / 2 - 2, y, f"layer {layer + 1}", "center").set_rotation(90)
    top = _BAND + len(layers) * (height + GAP) + 2
    for n, track in enumerate(shown):
        page.dot(*_legend_place(n, top, entries, style), track.color, track.title)
    place = _legend_place(len(shown), top, entries, style)
    page.small(*place, f"area: weight, at most {largest:.2f}")
    return page


def _legend_place(n: int, top: float, entries: int, style: PageStyle) -> tuple[float, float]:
    """Left end and middle height of entry n of the legend."""
    line, column = divmod(n, entries)
    return _LEFT + column * (style.width - _LEFT) / entries, top + (line + 0.5) * _BAND
