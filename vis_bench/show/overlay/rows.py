"""Instances drawn of a video: rows of all tracks, and the tracks of attention figures."""

from __future__ import annotations

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
from vis_bench.show.overlay.label_box import short_name
from vis_bench.show.overlay.painting import Color, Style, color_of
from vis_bench.show.overlay.timelines import object_timelines, switch_frames
from vis_bench.show.overlay.tracks import (
    Outcomes,
    TrackSet,
    identities,
    objects_of,
    outcomes,
    tracks_of,
)
from vis_bench.text import count

if TYPE_CHECKING:
    from vis_bench.inference.attention import RecordedVideo


def rows_of(
    video: Video,
    sides: Sequence[Side],
    truth: GroundTruth | None,
    categories: Mapping[int, str],
    min_score: float,
) -> list[Row]:
    """Return the ground truth's row, if there is one, and then a row for each results file.

    A track below `min_score` is drawn, pale, where no better one finds its object.
    """
    if truth is None:
        return _unjudged_rows(video, sides, categories, min_score)
    objects = objects_of(truth, video)
    sets, strong = [], []
    for side in sides:
        tracks = tracks_of(side.results, video, float("-inf"))
        strong.append(tracks.chosen(np.flatnonzero(tracks.score_N >= min_score)))
        is_found_N = outcomes(tracks, objects).found_N >= 0
        sets.append(tracks.chosen(np.flatnonzero(is_found_N | (tracks.score_N >= min_score))))
    judged = [outcomes(tracks, objects) for tracks in sets]
    own_M, *numbered = identities([objects, *sets], [outcome.found_N for outcome in judged])
    names = Names.of(categories, [(objects, own_M)])
    shown = [truth_row(objects, names)]
    for side, tracks, above, outcome, identity_N in zip(
        sides, sets, strong, judged, numbered, strict=True
    ):
        instances = _lost(tracks, objects, outcome.unmatched, names, video.length)
        switches = switch_frames(above, objects, video.length)
        for n, (identity, fault) in enumerate(zip(identity_N, outcome.faults, strict=True)):
            is_weak = n >= len(above)
            own = () if is_weak else switches[n]
            instances.append(track_instance(tracks, n, int(identity), names, fault, own, is_weak))
        shown.append(Row(side.name, instances, _remark(side, video, tracks, min_score)))
    return shown


def _unjudged_rows(
    video: Video, sides: Sequence[Side], categories: Mapping[int, str], min_score: float
) -> list[Row]:
    sets = [tracks_of(side.results, video, min_score) for side in sides]
    numbered = identities(sets)
    names = Names.of(categories, zip(sets, numbered, strict=True))
    return [
        Row(
            side.name,
            [track_instance(tracks, n, int(i), names) for n, i in enumerate(identity_N)],
            _remark(side, video, tracks, min_score),
        )
        for side, tracks, identity_N in zip(sides, sets, numbered, strict=True)
    ]


def _remark(side: Side, video: Video, drawn: TrackSet, min_score: float) -> str:
    """Number of tracks of low score that are not drawn, and of how many if some are."""
    scores = [track.score for track in side.results.tracks if track.video_id == video.id]
    num_low = sum(score < min_score for score in scores)
    num_hidden = len(scores) - len(drawn)
    part = f"{num_hidden} of " if num_hidden < num_low else ""
    return f"{part}{count(num_low, 'track')} below {min_score:g} not drawn" if num_hidden else ""


def truth_row(objects: TrackSet, names: Names) -> Row:
    """Return the row of all annotated objects."""
    return Row("ground truth", [_object(objects, m, names) for m in range(len(objects))])


@dataclass(frozen=True)
class Names:
    """Names of the objects of a video: classes, with a number where several are of one class.

    `numbers`: (category, identity) -> number within the class, from 1.
    """

    categories: Mapping[int, str]
    numbers: Mapping[tuple[int, int], int]

    @classmethod
    def of(
        cls, categories: Mapping[int, str], sets: Iterable[tuple[TrackSet, np.ndarray]]
    ) -> Names:
        """Number the identities of the sets, in their order."""
        found: dict[int, list[int]] = {}
        for tracks, identity_N in sets:
            for category, identity in zip(
                tracks.category_N.tolist(), identity_N.tolist(), strict=True
            ):
                known = found.setdefault(category, [])
                if identity not in known:
                    known.append(identity)
        numbers = {
            (category, identity): number
            for category, known in found.items()
            for number, identity in enumerate(known, 1)
            if len(known) > 1
        }
        return cls({key: short_name(name) for key, name in categories.items()}, numbers)

    def full(self, category: int, identity: int) -> str:
        """Return a name such as `cat #2`."""
        name = self.categories.get(category, f"class {category}")
        return f"{name} {self._number(category, identity)}".rstrip()

    def forms(self, category: int, identity: int) -> tuple[str, ...]:
        """Return the full name, and the number alone if there is one."""
        number = self._number(category, identity)
        return (self.full(category, identity), *([number] if number else []))

    def _number(self, category: int, identity: int) -> str:
        number = self.numbers.get((category, identity))
        return "" if number is None else f"#{number}"


def _object(objects: TrackSet, m: int, names: Names) -> Instance:
    category = int(objects.category_N[m])
    forms = names.forms(category, m)
    texts = (f"{forms[0]} (crowd)", *forms) if objects.crowd_N[m] else forms
    return Instance(objects.masks_T(m), m, texts)


def hidden_matches(side: Side, video: Video, objects: TrackSet, shown: Outcomes) -> dict[int, str]:
    """Return the words for unmatched objects that a track with too low a score finds."""
    tracks = tracks_of(side.results, video, float("-inf"))
    if not shown.unmatched or len(tracks) == len(shown.found_N):
        return {}
    found = zip(outcomes(tracks, objects).found_N.tolist(), tracks.score_N.tolist(), strict=True)
    return {
        m: f"not matched, only at score {score:.2f}" for m, score in found if m in shown.unmatched
    }


def _lost(
    tracks: TrackSet, objects: TrackSet, unmatched: Mapping[int, str], names: Names, num_frames: int
) -> list[Instance]:
    """Return dashes for frames in which an object has no mask, labels for unmatched objects."""
    instances = []
    for m, line in enumerate(object_timelines(tracks, objects, num_frames)):
        if objects.crowd_N[m]:
            continue
        masks_T = objects.masks_T(m)
        if words := unmatched.get(m):
            name = names.full(int(objects.category_N[m]), m)
            texts = (f"{name} {words}", words, "not matched")
            instances.append(Instance(masks_T, m, texts, "unmatched"))
        if line.missed_T.any():
            masks = [masks_T[t] if missed else None for t, missed in enumerate(line.missed_T)]
            instances.append(Instance(masks, m, (), "missed"))
    return instances


def track_instance(
    tracks: TrackSet,
    n: int,
    identity: int,
    names: Names,
    fault: str = "",
    switches: tuple[int, ...] = (),
    is_weak: bool = False,
    is_ringed: bool = False,
) -> Instance:
    """Return a track as it is drawn; `fault` and `is_weak` hatch it."""
    category, score = int(tracks.category_N[n]), f"{tracks.score_N[n]:.2f}"
    name = names.full(category, identity)
    text = _scored(name, score)
    texts = (f"{text}, {fault}", text, score) if fault else (text, score)
    style: Style = "weak" if is_weak else "false" if fault else "track"
    return Instance(tracks.masks_T(n), identity, texts, style, switches, is_ringed)


def _scored(name: str, score: str) -> str:
    return f"{name}{',' if name[-1:].isdigit() else ''} {score}"


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
        raise InputError(f"the method finds no instance in video {video.name}; choose another")
    objects = None if truth is None else objects_of(truth, video)
    found_D = np.full(len(tracks), -1) if objects is None else outcomes(tracks, objects).found_N
    first: dict[int, int] = {}
    for place in sorted(range(len(tracks)), key=lambda place: found_D[place] < 0):
        first.setdefault(recorded.instances[tracks.rows_N[place]], place)
    order = np.array(list(first.values())[:count], int)
    chosen, found_N = tracks.chosen(order), found_D[order]
    if objects is None:
        (identity_N,) = identities([chosen])
    else:
        _, identity_N = identities([objects, chosen], [found_N])
    shown, names = [], Names.of(categories, [(chosen, identity_N)])
    for n, (identity, target) in enumerate(zip(identity_N, found_N, strict=True)):
        name = names.full(int(chosen.category_N[n]), int(identity))
        text = _scored(name, f"{chosen.score_N[n]:.2f}")
        instance = Instance(chosen.masks_T(n), int(identity), (text,))
        annotated = objects if target >= 0 else None
        masks = chosen.masks_T(n) if annotated is None else annotated.masks_T(int(target))
        present_T = np.array([mask is not None for mask in masks])
        row = recorded.instances[chosen.rows_N[n]]
        shown.append(ShownTrack(row, present_T, annotated is not None, instance))
    return shown
