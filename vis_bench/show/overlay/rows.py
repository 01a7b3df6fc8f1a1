"""Instances drawn of a video: rows of all tracks, and the tracks of attention figures."""

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
    identities,
    objects_of,
    outcomes,
    tracks_of,
)

if TYPE_CHECKING:
    from vis_bench.inference.attention import RecordedVideo


def rows_of(
    video: Video,
    sides: Sequence[Side],
    truth: GroundTruth | None,
    categories: Mapping[int, str],
    min_score: float,
) -> list[Row]:
    """Return the ground truth's row, if there is one, and then a row for each results file."""
    sets = [tracks_of(side.results, video, min_score) for side in sides]
    if truth is None:
        rows = [
            [_track(tracks, n, int(identity), categories) for n, identity in enumerate(identity_N)]
            for tracks, identity_N in zip(sets, identities(sets), strict=True)
        ]
        return [Row(side.name, row) for side, row in zip(sides, rows, strict=True)]
    objects = objects_of(truth, video)
    judged = [outcomes(tracks, objects) for tracks in sets]
    _, *numbered = identities([objects, *sets], [found_N for found_N, _ in judged])
    found = [_object(objects, m, categories) for m in range(len(objects))]
    shown = [Row("ground truth", found)]
    for side, tracks, (found_N, faults), identity_N in zip(
        sides, sets, judged, numbered, strict=True
    ):
        missed_M = ~np.isin(np.arange(len(objects)), found_N) & ~objects.crowd_N
        instances = [_missed(objects, m, categories) for m in np.flatnonzero(missed_M).tolist()]
        switches = switch_frames(tracks, objects, video.length)
        for n, (identity, fault) in enumerate(zip(identity_N, faults, strict=True)):
            instances.append(
                _track(tracks, n, int(identity), categories, fault=fault, switches=switches[n])
            )
        shown.append(Row(side.name, instances))
    return shown


def abbreviation(name: str, names: Iterable[str]) -> str:
    """Return the first letters of a name's words, as few as distinguish it from the other names.

    At least 3 of a single word and 2 of each of several: `per.`, `gi.pa.`. Empty for a name of up
    to 5 letters, or if it would not be two shorter than the name.
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


def _object(objects: TrackSet, m: int, categories: Mapping[int, str]) -> Instance:
    name = _name(objects, m, categories)
    text = f"{name} (crowd)" if objects.crowd_N[m] else name
    short = abbreviation(name, categories.values())
    return Instance(objects.masks_T(m), m, (text,), abbreviation=short)


def _missed(objects: TrackSet, m: int, categories: Mapping[int, str]) -> Instance:
    texts = (f"missed {_name(objects, m, categories)}", "missed")
    return Instance(objects.masks_T(m), -1, texts, "missed")


def _track(
    tracks: TrackSet,
    n: int,
    identity: int,
    categories: Mapping[int, str],
    *,
    fault: str = "",
    switches: tuple[int, ...] = (),
) -> Instance:
    name, score = _name(tracks, n, categories), f"{tracks.score_N[n]:.2f}"
    text = f"{name}{',' if name[-1:].isdigit() else ''} {score}"
    texts = (f"{text}, {fault}", text, score) if fault else (text, score)
    style: Style = "false" if fault else "track"
    return Instance(tracks.masks_T(n), identity, texts, style, switches)


def _name(tracks: TrackSet, index: int, categories: Mapping[int, str]) -> str:
    category = int(tracks.category_N[index])
    return categories.get(category, f"class {category}")


@dataclass(frozen=True)
class ShownTrack:
    """One track of a figure.

    Attributes:
        row: of the instance in the recorded attention.
        present_T: frames in which the annotated object, or else the track, has a mask.
        annotated: `present_T` is from the annotations.
        instance: how it is drawn over a frame.
    """

    row: int
    present_T: np.ndarray
    annotated: bool
    instance: Instance

    @property
    def title(self) -> str:
        """Class and score."""
        return self.instance.texts[0]

    @property
    def color(self) -> Color:
        """Color of the object; with annotations the same in every figure of the video."""
        return color_of(self.instance.identity)


def shown_tracks(
    recorded: RecordedVideo,
    truth: GroundTruth | None,
    categories: Mapping[int, str],
    count: int,
) -> list[ShownTrack]:
    """Return the best tracks, one per instance; those that find an object go first."""
    video = recorded.video
    tracks = tracks_of(Results.of(recorded.tracks), video, float("-inf"))
    if not len(tracks):
        raise InputError(f"the method finds no instance in video {video.name}; choose another one")
    objects = None if truth is None else objects_of(truth, video)
    found_D = np.full(len(tracks), -1) if objects is None else outcomes(tracks, objects)[0]
    first: dict[int, int] = {}
    for place in sorted(range(len(tracks)), key=lambda place: found_D[place] < 0):
        first.setdefault(recorded.instances[tracks.rows_N[place]], place)
    order = np.array(list(first.values())[:count], int)
    chosen, found_N = tracks.chosen(order), found_D[order]
    if objects is None:
        (identity_N,) = identities([chosen])
    else:
        _, identity_N = identities([objects, chosen], [found_N])
    shown = []
    for n, (identity, target) in enumerate(zip(identity_N, found_N, strict=True)):
        text = f"{_name(chosen, n, categories)} {chosen.score_N[n]:.2f}"
        instance = Instance(chosen.masks_T(n), int(identity), (text,))
        annotated = objects if target >= 0 else None
        masks = chosen.masks_T(n) if annotated is None else annotated.masks_T(int(target))
        present_T = np.array([mask is not None for mask in masks])
        row = recorded.instances[chosen.rows_N[n]]
        shown.append(ShownTrack(row, present_T, annotated is not None, instance))
    return shown
