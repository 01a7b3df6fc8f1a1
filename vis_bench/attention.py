"""The interface of a method that can record its attention, for the papers' figures.

Shape letters as in `vis_bench.method`.
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
    """Deformable attention of each query, layer by layer.

    Attributes:
        queries_Q: the number of each query among all of the method's.
        sampling_locations_LTQMKP2: x and y in fractions of the frame; outside 0..1 there are zeros.
        attention_weights_LTQMKP: of a head in a frame; they sum to 1 over K (feature levels) and P.
        time_weights_LTQ: of the frames of the clip; they sum to 1 over T.
    """

    queries_Q: Tensor
    sampling_locations_LTQMKP2: Tensor
    attention_weights_LTQMKP: Tensor
    time_weights_LTQ: Tensor


@dataclass(frozen=True)
class ClipAttention:
    """Attention recorded in one clip; None for a part that the method does not have.

    `memory_weights_LTMBhw`: the attention of each memory token to its frame; the difference from a
    sum of 1 over h and w went to the frame's memory tokens.
    """

    decoder: DecoderAttention | None = None
    memory_weights_LTMBhw: Tensor | None = None


class RecordsAttention(VISMethod):
    """A method that can record its attention, for the papers' figures.

    `encode_and_record` and `predict_and_record` take the place of `encode_frames` and
    `predict_clip`; without them recording costs nothing. `contract.check_recording` checks it.
    """

    @property
    @abstractmethod
    def recorded_layers(self) -> Mapping[AttentionPart, int]:
        """The number of layers of each part of `ClipAttention` that the method records."""

    def encode_and_record(self, frames_T3HW: Tensor) -> FrameFeatures:
        """As `encode_frames`, with more maps where frames have something to record."""
        return self.encode_frames(frames_T3HW)

    @abstractmethod
    def predict_and_record(self, features: FrameFeatures) -> tuple[ClipPrediction, ClipAttention]:
        """As `predict_clip`, with the recorded attention.

        Args:
            features: returned by `encode_and_record` for exactly the clip's frames.
        """
