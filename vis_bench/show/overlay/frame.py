"""Frames of a video with its tracks: which masks and labels a picture has, and where."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vis_bench.data.video import Video
from vis_bench.masks.rle import RLE
from vis_bench.show.overlay.label_box import Label, Letters, Lines, labels_beside, shortened
from vis_bench.show.overlay.painting import GRAY, WHITE, Color, Style, color_of, masks_at

Offsets = dict[int, tuple[float, float]]
# In moving pictures a switch stays marked for half a second at 6 frames per second, and a label
# stands for two.
MARKED_FRAMES, LABELED_FRAMES = 3, 12
# `first`: where an instance first appears, and where its identity switches.
ShownLabels = Literal["all", "first", "none"]


@dataclass(frozen=True)
class Instance:
    """A track or object over a video: one mask or none per frame, and its looks.

    Attributes:
        masks_T: of the video's size.
        identity: number of the object; one color goes with it.
        texts: forms of its label, from the longest.
        style: `track` is filled, `false` hatched, `weak` hatched and pale, `missed` only outlined,
            with dashes, and `unmatched` only labeled.
        switches: frames in which its identity switches.
        ringed: in every frame, as what a figure is about.
    """

    masks_T: Sequence[RLE | None]
    identity: int
    texts: tuple[str, ...]
    style: Style = "track"
    switches: tuple[int, ...] = ()
    ringed: bool = False

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

    `remark` stands below the pictures, such as the number of tracks that are not drawn; `note`
    behind the name in strips.
    """

    name: str
    instances: Sequence[Instance]
    remark: str = ""
    note: str = ""


class VideoPictures:
    """Lays out frames of one video, a picture per row, when asked for them.

    Args:
        warn: called with a sentence for each frame that cannot be read; its pictures are gray.
        frames: of a strip; None for evenly spread ones.
    """

    def __init__(
        self,
        video: Video,
        rows: Sequence[Row],
        warn: Callable[[str], None],
        labels: ShownLabels = "first",
        frames: Sequence[int] | None = None,
    ) -> None:
        self.frames = frames
        self.video = video
        self.rows = rows
        self.labels = labels
        self.warn = warn

    def width(self, side: int) -> int:
        """Width of a picture whose long side is `side`."""
        video = self.video
        return max(1, round(video.width * side / max(video.height, video.width)))

    def at(
        self,
        t: int,
        width: int,
        letters: Letters | None = None,
        *,
        since: int | None = None,
        earlier: Collection[int] = (),
        offsets: Sequence[Offsets] | None = None,
    ) -> list[Tile]:
        """Lay out frame t for each row.

        Args:
            width: of each picture, in pixels.
            letters: of the labels; by default such as suit the width.
            since: identity switches after this frame are marked; by default only those in t.
            earlier: frames in which instances had their first label.
            offsets: places of each row's labels in the frame before; updated.
        """
        frame = self.video.read(t)
        if isinstance(frame, str):
            self.warn(frame)
            return [gray_tile(self.video, t, width, letters) for _ in self.rows]
        return [
            make_tile(
                frame,
                row.instances,
                t,
                width,
                letters,
                since=since,
                offsets=None if offsets is None else offsets[r],
                labeled=self.labeled(row, t, since, earlier),
            )
            for r, row in enumerate(self.rows)
        ]

    def in_turn(self, width: int, marked_frames: int = 1) -> Iterator[list[Tile]]:
        """Lay out every frame; labels stay near their last places.

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
            i
            for i, instance in enumerate(row.instances)
            if self.labels == "all"
            or instance.switches_after(since, t)
            or not any(instance.masks_T[frame] for frame in earlier)
        }

    def marks(self, frames: Sequence[int]) -> list[str]:
        """Return the styles and marks that some frames show, other than plain tracks."""
        instances = [instance for row in self.rows for instance in row.instances]
        found: set[str] = {own.style for own in instances if any(own.masks_T[t] for t in frames)}
        if self.labels == "none":
            found.discard("unmatched")
        if any(own.ringed for own in instances):
            found.add("cause")
        elif any(t <= frames[-1] for own in instances for t in own.switches):
            found.add("switch")
        order = ("missed", "unmatched", "false", "weak", "cause", "switch")
        return [mark for mark in order if mark in found]

    def remarks(self) -> list[str]:
        """Return the rows' remarks, each behind the name of its row."""
        return [f"{row.name}: {row.remark}" for row in self.rows if row.remark]


@dataclass(frozen=True)
class Tile:
    """Picture of one frame, without pixels or lines yet.

    Attributes:
        frame_HW3: uint8 RGB, of any size.
        masks: of the frame's size; earlier ones lie above later ones.
        masks_Nhw: the same at the size of the picture.
        instances: whose masks they are.
        ringed: masks with a ring, for an identity switch or as what a figure is about.
        labels: in the picture's pixels.
        notice: words in the middle, and their letters.
    """

    frame_HW3: np.ndarray
    masks: Sequence[RLE]
    masks_Nhw: np.ndarray
    instances: Sequence[Instance]
    ringed: Sequence[bool]
    labels: Sequence[Label] = ()
    notice: tuple[str, Letters] | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.masks_Nhw.shape[1], self.masks_Nhw.shape[2]

    @classmethod
    def plain(cls, size_hw: tuple[int, int], color: Color, **parts: Any) -> Tile:
        """Return a picture of one color."""
        frame_hw3 = np.full((*size_hw, 3), color, np.uint8)
        return cls(frame_hw3, (), np.zeros((0, *size_hw), bool), (), (), **parts)


def make_tile(
    frame_HW3: np.ndarray,
    instances: Sequence[Instance],
    t: int,
    width: int,
    letters: Letters | None = None,
    *,
    since: int | None = None,
    offsets: Offsets | None = None,
    labeled: Collection[int] | None = None,
) -> Tile:
    """Lay out frame t of a video with the instances in it.

    Args:
        frame_HW3: uint8 RGB.
        instances: earlier ones lie above later ones. Labels of ringed ones, then those of earlier
            ones find a place first.
        width: of the picture, in pixels; its height keeps the frame's shape.
        letters: of the labels; by default such as suit the width.
        since: identity switches after this frame and up to t are marked; by default those in t.
        offsets: places of labels in the frame before, by index of `instances`; updated.
        labeled: indices of `instances` that have their label beside the mask; by default all.
    """
    letters = letters or Letters.of_width(width)
    size_hw = tile_size(frame_HW3.shape[:2], width)
    present = {i: own for i, own in enumerate(instances) if own.masks_T[t]}
    masks = [mask for own in present.values() if (mask := own.masks_T[t])]
    masks_Nhw = masks_at(masks, frame_HW3.shape[:2], size_hw)
    switches = {i: own.switches_after(since, t) for i, own in present.items()}
    ringed = [own.ringed or bool(switches[i]) for i, own in present.items()]
    labels: list[Label] = []
    if labeled is None or labeled:
        order = sorted(range(len(present)), key=lambda n: not ringed[n])
        places = [list(present)[n] for n in order]
        named = places if labeled is None else labeled
        forms = [
            _label_forms(present[i], switches[i], letters, width) if i in named else []
            for i in places
        ]
        before: Offsets = {} if offsets is None else offsets
        labels = _labels(masks_Nhw[order], forms, letters, places, before)
    return Tile(frame_HW3, masks, masks_Nhw, list(present.values()), ringed, labels)


def _labels(
    masks_Nhw: np.ndarray,
    forms_N: Sequence[Sequence[Lines]],
    letters: Letters,
    places: Sequence[int],
    offsets: Offsets,
) -> list[Label]:
    """Place the labels near those of the frame before; `offsets` by `places`, and updated."""
    before = {n: offsets[i] for n, i in enumerate(places) if i in offsets}
    found = labels_beside(masks_Nhw, forms_N, letters, before)
    offsets.update({places[n]: label.offset for n, label in found.items()})
    return [*found.values()]


def gray_tile(video: Video, t: int, width: int, letters: Letters | None = None) -> Tile:
    """Return the picture of a frame that cannot be read."""
    letters = letters or Letters.of_width(width)
    notice = shortened(f"frame {t} cannot be read", letters, width - 4)
    size_hw = tile_size((video.height, video.width), width)
    return Tile.plain(size_hw, GRAY, notice=(notice, letters))


def tile_size(frame_size_HW: tuple[int, ...], width: int) -> tuple[int, int]:
    """Height and width of a picture of some width, in the frame's shape."""
    return max(1, round(frame_size_HW[0] * width / frame_size_HW[1])), width


def _label_forms(
    instance: Instance, switches: Sequence[int], letters: Letters, width: int
) -> list[Lines]:
    """Forms of a label, from the longest to the shortest; notes stand on white below the text."""
    notes = [(f"switch at {t}", WHITE) for t in switches[-1:]]
    is_narrow = letters.narrow(width)
    widest = width - 8 if is_narrow else 0.6 * width
    fitting = tuple(text for text in instance.texts if letters.width(text) <= widest)
    texts = fitting or instance.texts[-1:]
    forms: list[Lines] = [
        [(shortened(text, letters, widest), instance.color), *notes] for text in texts
    ]
    return [*forms, [(notes[0][0], instance.color)]] if is_narrow and notes else forms
