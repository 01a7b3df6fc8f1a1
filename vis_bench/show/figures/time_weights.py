"""Weight of each frame in an instance: thumbnails, and below them the weights of all frames.

After figure 3 of SeqFormer's supplement (Wu et al., ECCV 2022), which prints the softmax weight
below a few frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vis_bench.inference.attention import RecordedVideo
from vis_bench.metrics.time_weights import AbsentFrames
from vis_bench.show.figures.page import (
    GAP,
    README,
    FigurePage,
    PageStyle,
    points,
    rgb,
    size_beside,
)
from vis_bench.show.overlay.frame import make_tile
from vis_bench.show.overlay.pixels import paint_tile
from vis_bench.show.overlay.rows import ShownTrack
from vis_bench.table import render
from vis_bench.table.model import ABSENT, Column, Table
from vis_bench.table.number_format import number

_LEFT, _BAND, _PLOT, _TITLE = 40, 22, 64, 24
# Width of a weight, in heights of text: it stands above the bars below it.
_LABEL = 3


def draw_time_weights(
    recorded: RecordedVideo,
    shown: Sequence[ShownTrack],
    layer: int,
    frames: Sequence[int],
    style: PageStyle = README,
) -> FigurePage:
    """Draw the figure of one video.

    Args:
        recorded: with the decoder's attention.
        shown: the instances, one plot each.
        layer: from 0.
        frames: that have a thumbnail, from 0, evenly spread; the plots show all.
    """
    decoder = recorded.attention.decoder
    assert decoder is not None, "the method records its decoder"
    video = recorded.video
    width, height = size_beside(style, video, len(frames), _LEFT)
    top = _BAND + height
    weights_LTQ = decoder.time_weights_LTQ.float().cpu().numpy()
    absent = "the object is absent" if all(s.annotated for s in shown) else "there is no mask"
    words = f"pale: {absent}; line: an equal share, 1/{video.length}; layer {layer + 1} of "
    lines = style.lines(f"softmax weight of each frame; {words}{len(weights_LTQ)}")
    below = 2 * _BAND + 8 + 1.35 * style.small * (len(lines) - 1)
    page = FigurePage(top + len(shown) * (_TITLE + _PLOT) + below, style)
    for c, t in enumerate(frames):
        left = _LEFT + c * (width + GAP)
        page.small(left + width / 2, _BAND / 2, f"frame {t}", "center")
        tracks = [track.instance for track in shown]
        tile = make_tile(recorded.video.frames[t], tracks, t, 2 * round(width), labeled=())
        page.picture(np.asarray(paint_tile(tile)), left, _BAND, width, height)
    shares_QT = weights_LTQ[layer][:, [track.row for track in shown]].T
    highest = 1.25 * shares_QT.max()
    first, last = _LEFT + width / 2, style.width - width / 2
    step = (last - first) / max(1, video.length - 1)
    for n, track in enumerate(shown):
        y = top + n * (_TITLE + _PLOT)
        _plot(page, y, shares_QT[n], track, frames, highest, (first, step))
    y = top + len(shown) * (_TITLE + _PLOT) + _BAND
    page.paragraph(style.width / 2, y + 6, lines, align="center")
    return page


def _plot(
    page: FigurePage,
    top: float,
    shares_T: np.ndarray,
    track: ShownTrack,
    frames: Sequence[int],
    highest: float,
    line: tuple[float, float],
) -> None:
    """Draw the weights of one instance, each bar below its frame's place in the row of thumbnails.

    Args:
        line: middle of the first bar, and distance from bar to bar, in pixels.
    """
    from matplotlib.patheffects import withStroke

    first, step = line
    page.dot(_LEFT, top + _TITLE / 2 + 3, track.color, track.title)
    page.small(page.style.width, top + _TITLE / 2 + 3, "weight", "right")
    axes = page.axes(_LEFT, top + _TITLE, page.style.width - _LEFT, _PLOT)
    ink, ground = page.style.ink, page.style.ground
    axes.set_facecolor(ground)
    axes.tick_params(colors=ink)
    for spine in axes.spines.values():
        spine.set_edgecolor(ink)
    x_T = first + step * np.arange(len(shares_T))
    color = rgb(track.color)
    pale = tuple(0.3 * part + 0.7 for part in color)
    colors = [color if present else pale for present in track.present_T]
    axes.bar(x_T, shares_T, 0.75 * step, color=colors, edgecolor="black", linewidth=0.5)
    axes.axhline(1 / len(shares_T), color=ink, linewidth=0.8, linestyle=(0, (4, 3)))
    looks: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": points(page.style.small)}
    looks |= {"color": ink, "path_effects": [withStroke(linewidth=2.5, foreground=ground)]}
    reach = math.ceil(_LABEL * page.style.small / 2 / step) if step else 0
    for t in frames:
        top_of_bars = x_T[t], shares_T[max(0, t - reach) : t + reach + 1].max()
        words = f"{shares_T[t]:.3f}"
        axes.annotate(words, top_of_bars, (0, 2), textcoords="offset points", **looks)
    axes.set(xlim=(_LEFT, page.style.width), ylim=(0, highest), xticks=[])
    equal = 1 / len(shares_T)
    axes.set_yticks([0, equal], ["0", f"1/{len(shares_T)}"], fontsize=points(page.style.small))
    axes.spines[["top", "right"]].set_visible(False)


def time_weights_text(found: AbsentFrames) -> str:
    """The number of tracks, and the mean weights of each layer with an interval."""
    head = (
        f"tracks that find an object: {found.num_found}; of these with an object that is absent in "
        f"some frames: {found.num_counted}, in {found.num_counted_videos} of {found.num_videos} "
        f"videos (absent in {found.num_absent} frames, present in {found.num_present})\n"
    )
    if not found.num_counted:
        return head
    columns = map(Column, ("Layer", "Absent", "Present", "Absent - present", "95 % interval"))
    rows = []
    for place, layer in enumerate(found.layers, 1):
        means = [number(value, 2) for value in (layer.absent, layer.present, layer.difference)]
        interval = ABSENT
        if layer.low is not None and layer.high is not None:
            interval = f"{layer.low:.2f} to {layer.high:.2f}"
        rows.append([str(place), *means, interval])
    return (
        f"{head}mean weight of a frame, in multiples of an equal share (1 / frames of the video); "
        f"intervals by a bootstrap over videos:\n{render(Table.of(list(columns), rows))}"
    )
