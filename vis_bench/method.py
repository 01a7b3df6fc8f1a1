"""The interface of a method: the frames that it is given, and the predictions that it returns.

Shape letters: T frames, N instances, K foreground classes, Q queries of the prediction's N
instances in their order, L layers, M attention heads, P sampling points, B memory tokens; H, W and
h, w are heights and widths of grids over a frame.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vis_bench.errors import InputError


@dataclass(frozen=True)
class FrameFeatures:
    """Features that are computed once per frame and shared by overlapping clips.

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
    `to_video` resizes the frame to the video: its logits (`bilinear`) or its masks (`nearest`).
    """

    frame_HW: tuple[int, int]
    padded_HW: tuple[int, int]
    to_video: Literal["bilinear", "nearest"] = "bilinear"

    def __post_init__(self) -> None:
        (height, width), (padded_height, padded_width) = self.frame_HW, self.padded_HW
        if not (1 <= height <= padded_height and 1 <= width <= padded_width):
            raise ValueError(f"a frame of {self.frame_HW} does not fit a padded {self.padded_HW}")


@dataclass(frozen=True)
class ClipPrediction:
    """Prediction for one clip: the N instances worth tracking.

    `class_probs_NK`: probabilities of the K foreground classes, 0..1, in the order of the
    data set's categories. `mask_logits_NTHW`: 0 is the threshold; the grid may be coarser than
    the input, and spans exactly the frame. `boxes_NT4`: cx, cy, w, h in 0..1, or None.

    `track_ids_N`: the number of each instance's track, given by online methods alone. Their
    `class_probs_NK` are the track's over all frames so far, and the last ones count.
    `padding`: set where the grid spans a padded input instead of the frame; `in_boxes`, where each
    mask's spans its box (see `preprocess.paste_masks`); `binary`, where `mask_logits_NTHW` are
    boolean masks at the video's original size instead.
    """

    class_probs_NK: Tensor
    mask_logits_NTHW: Tensor
    boxes_NT4: Tensor | None = None
    track_ids_N: Sequence[int] | None = None
    padding: Padding | None = None
    in_boxes: bool = False
    binary: bool = False

    def __post_init__(self) -> None:
        probs, masks, boxes = self.class_probs_NK, self.mask_logits_NTHW, self.boxes_NT4
        if probs.ndim != 2 or masks.ndim != 4 or probs.shape[0] != masks.shape[0]:
            raise ValueError(
                f"class_probs_NK {tuple(probs.shape)} and mask_logits_NTHW {tuple(masks.shape)} "
                "do not describe the same N instances"
            )
        expected = (*masks.shape[:2], 4)
        if self.in_boxes if boxes is None else boxes.shape != expected:
            raise ValueError(
                f"boxes_NT4 of {None if boxes is None else (*boxes.shape,)}; expected {expected}"
            )
        ids = self.track_ids_N
        if ids is not None and (len(ids) != len(probs) or len({*ids}) != len(ids)):
            raise ValueError(
                f"track_ids_N {list(ids)} does not give each of {len(probs)} instances a number"
            )

    def __len__(self) -> int:
        return self.class_probs_NK.shape[0]


# The tensors that an online method keeps between clips. FLOPs are counted once per set of shapes.
State = dict[str, Tensor]

# Ends of mask logits, and whether they have values between.
MaskRange = tuple[float, float, bool]


@dataclass(frozen=True)
class InputFormat:
    """The conversion of frames into the network's input.

    Pixels are scaled from bytes to 0..`full_value`, put in `channel_order`, reduced by `mean` and
    divided by `std`; these two are in that scale and order. The short side is resized to the
    configured resolution; the scaled long side becomes an integer by `long_side` (its integer part
    or the nearest integer). `max_long_side` shrinks both sides further when the long one would
    exceed it, in pixels; `fit` rounds both after that, as mmcv does. `square` makes both sides the
    resolution instead. `library`: whose bilinear filter; OpenCV's never averages. `as_bytes`:
    frames stay bytes (uint8) in RGB on the host, resized and nothing else.
    """

    channel_order: Literal["RGB", "BGR"] = "RGB"
    full_value: float = 1.0
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    long_side: Literal["floor", "round", "fit"] = "floor"
    max_long_side: int | None = None
    square: bool = False
    library: Literal["pillow", "opencv"] = "pillow"
    as_bytes: bool = False


@dataclass(frozen=True)
class TrackingRule:
    """Joining of clips into tracks, and selection of the (track, class) pairs of the results.

    Clips are matched by space-time soft IoU; a match needs more than `match_threshold`. Of the
    averaged class probabilities of all tracks, pairs above `min_score` are selected, and of those
    the `top_k` best over the whole video where `top_k` is set. An online method's tracks are
    neither matched nor averaged; `keep_empty` keeps those whose masks are all empty.
    """

    match_threshold: float = 0.05
    min_score: float = 0.0
    top_k: int | None = None
    keep_empty: bool = False


@dataclass(frozen=True)
class ImageRule:
    """Selection of the instances of single images; nothing is tracked.

    Each instance has its most probable class and is selected whatever its score, in the method's
    order, at most `max_instances` per image. Masks become binary at the size of the network's
    input, then at the image's (see `preprocess.masks_to_image`).
    """

    max_instances: int = 100


@dataclass(frozen=True)
class MethodSource:
    """The code of a plug-in's method, or of another project's.

    `sha256`: over its source files. `distribution`, `version`: of the installed package.
    `git_commit`: of the checkout that holds it, ending with `-dirty` where its files differ
    from the commit. `environment`: versions of the other project's Python and packages, which may
    give other results, too. `data_sha256`: over the weights in its folders, which it may load by
    itself. `left_out`: folders that were too large to be searched. None where they are not known.
    """

    sha256: str
    distribution: str | None = None
    version: str | None = None
    git_commit: str | None = None
    environment: str | None = None
    data_sha256: str | None = None
    left_out: str | None = None


class VISMethod(nn.Module, ABC):
    """A method for video instance segmentation, seen through clips.

    FLOPs are counted on PyTorch's meta device, where tensors have shapes but no values. Code that
    reads values (`.item()`, `.tolist()`, `.cpu().numpy()`) cannot be counted; its accuracy and
    speed are measured all the same, and the record gives the reason why the FLOPs are missing.

    Attributes that a subclass sets where the defaults do not fit:
        online: True for those of `OnlineMethod`.
        whole_video: True for those of `VideoMethod`.
        input_format: the conversion of frames into the network's input.
        tracking_rule: an `ImageRule` for a method for single images, whose `max_clip_length` is 1.
        record_name: the method's name in records and tables; None for its name in configs.
        backbone_name: the backbone's name in records.
        reconstruction: True where the authors' own code was never published; marked in tables.
        max_clip_length: the most frames that `predict_clip` takes, None for any number; a config
            with longer clips is refused before anything runs.
        num_checkpoint_entries: the numbers in a checkpoint of the authors' code, as papers often
            count parameters (frozen norms, modules stored twice); None where none is known.
        weights_source: the weights that the method loads by itself (a file name, a URL, a model's
            name), for the record. Where it is None and the run names no weights, parameters count
            as random and the result is not ranked.
        checkpoint_signs: regular expressions that match a key of this method's checkpoints alone,
            and a name for such files, which messages use when they are loaded into another method.
        place_options: options that say only where something lies on this machine (an interpreter,
            a checkout); they are in the record and no part of a cell's identity.
        packages: installed packages beside PyTorch that compute its results; records hold their
            versions.
        paper_protocol: the settings of a config under which the authors timed the method, which
            `speed.protocol: paper` requires: `clip_length`, `precision`, `tf32`, `compile` and
            `speed.regions`; None where they do not state them.
    """

    online: bool = False
    whole_video: bool = False
    input_format: InputFormat = InputFormat()
    tracking_rule: TrackingRule | ImageRule = TrackingRule()
    record_name: str | None = None
    backbone_name: str = "none"
    reconstruction: bool = False
    max_clip_length: int | None = None
    num_checkpoint_entries: int | None = None
    weights_source: str | None = None
    checkpoint_signs: Mapping[str, str] = MappingProxyType({})
    place_options: Collection[str] = frozenset()
    packages: Collection[str] = ()
    paper_protocol: Mapping[str, object] | None = None
    _resolved_options: Mapping[str, object] = MappingProxyType({})
    _registered_name: str | None = None
    _method_source: MethodSource | None = None
    _all_signs: Callable[[], Mapping[str, str]] | None = None
    # Of all clips so far, set by `contract.check_values`.
    mask_range: MaskRange | None = None
    # The weights that it holds; set by `checkpoint.load_weights`.
    loaded: Any = None

    @abstractmethod
    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Compute the features that every clip with a frame shares.

        The loop calls it with at most `loop.ENCODE_FRAMES` consecutive frames, and cuts and joins
        the results along T: a frame's features must not depend on those beside it.

        Args:
            frames_T3HW: frames on the method's device, resized to the configured short side and
                normalized by `input_format`; any T >= 1, any H and W (pad inside the method
                where it needs multiples).

        Returns:
            Features of exactly these T frames, T the first dimension of every map, with the same
            maps in every call, in memory that later calls do not write; `frame_size_HW` is (H, W).
        """

    @abstractmethod
    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """Predict the instances of the clip made of exactly the frames in `features`.

        Returns:
            N instances, which may be 0. `class_probs_NK`: probabilities in 0..1 of the K classes
            that `build` was given, without a "no object" column. `mask_logits_NTHW`: before the
            sigmoid, finite, of a floating type, for T frames; above 0 a pixel is foreground.
        """

    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State | None]:
        """Predict the clip that follows those before it; called by the loop.

        Here clips are independent, so there is no state; see `OnlineMethod.predict_next`.
        """
        return self.predict_clip(features), None

    @property
    def num_params(self) -> int | None:
        """The number of distinct learnable parameters.

        None where it is unknown: the method loads weights by itself that are no parameters of it.
        """
        count = sum(parameter.numel() for parameter in self.parameters())
        return None if count == 0 and self.weights_source is not None else count

    @property
    def resolved_options(self) -> Mapping[str, object]:
        """Every option that the method was built with, defaults and the variant's sizes included.

        Empty for a method that no registry built.
        """
        return self._resolved_options

    @property
    def registered_name(self) -> str:
        """The method's name in messages: that of records, or in configs, or its class."""
        return self.record_name or self._registered_name or type(self).__name__

    @property
    def known_signs(self) -> Mapping[str, str]:
        """`checkpoint_signs` of all methods in the registry that built this one."""
        return self.checkpoint_signs if self._all_signs is None else self._all_signs()

    @property
    def digested(self) -> Mapping[str, object]:
        """Values that decide predictions beside options and weights; part of a cell's digest.

        The content of a file that an option names, for instance.
        """
        return {}

    @property
    def method_source(self) -> MethodSource | None:
        """The code of a plug-in's method; None for built-in methods."""
        return self._method_source

    def remember_build(
        self,
        name: str,
        options: Mapping[str, object],
        source: MethodSource | None = None,
        all_signs: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        """Store the four properties above; for the registry that built the method."""
        self._registered_name = name
        self._resolved_options = MappingProxyType(dict(options))
        self._method_source = source
        self._all_signs = all_signs

    def take_categories(self, names: Sequence[str]) -> None:
        """Take the names of the K categories, in the order of their columns.

        Called once, after the weights are loaded; for methods that are prompted with words.
        """

    def prepare_for_inference(self) -> None:
        """Rewrite the loaded weights for speed (folds normalization, say); equal outputs.

        Called once, after the weights are loaded and before the first frame; on the meta device
        too, where FLOPs are counted. Switches to evaluation mode; subclasses extend it.
        """
        self.eval()

    def options_from_config(self, path: Path) -> Mapping[str, object]:
        """The options of `build` that a config.json beside the weights states; none by default.

        They win over defaults, and the method is built with them.

        Raises:
            InputError: for a config of another model.
        """
        return {}

    def check_stated_options(
        self, path: Path, options: Mapping[str, object]
    ) -> Mapping[str, object]:
        """Refuse options that contradict a config.json beside the weights.

        Returns:
            The options that the file states, lists for tuples.
        """
        stated = self.options_from_config(path)
        for key, value in stated.items():
            given = options.get(key, value)
            given = list(given) if isinstance(given, tuple) else given
            if given != value:
                raise InputError(f"{path} states {key} {value}, but options.{key} is {given}")
        return stated

    def resolved_kernel_backend(self, device: torch.device) -> str | None:
        """The backend of the method's own kernels on `device`; None without such kernels.

        Goes into the record's field of that name.
        """
        return None

    def resolved_kernel_build(self, device: torch.device) -> str | None:
        """The compiler and flags of that backend's library; None without one.

        Goes into the record's field `kernel_build`.
        """
        return None

    def forward(self, frames_T3HW: Tensor) -> ClipPrediction:
        """Encode and predict one clip; called by profilers and FLOP counters."""
        return self.predict_clip(self.encode_frames(frames_T3HW))


class OnlineMethod(VISMethod):
    """A method that sees every frame once, in order, and identifies its tracks by itself.

    Subclasses implement `encode_frames` and `predict_next`. The cut of a video into clips changes
    latency, never results: overlapping frames are cut from a clip before it gets here.
    """

    online = True

    @abstractmethod
    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State | None]:
        """Predict the instances in the next frames of the video.

        Args:
            features: of frames that no earlier call saw, which follow those of the call before.
            state: returned by that call, and free to be overwritten; None at the start of a video.

        Returns:
            The prediction, as `predict_clip` returns it, with `track_ids_N`: a number for each
            instance that the same track has in every call. `class_probs_NK` are of the track in
            all frames so far; the last ones count, so that zeros withdraw a track. A track that a
            call leaves out has no mask in its frames. Beside it the state for the next call.
        """

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """Predict the first frames of a video."""
        return self.predict_next(features, None)[0]
