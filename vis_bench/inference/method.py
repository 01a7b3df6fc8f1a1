"""The clip-inference interface: what a method implements to be measured.

A method splits its work in two, so that overlapping clips never pay for the same frame twice:
`encode_frames` computes what depends on single frames, `predict_clip` what depends on the clip.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn

from vis_bench.structures import ClipPrediction, FrameFeatures


@dataclass(frozen=True)
class InputFormat:
    """How frames become the network's input.

    Pixels are scaled from bytes to 0..`full_value`, put in `channel_order`, reduced by `mean` and
    divided by `std`; these two are in that scale and order. `long_side` says how the scaled long
    side becomes an integer when the short side is resized to the configured resolution:
    its integer part (`floor`) or the nearest integer (`round`). `max_long_side` shrinks both
    sides further when the long one would exceed it; in pixels.
    """

    channel_order: Literal["RGB", "BGR"] = "RGB"
    full_value: float = 1.0
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    long_side: Literal["floor", "round"] = "floor"
    max_long_side: int | None = None


@dataclass(frozen=True)
class TrackingRule:
    """How clips are joined into tracks and which (track, class) pairs are emitted.

    Clips are matched by space-time soft IoU; a match needs more than `match_threshold`. Of the
    averaged class probabilities of all tracks, pairs above `min_score` are emitted, and of those
    the `top_k` best over the whole video where `top_k` is set.
    """

    match_threshold: float = 0.05
    min_score: float = 0.0
    top_k: int | None = None


class VISMethod(nn.Module, ABC):
    """A method for video instance segmentation, seen through clips.

    Subclasses set `input_format` and `tracking_rule` where the defaults do not fit.
    `backbone_name` is what records call the backbone. `reconstruction` is True where the
    authors' own code was never published; tables mark such a method.

    `num_checkpoint_entries` counts parameters as papers often do: every number in a checkpoint
    of the authors' code, statistics of frozen norms and modules stored twice included. None where
    nobody knows such a checkpoint. `num_params` counts the distinct learnable ones.
    """

    input_format: InputFormat = InputFormat()
    tracking_rule: TrackingRule = TrackingRule()
    backbone_name: str = "none"
    reconstruction: bool = False
    num_checkpoint_entries: int | None = None
    _resolved_options: Mapping[str, object] = MappingProxyType({})

    @abstractmethod
    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Computes what can be shared by every clip that holds a frame.

        Args:
            frames_T3HW: normalized frames; any T >= 1, any size.
        """

    @abstractmethod
    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """Predicts the instances of the clip made of exactly the frames in `features`."""

    @property
    def num_params(self) -> int:
        """The number of distinct learnable parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def resolved_options(self) -> Mapping[str, object]:
        """Every option that the method was built with, defaults and the variant's sizes included.

        Empty for a method that no registry built.
        """
        return self._resolved_options

    def remember_options(self, options: Mapping[str, object]) -> None:
        """Keeps what `resolved_options` returns; for the registry that built the method."""
        self._resolved_options = MappingProxyType(dict(options))

    def prepare_for_inference(self) -> None:
        """Rewrites the loaded weights for speed (folds normalization, say); equal outputs.

        Called once, after the weights are loaded and before the first frame. Switches to
        evaluation mode; subclasses extend it.
        """
        self.eval()

    def resolved_kernel_backend(self, device: torch.device) -> str | None:
        """The backend of the method's own kernels that runs on `device`; None without such kernels.

        Goes into the record's field of that name.
        """
        return None

    def forward(self, frames_T3HW: Tensor) -> ClipPrediction:
        """Encodes and predicts one clip; what profilers and FLOP counters call."""
        return self.predict_clip(self.encode_frames(frames_T3HW))
