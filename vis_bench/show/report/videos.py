"""The videos of a report: a table of all, and pictures and timelines of the most telling ones."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from PIL import Image

from vis_bench.data.video import Video
from vis_bench.metrics.analyse import Analysis
from vis_bench.progress import Advance
from vis_bench.runs.sources import Sources
from vis_bench.show.charts import encode_picture
from vis_bench.show.overlay.frame import MARKED_FRAMES, Row, VideoPictures
from vis_bench.show.overlay.painting import color_of
from vis_bench.show.overlay.rows import rows_of
from vis_bench.show.overlay.strip import draw_strip, strip_frames
from vis_bench.show.overlay.timelines import ObjectTimeline, object_timelines
from vis_bench.show.overlay.tracks import objects_of, tracks_of
from vis_bench.show.report.table import (
    LETTERS,
    Heading,
    Table,
    change,
    points,
    whole,
    words,
)
from vis_bench.text import count

# A title, and videos by their places in the annotations, the most telling first.
Group = tuple[str, Sequence[int]]
TRUTH = "ground truth"
_ROUNDING = 1e-12
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


@dataclass(frozen=True)
class ShownVideo:
    """A video with its pictures; `first_shown` is the frame that the page opens with."""

    video: Video
    summary: str
    player: Player
    objects: Sequence[Mapping[str, Any]]
    first_shown: int


def chosen_groups(samples: Sequence[Analysis], most: int) -> list[Group]:
    """Choose at most so many videos: those that changed most, or the worst and the best.

    Videos without an object that counts are left out.
    """
    ap_V = samples[0].by_video["ap"]
    known = np.flatnonzero(~np.isnan(ap_V))
    if len(samples) == 2:
        return _changed(samples[1].by_video["ap"] - ap_V, known, most)
    rising = known[np.argsort(ap_V[known], kind="stable")].tolist()
    falling = known[np.argsort(-ap_V[known], kind="stable")].tolist()
    num_worst = (min(most, len(rising)) + 1) // 2
    worst = rising[:num_worst]
    best = [place for place in falling if place not in worst][: most - num_worst]
    groups = [("The worst videos", worst), ("The best videos", best)]
    return [(title, places) for title, places in groups if places]


def _changed(change_V: np.ndarray, known: np.ndarray, most: int) -> list[Group]:
    order = known[np.argsort(-abs(change_V[known]), kind="stable")]
    moved = order[abs(change_V[order]) > _ROUNDING]
    return [("The videos that changed most", moved[:most].tolist())] if moved.size else []


def in_turn(groups: Sequence[Group]) -> list[int]:
    """Return all places, the first of each group before the second of any."""
    rounds = zip_longest(*(places for _, places in groups))
    return [place for turn in rounds for place in turn if place is not None]


def show_videos(
    inputs: Sources,
    samples: Sequence[Analysis],
    groups: Sequence[Group],
    *,
    side: int,
    min_score: float,
    num_bytes: int,
    advance: Advance,
) -> tuple[list[tuple[str, list[ShownVideo]]], list[str], list[str]]:
    """Draw the videos of the groups, the most telling first, as long as there is room.

    Args:
        side: long side of a picture, in pixels.
        min_score: tracks with lower scores are left out.
        num_bytes: room for all pictures.

    Returns:
        titles with the videos that are shown, names of videos without room, and sentences about
        frames that cannot be read.
    """
    warnings: dict[str, None] = {}
    shown: dict[int, ShownVideo] = {}
    too_large = []
    room, smallest = num_bytes, 0
    for place in in_turn(groups):
        video = inputs.videos[place]
        if room < smallest:
            too_large.append(video.name)
            advance()
            continue
        rows = _rows(inputs, video, min_score)
        pictures = VideoPictures(video, rows, lambda text: warnings.update({text: None}), "all")
        player = make_player(pictures, side)
        advance()
        smallest = min(smallest or player.num_bytes, player.num_bytes)
        if player.num_bytes > room:
            too_large.append(video.name)
            continue
        room -= player.num_bytes
        objects, first = _objects(inputs, video, min_score)
        summary = _summary(video, len(objects), samples, place)
        shown[place] = ShownVideo(video, summary, player, objects, first)
    titled = [
        (title, [shown[place] for place in places if place in shown]) for title, places in groups
    ]
    return [pair for pair in titled if pair[1]], too_large, list(warnings)


def video_table(inputs: Sources, samples: Sequence[Analysis], shown: Set[int]) -> Table:
    """Return a table with a row per video.

    Args:
        shown: ids of videos with pictures.
    """
    truth = inputs.truth
    headings = [Heading("Video", is_number=False), Heading("Frames"), Heading("Objects")]
    counts = Counter(annotated.video_id for annotated in truth.objects)
    is_pair = len(samples) == 2
    for title in ("AP", "HOTA"):
        headings += [Heading(f"{title} {x}" if is_pair else title) for x in LETTERS[: len(samples)]]
        headings += [Heading(f"{title} B - A")] if is_pair else []
    rows = []
    for place, video in enumerate(truth.videos):
        link = f"video-{video.id}" if video.id in shown else ""
        row = [words(video.name, link), whole(video.length), whole(counts[video.id])]
        for key in ("ap", "hota"):
            values = [float(side.by_video[key][place]) for side in samples]
            row += [points(value) for value in values]
            row += [change(values[1] - values[0])] if is_pair else []
        rows.append(row)
    return Table("Every video by itself", headings, rows)


def _rows(inputs: Sources, video: Video, min_score: float) -> list[Row]:
    """Return a row per side, named by letters if there are two, then the ground truth's."""
    truth, *rest = rows_of(video, inputs.sides, inputs.truth, inputs.truth.categories, min_score)
    names = LETTERS if len(inputs.sides) == 2 else [side.name for side in inputs.sides]
    rows = [Row(name, row.instances) for name, row in zip(names, rest, strict=False)]
    return [*rows, Row(TRUTH, truth.instances)]


def _objects(inputs: Sources, video: Video, min_score: float) -> tuple[list[dict[str, Any]], int]:
    """Return the annotated objects with a timeline per side, and the most telling frame."""
    objects = objects_of(inputs.truth, video)
    letters = LETTERS if len(inputs.sides) == 2 else ("",)
    tracks = [tracks_of(side.results, video, min_score) for side in inputs.sides]
    sides = [object_timelines(own, objects, video.length) for own in tracks]
    timed = [
        {
            "name": inputs.truth.categories[int(objects.category_N[m])],
            "color": "#{:02x}{:02x}{:02x}".format(*color_of(m)),
            "is_crowd": bool(objects.crowd_N[m]),
            "lines": [timeline(x, side[m]) for x, side in zip(letters, sides, strict=True)],
        }
        for m in range(len(objects))
    ]
    return timed, telling_frame([line for side in sides for line in side], video.length)


def _summary(video: Video, num_objects: int, samples: Sequence[Analysis], place: int) -> str:
    parts = []
    for key, title in (("ap", "AP"), ("hota", "HOTA")):
        values = [float(side.by_video[key][place]) for side in samples]
        first, *second = [points(value).text for value in values]
        if second:
            moved = change(values[1] - values[0]).text
            parts.append(f"{title} {first} in A, {second[0]} in B ({moved})")
        else:
            parts.append(f"{title} {first}")
    size = f"{video.length} frames of {video.width}x{video.height}"
    return ", ".join([*parts, size, count(num_objects, "object")])


def make_player(pictures: VideoPictures, side: int) -> Player:
    """Draw every frame, with a long side of some pixels."""
    video = pictures.video
    frames, size = [], (1, 1)
    for drawn in pictures.in_turn(pictures.width(side), MARKED_FRAMES):
        size = drawn[0].size
        frames.append([_webp(picture) for picture in drawn])
    strip = draw_strip(pictures, _STRIP_COLUMNS, pictures.width(_STRIP_SIDE))
    names = [row.name for row in pictures.rows]
    shown = ", ".join(map(str, strip_frames(video.length, _STRIP_COLUMNS)))
    text = f"Video {video.name}, frames {shown}; rows: {', '.join(names)}"
    return Player(names, frames, size, _webp(strip), text)


def _webp(picture: Image.Image) -> str:
    return base64.b64encode(encode_picture(picture, "WEBP", quality=72, method=2)).decode()


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
