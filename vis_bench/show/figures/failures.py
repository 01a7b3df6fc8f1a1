"""Failure cases: one error of a video, cropped to the objects and tracks that it is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vis_bench.data.frames import LazyFrames
from vis_bench.data.video import Video
from vis_bench.masks.rle import RLE, area, decode, encode_masks
from vis_bench.metrics.error_causes import causes_of
from vis_bench.metrics.errors import VideoErrors
from vis_bench.metrics.frame_matches import BACKGROUND
from vis_bench.metrics.overlaps import space_time_iou
from vis_bench.runs.sources import Sources
from vis_bench.show.overlay.frame import Instance, Row, ShownLabels, VideoPictures
from vis_bench.show.overlay.rows import Names, track_instance, truth_row
from vis_bench.show.overlay.strip import Blocks, strip_frames
from vis_bench.show.overlay.timelines import switch_frames
from vis_bench.show.overlay.tracks import TrackSet, identities, objects_of, outcomes, tracks_of

# Kind of error -> what costs AP.
_CAUSES = {
    "class": "wrong classes",
    "duplicate": "duplicates",
    "background": "tracks of no object over the video",
    "missed": "missed objects",
    "switch": "switches",
    "fragment": "fragments",
}
_MOST_TRACKS = 3
# Frames around a switch, and part of the frame's sides that a crop has at least, with its margin.
_AROUND, _SMALLEST, _MARGIN = 6, 0.3, 1.25


def failure_cases(
    sources: Sources,
    cases: Sequence[tuple[str, VideoErrors]],
    columns: int,
    *,
    min_score: float,
    labels: ShownLabels,
    warn: Callable[[str], None],
) -> Blocks:
    """Return annotations and the tracks that cost AP for each case, with a heading.

    Args:
        sources: of one set of predictions.
        cases: kind of error, and a video that loses AP to it.
        columns: number of frames.
        min_score: tracks with lower scores are pale.
        labels: which frames name the tracks.
        warn: called with a sentence for each frame that cannot be read.
    """
    videos = {video.id: video for video in sources.videos}
    blocks = []
    for kind, errors in cases:
        video = videos[errors.video.id]
        scene = _scene(sources, video, errors.repaired(kind), min_score)
        frames = _telling_frames(scene, columns)
        cut, rows = _cropped(scene, frames)
        pictures = VideoPictures(cut, rows, warn, labels, frames)
        blocks.append((failure_heading(kind, errors), pictures))
    return blocks


def failure_heading(kind: str, errors: VideoErrors) -> str:
    """Heading of a failure case, with AP in points."""
    cause = errors.repaired(kind)
    return (
        f"{kind.capitalize()}, {errors.video.name}: AP {100 * errors.ap:.1f}, "
        f"{100 * errors.gains[kind]:.1f} lost to {_CAUSES.get(cause, cause)}"
    )


@dataclass(frozen=True)
class _ErrorPicture:
    """The picture of an error.

    Attributes:
        rows: the ground truth and the method, over the whole frame.
        ringed: the tracks that cost AP, or the missed objects.
        near: the objects that they are about.
        switches: frames in which the ringed tracks switch.
    """

    video: Video
    rows: Sequence[Row]
    ringed: Sequence[Instance]
    near: Sequence[Instance]
    switches: Sequence[int]


def _scene(sources: Sources, video: Video, kind: str, min_score: float) -> _ErrorPicture:
    [side], truth = sources.sides, sources.truth
    causes = causes_of(truth, side.results, video, kind)
    tracks, objects = tracks_of(side.results, video, float("-inf")), objects_of(truth, video)
    # Places among the video's tracks -> rows of the file, which `tracks` has by falling score.
    rows = np.flatnonzero([track.video_id == video.id for track in side.results.tracks])
    costly_N = np.isin(tracks.rows_N, rows[list(causes.gains)[:_MOST_TRACKS]])
    outcome = outcomes(tracks, objects)
    near_M = _objects_near(tracks, objects, costly_N)
    near_M[causes.missed] = True
    others_N = np.isin(outcome.found_N, np.flatnonzero(near_M))
    if kind == "missed":
        others_N = _overlaps(tracks, objects, near_M) & (tracks.score_N >= min_score)
    own_M, identity_N = identities([objects, tracks], [outcome.found_N])
    names = Names.of(truth.categories, [(objects, own_M)])
    places = np.flatnonzero(costly_N)
    switches: dict[int, tuple[int, ...]] = {}
    if kind in ("switch", "fragment"):
        found = switch_frames(tracks.chosen(places), objects, video.length)
        switches = dict(zip(places.tolist(), found, strict=True))
    drawn = {
        n: track_instance(
            tracks,
            n,
            int(identity_N[n]),
            names,
            outcome.faults[n] if costly_N[n] else "",
            switches.get(n, ()),
            is_weak=bool(tracks.score_N[n] < min_score),
            is_ringed=bool(costly_N[n]),
        )
        for n in np.flatnonzero(costly_N | others_N).tolist()
    }
    annotated = truth_row(objects, names)
    missed = [
        replace(annotated.instances[m], texts=("not found",), style="missed", ringed=True)
        for m in causes.missed
    ]
    # Costly tracks lie above the others.
    shown = [*missed, *(drawn[n] for n in sorted(drawn, key=lambda n: not costly_N[n]))]
    return _ErrorPicture(
        video,
        [annotated, Row(side.name, shown)],
        [*missed, *(drawn[n] for n in places.tolist())],
        [annotated.instances[m] for m in np.flatnonzero(near_M).tolist()],
        sorted({t for own in switches.values() for t in own}),
    )


def _objects_near(tracks: TrackSet, objects: TrackSet, chosen_N: np.ndarray) -> np.ndarray:
    """Objects that one of some tracks overlaps most, bool (M,)."""
    near_M = np.zeros(len(objects), bool)
    rows = tracks.rows_N[chosen_N]
    if rows.size and len(objects):
        iou_NM = space_time_iou(tracks.tubes, rows, objects.tubes, objects.rows_N)
        near_M[iou_NM.argmax(1)[iou_NM.max(1) >= BACKGROUND]] = True
    return near_M


def _overlaps(tracks: TrackSet, objects: TrackSet, chosen_M: np.ndarray) -> np.ndarray:
    """Tracks that share pixels with one of some objects, bool (N,)."""
    rows = objects.rows_N[chosen_M]
    iou_NM = space_time_iou(tracks.tubes, tracks.rows_N, objects.tubes, rows)
    return np.any(iou_NM > 0, axis=1)


def _telling_frames(scene: _ErrorPicture, columns: int) -> list[int]:
    """Frames that show the error: around the first switch, or those with most of its pixels."""
    length = scene.video.length
    if scene.switches:
        first, last = scene.switches[0] - _AROUND, scene.switches[0] + _AROUND
        start = max(0, min(first, length - 1 - 2 * _AROUND))
        return [start + t for t in strip_frames(min(length, last - first + 1), columns)]
    pixels_T = np.zeros(length)
    for instance in scene.ringed:
        pixels_T += [area(mask) if mask else 0 for mask in instance.masks_T]
    telling = np.flatnonzero(pixels_T >= pixels_T.max(initial=0) / 2)
    if len(telling) < columns:
        telling = np.sort(np.argsort(-pixels_T, kind="stable")[:columns])
    return telling[strip_frames(len(telling), columns)].tolist()


def _cropped(scene: _ErrorPicture, frames: Sequence[int]) -> tuple[Video, list[Row]]:
    """Cut the frames to windows of one size and of the frame's shape, each around the error."""
    video = scene.video
    boxes = {t: _box([i.masks_T[t] for i in (*scene.ringed, *scene.near)]) for t in frames}
    scale = max(
        _SMALLEST,
        *(
            _MARGIN * max((bottom - top) / video.height, (right - left) / video.width)
            for top, left, bottom, right in filter(None, boxes.values())
        ),
    )
    height, width = (round(min(1.0, scale) * side) for side in (video.height, video.width))
    windows = {}
    whole = 0, 0, video.height, video.width
    for t, box in boxes.items():
        top, left, bottom, right = box or whole
        y = min(max(0, (top + bottom - height) // 2), video.height - height)
        x = min(max(0, (left + right - width) // 2), video.width - width)
        windows[t] = slice(y, y + height), slice(x, x + width)

    def frame(t: int) -> np.ndarray:
        return video.frames[t][windows[t]]

    def cut(instance: Instance) -> Instance:
        masks_T: list[RLE | None] = [None] * video.length
        for t, window in windows.items():
            if (mask := instance.masks_T[t]) and (inside := decode(mask)[window]).any():
                [masks_T[t]] = encode_masks(inside[None])
        return replace(instance, masks_T=masks_T)

    rows = [replace(row, instances=[*map(cut, row.instances)]) for row in scene.rows]
    return replace(video, height=height, width=width, frames=LazyFrames(video.length, frame)), rows


def _box(masks: Sequence[RLE | None]) -> tuple[int, int, int, int] | None:
    """Top, left, bottom and right of some masks together."""
    inside = [decode(mask) for mask in masks if mask]
    if not np.any(inside):
        return None
    rows, columns = (np.flatnonzero(np.any(inside, axis=(0, axis))) for axis in (2, 1))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
