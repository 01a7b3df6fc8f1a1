"""Attention of IFC's memory tokens: for each token, its weights as heat over a frame.

A memory token gathers a frame's content, which later layers pass to other frames (Hwang et al.,
NeurIPS 2021, section 3.1). The paper does not show the parts of a frame that it gathers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vis_bench.inference.attention import RecordedVideo
from vis_bench.show.figures.page import (
    GAP,
    README,
    FigurePage,
    PageStyle,
    fill,
    pale,
    points,
    rgb,
    size_beside,
)
from vis_bench.show.overlay.frame import Instance, make_tile
from vis_bench.show.overlay.pixels import paint_tile
from vis_bench.table.number_format import percent

_BAND = 20
_HEAT = rgb((213, 94, 0))
_OPAQUE = 0.9  # of the largest weight
_LEAST_WIDTH = 16  # of a picture with its title, in heights of text


def draw_memory_tokens(
    recorded: RecordedVideo,
    instances: Sequence[Instance],
    layer: int,
    frames: Sequence[int],
    style: PageStyle = README,
) -> FigurePage:
    """Draw the figure of one video: for each frame its masks, and then a picture per token.

    Args:
        recorded: with the memory tokens' attention.
        instances: drawn on the picture of the masks.
        layer: from 0.
        frames: from 0.
    """
    weights = recorded.attention.memory_weights_LTMBhw
    assert weights is not None, "the method records its memory tokens"
    video = recorded.video
    weights_LTMBhw = weights.float().cpu().numpy()
    weights_TBhw = weights_LTMBhw[layer].mean(1)
    num_tokens = weights_TBhw.shape[1]
    columns = math.ceil(math.sqrt(num_tokens + 1))
    columns = max(1, min(columns, int(style.width / (_LEAST_WIDTH * style.small))))
    num_rows = math.ceil((num_tokens + 1) / columns)
    width, height = size_beside(style, video, columns, 0)
    block = num_rows * (_BAND + height)
    largest = float(weights_TBhw[list(frames)].max())
    words = f"mean attention weight of the heads, layer {layer + 1} of {len(weights_LTMBhw)}"
    lines = style.lines(
        f"{words}; the rest goes to the memory tokens. Tokens by their weight in these frames"
    )
    order = _by_weight(weights_TBhw[list(frames)])
    page = FigurePage(len(frames) * block + 2 * _BAND + 12 + 1.35 * style.small * len(lines), style)
    for f, t in enumerate(frames):
        frame_HW3 = recorded.video.frames[t]
        tile = make_tile(frame_HW3, instances, t, round(width * style.dpi / 100))
        masks = np.asarray(paint_tile(tile))
        for place in range(num_tokens + 1):
            row, column = divmod(place, columns)
            left, top = column * (width + GAP), f * block + row * (_BAND + height)
            if place == 0:
                page.small(left, top + _BAND / 2, f"frame {t}, prediction")
                page.picture(masks, left, top + _BAND, width, height)
                continue
            token = order[place - 1]
            heat_hw = weights_TBhw[t, token]
            words = f"token {token + 1}: {percent(heat_hw.sum())} to the frame"
            page.small(left, top + _BAND / 2, words)
            axes = page.picture(pale(frame_HW3), left, top + _BAND, width, height)
            fill(axes, _heat(heat_hw / largest))
    _explain(page, len(frames) * block, largest, lines)
    return page


def _by_weight(weights_TBhw: np.ndarray) -> list[int]:
    """The tokens from 0, those that give most weight to the frames first."""
    return np.argsort(-weights_TBhw.sum((0, 2, 3)), kind="stable").tolist()


def _explain(page: FigurePage, top: float, largest: float, lines: Sequence[str]) -> None:
    """Add a color bar and its caption."""
    axes = page.axes(28, top + _BAND - 4, 160, 12)
    axes.imshow(_heat(np.linspace(0, 1, 64)[None]), aspect="auto")
    axes.set(xticks=[], yticks=[], facecolor=page.style.ground)
    page.small(22, top + _BAND + 2, "0", "right")
    page.small(194, top + _BAND + 2, f"{largest:.3f}")
    page.paragraph(0, top + _BAND + 20, lines)
    for spine in axes.spines.values():
        spine.set_linewidth(points(0.8))
        spine.set_edgecolor(page.style.ink)


def _heat(relative_hw: np.ndarray) -> np.ndarray:
    """RGBA, 0..1: one color, more opaque for larger weights, which are at most 1."""
    color_hw3 = np.broadcast_to(_HEAT, (*relative_hw.shape, 3))
    return np.concatenate([color_hw3, _OPAQUE * relative_hw[..., None]], -1)
