"""Which tracks of a recorded video a figure shows, and what each is called and colored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.errors import InputError
from vis_bench.inference.recorded_video import RecordedVideo
from vis_bench.show.overlay.colors import Color, color_of
from vis_bench.show.overlay.instance import Instance
from vis_bench.show.overlay.same_object import identities
from vis_bench.show.overlay.track_set import TrackSet, objects_of, tracks_of
from vis_bench.show.overlay.verdicts import judge


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


def _name(tracks: TrackSet, index: int, categories: Mapping[int, str]) -> str:
    category = int(tracks.category_N[index])
    return categories.get(category, f"class {category}")
