"""Instances"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.runs.sources import Side
from vis_bench.show.overlay.frame import Instance, Row
from vis_bench.show.overlay.painting import Color, Style, color_of
from vis_bench.show.overlay.timelines import switch_frames
from vis_bench.show.overlay.tracks import (
    TrackSet,
    Verdicts,
    identities,
    judge,
    objects_of,
    tracks_of,
)

if TYPE_CHECKING:
    from vis_bench.inference.attention import RecordedVideo


def rows_of(
    video: Video,
    sources: Sequence[Side],
    truth: GroundTruth | None,
    categories: Mapping[int, str],
    min_score: float,
) -> list[Row]:
    """The ground truth's row, where there is one, and then a row for each results file.

    Raises:
        InputError: as `tracks_of` and `objects_of`.
    """
    sets = [tracks_of(source.results, video, min_score) for source in sources]
    objects = None if truth is None else objects_of(truth, video)
    if objects is None:
        verdicts, numbered = [], identities(sets)
    else:
        verdicts = [judge(tracks, objects) for tracks in sets]
        numbered = identities([objects, *sets], [verdict.found_N for verdict in verdicts])
    rows = []
    if objects is not None:
        own = zip(range(len(objects)), numbered.pop(0).tolist(), strict=True)
        shown = [_object(objects, i, identity, categories) for i, identity in own]
        rows.append(Row("ground truth", shown))
    for s, (source, tracks, identity_N) in enumerate(zip(sources, sets, numbered, strict=True)):
        instances = [
            _track(tracks, i, identity, categories) for i, identity in enumerate(identity_N)
        ]
        if objects is not None:
            instances = _judged(instances, verdicts[s], tracks, objects, video, categories)
        rows.append(Row(source.name, instances))
    return rows


def abbreviation(name: str, names: Iterable[str]) -> str:
    """The first letters of a name's words, as few as tell it from the other names.

    At least 3 of a single word and 2 of each of several: `per.`, `gi.pa.`. Empty for a name of up
    to 5 letters, or where it would not be two shorter than the name.
    """
    others = [other for other in names if other != name]
    for length in range(2 if len(_words(name)) > 1 else 3, len(name)):
        short = _cut(name, length)
        if len(name) <= 5 or len(short) > len(name) - 2:
            return ""
        if all(_cut(other, length) != short for other in others):
            return short
    return ""


def _cut(name: str, length: int) -> str:
    return "".join(f"{word[:length]}." for word in _words(name))


def _words(name: str) -> list[str]:
    return re.split(r"[\s_-]+", name)


def _object(
    objects: TrackSet, index: int, identity: int, categories: Mapping[int, str]
) -> Instance:
    name = _name(objects, index, categories)
    text = f"{name} (crowd)" if objects.crowd_N[index] else name
    return Instance(
        objects.masks_T(index), identity, (text,),
        abbreviation=abbreviation(name, categories.values()),
    )  # fmt: skip


def _track(tracks: TrackSet, index: int, identity: int, categories: Mapping[int, str]) -> Instance:
    name, score = _name(tracks, index, categories), f"{tracks.score_N[index]:.2f}"
    comma = "," if name[-1:].isdigit() else ""
    return Instance(tracks.masks_T(index), identity, (f"{name}{comma} {score}", score))


def _judged(
    instances: Sequence[Instance],
    verdicts: Verdicts,
    tracks: TrackSet,
    objects: TrackSet,
    video: Video,
    categories: Mapping[int, str],
) -> list[Instance]:
    """The missed objects, and the tracks with what annotations say about them."""
    switches = switch_frames(tracks, objects, video.length)
    judged = [
        Instance(
            objects.masks_T(index), -1,
            (f"missed {_name(objects, index, categories)}", "missed"), "missed",
        )
        for index in verdicts.missed_M.nonzero()[0].tolist()
    ]  # fmt: skip
    for instance, fault, frames in zip(instances, verdicts.faults_N, switches, strict=True):
        texts = (f"{instance.texts[0]}, {fault}", *instance.texts) if fault else instance.texts
        style: Style = "false" if fault else "track"
        judged.append(Instance(instance.masks_T, instance.identity, texts, style, frames))
    return judged


def _name(tracks: TrackSet, index: int, categories: Mapping[int, str]) -> str:
    category = int(tracks.category_N[index])
    return categories.get(category, f"class {category}")


@dataclass(frozen=True)
class ShownTrack:
    """One track of a figure.

    Attributes:
        row: of the instance in the recorded attention.
        present_T: where the object is: by the annotations where it is one of theirs, else where
            the track has a mask.
        annotated: whether `present_T` is from the annotations.
        instance: how it is drawn over a frame.
        title: class and score.
    """

    row: int
    present_T: np.ndarray
    annotated: bool
    instance: Instance
    title: str

    @property
    def color(self) -> Color:
        """The same in every figure of the video, where annotations say which object it is."""
        return color_of(self.instance.identity)


def shown_tracks(
    recorded: RecordedVideo,
    truth: GroundTruth | None,
    categories: Mapping[int, str],
    count: int,
) -> list[ShownTrack]:
    """The best tracks, each of an instance of its own; those that find an object go first.

    Raises:
        InputError: where there is no track, or annotations do not fit the frames.
    """
    video = recorded.video
    results = Results.of(recorded.tracks)
    tracks = tracks_of(results, video, float("-inf"))
    if not len(tracks):
        raise InputError(f"the method finds no instance in video {video.name}; choose another one")
    found_D = np.full(len(tracks), -1)
    objects = None if truth is None else objects_of(truth, video)
    if objects is not None:
        found_D = judge(tracks, objects).found_N
    order = _distinct(found_D, [recorded.instances[row] for row in tracks.rows_N])[:count]
    chosen = tracks.chosen(np.array(order, int))
    sets = [chosen] if objects is None else [objects, chosen]
    identity_N = identities(sets, [] if objects is None else [found_D[order]])[-1]
    shown = []
    for n, place in enumerate(order):
        title = f"{_name(chosen, n, categories)} {chosen.score_N[n]:.2f}"
        instance = Instance(chosen.masks_T(n), int(identity_N[n]), (title,))
        present_T = np.array([mask is not None for mask in chosen.masks_T(n)])
        if objects is not None and found_D[place] >= 0:
            masks = objects.masks_T(int(found_D[place]))
            present_T = np.array([mask is not None for mask in masks])
        row = recorded.instances[chosen.rows_N[n]]
        shown.append(ShownTrack(row, present_T, found_D[place] >= 0, instance, title))
    return shown


def _distinct(found_D: np.ndarray, instances: Sequence[int]) -> list[int]:
    """Tracks that find an object and then the others, one of each instance."""
    order = sorted(range(len(instances)), key=lambda place: found_D[place] < 0)
    seen: dict[int, int] = {}
    for place in order:
        seen.setdefault(instances[place], place)
    return list(seen.values())
