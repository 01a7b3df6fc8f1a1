"""The optional part of the interface: a method that says what its attention read.

`RecordsAttention` is a `VISMethod` with two more calls, for methods whose attention the papers'
figures show. Recording is asked for by calling `encode_and_record` and `predict_and_record` in
place of `encode_frames` and `predict_clip`; whoever calls those pays nothing for it.
`recording_contract.check_recording` checks a method.

Shape letters: L layers, T frames, Q the queries of the prediction's N instances in their order,
M heads, K feature levels, P points, B memory tokens, h and w a grid over the frame.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from vis_bench.method import ClipPrediction, FrameFeatures, VISMethod

AttentionPart = Literal["decoder", "memory"]


@dataclass(frozen=True)
class DecoderAttention:
    """What each query read through deformable attention, layer by layer.

    Attributes:
        queries_Q: the number of each query among all of the method's.
        sampling_locations_LTQMKP2: x and y in fractions of the frame; outside 0..1 there are zeros.
        attention_weights_LTQMKP: of a head in a frame; they sum to 1 over K and P.
        time_weights_LTQ: of the frames of the clip; they sum to 1 over T.
    """

    queries_Q: Tensor
    sampling_locations_LTQMKP2: Tensor
    attention_weights_LTQMKP: Tensor
    time_weights_LTQ: Tensor


@dataclass(frozen=True)
class MemoryAttention:
    """What each memory token attended to in its frame, layer by layer.

    Attributes:
        weights_LTMBhw: of a head; what is missing from a sum of 1 over h and w went to the frame's
            memory tokens.
    """

    weights_LTMBhw: Tensor


@dataclass(frozen=True)
class ClipAttention:
    """What was recorded of one clip; None for a part that the method does not have."""

    decoder: DecoderAttention | None = None
    memory: MemoryAttention | None = None


class RecordsAttention(VISMethod):
    """A method that can record its attention."""

    @property
    @abstractmethod
    def recorded_layers(self) -> Mapping[AttentionPart, int]:
        """How many layers each part of `ClipAttention` has that the method records."""

    def encode_and_record(self, frames_T3HW: Tensor) -> FrameFeatures:
        """As `encode_frames`, with more maps where frames have something to record."""
        return self.encode_frames(frames_T3HW)

    @abstractmethod
    def predict_and_record(self, features: FrameFeatures) -> tuple[ClipPrediction, ClipAttention]:
        """As `predict_clip`, and what was recorded.

        Args:
            features: what `encode_and_record` returned for exactly the clip's frames.
        """
