"""Tracks of an online method, which names them itself: its clips are joined by those names."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vis_bench.data.results_file import Track
from vis_bench.inference.clips import Clip
from vis_bench.inference.emission import Emission
from vis_bench.inference.host_copies import to_device
from vis_bench.inference.mask_encoding import encode_at_video_size
from vis_bench.masks.rle import RLE
from vis_bench.masks.sparse_tube import SparseTube
from vis_bench.method import ClipPrediction, Padding, TrackingRule

# Mask logits that wait for the end of the video; beyond it the oldest are encoded.
WAITING_BYTES = 1 << 30


@dataclass(frozen=True)
class _WaitingMasks:
    """The masks of a clip's tracks, not yet encoded; row n belongs to track ids[n]."""

    start: int
    ids: Sequence[int]
    mask_logits_NTHW: Tensor
    padding: Padding | None

    @property
    def num_bytes(self) -> int:
        return self.mask_logits_NTHW.numel() * self.mask_logits_NTHW.element_size()


class NamedTracker:
    """Joins the clips of one video, given in order and without overlap, by the names of tracks.

    Which tracks are emitted is known at the end of the video, and they are few of the method's
    queries. Until then masks wait as logits, so that only those of emitted tracks are encoded.

    Args:
        rule: which (track, class) pairs are emitted.
        num_frames: the video's length.
        height, width: the video's original size in pixels, the size of the emitted masks.
        waiting_bytes: how many bytes of logits may wait; beyond it all masks of the oldest clip are
            encoded. It changes memory and time, never the result.
    """

    def __init__(
        self, rule: TrackingRule, num_frames: int, height: int, width: int,
        waiting_bytes: int = WAITING_BYTES,
    ) -> None:  # fmt: skip
        self._rule = rule
        self._num_frames = num_frames
        self._size_HW = (height, width)
        self._waiting_bytes = waiting_bytes
        self._waiting: deque[_WaitingMasks] = deque()
        # By the method's number, in the order in which tracks appear.
        self._class_probs: dict[int, Tensor] = {}
        self._masks: dict[int, dict[int, RLE]] = {}

    def update(self, clip: Clip, prediction: ClipPrediction) -> None:
        """Takes in the next clip, whose prediction names its tracks."""
        ids = prediction.track_ids_N
        assert ids is not None, "the loop checks that an online method names its tracks"
        self._class_probs |= dict(zip(ids, prediction.class_probs_NK.float().cpu(), strict=True))
        logits_NTHW = prediction.mask_logits_NTHW
        self._waiting.append(_WaitingMasks(clip.start, ids, logits_NTHW, prediction.padding))

    def close_frames(self, stop: int) -> None:
        """Encodes the oldest masks while too many wait; every frame is final as it comes."""
        while sum(item.num_bytes for item in self._waiting) > self._waiting_bytes:
            oldest = self._waiting.popleft()
            self._encode(oldest, oldest.ids)

    def tracks(self, video_id: int, category_ids: Sequence[int]) -> list[Track]:
        """All tracks, best score first.

        Args:
            video_id: goes into each track.
            category_ids: the category id of each column of the class probabilities.
        """
        if not self._class_probs:
            return []
        names = [*self._class_probs]
        emission = Emission(self._rule)
        emission.add(range(len(names)), torch.stack([*self._class_probs.values()]))
        pairs = emission.best_first()
        while self._waiting:
            self._encode(self._waiting.popleft(), {names[pair.track] for pair in pairs})
        tubes = {number: SparseTube(self._num_frames, m) for number, m in self._masks.items()}
        return [
            Track(video_id, category_ids[column], score, tubes[names[track]])
            for track, column, score in pairs
            if names[track] in tubes
        ]

    def _encode(self, item: _WaitingMasks, chosen: Collection[int]) -> None:
        """Turns logits into RLE at the video's size, for the chosen tracks."""
        rows = [row for row, number in enumerate(item.ids) if number in chosen]
        if not rows:
            return
        num_frames = item.mask_logits_NTHW.shape[1]
        rows_N = to_device(torch.tensor(rows), item.mask_logits_NTHW.device)
        logits_PHW = item.mask_logits_NTHW.index_select(0, rows_N).flatten(0, 1)
        for place, rle in encode_at_video_size(logits_PHW, self._size_HW, item.padding):
            row, frame = divmod(place, num_frames)
            self._masks.setdefault(item.ids[rows[row]], {})[item.start + frame] = rle
