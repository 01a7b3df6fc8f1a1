"""A video inside the page: its frames as small pictures, and timelines of its objects."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from vis_bench.show.charts import encode_picture
from vis_bench.show.overlay.frame import MARKED_FRAMES, VideoPictures
from vis_bench.show.overlay.painting import color_of
from vis_bench.show.overlay.strip import MARKS, draw_strip, strip_frames
from vis_bench.show.overlay.timelines import ObjectTimeline, object_timelines
from vis_bench.show.overlay.tracks import TrackSet

_STRIP_COLUMNS, _STRIP_SIDE = 5, 170
# An IoU of 1 in units of the timelines' SVG.
HEIGHT = 20


@dataclass(frozen=True)
class Player:
    """Pictures as base64 of WebP.

    Attributes:
        panels: name of each row of pictures.
        frames: of each frame of the video, one picture per panel.
        size: width and height of a picture, in pixels.
        strip: some frames of all panels, for print; `strip_text` describes it.
    """

    panels: Sequence[str]
    frames: Sequence[Sequence[str]]
    size: tuple[int, int]
    strip: str
    strip_text: str

    @property
    def num_bytes(self) -> int:
        """Size within the page."""
        return len(self.strip) + sum(len(picture) for row in self.frames for picture in row)


def make_player(pictures: VideoPictures, side: int) -> Player:
    """Draw every frame, with a long side of some pixels."""
    video = pictures.video
    frames, size = [], (1, 1)
    for drawn in pictures.in_turn(pictures.width(side), MARKED_FRAMES):
        size = drawn[0].size
        frames.append([_webp(picture) for picture in drawn])
    strip = draw_strip(pictures, _STRIP_COLUMNS, pictures.width(_STRIP_SIDE), MARKS)
    names = [row.name for row in pictures.rows]
    shown = ", ".join(map(str, strip_frames(video.length, _STRIP_COLUMNS)))
    text = f"Video {video.name}, frames {shown}; rows: {', '.join(names)}"
    return Player(names, frames, size, _webp(strip), text)


def _webp(picture: Image.Image) -> str:
    return base64.b64encode(encode_picture(picture, "WEBP", quality=72, method=2)).decode()


def timed_objects(
    names: Sequence[str], objects: TrackSet, sets: Sequence[tuple[str, TrackSet]], length: int
) -> tuple[list[dict[str, Any]], int]:
    """Return the annotated objects with a timeline per side, and the most telling frame.

    Args:
        names: of the objects' classes.
        sets: letter and tracks of each side.
        length: of the video.
    """
    sides = [object_timelines(tracks, objects, length) for _, tracks in sets]
    letters = [letter for letter, _ in sets]
    timed = [
        {
            "name": name,
            "color": "#{:02x}{:02x}{:02x}".format(*color_of(m)),
            "is_crowd": bool(objects.crowd_N[m]),
            "lines": [timeline(x, side[m]) for x, side in zip(letters, sides, strict=True)],
        }
        for m, name in enumerate(names)
    ]
    return timed, telling_frame([line for side in sides for line in side], length)


def telling_frame(lines: Sequence[ObjectTimeline], length: int) -> int:
    """Return the frame with most faults, then most objects, then nearest the middle."""
    faults_T, present_T = np.zeros(length, int), np.zeros(length, int)
    for line in lines:
        faults_T += line.missed_T.astype(int) + line.wrong_class_T + line.switched_T
        present_T += line.present_T
    return max(range(length), key=lambda t: (faults_T[t], present_T[t], -abs(t - length // 2)))


def timeline(letter: str, line: ObjectTimeline) -> dict[str, Any]:
    """Return the paths of an object's timeline for one side, in SVG, and its sentence.

    Paths are bars as high as the IoU: `found`, `wrong_class` (found as another category) and `near`
    (missed, the highest IoU with any track). `missed` has bars of full height, `switches` frames.
    """
    return {
        "letter": letter,
        "found": _bars(line.iou_T, line.found_T & ~line.wrong_class_T),
        "wrong_class": _bars(line.iou_T, line.found_T & line.wrong_class_T),
        "near": _bars(line.iou_T, line.missed_T),
        "missed": _bars(np.ones(len(line.iou_T)), line.missed_T),
        "switches": np.flatnonzero(line.switched_T).tolist(),
        "text": _sentence(line),
    }


def _bars(height_T: np.ndarray, shown_T: np.ndarray) -> str:
    """Return a closed path of bars on the lower edge; neighboring frames join."""
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
