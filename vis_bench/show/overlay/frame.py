"""Pictures of a video's frames with its tracks: masks, and a label beside each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from vis_bench.data.video import Video
from vis_bench.masks.rle import RLE
from vis_bench.show.charts import Placed, place_labels
from vis_bench.show.overlay.label_box import Chip, chip_lines, font_of, leader, shortened, text_size
from vis_bench.show.overlay.painting import (
    BLACK,
    GRAY,
    WHITE,
    Color,
    Style,
    color_of,
    masks_at,
    paint,
)


@dataclass(frozen=True)
class Instance:
    """One mask or none per frame, and how it looks.

    Attributes:
        masks_T: of the video's size.
        identity: number of the object that it shows; one color goes with it.
        texts: what its label says, from the longest to the shortest that will do.
        style: `track` is filled, `false` hatched, `missed` only outlined, with dashes.
        switches: frames in which its identity switches.
        abbreviation: what its label may say in small pictures, where none of `texts` has room.
    """

    masks_T: Sequence[RLE | None]
    identity: int
    texts: tuple[str, ...]
    style: Style = "track"
    switches: tuple[int, ...] = ()
    abbreviation: str = ""


Offsets = dict[int, tuple[float, float]]
# Pictures narrower than this many pixels may abbreviate labels.
SMALL = 250


@dataclass(frozen=True)
class Row:
    """One row of a video's pictures: the ground truth, or one results file."""

    name: str
    instances: Sequence[Instance]


def draw_frame(
    frame_HW3: np.ndarray,
    instances: Sequence[Instance],
    t: int,
    width: int,
    *,
    since: int | None = None,
    offsets: Offsets | None = None,
    labels: bool = True,
) -> Image.Image:
    """Frame t of a video with the instances that are in it.

    Args:
        frame_HW3: uint8 RGB.
        instances: earlier ones lie above later ones, and their labels find a place first.
        width: of the picture, in pixels; its height keeps the frame's shape.
        since: identity switches after this frame and up to t are marked; only those in t if None.
        offsets: where labels were in the frame before, by place in `instances`; updated.
        labels: whether class and score stand beside the masks.
    """
    size_hw = tile_size(frame_HW3.shape[:2], width)
    shown = [(i, instance) for i, instance in enumerate(instances) if instance.masks_T[t]]
    masks = [mask for _, instance in shown if (mask := instance.masks_T[t])]
    masks_Nhw = masks_at(masks, frame_HW3.shape[:2], size_hw)
    colors = [_color(instance) for _, instance in shown]
    first = t if since is None else since + 1
    switches = [[s for s in instance.switches if first <= s <= t] for _, instance in shown]
    painted_hw3 = paint(
        _resized(frame_HW3, size_hw), masks_Nhw, colors,
        [instance.style for _, instance in shown], list(map(bool, switches)),
    )  # fmt: skip
    picture = Image.fromarray(painted_hw3)
    if not labels:
        return picture
    chips = [
        _chips(instance, color, at, width)
        for (_, instance), color, at in zip(shown, colors, switches, strict=True)
    ]
    offsets = {} if offsets is None else offsets
    before = {n: offsets[i] for n, (i, _) in enumerate(shown) if i in offsets}
    sizes = [[chip.size() for chip in forms] for forms in chips]
    placed = place_labels(masks_Nhw, sizes, before)
    _draw_labels(picture, masks_Nhw, chips, colors, placed)
    for (i, _), place in zip(shown, placed, strict=True):
        if place is not None:
            offsets[i] = place.offset
    return picture


def gray_frame(video: Video, t: int, width: int) -> Image.Image:
    """What stands for a frame that cannot be read."""
    height, width = tile_size((video.height, video.width), width)
    picture = Image.new("RGB", (width, height), GRAY)
    font = font_of(text_size(width))
    text = shortened(f"frame {t} cannot be read", font, width - 4)
    ImageDraw.Draw(picture).text(
        (width / 2, height / 2), text, fill=BLACK, font=font, anchor="mm"
    )  # fmt: skip
    return picture


def tile_size(frame_size_HW: tuple[int, ...], width: int) -> tuple[int, int]:
    """Height and width of a picture of some width, of the frame's shape."""
    return max(1, round(frame_size_HW[0] * width / frame_size_HW[1])), width


def _resized(frame_HW3: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    if frame_HW3.shape[:2] == size_hw:
        return frame_HW3
    grows = size_hw[1] > frame_HW3.shape[1]
    how = Image.Resampling.BICUBIC if grows else Image.Resampling.BOX
    return np.asarray(Image.fromarray(frame_HW3).resize(size_hw[::-1], how))


def _color(instance: Instance) -> Color:
    return WHITE if instance.style == "missed" else color_of(instance.identity)


def _chips(instance: Instance, color: Color, switches: Sequence[int], width: int) -> list[Chip]:
    """The forms of a label, from the longest to the shortest."""
    font = font_of(text_size(width))
    notes = [f"switch at {t}" for t in switches[-1:]]
    texts = instance.texts
    if width < SMALL and instance.abbreviation:
        texts = (*texts, instance.abbreviation)
    return [
        Chip(chip_lines(shortened(text, font, 0.6 * width), color, notes), font) for text in texts
    ]


def _draw_labels(
    picture: Image.Image,
    masks_Nhw: np.ndarray,
    chips: Sequence[Sequence[Chip]],
    colors: Sequence[Color],
    placed: Sequence[Placed | None],
) -> None:
    canvas = ImageDraw.Draw(picture)
    found = [(n, place) for n, place in enumerate(placed) if place is not None]
    for n, place in found:
        w, h = chips[n][place.form].size()
        start, end = _shortest_way((place.x, place.y, place.x + w, place.y + h), masks_Nhw[n])
        if np.hypot(end[0] - start[0], end[1] - start[1]) > max(12, picture.width / 50):
            leader(canvas, start, end, colors[n])
    for n, place in found:
        chips[n][place.form].draw(canvas, place.x, place.y)


def _shortest_way(
    box: tuple[int, int, int, int], mask_hw: np.ndarray
) -> tuple[tuple[int, int], tuple[int, int]]:
    """From the box of a label to the mask: where the line begins, and where it ends."""
    step = 2 if mask_hw[::2, ::2].any() else 1
    rows, columns = (step * places for places in np.nonzero(mask_hw[::step, ::step]))
    x, y = np.clip(columns, box[0], box[2] - 1), np.clip(rows, box[1], box[3] - 1)
    nearest = np.hypot(columns - x, rows - y).argmin()
    return (int(x[nearest]), int(y[nearest])), (int(columns[nearest]), int(rows[nearest]))


class VideoPictures:
    """Draws frames of one video when asked for them.

    Args:
        warn: is told about each frame that cannot be read.
    """

    def __init__(self, video: Video, rows: Sequence[Row], warn: Callable[[str], None]) -> None:
        self.video = video
        self.rows = rows
        self._warn = warn

    def at(
        self, t: int, width: int, *,
        since: int | None = None, offsets: Sequence[Offsets] | None = None,
    ) -> list[Image.Image]:  # fmt: skip
        """Frame t for each row, gray where it cannot be read.

        Args:
            width: of each picture, in pixels.
            since: identity switches after this frame are marked; only those in t if None.
            offsets: where each row's labels were in the frame before; updated.

        Raises:
            InputError: for a frame of another size than the video's.
        """
        frame = self.video.read(t)
        if isinstance(frame, str):
            self._warn(frame)
            return [gray_frame(self.video, t, width) for _ in self.rows]
        return [
            draw_frame(
                frame, row.instances, t, width,
                since=since, offsets=None if offsets is None else offsets[r],
            )
            for r, row in enumerate(self.rows)
        ]  # fmt: skip
