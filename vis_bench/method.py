"""The interface of a method: what it is given and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class FrameFeatures:
    """What a method computes once per frame and overlapping clips share.

    Every tensor of `maps` has the T frames as its first dimension. `frame_size_HW` is the size of
    the network's input in pixels.
    """

    maps: Mapping[str, Tensor]
    frame_size_HW: tuple[int, int]

    def __post_init__(self) -> None:
        lengths = {name: tensor.shape[0] for name, tensor in self.maps.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"feature maps disagree on the number of frames: {lengths}")

    def __len__(self) -> int:
        return next(iter(self.maps.values())).shape[0]

    def frames(self, start: int, stop: int) -> FrameFeatures:
        """The features of frames [start, stop), counted from this object's first frame."""
        if not 0 <= start < stop <= len(self):
            raise ValueError(f"frames [{start}, {stop}) are not within the {len(self)} held here")
        maps = {name: tensor[start:stop] for name, tensor in self.maps.items()}
        return FrameFeatures(maps, self.frame_size_HW)

    def followed_by(self, later: FrameFeatures) -> FrameFeatures:
        """These frames and then the frames of `later`."""
        maps = {name: torch.cat([tensor, later.maps[name]]) for name, tensor in self.maps.items()}
        return FrameFeatures(maps, self.frame_size_HW)


@dataclass(frozen=True)
class Padding:
    """A frame inside a larger input: the frame is at the top left, padding right of and below it.

    `frame_HW` is the resized frame's size, `padded_HW` the size that the network saw; in pixels.
    """

    frame_HW: tuple[int, int]
    padded_HW: tuple[int, int]

    def __post_init__(self) -> None:
        (height, width), (padded_height, padded_width) = self.frame_HW, self.padded_HW
        if not (1 <= height <= padded_height and 1 <= width <= padded_width):
            raise ValueError(f"a frame of {self.frame_HW} does not fit a padded {self.padded_HW}")


@dataclass(frozen=True)
class ClipPrediction:
    """What a method says about one clip, for the N instances worth tracking.

    `class_probs_NK`: probabilities of the K foreground classes, 0..1, in the order of the
    data set's categories. `mask_logits_NTHW`: 0 is the threshold; the grid may be coarser than
    the input, and spans exactly the frame. `boxes_NT4`: cx, cy, w, h in 0..1, or None.

    `track_ids_N`: the method's own number of each instance's track; online methods alone give it.
    `class_probs_NK` are then the track's over all frames so far, and what is said last stands.
    `padding`: where the grid spans a padded input instead of the frame.
    """

    class_probs_NK: Tensor
    mask_logits_NTHW: Tensor
    boxes_NT4: Tensor | None = None
    track_ids_N: Sequence[int] | None = None
    padding: Padding | None = None

    def __post_init__(self) -> None:
        probs, masks, boxes = self.class_probs_NK, self.mask_logits_NTHW, self.boxes_NT4
        if probs.ndim != 2 or masks.ndim != 4 or probs.shape[0] != masks.shape[0]:
            raise ValueError(
                f"class_probs_NK {tuple(probs.shape)} and mask_logits_NTHW {tuple(masks.shape)} "
                "do not describe the same N instances"
            )
        if boxes is not None and boxes.shape != (*masks.shape[:2], 4):
            raise ValueError(
                f"boxes_NT4 {tuple(boxes.shape)} does not fit masks {tuple(masks.shape)}"
            )
        ids = self.track_ids_N
        if ids is not None and (len(ids) != len(probs) or len({*ids}) != len(ids)):
            raise ValueError(
                f"track_ids_N {list(ids)} does not name {len(probs)} instances by a number each"
            )

    def __len__(self) -> int:
        return self.class_probs_NK.shape[0]


# What an online method keeps from the frames so far. FLOPs are counted once for each set of shapes.
State = dict[str, Tensor]


@dataclass(frozen=True)
class InputFormat:
    """How frames become the network's input.

    Pixels are scaled from bytes to 0..`full_value`, put in `channel_order`, reduced by `mean` and
    divided by `std`; these two are in that scale and order. `long_side` says how the scaled long
    side becomes an integer when the short side is resized to the configured resolution:
    its integer part (`floor`) or the nearest integer (`round`). `max_long_side` shrinks both
    sides further when the long one would exceed it; in pixels. `square` makes both sides the
    configured resolution instead, whatever the aspect ratio.
    """

    channel_order: Literal["RGB", "BGR"] = "RGB"
    full_value: float = 1.0
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    long_side: Literal["floor", "round"] = "floor"
    max_long_side: int | None = None
    square: bool = False


@dataclass(frozen=True)
class TrackingRule:
    """How clips are joined into tracks and which (track, class) pairs are emitted.

    Clips are matched by space-time soft IoU; a match needs more than `match_threshold`. Of the
    averaged class probabilities of all tracks, pairs above `min_score` are emitted, and of those
    the `top_k` best over the whole video where `top_k` is set. An online method names its tracks:
    nothing is matched then, and nothing averaged.
    """

    match_threshold: float = 0.05
    min_score: float = 0.0
    top_k: int | None = None


@dataclass(frozen=True)
class ImageRule:
    """How the instances of single images are emitted: nothing is followed from frame to frame.

    Each instance has one class, its most probable one, and is emitted whatever its score, in the
    method's order; no more than `max_instances` per image. Masks become binary at the size of the
    network's input, then at the image's (see `preprocess.masks_to_image`).
    """

    max_instances: int = 100


@dataclass(frozen=True)
class MethodSource:
    """Which code a plug-in's method comes from.

    `sha256`: over its source files. `distribution`, `version`: of the installed package, None
    where it is not known.
    """

    sha256: str
    distribution: str | None = None
    version: str | None = None


class VISMethod(nn.Module, ABC):
    """A method for video instance segmentation, seen through clips.

    Subclasses set `input_format` and `tracking_rule` where the defaults do not fit; a method for
    single images has an `ImageRule` in place of the latter, and a `max_clip_length` of 1. `online`
    is True for those of `OnlineMethod`. `backbone_name` is what records call the backbone.
    `reconstruction` is True where the authors' own code was never published; tables mark such a
    method.

    `weights_source` names the weights that the method loads by itself, in its `build` or
    `__init__`: a file name, a URL, a model's name. It stands in the record. Where it is None and
    the run names no weights, parameters count as random and the result is not ranked.

    FLOPs are counted on PyTorch's meta device, where tensors have shapes but no values: the method
    is built there, and run on meta frames. Code that reads values (`.item()`, `.tolist()`,
    `.cpu().numpy()`) cannot be counted; its accuracy and speed are measured all the same, and the
    record says why the FLOPs are missing.

    `max_clip_length` is the most frames that `predict_clip` takes, None where any number will do;
    a config with longer clips is refused before anything runs.

    `num_checkpoint_entries` counts parameters as papers often do: every number in a checkpoint
    of the authors' code, statistics of frozen norms and modules stored twice included. None where
    nobody knows such a checkpoint. `num_params` counts the distinct learnable ones.

    `paper_protocol` holds the settings of a config under which the authors timed the method, by
    key: `clip_length`, `precision`, `tf32`, `compile` and `speed.regions`. None where they do not
    state them. `speed.protocol: paper` requires these settings.
    """

    online: bool = False
    input_format: InputFormat = InputFormat()
    tracking_rule: TrackingRule | ImageRule = TrackingRule()
    backbone_name: str = "none"
    reconstruction: bool = False
    max_clip_length: int | None = None
    num_checkpoint_entries: int | None = None
    weights_source: str | None = None
    paper_protocol: Mapping[str, object] | None = None
    _resolved_options: Mapping[str, object] = MappingProxyType({})
    _registered_name: str | None = None
    _method_source: MethodSource | None = None

    @abstractmethod
    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Computes what can be shared by every clip that holds a frame.

        The loop calls it with chunks of consecutive frames, at most `loop.ENCODE_FRAMES` at once,
        and cuts and joins what it returns along T: a frame's features must not depend on the
        frames beside it.

        Args:
            frames_T3HW: frames on the method's device, resized to the configured short side and
                normalized as `input_format` says; any T >= 1, any H and W (pad inside the method
                where it needs multiples).

        Returns:
            Features of exactly these T frames, T the first dimension of every map, with the same
            maps in every call; `frame_size_HW` is (H, W).
        """

    @abstractmethod
    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """Predicts the instances of the clip made of exactly the frames in `features`.

        Returns:
            N instances, which may be 0. `class_probs_NK`: probabilities in 0..1 of the K classes
            that `build` was given, after sigmoid or softmax, without a "no object" column.
            `mask_logits_NTHW`: logits before the sigmoid, finite and of a floating type; a pixel is
            foreground where its logit is above 0. T is the clip's number of frames; H and W may
            be any grid that spans the whole frame, without padding.
        """

    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State | None]:
        """Predicts the clip that follows those before it; what the loop calls.

        Here clips are independent, so there is no state; see `OnlineMethod.predict_next`.
        """
        return self.predict_clip(features), None

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

    @property
    def registered_name(self) -> str:
        """What configs call the method; its class where no registry built it."""
        return self._registered_name or type(self).__name__

    @property
    def method_source(self) -> MethodSource | None:
        """The code that a plug-in's method comes from; None for built-in methods."""
        return self._method_source

    def remember_build(
        self, name: str, options: Mapping[str, object], source: MethodSource | None = None
    ) -> None:
        """Keeps what the three properties above return; for the registry that built the method."""
        self._registered_name = name
        self._resolved_options = MappingProxyType(dict(options))
        self._method_source = source

    def prepare_for_inference(self) -> None:
        """Rewrites the loaded weights for speed (folds normalization, say); equal outputs.

        Called once, after the weights are loaded and before the first frame; on the meta device
        too, where FLOPs are counted. Switches to evaluation mode; subclasses extend it.
        """
        self.eval()

    def check_config(self, path: Path) -> None:
        """Called with the config.json beside the weights that are loaded, where there is one.

        Methods whose weights come in such folders refuse a config of another model here.

        Raises:
            InputError: naming what differs.
        """
        return

    def resolved_kernel_backend(self, device: torch.device) -> str | None:
        """The backend of the method's own kernels that runs on `device`; None without such kernels.

        Goes into the record's field of that name.
        """
        return None

    def forward(self, frames_T3HW: Tensor) -> ClipPrediction:
        """Encodes and predicts one clip; what profilers and FLOP counters call."""
        return self.predict_clip(self.encode_frames(frames_T3HW))


class OnlineMethod(VISMethod):
    """A method that sees every frame once, in order, and knows its tracks by itself.

    Subclasses implement `encode_frames` and `predict_next`. How a video is cut into clips changes
    when results come, never what they are: overlapping frames are cut from a clip before it gets
    here.
    """

    online = True

    @abstractmethod
    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State | None]:
        """Predicts the instances in the next frames of the video.

        Args:
            features: of frames that no earlier call saw, which follow those of the call before.
            state: what that call returned, which may be overwritten; None at the start of a video.

        Returns:
            The prediction, as `predict_clip` says, with `track_ids_N`: a number for each instance
            that the same track has in every call. `class_probs_NK` are of the track in all frames
            so far; those said last stand, so that zeros withdraw a track. A track that a call does
            not mention has no mask in its frames. Beside it the state for the next call.
        """

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """Predicts the first frames of a video."""
        return self.predict_next(features, None)[0]
