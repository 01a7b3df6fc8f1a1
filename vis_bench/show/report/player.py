"""Player of a video: its frames as pictures, and its masks as run lengths that the page paints."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from PIL import Image

from vis_bench.charts import encode_picture
from vis_bench.masks.rle import encode_masks
from vis_bench.show.overlay.frame import Instance, VideoPictures, gray_tile, tile_size
from vis_bench.show.overlay.painting import masks_at
from vis_bench.show.overlay.pixels import paint_sheet, paint_tile, resized
from vis_bench.show.overlay.strip import strip_frames, strip_sheet

_STRIP_COLUMNS, _STRIP_SIDE = 5, 170


@dataclass(frozen=True)
class Player:
    """Data from which a page draws every frame of a video.

    Attributes:
        panels: name of each row of pictures.
        data: `size` (width, height), `frames` as base64 of WebP, and `rows` of instances, each with
            its color, style, label, switches and a run-length encoded mask (or 0) per frame.
        strip: some frames of all panels, for print, as base64 of WebP; `strip_text` describes it.
        marks: see `VideoPictures.marks`.
        remarks: such as the number of tracks that are not drawn.
    """

    panels: Sequence[str]
    data: Mapping[str, Any]
    strip: str
    strip_text: str
    marks: Sequence[str]
    remarks: Sequence[str]

    @property
    def num_bytes(self) -> int:
        """Size within the page, about."""
        return len(self.strip) + len(orjson.dumps(self.data))


def make_player(pictures: VideoPictures, side: int) -> Player:
    """Encode every frame and mask, no larger than the video and with a long side of some pixels."""
    video = pictures.video
    size_hw = tile_size((video.height, video.width), min(video.width, pictures.width(side)))
    frames = []
    for t in range(video.length):
        frame = video.read(t)
        if isinstance(frame, str):
            pictures.warn(frame)
            frames.append(_webp(paint_tile(gray_tile(video, t, size_hw[1]))))
        else:
            frames.append(_webp(Image.fromarray(resized(frame, size_hw))))
    rows = [[_instance(i, video.length, size_hw) for i in row.instances] for row in pictures.rows]
    names = [row.name for row in pictures.rows]
    shown = ", ".join(map(str, strip_frames(video.length, _STRIP_COLUMNS)))
    width = pictures.width(_STRIP_SIDE)
    strip = paint_sheet(strip_sheet([("", pictures)], _STRIP_COLUMNS, width))
    return Player(
        names,
        {"size": size_hw[::-1], "frames": frames, "rows": rows},
        _webp(strip),
        f"Video {video.name}, frames {shown}; rows: {', '.join(names)}",
        pictures.marks(range(video.length)),
        pictures.remarks(),
    )


def _instance(instance: Instance, length: int, size_hw: tuple[int, int]) -> dict[str, Any]:
    present = [(t, mask) for t in range(length) if (mask := instance.masks_T[t])]
    masks: list[str | int] = [0] * length
    for t, mask in present:
        height, width = mask["size"]
        (scaled,) = encode_masks(masks_at([mask], (height, width), size_hw))
        masks[t] = scaled["counts"]
    return {
        "color": "#{:02x}{:02x}{:02x}".format(*instance.color),
        "style": instance.style,
        "label": instance.texts[0] if instance.texts else "",
        "switches": instance.switches,
        "masks": masks,
    }


def _webp(picture: Image.Image) -> str:
    return base64.b64encode(encode_picture(picture, "WEBP", quality=72, method=4)).decode()
