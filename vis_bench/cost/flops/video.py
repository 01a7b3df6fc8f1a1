"""What a whole video costs, clip plan included: counted by running the inference loop on shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from vis_bench.contract import check_next
from vis_bench.cost.flops.counter import MacCount, count_macs
from vis_bench.inference.clips import Clip
from vis_bench.inference.loop import StoredFrames, predict_clips
from vis_bench.method import ClipPrediction, FrameFeatures, State, VISMethod


@dataclass(frozen=True)
class VideoCount:
    """Multiply-adds of one video: the per-frame part and the per-clip part, each executed as often
    as the inference loop executes it.
    """

    num_frames: int
    num_clips: int
    encode: MacCount
    predict: MacCount

    @property
    def all(self) -> MacCount:
        """Both parts."""
        return self.encode + self.predict

    @property
    def per_frame(self) -> float:
        """Multiply-adds per source frame."""
        return (self.encode.total + self.predict.total) / self.num_frames


class ShapeCounter(VISMethod):
    """Stands for a method in the inference loop and counts its calls.

    On the meta device a call's result and cost depend on its shapes alone, so that each shape is
    executed once, however often the loop calls it. Shapes of an online method's state count too.

    Args:
        method: on the meta device, prepared for inference.
    """

    def __init__(self, method: VISMethod) -> None:
        super().__init__()
        self.remember_build(method.registered_name, method.resolved_options)
        self.method = method
        self.online = method.online
        self._known: dict[tuple, tuple[Any, MacCount]] = {}
        self._called: dict[str, list[MacCount]] = {}

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """The method's, counted."""
        return self._count("encode", frames_T3HW.shape, self.method.encode_frames, frames_T3HW)

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """The method's, counted."""
        return self.predict_next(features, None)[0]

    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State | None]:
        """The method's, counted."""
        state = None if state is None else dict(state)  # the call may overwrite what is kept here
        shapes = [(name, *tensor.shape) for name, tensor in sorted((state or {}).items())]
        key = (len(features), *features.frame_size_HW, state is None, *shapes)
        returned = self._count("predict", key, self.method.predict_next, features, state)
        return check_next(self.method, returned)

    def count_video(self, size_HW: tuple[int, int], clips: Sequence[Clip]) -> VideoCount:
        """What the inference loop executes for these clips of one video.

        Args:
            size_HW: of the network's input, in pixels.
            clips: as `clip_windows` gives them; the last one ends with the video.
        """
        num_frames = clips[-1].stop
        frames = StoredFrames(torch.empty(num_frames, 3, *size_HW, device="meta"))
        self._called = {"encode": [], "predict": []}
        with torch.inference_mode():
            for _ in predict_clips(self, frames, clips):
                pass
        return VideoCount(
            num_frames, len(clips), _sum(self._called["encode"]), _sum(self._called["predict"])
        )

    def count_clip(self, size_HW: tuple[int, int], length: int) -> VideoCount:
        """A clip by itself, whose frames no other clip shares."""
        return self.count_video(size_HW, [Clip(0, length)])

    def _count(self, part: str, shape: Sequence[Any], call: Callable, *inputs: Any) -> Any:
        key = (part, *shape)
        if key not in self._known:
            self._known[key] = count_macs(self.method, call, *inputs)
        result, macs = self._known[key]
        self._called[part].append(macs)
        return result


def _sum(counts: Sequence[MacCount]) -> MacCount:
    return reduce(MacCount.__add__, counts, MacCount())
