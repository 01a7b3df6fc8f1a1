"""Tracks and masks that annotations do not judge: void pixels, regions to ignore, open categories.

Void pixels (DAVIS, YouTube-VOS) are taken out of every track, and tracks of categories that nobody
verified in their video (TAO) are left out, before anything is compared. A track that finds no
object costs no AP at IoU threshold t where at least t of its pixels lie in regions to ignore (as
COCO's crowds), nor where its category is not annotated exhaustively. HOTA, IDF1 and TETA leave out
single masks, see `tracking.excused`.

Shape letters: N tracks, D tracks of one video.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.data.annotations import ABSENT, CATEGORY_KEYS, PIXEL_KEYS, GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.grouping import grouped
from vis_bench.masks.rle import RLE, area, decode, encode_masks, with_text
from vis_bench.masks.tubes import MaskTubes, SparseTube
from vis_bench.metrics.overlaps import Overlaps
from vis_bench.text import count


def judged(ground_truth: GroundTruth, results: Results) -> Results:
    """The results without void pixels, without tracks that lie in those alone, and without tracks
    of unverified categories; doing it twice changes nothing.
    """
    if not ground_truth.exclusions:
        return results
    outside = {key: _complements(own.void) for key, own in ground_truth.exclusions.items()}
    left_out = set(unverified(ground_truth, results))
    kept = [track for row, track in enumerate(results.tracks) if row not in left_out]
    cut = [_without_void(track, outside.get(track.video_id, {})) for track in kept]
    return Results.of([track for track in cut if track is not None], results.name)


def unverified(ground_truth: GroundTruth, results: Results) -> list[int]:
    """Rows of the tracks of a category that has no object in their video, and is not verified to
    have none, where the video lists the verified categories.
    """
    excluded = ground_truth.exclusions
    shown = {(thing.video_id, thing.category_id) for thing in ground_truth.objects}
    pairs = [(track.video_id, track.category_id) for track in results.tracks]
    listed = {key: own.absent for key, own in excluded.items() if own.absent is not None}
    return [
        row
        for row, (video, category) in enumerate(pairs)
        if category not in listed.get(video, (category,)) and (video, category) not in shown
    ]


def left_out_warnings(ground_truth: GroundTruth, results: Results) -> list[str]:
    """A sentence on the tracks that are `unverified`, if there are any."""
    number = len(unverified(ground_truth, results)) if ground_truth.exclusions else 0
    sentence = (
        f"{results.name}: predictions left out because nobody verified their category in their "
        f"video ({ABSENT}): {number} of {len(results.tracks)}"
    )
    return [sentence] if number else []


def not_applied(ground_truth: GroundTruth, evaluator: str) -> list[str]:
    """A sentence that an evaluator does not read what is excluded, if anything is."""
    if not ground_truth.exclusions:
        return []
    number = count(len(ground_truth.exclusions), "image" if ground_truth.of_images else "video")
    keys = ", ".join((*PIXEL_KEYS, *CATEGORY_KEYS))
    return [f"{ground_truth.name}: {evaluator} does not read {keys} of {number}"]


def excused_shares(ground_truth: GroundTruth, results: Results) -> dict[int, float]:
    """The highest IoU threshold at which a track costs nothing if it finds no object, by row: the
    share of its pixels in regions to ignore, or 1 if its category is not annotated exhaustively.
    """
    rows_of = grouped(range(len(results.tracks)), lambda row: results.tracks[row].video_id)
    shares: dict[int, float] = {}
    for key, own in ground_truth.exclusions.items():
        rows = rows_of.get(key, [])
        found = Overlaps.of(results.tubes, np.array(rows, int), own.regions, np.zeros(1, np.int64))
        areas_D = np.maximum(found.tracks.areas_before(own.regions.lengths_N[0]), 1)
        shares |= zip(rows, (found.shared_NM[:, 0] / areas_D).tolist(), strict=True)
        shares |= {
            row: 1.0 for row in rows if results.tracks[row].category_id in own.not_exhaustive
        }
    return shares


def _without_void(track: Track, outside: Mapping[int, RLE]) -> Track | None:
    """The track without void pixels; None if it has no others.

    Args:
        outside: the pixels that are not void, by frame.
    """
    if not outside:
        return track
    given = {frame: mask for frame, mask in enumerate(track.segmentations) if mask}
    masks = {
        frame: with_text(coco_mask.merge([mask, outside[frame]], intersect=True))
        if frame in outside and mask["size"] == outside[frame]["size"]
        else mask
        for frame, mask in given.items()
    }
    if any(map(area, given.values())) and not any(map(area, masks.values())):
        return None
    return replace(track, segmentations=SparseTube(len(track.segmentations), masks))


def _complements(void: MaskTubes) -> dict[int, RLE]:
    """The pixels of each frame with void pixels that are not void."""
    masks = zip(void.frame_P.tolist(), void.masks_P, strict=True)
    return {frame: encode_masks(~decode(mask)[None])[0] for frame, mask in masks}
