"""The videos of a report: a table of all, and pictures and timelines of the most telling ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from vis_bench.data.video import Video
from vis_bench.metrics.analyse import Analysis
from vis_bench.progress import Advance, silent
from vis_bench.runs.sources import Sources
from vis_bench.show.overlay.frame import Row, VideoPictures
from vis_bench.show.overlay.rows import rows_of
from vis_bench.show.overlay.tracks import objects_of, tracks_of
from vis_bench.show.report.player import Player, make_player, timed_objects
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
    advance: Advance = silent,
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
        pictures = VideoPictures(video, rows, lambda text: warnings.update({text: None}))
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
    objects = objects_of(inputs.truth, video)
    sets = [
        (letter if len(inputs.sides) == 2 else "", tracks_of(side.results, video, min_score))
        for letter, side in zip(LETTERS, inputs.sides, strict=False)
    ]
    names = [inputs.truth.categories[int(category)] for category in objects.category_N]
    return timed_objects(names, objects, sets, video.length)


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
