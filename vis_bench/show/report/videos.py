"""The videos of a report: a table of all, and pictures and timelines of the most telling ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.data.video import Video
from vis_bench.metrics.analyse import Analysis
from vis_bench.progress import Advance, silent
from vis_bench.runs.sources import Sources
from vis_bench.show.overlay.frame import Row, VideoPictures
from vis_bench.show.overlay.rows import rows_of
from vis_bench.show.overlay.tracks import TrackSet, objects_of, tracks_of
from vis_bench.show.report.facts import LETTERS
from vis_bench.show.report.player import Player, TimedObject, make_player, timed_objects
from vis_bench.show.report.table import Cell, Heading, Table, points, signed, whole, words

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Group:
    """Videos under one heading, by their places in the annotations, the most telling first."""

    title: str
    places: Sequence[int]


def chosen_groups(samples: Sequence[Analysis], most: int) -> list[Group]:
    """The groups of a page, of at most so many videos together; none of them twice.

    Videos without an object that counts are in none.
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
    groups = [Group("The worst videos", worst), Group("The best videos", best)]
    return [group for group in groups if group.places]


def _changed(change_V: np.ndarray, known: np.ndarray, most: int) -> list[Group]:
    order = known[np.argsort(-abs(change_V[known]), kind="stable")]
    moved = order[abs(change_V[order]) > _ROUNDING]
    return [Group("The videos that changed most", moved[:most].tolist())] if moved.size else []


def in_turn(groups: Sequence[Group]) -> list[int]:
    """All places, the first of each group before the second of any."""
    most = max((len(group.places) for group in groups), default=0)
    return [group.places[i] for i in range(most) for group in groups if i < len(group.places)]


TRUTH = "ground truth"


@dataclass(frozen=True)
class ShownVideo:
    """A video with its pictures; `first_shown` is the frame that the page opens with."""

    id: int
    name: str
    length: int
    summary: str
    player: Player
    objects: Sequence[TimedObject]
    first_shown: int


@dataclass(frozen=True)
class ShownVideos:
    """What is shown, by group, and what is not.

    Attributes:
        groups: title and videos.
        too_large: names of videos that were chosen but would have made the page too large.
        warnings: sentences about frames that cannot be read.
    """

    groups: Sequence[tuple[str, Sequence[ShownVideo]]]
    too_large: Sequence[str]
    warnings: Sequence[str]

    def without(self, video: ShownVideo) -> ShownVideos:
        """With one video less, which is then too large."""
        groups = [(title, [v for v in group if v is not video]) for title, group in self.groups]
        left = [pair for pair in groups if pair[1]]
        return ShownVideos(left, [*self.too_large, video.name], self.warnings)

    def least_telling(self) -> ShownVideo:
        """The last of the longest group."""
        return max((group for _, group in self.groups), key=len)[-1]

    @property
    def num_shown(self) -> int:
        """How many videos have pictures."""
        return sum(len(videos) for _, videos in self.groups)


@dataclass(frozen=True)
class VideoPlan:
    """How videos are shown.

    Attributes:
        side: long side of a picture, in pixels.
        min_score: tracks with lower scores are left out.
        num_bytes: how much the pictures may take together.
    """

    side: int
    min_score: float
    num_bytes: int


def show_videos(
    inputs: Sources,
    samples: Sequence[Analysis],
    groups: Sequence[Group],
    plan: VideoPlan,
    advance: Advance = silent,
) -> ShownVideos:
    """Draws the videos of the groups, the most telling first, as long as there is room.

    Raises:
        InputError: for a frame of another size than its video's.
    """
    warnings: dict[str, None] = {}
    shown: dict[int, ShownVideo] = {}
    too_large = []
    left, smallest = plan.num_bytes, 0
    for place in in_turn(groups):
        video = inputs.videos[place]
        if left < smallest:
            too_large.append(video.name)
            advance()
            continue
        rows = _rows(inputs, video, plan.min_score)
        pictures = VideoPictures(video, rows, lambda text: warnings.update({text: None}))
        player = make_player(pictures, plan.side)
        advance()
        smallest = min(smallest or player.num_bytes, player.num_bytes)
        if player.num_bytes > left:
            too_large.append(video.name)
            continue
        left -= player.num_bytes
        objects, first = _objects(inputs, video, plan.min_score)
        summary = _summary(video, len(objects), samples, place)
        shown[place] = ShownVideo(
            video.id, video.name, video.length, summary, player, objects, first
        )
    titled = [
        (group.title, [shown[place] for place in group.places if place in shown])
        for group in groups
    ]
    return ShownVideos([pair for pair in titled if pair[1]], too_large, list(warnings))


def video_table(inputs: Sources, samples: Sequence[Analysis], shown: Mapping[int, str]) -> Table:
    """A row per video.

    Args:
        shown: id of a video -> id on the page, of those with pictures.
    """
    truth = inputs.truth
    headings = [Heading("Video", is_number=False), Heading("Frames"), Heading("Objects")]
    counts = {video.id: 0 for video in truth.videos}
    for thing in truth.objects:
        counts[thing.video_id] += 1
    is_pair = len(samples) == 2
    for title in ("AP", "HOTA"):
        headings += [Heading(f"{title} {x}" if is_pair else title) for x in LETTERS[: len(samples)]]
        headings += [Heading(f"{title} B - A")] if is_pair else []
    rows = []
    for place, video in enumerate(truth.videos):
        row = [words(video.name, shown.get(video.id, "")), whole(video.length)]
        row += [whole(counts[video.id])]
        for key in ("ap", "hota"):
            values = [float(side.by_video[key][place]) for side in samples]
            row += [points(value) for value in values]
            row += [_moved(values[1] - values[0])] if is_pair else []
        rows.append(row)
    return Table("Every video by itself", headings, rows)


def _moved(change: float) -> Cell:
    return Cell("-") if np.isnan(change) else Cell(signed(change), change, shade=change)


def _rows(inputs: Sources, video: Video, min_score: float) -> list[Row]:
    """The subjects' rows, by letter where there are two, then the ground truth's."""
    truth, *rest = rows_of(video, inputs.sides, inputs.truth, inputs.truth.categories, min_score)
    names = LETTERS if len(inputs.sides) == 2 else [side.name for side in inputs.sides]
    rows = [Row(name, row.instances) for name, row in zip(names, rest, strict=False)]
    return [*rows, Row(TRUTH, truth.instances)]


def _objects(inputs: Sources, video: Video, min_score: float) -> tuple[list[TimedObject], int]:
    objects = objects_of(inputs.truth, video)
    sets: list[tuple[str, TrackSet]] = [
        (letter if len(inputs.sides) == 2 else "", tracks_of(side.results, video, min_score))
        for letter, side in zip(LETTERS, inputs.sides, strict=False)
    ]
    names = [inputs.truth.categories[int(category)] for category in objects.category_N]
    return timed_objects(names, objects, sets, video.length)


def _summary(video: Video, num_objects: int, samples: Sequence[Analysis], place: int) -> str:
    parts = []
    for key, title in (("ap", "AP"), ("hota", "HOTA")):
        values = [float(side.by_video[key][place]) for side in samples]
        texts = [points(value).text for value in values]
        if len(values) == 2:
            parts.append(
                f"{title} {texts[0]} in A, {texts[1]} in B ({_moved(values[1] - values[0]).text})"
            )
        else:
            parts.append(f"{title} {texts[0]}")
    objects = f"{num_objects} object{'' if num_objects == 1 else 's'}"
    return ", ".join([*parts, f"{video.length} frames of {video.width}x{video.height}", objects])
