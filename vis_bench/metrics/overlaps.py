"""Pixels that the masks of a video share, counted in one pass over its frames.

Every metric starts here. Memory grows with the masks, not with tubes times frames.

The space-time IoU of two tubes is the sum of their intersections over the sum of their unions, up
to the end of the shorter one, as the official evaluator computes it (youtubevos/cocoapi,
`YTVOSeval.computeIoU`). A frame in which the two masks differ in size counts in neither sum. All
sums are exact integers in float64; one division follows.

Shape letters: N and M tubes, Q and R their masks, L pairs of masks that share pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.grouping import grouped
from vis_bench.masks import compiled
from vis_bench.masks.rle import RLE
from vis_bench.masks.tubes import MaskTubes


@dataclass(frozen=True)
class FrameMasks:
    """Masks of N tubes, `rows_N` of `tubes`, in order of frames, then tubes.

    `frame_Q`, `row_Q`, `place_Q`: the frame of each mask, its tube's place in `rows_N`, and its own
    place in `tubes`.
    """

    tubes: MaskTubes
    rows_N: np.ndarray
    frame_Q: np.ndarray
    row_Q: np.ndarray
    place_Q: np.ndarray

    @classmethod
    def of(cls, tubes: MaskTubes, rows_N: np.ndarray) -> FrameMasks:
        """All masks of some tubes, empty ones included."""
        row_Q, place_Q = tubes.masks_of(rows_N)
        frame_Q = tubes.frame_P[place_Q]
        order_Q = np.argsort(frame_Q, kind="stable")
        return cls(tubes, rows_N, frame_Q[order_Q], row_Q[order_Q], place_Q[order_Q])

    @cached_property
    def area_Q(self) -> np.ndarray:
        """Pixels of each mask."""
        return self.tubes.areas_P[self.place_Q]

    @cached_property
    def size_Q(self) -> np.ndarray:
        """Size of each mask, coded as in `MaskTubes.sizes_P`."""
        return self.tubes.sizes_P[self.place_Q]

    @cached_property
    def has_empty_runs_Q(self) -> np.ndarray:
        """Masks with an empty run other than the first, bool."""
        return self.tubes.has_empty_runs_P[self.place_Q]

    @property
    def lengths_N(self) -> np.ndarray:
        """Frames of each tube, with and without a mask."""
        return self.tubes.lengths_N[self.rows_N]

    def kept(self, kept_Q: np.ndarray) -> FrameMasks:
        """Copy without the other masks; the tubes stay."""
        return FrameMasks(
            self.tubes, self.rows_N, self.frame_Q[kept_Q], self.row_Q[kept_Q], self.place_Q[kept_Q]
        )

    def in_frames(self, frames_T: np.ndarray) -> list[slice]:
        """The masks of each of some frames."""
        first_T, last_T = (np.searchsorted(self.frame_Q, frames_T + end) for end in (0, 1))
        return list(map(slice, first_T.tolist(), last_T.tolist()))

    def rles(self) -> list[RLE]:
        """All masks."""
        return self.tubes.masks_at(self.place_Q)

    def areas_before(self, num_frames: int) -> np.ndarray:
        """Pixels of each tube in its first frames, float (N,)."""
        if num_frames not in self._areas_before:
            inside_Q = self.frame_Q < num_frames
            self._areas_before[num_frames] = np.bincount(
                self.row_Q[inside_Q], weights=self.area_Q[inside_Q], minlength=len(self.rows_N)
            )
        return self._areas_before[num_frames]

    @cached_property
    def _areas_before(self) -> dict[int, np.ndarray]:
        return {}


@dataclass(frozen=True)
class Overlaps:
    """Masks with pixels of N tubes and of M others of one video, and the pixels that pairs share.

    `mask_L`, `other_L`: places among the masks of `tracks` and `objects`, in order of frames, then
    objects, then tracks; `shared_L`: the pixels, more than 0. Masks of unequal size share none.
    `empty_iou`: IoU of two tubes without pixels.
    """

    tracks: FrameMasks
    objects: FrameMasks
    mask_L: np.ndarray
    other_L: np.ndarray
    shared_L: np.ndarray
    empty_iou: float = 0.0

    @classmethod
    def of(
        cls, tracks: MaskTubes, rows_N: np.ndarray, objects: MaskTubes, columns_M: np.ndarray
    ) -> Overlaps:
        """Count the pixels that `rows_N` of `tracks` share with `columns_M` of `objects`."""
        own, other = (
            masks.kept(masks.area_Q > 0)
            for masks in (FrameMasks.of(tracks, rows_N), FrameMasks.of(objects, columns_M))
        )
        pairs = _compiled_pairs(own, other)
        return cls(own, other, *(_pairs(own, other) if pairs is None else pairs))

    @property
    def frame_L(self) -> np.ndarray:
        """The frame of each pair."""
        return self.tracks.frame_Q[self.mask_L]

    @property
    def row_L(self) -> np.ndarray:
        """The track of each pair, from 0 to N - 1."""
        return self.tracks.row_Q[self.mask_L]

    @property
    def column_L(self) -> np.ndarray:
        """The object of each pair, from 0 to M - 1."""
        return self.objects.row_Q[self.other_L]

    @property
    def iou_L(self) -> np.ndarray:
        """The mask IoU of each pair in its frame."""
        areas_L = self.tracks.area_Q[self.mask_L] + self.objects.area_Q[self.other_L]
        return self.shared_L / (areas_L - self.shared_L)

    def before(self, num_frames: int) -> Overlaps:
        """Copy without masks that lie beyond a video's end."""
        inside_Q = self.tracks.frame_Q < num_frames
        inside_R = self.objects.frame_Q < num_frames
        if inside_Q.all() and inside_R.all():
            return self
        # Masks are in order of frames, so that the places of those that stay are the same.
        inside_L = inside_Q[self.mask_L]
        return Overlaps(
            self.tracks.kept(inside_Q),
            self.objects.kept(inside_R),
            self.mask_L[inside_L],
            self.other_L[inside_L],
            self.shared_L[inside_L],
            self.empty_iou,
        )

    @cached_property
    def space_time_iou(self) -> np.ndarray:
        """IoU of each track with each object over all frames, float64 (N, M)."""
        return self._ious(self.shared_NM, *map(np.arange, self._shape))

    def ious(self, rows_D: np.ndarray, columns_G: np.ndarray) -> np.ndarray:
        """The same of some tracks and objects alone, by their rising places, (D, G)."""
        places = [self._of_tracks[row] for row in rows_D.tolist()]
        pair_l = np.concatenate([np.zeros(0, np.int64), *places])
        row_l = np.repeat(np.arange(len(rows_D)), [len(own) for own in places])
        column_l = self.objects.row_Q[self.other_L[pair_l]]
        place_l = np.searchsorted(columns_G, column_l)
        inside_l = np.append(columns_G, -1)[place_l] == column_l
        flat_l = row_l[inside_l] * len(columns_G) + place_l[inside_l]
        shared_l = self.shared_L[pair_l[inside_l]]
        shape = len(rows_D), len(columns_G)
        shared = np.bincount(flat_l, shared_l, shape[0] * shape[1])
        return self._ious(shared.reshape(shape), rows_D, columns_G)

    @cached_property
    def _of_tracks(self) -> list[np.ndarray]:
        """Places of the pairs of each track."""
        order_L = np.argsort(self.row_L, kind="stable")
        return np.split(order_L, np.searchsorted(self.row_L[order_L], range(1, self._shape[0])))

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.tracks.rows_N), len(self.objects.rows_N)

    @property
    def shared_NM(self) -> np.ndarray:
        """Pixels that each track shares with each object over all frames, float64 (N, M)."""
        shape = self._shape
        place_L = self.row_L * shape[1] + self.column_L
        shared = np.bincount(place_L, weights=self.shared_L, minlength=shape[0] * shape[1])
        return shared.reshape(shape)

    def _ious(self, shared_DG: np.ndarray, rows_D: np.ndarray, columns_G: np.ndarray) -> np.ndarray:
        union_DG = self._total_areas(rows_D, columns_G)
        union_DG -= shared_DG
        empty_DG = np.full(union_DG.shape, self.empty_iou)
        return np.divide(shared_DG, union_DG, out=empty_DG, where=union_DG > 0)

    def _total_areas(self, rows_D: np.ndarray, columns_G: np.ndarray) -> np.ndarray:
        """The areas of both tubes together in the frames that count, (D, G)."""
        tracks, objects = self.tracks, self.objects
        common_DG = np.minimum(tracks.lengths_N[rows_D, None], objects.lengths_N[columns_G])
        total_DG = np.zeros(common_DG.shape)
        for common in np.unique(common_DG).tolist():
            areas_D, areas_G = (
                side.areas_before(common)[places]
                for side, places in ((tracks, rows_D), (objects, columns_G))
            )
            np.copyto(total_DG, areas_D[:, None] + areas_G, where=common_DG == common)
        if not self._is_usual:
            _leave_out_as_official(
                total_DG,
                FrameMasks.of(tracks.tubes, tracks.rows_N[rows_D]),
                FrameMasks.of(objects.tubes, objects.rows_N[columns_G]),
            )
        return total_DG

    @cached_property
    def _is_usual(self) -> bool:
        """True if all masks are of one size, and none has an empty run."""
        masks = [FrameMasks.of(side.tubes, side.rows_N) for side in (self.tracks, self.objects)]
        sizes = np.concatenate([side.size_Q for side in masks])
        return not (
            (sizes != sizes[:1]).any() or any(side.has_empty_runs_Q.any() for side in masks)
        )


_Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


def _pairs(own: FrameMasks, other: FrameMasks) -> _Pairs:
    """Places of masks that share pixels, and the pixels: the fields of `Overlaps`.

    Against a crowd, pycocotools divides the intersection by the first mask's area, so that a
    multiplication gives it back, to well within half a pixel.
    """
    frames = np.intersect1d(own.frame_Q, other.frame_Q)
    rles, other_rles = own.rles(), other.rles()
    parts: list[tuple[np.ndarray, ...]] = [(np.zeros(0, np.int64),) * 3]
    for q, r in zip(own.in_frames(frames), other.in_frames(frames), strict=True):
        covered_qr = coco_mask.iou(rles[q], other_rles[r], [True] * (r.stop - r.start))
        # Of masks that differ in size, pycocotools gives -1.
        r_l, q_l = (covered_qr.T > 0).nonzero()
        parts.append((q_l + q.start, r_l + r.start, covered_qr[q_l, r_l]))
    mask_L, other_L, covered_L = map(np.concatenate, zip(*parts, strict=True))
    return mask_L, other_L, np.rint(covered_L * own.area_Q[mask_L]).astype(np.int64)


def _compiled_pairs(own: FrameMasks, other: FrameMasks) -> _Pairs | None:
    """As `_pairs`; None without the library, and for masks that pycocotools merges in part."""
    if compiled.library is None or (own.has_empty_runs_Q.any() and other.has_empty_runs_Q.any()):
        return None
    frames = np.intersect1d(own.frame_Q, other.frame_Q)
    found = [np.isin(side.frame_Q, frames) for side in (other, own)]
    sides = [side.kept(kept) for side, kept in zip((other, own), found, strict=True)]
    order_N = np.argsort(np.concatenate([side.frame_Q for side in sides]), kind="stable")
    sizes_N = np.concatenate([side.size_Q for side in sides])[order_N]
    masks = [mask for side in sides for mask in side.rles()]
    counts = [masks[place]["counts"] for place in order_N.tolist()]
    num_F2 = np.column_stack([np.unique(m.frame_Q, return_counts=True)[1] for m in sides])
    pairs_L3 = compiled.overlaps(counts, sizes_N, num_F2)
    if pairs_L3 is None:
        return None
    place_N = np.concatenate([*map(np.flatnonzero, found)])
    mask_L, other_L = place_N[order_N[pairs_L3[:, :2]]].T
    return mask_L, other_L, pairs_L3[:, 2]


def _leave_out_as_official(total_DG: np.ndarray, tracks: FrameMasks, objects: FrameMasks) -> None:
    """Take from the total areas, in place, what the official evaluator leaves out.

    Both masks of a frame where they differ in size; and, where an empty run begins at the same
    place in both, all pixels from there on, since pycocotools stops merging there.
    """
    frames = np.intersect1d(tracks.frame_Q, objects.frame_Q)
    rles, other_rles = tracks.rles(), objects.rles()
    for q, r in zip(tracks.in_frames(frames), objects.in_frames(frames), strict=True):
        area_qr = tracks.area_Q[q, None] + objects.area_Q[r]
        differ_qr = tracks.size_Q[q, None] != objects.size_Q[r]
        total_DG[tracks.row_Q[q, None], objects.row_Q[r]] -= np.where(differ_qr, area_qr, 0)
        empty_runs_qr = tracks.has_empty_runs_Q[q, None] & objects.has_empty_runs_Q[r]
        for i, j in np.argwhere(empty_runs_qr & ~differ_qr).tolist():
            pair = [rles[q][i], other_rles[r][j]]
            kept = [int(coco_mask.area(coco_mask.merge(pair, both))) for both in (True, False)]
            place = tracks.row_Q[q][i], objects.row_Q[r][j]
            total_DG[place] += sum(kept) - area_qr[i, j]


def space_time_iou(
    tracks: MaskTubes, rows_N: np.ndarray, objects: MaskTubes, columns_M: np.ndarray
) -> np.ndarray:
    """IoU of `rows_N` of `tracks` with `columns_M` of `objects` over all frames, (N, M)."""
    return Overlaps.of(tracks, rows_N, objects, columns_M).space_time_iou


def video_overlaps(
    ground_truth: GroundTruth, results: Results, chosen_N: np.ndarray
) -> list[Overlaps]:
    """Overlaps of each video's chosen tracks with its objects, in the order of the videos.

    Args:
        chosen_N: the tracks that take part, bool; tracks and objects stay in file order.
    """
    rows = grouped(np.flatnonzero(chosen_N).tolist(), lambda row: results.tracks[row].video_id)
    objects = ground_truth.objects
    columns = grouped(range(len(objects)), lambda place: objects[place].video_id)
    return [
        Overlaps.of(
            results.tubes,
            np.array(rows.get(video.id, ()), np.int64),
            ground_truth.tubes,
            np.array(columns.get(video.id, ()), np.int64),
        )
        for video in ground_truth.videos
    ]
