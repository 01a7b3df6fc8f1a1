"""A video inside the page: its frames as small pictures, and timelines of its objects."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vis_bench.show.overlay.frame import VideoPictures
from vis_bench.show.overlay.painting import color_of
from vis_bench.show.overlay.strip import MARKS, draw_strip, strip_frames
from vis_bench.show.overlay.timelines import ObjectTimeline, object_timelines
from vis_bench.show.overlay.tracks import TrackSet

# A switch stays marked for this many frames.
_MARKED_FRAMES = 3
_STRIP_COLUMNS, _STRIP_WIDTH = 5, 170


@dataclass(frozen=True)
class Player:
    """Pictures as base64 of WebP.

    Attributes:
        panels: name of each row of pictures.
        frames: of each frame of the video, one picture per panel.
        size: width and height of a picture, in pixels.
        strip: some frames of all panels, for print; `strip_text` says which.
    """

    panels: Sequence[str]
    frames: Sequence[Sequence[str]]
    size: tuple[int, int]
    strip: str
    strip_text: str

    @property
    def num_bytes(self) -> int:
        """What it adds to the page."""
        return len(self.strip) + sum(len(picture) for row in self.frames for picture in row)


def make_player(pictures: VideoPictures, side: int) -> Player:
    """Draws every frame.

    Args:
        side: long side of a picture, in pixels.

    Raises:
        InputError: for a frame of another size than the video's.
    """
    video = pictures.video
    width = max(1, round(video.width * side / max(video.height, video.width)))
    offsets: list[dict[int, tuple[float, float]]] = [{} for _ in pictures.rows]
    frames = []
    size = (width, 1)
    for t in range(video.length):
        drawn = pictures.at(t, width, since=t - _MARKED_FRAMES, offsets=offsets)
        size = drawn[0].size
        frames.append([_webp(picture) for picture in drawn])
    narrow = max(1, round(video.width * _STRIP_WIDTH / max(video.height, video.width)))
    strip = draw_strip(pictures, _STRIP_COLUMNS, narrow, MARKS)
    names = [row.name for row in pictures.rows]
    shown = ", ".join(map(str, strip_frames(video.length, _STRIP_COLUMNS)))
    text = f"Video {video.name}, frames {shown}; rows: {', '.join(names)}"
    return Player(names, frames, size, _webp(strip), text)


def _webp(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=72, method=2)
    return base64.b64encode(out.getvalue()).decode()


# An IoU of 1 in units of the SVG.
HEIGHT = 20


@dataclass(frozen=True)
class Timeline:
    """One object and one subject.

    The paths are bars as high as the IoU: `found`, `wrong_class` (found as another category), and
    `near` (missed, the highest IoU with any track). `missed` are the frames as wide as they are,
    `switches` places of frames.
    """

    letter: str
    found: str
    wrong_class: str
    near: str
    missed: str
    switches: Sequence[int]
    text: str


@dataclass(frozen=True)
class TimedObject:
    """An object of a video: its class, its color in the pictures, and a timeline per subject."""

    name: str
    color: str
    is_crowd: bool
    lines: Sequence[Timeline]


def timed_objects(
    names: Sequence[str], objects: TrackSet, sets: Sequence[tuple[str, TrackSet]], length: int
) -> tuple[list[TimedObject], int]:
    """The annotated objects of a video, and the frame in which there is most to see.

    Args:
        names: of the objects' classes.
        sets: letter and tracks of each subject.
        length: of the video.
    """
    known = [object_timelines(tracks, objects, length) for _, tracks in sets]
    lines = [
        [timeline(letter, line) for line in side]
        for (letter, _), side in zip(sets, known, strict=True)
    ]
    timed = [
        TimedObject(
            name,
            "#{:02x}{:02x}{:02x}".format(*color_of(m)),
            bool(objects.crowd_N[m]),
            [side[m] for side in lines],
        )
        for m, name in enumerate(names)
    ]
    return timed, telling_frame([line for side in known for line in side], length)


def telling_frame(lines: Sequence[ObjectTimeline], length: int) -> int:
    """The frame with most faults; of several the one with most objects, then nearest the middle."""
    faults_T, present_T = np.zeros(length, int), np.zeros(length, int)
    for line in lines:
        faults_T += line.missed_T.astype(int) + line.wrong_class_T + line.switched_T
        present_T += line.present_T
    return max(range(length), key=lambda t: (faults_T[t], present_T[t], -abs(t - length // 2)))


def timeline(letter: str, line: ObjectTimeline) -> Timeline:
    """What the page draws of one object."""
    full_T = np.ones(len(line.iou_T))
    return Timeline(
        letter,
        _bars(line.iou_T, line.found_T & ~line.wrong_class_T),
        _bars(line.iou_T, line.found_T & line.wrong_class_T),
        _bars(line.iou_T, line.missed_T),
        _bars(full_T, line.missed_T),
        np.flatnonzero(line.switched_T).tolist(),
        _sentence(line),
    )


def _bars(height_T: np.ndarray, shown_T: np.ndarray) -> str:
    """A closed path of bars that stand on the lower edge; frames next to each other join."""
    parts = []
    for t in np.flatnonzero(shown_T).tolist():
        top = f"{HEIGHT * (1 - height_T[t]):.3g}"
        joined = t > 0 and shown_T[t - 1]
        parts.append(f"V{top}h1" if joined else f"M{t} {HEIGHT}V{top}h1")
        if t + 1 == len(shown_T) or not shown_T[t + 1]:
            parts.append(f"V{HEIGHT}z")
    return "".join(parts)


def _sentence(line: ObjectTimeline) -> str:
    num_there, num_found = int(line.present_T.sum()), int(line.found_T.sum())
    parts = [f"found in {num_found} of {num_there} frames"]
    if num_found:
        parts.append(f"mean IoU {line.iou_T[line.found_T].mean():.2f}")
    if line.wrong_class_T.any():
        parts.append(f"wrong class in {int(line.wrong_class_T.sum())}")
    if line.switched_T.any():
        frames = ", ".join(map(str, np.flatnonzero(line.switched_T).tolist()[:4]))
        more = ", ..." if line.switched_T.sum() > 4 else ""
        parts.append(f"identity switch at {frames}{more}")
    return "; ".join(parts)
