"""Memory of a clip before anybody runs it: live tensors of a pass on shapes, in float32.

What an operator allocates for itself is not seen, nor are an allocator's rounding and gaps, the
tracker, and a CUDA context. Attention counts as one operator that keeps no scores, as fused kernels
do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves

from vis_bench.errors import InputError
from vis_bench.inference.loop import ENCODE_FRAMES
from vis_bench.measures.flops.counter import count_watched
from vis_bench.method import FrameFeatures, VISMethod

# Longer clips are not looked for; online methods work through a clip frame by frame.
MOST_FRAMES, MOST_FRAMES_ONLINE = 1024, 32
# Predicted over measured activations of the models in tests/measures/test_predicted_memory.py, on a
# CPU: the least and the greatest.
RATIOS = (0.9, 1.05)


class LiveTensors:
    """The bytes of tensors that are alive, followed from operator to operator.

    Args:
        module: its parameters and buffers do not count.
    """

    def __init__(self, module: nn.Module) -> None:
        self._weights = set(_weight_bytes(module))
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0

    def follow(
        self, op: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any
    ) -> None:
        """Add what an operator made and drop what nobody holds any more."""
        self._alive = {k: v for k, v in self._alive.items() if not v[0].expired()}
        for tensor in tree_leaves((args, kwargs, out)):
            if not isinstance(tensor, Tensor):
                continue
            storage = tensor.untyped_storage()
            if storage._cdata not in self._weights and storage._cdata not in self._alive:
                self._alive[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))


def _weight_bytes(module: nn.Module) -> dict[int, int]:
    """Bytes of the parameters' and buffers' memory by its address; what is shared counts once."""
    storages = [x.untyped_storage() for x in (*module.parameters(), *module.buffers())]
    return {storage._cdata: storage.nbytes() for storage in storages}


@dataclass(frozen=True)
class PredictedMemory:
    """Bytes of one clip: weights, and the peaks of live tensors of both stages."""

    weights: int
    encode: int
    predict: int

    @property
    def peak(self) -> int:
        """Weights, and the greater of the two."""
        return self.weights + max(self.encode, self.predict)


class MemoryPredictor:
    """Predicts the memory of clips of any length.

    `encode_frames` runs once for each number of frames that the inference loop gives it, however
    often it does; what the loop holds meanwhile is added up.

    Args:
        method: on the meta device, prepared for inference.
        size_HW: of the network's input in pixels.

    Attributes:
        most: the most frames that `longest` looks for; `takes_more` where the method may take more.

    Raises:
        InputError: for a `VideoMethod`, which does not run on shapes.
    """

    def __init__(self, method: VISMethod, size_HW: tuple[int, int]) -> None:
        if method.whole_video:
            raise InputError(
                f"memory of method {method.registered_name} cannot be predicted, which takes whole "
                "videos; expected a method of clips"
            )
        self._method = method
        self.size_HW = size_HW
        bound = MOST_FRAMES_ONLINE if method.online else MOST_FRAMES
        self.most = min(bound, method.max_clip_length or bound)
        self.takes_more = self.most != method.max_clip_length
        self._weights = sum(_weight_bytes(method).values())
        self._encoded: dict[int, tuple[FrameFeatures, int]] = {}
        self._clips: dict[int, PredictedMemory] = {}

    def clip(self, num_frames: int) -> PredictedMemory:
        """The memory of a clip by itself."""
        if num_frames not in self._clips:
            self._clips[num_frames] = self._predicted(num_frames)
        return self._clips[num_frames]

    def longest(self, limit: float) -> int:
        """The most frames of a clip within so many bytes; 0 where none fit."""
        low, high = 0, 1
        while high <= self.most and self.clip(high).peak <= limit:
            low, high = high, 2 * high
        high = min(high, self.most + 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.clip(middle).peak <= limit else (low, middle)
        return low

    def _predicted(self, num_frames: int) -> PredictedMemory:
        held = joined = peak = 0  # bytes of the features so far, and of a tensor that joins them
        for start in range(0, num_frames, ENCODE_FRAMES):
            features, rise = self._encode(min(ENCODE_FRAMES, num_frames - start))
            new = _held_bytes(features)
            peak = max(peak, held + rise)
            joined += _bytes(features.maps.values())
            if start:  # joined while both parts and the frames are alive
                peak = max(peak, held + new + joined + self._frame_bytes(len(features)))
            held = joined if start else new
        whole = FrameFeatures(
            {n: x.new_empty(num_frames, *x.shape[1:]) for n, x in features.maps.items()},
            features.frame_size_HW,
        )
        # The loop still holds the frames that it encoded last, and their features.
        last = self._frame_bytes(len(features)) + (new if start else 0)
        return PredictedMemory(
            self._weights, peak, last + self._peak(self._method.predict_clip, whole)
        )

    def _encode(self, num_frames: int) -> tuple[FrameFeatures, int]:
        if num_frames not in self._encoded:
            frames_T3HW = torch.empty(num_frames, 3, *self.size_HW, device="meta")
            live = LiveTensors(self._method)
            encode = self._method.encode_frames
            features, _ = count_watched(self._method, encode, live.follow, frames_T3HW)
            self._encoded[num_frames] = features, live.peak
        return self._encoded[num_frames]

    def _peak(self, call: Callable[[FrameFeatures], Any], features: FrameFeatures) -> int:
        live = LiveTensors(self._method)
        count_watched(self._method, call, live.follow, features)
        return live.peak

    def _frame_bytes(self, num_frames: int) -> int:
        return 4 * num_frames * 3 * self.size_HW[0] * self.size_HW[1]


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.itemsize for tensor in tensors)


def _held_bytes(features: FrameFeatures) -> int:
    """Bytes of the memory behind the features, of which several may be views."""
    storages = (tensor.untyped_storage() for tensor in features.maps.values())
    return sum({storage._cdata: storage.nbytes() for storage in storages}.values())
