"""Tracking: the predictions of clips become tracks over the whole video.

`ClipTracker` follows IFC (arXiv 2106.03299, section 3.3): a new clip's instances are matched with
those of the earlier clips that share frames with it, by space-time soft IoU and Hungarian
assignment. It streams: dense masks live only while a later clip can still touch their frames, after
that they are run-length codes at the video's size. A track stores the frames that it has a mask in,
and is dropped when it has ended and its score rules it out, so memory grows with the masks alone.

`NamedTracker` joins the clips of an online method, which identifies its tracks itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from vis_bench.data.results_file import Track
from vis_bench.inference.clips import Clip
from vis_bench.inference.encode import at_video_size, encode_at_video_size
from vis_bench.inference.preprocess import to_device
from vis_bench.masks.rle import RLE
from vis_bench.masks.tubes import SparseTube
from vis_bench.method import ClipPrediction, Padding, TrackingRule

# Frames whose averaged logits are held at once while they are closed; bounds the peak memory.
CLOSED_FRAMES = 16
# Mask logits that wait for the end of the video; beyond it the oldest are encoded.
WAITING_BYTES = 1 << 30


class Output(NamedTuple):
    """A track under one of the classes: `column` of its class probabilities."""

    track: int
    column: int
    score: float


# (Track, frame) of each of P masks, and the masks on the host, boolean (P, H, W), at video size.
PublishedMasks = tuple[list[tuple[int, int]], Tensor]


def published_masks(
    owners: list[tuple[int, int]],
    logits_PHW: Tensor,
    size_HW: tuple[int, int],
    padding: Padding | None,
    boxes_P4: Tensor | None = None,
) -> Iterator[PublishedMasks]:
    """The masks of some logits on the host, some at a time."""
    for first, masks_PHW in at_video_size(logits_PHW, size_HW, padding, boxes_P4):
        yield owners[first : first + len(masks_PHW)], masks_PHW.cpu()


class SelectedOutputs:
    """The (track, class) pairs of a video's results, selected while its tracks end.

    A pair that is not among the `top_k` best of the tracks that have ended is not among the best
    of all, so the masks of such pairs can be dropped before the video ends.
    """

    def __init__(self, rule: TrackingRule) -> None:
        self._rule = rule
        self._outputs: list[Output] = []

    def copy(self) -> SelectedOutputs:
        """The same pairs, to which more can be added."""
        copied = SelectedOutputs(self._rule)
        copied._outputs = [*self._outputs]
        return copied

    def add(self, tracks: Sequence[int], probs_MK: Tensor) -> set[int]:
        """Add M tracks whose class probabilities are final.

        Returns:
            The tracks, of these and of earlier ones, that have no pair left.
        """
        above_MK = probs_MK > self._rule.min_score
        scores = probs_MK[above_MK].tolist()
        new = [
            Output(tracks[row], column, score)
            for (row, column), score in zip(above_MK.nonzero().tolist(), scores, strict=True)
        ]
        if self._rule.top_k is None:
            self._outputs += new
            return {*tracks} - {pair.track for pair in new}
        before = {*tracks, *(pair.track for pair in self._outputs)}
        self._outputs = sorted([*self._outputs, *new], key=_best_first)[: self._rule.top_k]
        return before - {pair.track for pair in self._outputs}

    def best_first(self) -> list[Output]:
        """All selected pairs; of equal scores the earlier track's is first."""
        return sorted(self._outputs, key=_best_first)


def _best_first(pair: Output) -> tuple[float, int, int]:
    return -pair.score, pair.track, pair.column


@dataclass
class _FollowedObject:
    """One object followed through the clips so far; `masks`: frame -> mask, where there is one."""

    class_probs_sum_K: Tensor
    num_clips: int = 0
    masks: dict[int, RLE] = field(default_factory=dict)


def _mean_probs(instances: Iterable[_FollowedObject]) -> Tensor:
    """Class probabilities averaged over the clips so far, (M, K)."""
    return torch.stack([i.class_probs_sum_K / i.num_clips for i in instances])


@dataclass(frozen=True)
class _TrackedClip:
    """A clip whose frames a later clip can still touch; row n belongs to instance ids[n]."""

    clip: Clip
    ids: list[int]
    mask_logits_NTHW: Tensor

    @cached_property
    def mask_probs_NTHW(self) -> Tensor:
        """Foreground probabilities, 0..1."""
        return self.mask_logits_NTHW.sigmoid()


def space_time_soft_iou(probs_MTHW: Tensor, probs_NTHW: Tensor) -> Tensor:
    """Soft IoU of every pair of mask tubes over the same T frames; (M, N), each 0..1.

    The sum of products over the sum of probabilistic unions (IFC, equation 6).
    """
    a_MX, b_NX = probs_MTHW.flatten(1), probs_NTHW.flatten(1)
    intersection_MN = a_MX @ b_NX.T
    union_MN = a_MX.sum(1)[:, None] + b_NX.sum(1)[None] - intersection_MN
    return intersection_MN / (union_MN + 1e-6)


class ClipTracker:
    """Joins the clips of one video, given in order, into tracks by their overlap.

    Args:
        rule: match threshold and selection of the (track, class) pairs.
        num_frames: the video's length.
        height, width: the video's original size in pixels, the size of the tracks' masks.
    """

    def __init__(self, rule: TrackingRule, num_frames: int, height: int, width: int) -> None:
        self._rule = rule
        self._num_frames = num_frames
        self._size_HW = (height, width)
        self._outputs = SelectedOutputs(rule)
        self._num_instances = 0
        # Instances by id: those of open clips and those that have ended, as long as either needs
        # them.
        self._instances: dict[int, _FollowedObject] = {}
        self._ended: dict[int, dict[int, RLE]] = {}
        self._open_clips: list[_TrackedClip] = []
        self._padding: Padding | None = None
        self._next_frame = 0

    def update(self, clip: Clip, prediction: ClipPrediction) -> None:
        """Add the next clip; its instances continue tracks or start new ones."""
        # A copy: it outlives the call, and the method may write the next clip into its memory.
        logits_NTHW = prediction.mask_logits_NTHW.to(torch.float32, copy=True)
        tracked = _TrackedClip(clip, [-1] * len(prediction), logits_NTHW)
        for instance_id, row in self._matches(tracked):
            tracked.ids[row] = instance_id
        for row, class_probs_K in enumerate(prediction.class_probs_NK.float().cpu()):
            if tracked.ids[row] < 0:
                tracked.ids[row] = self._new_instance(class_probs_K)
            instance = self._instances[tracked.ids[row]]
            instance.class_probs_sum_K += class_probs_K
            instance.num_clips += 1
        self._open_clips.append(tracked)
        self._padding = prediction.padding

    def close_frames(self, stop: int) -> None:
        """Turn the masks of all frames before `stop` into RLE; no later clip may hold them."""
        stop = min(stop, self._num_frames)
        for start in range(self._next_frame, stop, CLOSED_FRAMES):
            self._close(start, min(start + CLOSED_FRAMES, stop))
        self._next_frame = max(self._next_frame, stop)
        self._open_clips = [item for item in self._open_clips if item.clip.stop > stop]
        self._end_instances()

    def outputs(self) -> list[Output]:
        """The pairs that the rule selects after the clips so far, best first."""
        selected = self._outputs.copy()
        if self._instances:
            selected.add([*self._instances], _mean_probs(self._instances.values()))
        return selected.best_first()

    def published(
        self, frames: range, chosen: Collection[int] | None = None
    ) -> Iterator[PublishedMasks]:
        """Masks of frames of the last clip, averaged over the clips so far; see `Tracker`."""
        for start in range(frames.start, frames.stop, CLOSED_FRAMES):
            stop = min(start + CLOSED_FRAMES, frames.stop)
            owners, logits_PHW = self._averaged(start, stop, chosen)
            yield from published_masks(owners, logits_PHW, self._size_HW, self._padding)

    def tracks(self, video_id: int, category_ids: Sequence[int]) -> list[Track]:
        """All tracks, best score first, after closing every frame.

        Args:
            video_id: goes into each track.
            category_ids: the category id of each column of the class probabilities.
        """
        self.close_frames(self._num_frames)
        tubes = {n: SparseTube(self._num_frames, m) for n, m in self._ended.items() if m}
        return [
            Track(video_id, category_ids[column], score, tubes[instance_id])
            for instance_id, column, score in self._outputs.best_first()
            if instance_id in tubes
        ]

    def _new_instance(self, class_probs_K: Tensor) -> int:
        instance_id = self._num_instances
        self._instances[instance_id] = _FollowedObject(torch.zeros_like(class_probs_K))
        self._num_instances += 1
        return instance_id

    def _end_instances(self) -> None:
        """Settle the scores of instances in no open clip, and drop what is ruled out."""
        live = {instance_id for item in self._open_clips for instance_id in item.ids}
        ended = {i: self._instances.pop(i) for i in [*self._instances] if i not in live}
        if not ended:
            return
        self._ended |= {number: instance.masks for number, instance in ended.items()}
        for number in self._outputs.add([*ended], _mean_probs(ended.values())):
            del self._ended[number]

    def _matches(self, new: _TrackedClip) -> Iterator[tuple[int, int]]:
        """Pairs (instance id, row of the new clip) by Hungarian assignment above the threshold."""
        ids, scores_MN = self._match_scores(new)
        if not ids or not new.ids:
            return
        above_MN = scores_MN > self._rule.match_threshold
        scores_MN = torch.where(above_MN, scores_MN, 0.0)
        for row, column in zip(
            *linear_sum_assignment(scores_MN.numpy(), maximize=True), strict=True
        ):
            if above_MN[row, column]:
                yield ids[row], int(column)

    def _match_scores(self, new: _TrackedClip) -> tuple[list[int], Tensor]:
        """Soft IoU of live instances with the new clip's rows, averaged over the shared clips."""
        ids = sorted({i for item in self._open_clips for i in item.ids})
        place = {instance_id: row for row, instance_id in enumerate(ids)}
        holders, ious = [], []
        for old in self._open_clips:
            start, stop = max(old.clip.start, new.clip.start), min(old.clip.stop, new.clip.stop)
            if start >= stop or not old.ids:
                continue
            iou_MN = space_time_soft_iou(
                old.mask_probs_NTHW[:, start - old.clip.start : stop - old.clip.start],
                new.mask_probs_NTHW[:, start - new.clip.start : stop - new.clip.start],
            )
            holders.append([place[i] for i in old.ids])
            ious.append(iou_MN)
        sums_MN = torch.zeros(len(ids), len(new.ids))
        counts_M = torch.zeros(len(ids))
        lengths = [len(rows) for rows in holders]
        # One copy to the host for all of them.
        shared = torch.cat(ious).cpu().split(lengths) if ious else ()
        for rows, iou_MN in zip(holders, shared, strict=True):
            sums_MN[rows] += iou_MN
            counts_M[rows] += 1
        return ids, sums_MN / (counts_M[:, None] + 1e-6)

    def _close(self, start: int, stop: int) -> None:
        """Encode the averaged masks of frames [start, stop)."""
        owners, logits_PHW = self._averaged(start, stop)
        for index, rle in encode_at_video_size(logits_PHW, self._size_HW, self._padding):
            instance_id, frame = owners[index]
            self._instances[instance_id].masks[frame] = rle

    def _averaged(
        self, start: int, stop: int, chosen: Collection[int] | None = None
    ) -> tuple[list[tuple[int, int]], Tensor]:
        """Logits of frames [start, stop), averaged over the open clips that hold them.

        Returns:
            (Instance id, frame) of each of P masks, and their logits (P, H, W).
        """
        holders = [
            c for c in self._open_clips if c.ids and c.clip.start < stop and c.clip.stop > start
        ]
        if not holders:
            return [], torch.empty(0, 1, 1)
        ids = sorted({i for item in holders for i in item.ids})
        place = {instance_id: row for row, instance_id in enumerate(ids)}
        first = holders[0].mask_logits_NTHW
        sums_MTHW = first.new_zeros(len(ids), stop - start, *first.shape[-2:])
        counts_MT = torch.zeros(len(ids), stop - start)
        rows_of = [[place[i] for i in item.ids] for item in holders]
        all_rows = to_device(torch.tensor([row for rows in rows_of for row in rows]), first.device)
        for item, rows, rows_N in zip(
            holders, rows_of, all_rows.split([*map(len, rows_of)]), strict=True
        ):
            low, high = max(start, item.clip.start), min(stop, item.clip.stop)
            shared_NTHW = item.mask_logits_NTHW[:, low - item.clip.start : high - item.clip.start]
            sums_MTHW[:, low - start : high - start].index_add_(0, rows_N, shared_NTHW)
            counts_MT[rows, low - start : high - start] += 1
        if chosen is not None:
            counts_MT[[row for row, number in enumerate(ids) if number not in chosen]] = 0
        held = counts_MT.flatten().nonzero()[:, 0]
        counts_P = to_device(counts_MT.flatten()[held], first.device)
        held_P = to_device(held, first.device)
        logits_PHW = sums_MTHW.flatten(0, 1).index_select(0, held_P) / counts_P[:, None, None]
        owners = [
            (ids[row], start + offset)
            for row, offset in (divmod(index, stop - start) for index in held.tolist())
        ]
        return owners, logits_PHW


@dataclass(frozen=True)
class _WaitingMasks:
    """The masks of a clip's tracks, not yet encoded; row n belongs to track ids[n].

    `boxes_NT4` is set where the masks' grids span them.
    """

    start: int
    ids: Sequence[int]
    mask_logits_NTHW: Tensor
    padding: Padding | None
    boxes_NT4: Tensor | None

    @property
    def num_bytes(self) -> int:
        return self.mask_logits_NTHW.numel() * self.mask_logits_NTHW.element_size()

    def of_rows(self, rows: Sequence[int], frames: range) -> tuple[Tensor, Tensor | None]:
        """Logits (P, H, W), and boxes (P, 4) if there are any, of some rows in some frames."""
        rows_N = to_device(torch.tensor(rows, dtype=torch.int64), self.mask_logits_NTHW.device)
        within = slice(frames.start - self.start, frames.stop - self.start)
        logits_PHW, boxes_P4 = (
            None if held is None else held.index_select(0, rows_N)[:, within].flatten(0, 1)
            for held in (self.mask_logits_NTHW, self.boxes_NT4)
        )
        assert logits_PHW is not None
        return logits_PHW, boxes_P4


class NamedTracker:
    """Joins the clips of one video, given in order and without overlap, by the names of tracks.

    The selected tracks are known at the end of the video, and they are few of the method's queries.
    Until then masks wait as logits, so that only those of selected tracks are encoded.

    Args:
        rule: selection of the (track, class) pairs.
        num_frames: the video's length.
        height, width: the video's original size in pixels, the size of the tracks' masks.
        waiting_bytes: most bytes of logits that wait before masks are encoded; no result changes.
    """

    def __init__(
        self,
        rule: TrackingRule,
        num_frames: int,
        height: int,
        width: int,
        waiting_bytes: int = WAITING_BYTES,
    ) -> None:
        self._rule, self._num_frames, self._size_HW = rule, num_frames, (height, width)
        self._waiting_bytes = waiting_bytes
        self._waiting: deque[_WaitingMasks] = deque()
        # By the method's number, in the order in which tracks appear.
        self._class_probs: dict[int, Tensor] = {}
        self._masks: dict[int, dict[int, RLE]] = {}

    def update(self, clip: Clip, prediction: ClipPrediction) -> None:
        """Add the next clip, whose prediction names its tracks."""
        ids = prediction.track_ids_N
        assert ids is not None, "the loop checks that an online method names its tracks"
        # Copies: they outlive the call, and the method may write the next clip into their memory.
        probs_NK = prediction.class_probs_NK.to("cpu", torch.float32, copy=True)
        logits_NTHW, boxes_NT4 = prediction.mask_logits_NTHW.clone(), None
        if prediction.in_boxes and prediction.boxes_NT4 is not None:
            boxes_NT4 = prediction.boxes_NT4.clone()
        self._class_probs |= dict(zip(ids, probs_NK, strict=True))
        waiting = _WaitingMasks(clip.start, [*ids], logits_NTHW, prediction.padding, boxes_NT4)
        self._waiting.append(waiting)
        self._waiting_bytes *= not prediction.binary  # large masks are encoded at once

    def close_frames(self, stop: int) -> None:
        """Encode the oldest masks while too many wait; every frame is final as it comes."""
        while sum(item.num_bytes for item in self._waiting) > self._waiting_bytes:
            oldest = self._waiting.popleft()
            self._encode(oldest, oldest.ids)

    def outputs(self) -> list[Output]:
        """The pairs that the rule selects by the last class probabilities, best first."""
        outputs = SelectedOutputs(self._rule)
        if self._class_probs:
            outputs.add(range(len(self._class_probs)), torch.stack([*self._class_probs.values()]))
        return outputs.best_first()

    def published(
        self, frames: range, chosen: Collection[int] | None = None
    ) -> Iterator[PublishedMasks]:
        """Masks of frames of the last clip, which are final as they come; see `Tracker`."""
        last = self._waiting[-1]
        place = {number: track for track, number in enumerate(self._class_probs)}
        rows = [row for row, n in enumerate(last.ids) if chosen is None or place[n] in chosen]
        owners = [(place[last.ids[row]], frame) for row in rows for frame in frames]
        logits_PHW, boxes_P4 = last.of_rows(rows, frames)
        return published_masks(owners, logits_PHW, self._size_HW, last.padding, boxes_P4)

    def tracks(self, video_id: int, category_ids: Sequence[int]) -> list[Track]:
        """All tracks, best score first.

        Args:
            video_id: goes into each track.
            category_ids: the category id of each column of the class probabilities.
        """
        names, selected = [*self._class_probs], self.outputs()
        while self._waiting:
            self._encode(self._waiting.popleft(), {names[output.track] for output in selected})
        if self._rule.keep_empty:
            self._masks = {names[output.track]: {} for output in selected} | self._masks
        tubes = {number: SparseTube(self._num_frames, m) for number, m in self._masks.items()}
        return [
            Track(video_id, category_ids[column], score, tubes[names[track]])
            for track, column, score in selected
            if names[track] in tubes
        ]

    def _encode(self, item: _WaitingMasks, chosen: Collection[int]) -> None:
        """Turn logits into RLE at the video's size, for the chosen tracks."""
        rows = [row for row, number in enumerate(item.ids) if number in chosen]
        if not rows:
            return
        num_frames = item.mask_logits_NTHW.shape[1]
        logits_PHW, boxes_P4 = item.of_rows(rows, range(item.start, item.start + num_frames))
        codes = encode_at_video_size(logits_PHW, self._size_HW, item.padding, boxes_P4)
        for place, rle in codes:
            row, frame = divmod(place, num_frames)
            self._masks.setdefault(item.ids[rows[row]], {})[item.start + frame] = rle
