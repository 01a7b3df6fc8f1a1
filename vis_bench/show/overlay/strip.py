"""A strip: frames of a video side by side, a row for each results file.

After Fig. 1 of SeqFormer's supplement and Fig. 4 of its paper (Wu et al., ECCV 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from vis_bench.show.figures.panel_grid import Panel, compose
from vis_bench.show.overlay.video_pictures import VideoPictures


def draw_strip(
    pictures: VideoPictures, columns: int, width: int, marks: Sequence[str]
) -> Image.Image:
    """The strip of a video.

    A switch is marked in the first column at or after its frame.

    Args:
        columns: how many frames; fewer where the video has fewer.
        width: of one frame, in pixels.
    """
    frames = strip_frames(pictures.video.length, columns)
    rows: list[list[Panel]] = [[] for _ in pictures.rows]
    before = -1
    for t in frames:
        for r, picture in enumerate(pictures.at(t, width, since=before)):
            title = pictures.rows[r].name if t == frames[0] else ""
            rows[r].append(Panel(picture, title, f"frame {t}" if r == 0 else ""))
        before = t
    return compose(rows, marks)


def strip_frames(length: int, columns: int) -> list[int]:
    """The frames of a strip: evenly spread, the first and the last among them."""
    if columns == 1:
        return [length // 2]
    return np.unique(np.linspace(0, length - 1, columns).round().astype(int)).tolist()
