"""Pictures of a video's frames with its tracks: masks, and a label beside each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from vis_bench.charts import place_labels
from vis_bench.data.video import Video
from vis_bench.masks.rle import RLE
from vis_bench.show.overlay import painting
from vis_bench.show.overlay.label_box import (
    Lines,
    box_size,
    draw_box,
    draw_leader,
    font_of,
    shortened,
    text_size,
)
from vis_bench.show.overlay.painting import BLACK, GRAY, WHITE, Color, Style, color_of

Offsets = dict[int, tuple[float, float]]
# Pictures narrower than this many pixels may abbreviate labels.
SMALL = 250
# In moving pictures a switch stays marked for half a second at 6 frames per second, and a label
# stands for two.
MARKED_FRAMES, LABELED_FRAMES = 3, 12
# `first`: where an instance first appears, and where its identity switches.
Labels = Literal["all", "first", "none"]
LABELS: tuple[Labels, ...] = ("all", "first", "none")


@dataclass(frozen=True)
class Instance:
    """A track or object over a video: one mask or none per frame, and its looks.

    Attributes:
        masks_T: of the video's size.
        identity: number of the object; one color goes with it.
        texts: forms of its label, from the longest.
        style: `track` is filled, `false` hatched, `missed` only outlined, with dashes, and
            `unmatched` only labeled.
        switches: frames in which its identity switches.
        abbreviation: last form of its label in small pictures.
    """

    masks_T: Sequence[RLE | None]
    identity: int
    texts: tuple[str, ...]
    style: Style = "track"
    switches: tuple[int, ...] = ()
    abbreviation: str = ""

    @property
    def color(self) -> Color:
        """Color of its mask and its label."""
        return WHITE if self.style in ("missed", "unmatched") else color_of(self.identity)

    def switches_after(self, since: int | None, t: int) -> list[int]:
        """Return its switches after a frame and up to t; without `since` only those in t."""
        return [s for s in self.switches if (t - 1 if since is None else since) < s <= t]


@dataclass(frozen=True)
class Row:
    """One row of a video's pictures: the ground truth, or one results file.

    `remark` stands below the pictures, such as the number of tracks that are not drawn.
    """

    name: str
    instances: Sequence[Instance]
    remark: str = ""


class VideoPictures:
    """Draws frames of one video, a picture per row, when asked for them.

    Args:
        warn: called with a sentence for each frame that cannot be read; its pictures are gray.
    """

    def __init__(
        self,
        video: Video,
        rows: Sequence[Row],
        warn: Callable[[str], None],
        labels: Labels = "first",
    ) -> None:
        self.video = video
        self.rows = rows
        self.labels = labels
        self.warn = warn

    def width(self, side: int) -> int:
        """Width of a picture whose long side is `side`."""
        video = self.video
        return max(1, round(video.width * side / max(video.height, video.width)))

    def at(
        self, t: int, width: int, *,
        since: int | None = None, earlier: Collection[int] = (),
        offsets: Sequence[Offsets] | None = None,
    ) -> list[Image.Image]:  # fmt: skip
        """Draw frame t for each row.

        Args:
            width: of each picture, in pixels.
            since: identity switches after this frame are marked; by default only those in t.
            earlier: frames in which instances had their first label.
            offsets: places of each row's labels in the frame before; updated.
        """
        frame = self.video.read(t)
        if isinstance(frame, str):
            self.warn(frame)
            return [gray_frame(self.video, t, width) for _ in self.rows]
        offsets = [{} for _ in self.rows] if offsets is None else offsets
        return [
            draw_frame(
                frame,
                row.instances,
                t,
                width,
                since=since,
                offsets=own,
                labeled=self.labeled(row, t, since, earlier),
            )
            for row, own in zip(self.rows, offsets, strict=True)
        ]

    def in_turn(self, width: int, marked_frames: int = 1) -> Iterator[list[Image.Image]]:
        """Draw every frame; labels stay near their last places.

        Args:
            marked_frames: number of frames for which a switch stays marked.
        """
        offsets: list[Offsets] = [{} for _ in self.rows]
        for t in range(self.video.length):
            earlier = range(t - LABELED_FRAMES + 1)
            yield self.at(t, width, since=t - marked_frames, earlier=earlier, offsets=offsets)

    def labeled(
        self, row: Row, t: int, since: int | None = None, earlier: Collection[int] = ()
    ) -> set[int]:
        """Return the instances of a row, by index, that have a label in frame t; see `at`."""
        if self.labels == "none":
            return set()
        return {
            i for i, instance in enumerate(row.instances)
            if self.labels == "all" or instance.switches_after(since, t)
            or not any(instance.masks_T[frame] for frame in earlier)
        }  # fmt: skip

    def marks(self, frames: Sequence[int]) -> list[str]:
        """Return the styles and marks that some frames show, other than plain tracks."""
        found = {
            instance.style for row in self.rows for instance in row.instances
            if any(instance.masks_T[t] for t in frames)
        }  # fmt: skip
        if self.labels == "none":
            found.discard("unmatched")
        shown: list[str] = [style for style in ("missed", "unmatched", "false") if style in found]
        switches = [s for row in self.rows for instance in row.instances for s in instance.switches]
        return [*shown, "switch"] if switches and min(switches) <= frames[-1] else shown

    def remarks(self) -> list[str]:
        """Return the rows' remarks, each behind the name of its row."""
        return [f"{row.name}: {row.remark}" for row in self.rows if row.remark]


def draw_frame(
    frame_HW3: np.ndarray,
    instances: Sequence[Instance],
    t: int,
    width: int,
    *,
    since: int | None = None,
    offsets: Offsets | None = None,
    labeled: Collection[int] | None = None,
) -> Image.Image:
    """Draw frame t of a video with the instances in it.

    Args:
        frame_HW3: uint8 RGB.
        instances: earlier ones lie above later ones, and their labels find a place first.
        width: of the picture, in pixels; its height keeps the frame's shape.
        since: identity switches after this frame and up to t are marked; by default those in t.
        offsets: places of labels in the frame before, by index of `instances`; updated.
        labeled: indices of `instances` that have their label beside the mask; by default all.
    """
    size_hw = tile_size(frame_HW3.shape[:2], width)
    shown, masks = [], []
    for i, instance in enumerate(instances):
        if mask := instance.masks_T[t]:
            shown.append((i, instance, instance.switches_after(since, t)))
            masks.append(mask)
    masks_Nhw = painting.masks_at(masks, frame_HW3.shape[:2], size_hw)
    colors = [instance.color for _, instance, _ in shown]
    styles = [instance.style for _, instance, _ in shown]
    switched = [bool(switches) for *_, switches in shown]
    frame_hw3 = resized(frame_HW3, size_hw)
    picture = Image.fromarray(painting.paint(frame_hw3, masks_Nhw, colors, styles, switched))
    if labeled is None or labeled:
        boxes = [
            _label_forms(instance, switches, width) if labeled is None or i in labeled else []
            for i, instance, switches in shown
        ]
        offsets = {} if offsets is None else offsets
        before = {n: offsets[i] for n, (i, *_) in enumerate(shown) if i in offsets}
        after = _draw_labels(picture, masks_Nhw, boxes, colors, before)
        offsets.update({shown[n][0]: offset for n, offset in after.items()})
    return picture


def gray_frame(video: Video, t: int, width: int) -> Image.Image:
    """Draw the picture of a frame that cannot be read."""
    height, width = tile_size((video.height, video.width), width)
    picture = Image.new("RGB", (width, height), GRAY)
    font = font_of(text_size(width))
    text = shortened(f"frame {t} cannot be read", font, width - 4)
    middle = width / 2, height / 2
    ImageDraw.Draw(picture).text(middle, text, fill=BLACK, font=font, anchor="mm")
    return picture


def tile_size(frame_size_HW: tuple[int, ...], width: int) -> tuple[int, int]:
    """Height and width of a picture of some width, in the frame's shape."""
    return max(1, round(frame_size_HW[0] * width / frame_size_HW[1])), width


def resized(frame_HW3: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Resize a frame."""
    if frame_HW3.shape[:2] == size_hw:
        return frame_HW3
    grows = size_hw[1] > frame_HW3.shape[1]
    how = Image.Resampling.BICUBIC if grows else Image.Resampling.BOX
    return np.asarray(Image.fromarray(frame_HW3).resize(size_hw[::-1], how))


def _label_forms(instance: Instance, switches: Sequence[int], width: int) -> list[Lines]:
    """Forms of a label, from the longest to the shortest; notes stand on white below the text."""
    font = font_of(text_size(width))
    notes = [(f"switch at {t}", WHITE) for t in switches[-1:]]
    texts, widest = instance.texts, 0.6 * width
    if instance.style == "unmatched":
        texts = tuple(text for text in texts if font.getlength(text) <= widest) or texts[-1:]
    if width < SMALL and instance.abbreviation:
        texts = (*texts, instance.abbreviation)
    return [[(shortened(text, font, widest), instance.color), *notes] for text in texts]


def _draw_labels(
    picture: Image.Image,
    masks_Nhw: np.ndarray,
    boxes: Sequence[Sequence[Lines]],
    colors: Sequence[Color],
    before: Offsets,
) -> Offsets:
    """Draw a label beside each mask; return their offsets from their objects."""
    canvas, font = ImageDraw.Draw(picture), font_of(text_size(picture.width))
    sizes = [[box_size(lines, font) for lines in forms] for forms in boxes]
    places = place_labels(masks_Nhw, sizes, before)
    placed = [(n, place) for n, place in enumerate(places) if place is not None]
    for n, place in placed:
        w, h = sizes[n][place.form]
        start, end = shortest_way((place.x, place.y, place.x + w, place.y + h), masks_Nhw[n])
        if np.hypot(end[0] - start[0], end[1] - start[1]) > max(12, picture.width / 50):
            draw_leader(canvas, start, end, colors[n])
    for n, place in placed:
        draw_box(canvas, place.x, place.y, boxes[n][place.form], font)
    return {n: place.offset for n, place in placed}


def shortest_way(
    box: tuple[int, int, int, int], mask_hw: np.ndarray
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Start and end of the shortest line from the box of a label to the mask."""
    step = 2 if mask_hw[::2, ::2].any() else 1
    rows, columns = (step * places for places in np.nonzero(mask_hw[::step, ::step]))
    x, y = np.clip(columns, box[0], box[2] - 1), np.clip(rows, box[1], box[3] - 1)
    nearest = np.hypot(columns - x, rows - y).argmin()
    return (int(x[nearest]), int(y[nearest])), (int(columns[nearest]), int(rows[nearest]))
