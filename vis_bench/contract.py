"""The contract that every method keeps, as one function that a method's tests call."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor

from vis_bench.errors import InputError
from vis_bench.inference.prediction_rules import check_clip, check_values
from vis_bench.method import ClipPrediction, FrameFeatures, VISMethod

TOLERANCE = 1e-3

K = TypeVar("K")


def check_contract(
    method: VISMethod,
    num_classes: int,
    sizes_HW: tuple[tuple[int, int], ...] = ((64, 96), (45, 71)),
) -> None:
    """Checks a method, prepared for inference, on random frames.

    - Shapes, ranges and frame counts of features and predictions are as the interface says, for
      any size of frame and for a single frame.
    - Two runs on the same frames give the same.
    - A frame's features do not depend on the frames beside it, so that clips can share them.
    - A clip predicted from shared features equals the clip encoded on its own.
    - An online method gives the same tracks however the video is cut into clips.

    Raises:
        AssertionError: naming what does not hold.
    """
    for height, width in sizes_HW:
        generator = torch.Generator().manual_seed(height)
        frames_T3HW = torch.randn(4, 3, height, width, generator=generator)
        with torch.inference_mode():
            together = method.encode_frames(frames_T3HW)
            _check_features(together, 4, (height, width))
            alone = method.encode_frames(frames_T3HW[1:2])
            _check_same_features(together.frames(1, 2), alone)
            joined = method.encode_frames(frames_T3HW[:2]).followed_by(
                method.encode_frames(frames_T3HW[2:])
            )
            _check_same_features(together, joined)
            clip = method.predict_clip(together.frames(1, 4))
            _check_prediction(method, clip, 3, num_classes)
            _check_same_prediction(clip, method(frames_T3HW[1:]), "encoded on its own")
            _check_same_prediction(clip, method.predict_clip(together.frames(1, 4)), "run again")
            _check_prediction(method, method(frames_T3HW[:1]), 1, num_classes)
            if method.online:
                _check_cuts(method, together, num_classes)


def _check_cuts(method: VISMethod, features: FrameFeatures, num_classes: int) -> None:
    """Every way to cut the frames into clips gives the tracks of the whole."""
    num_frames = len(features)
    whole = _Named()
    for cuts in range(2 ** (num_frames - 1)):
        borders = [0, *(t for t in range(1, num_frames) if cuts >> (t - 1) & 1), num_frames]
        found, state = _Named(), None
        for start, stop in pairwise(borders):
            frames = features.frames(start, stop)
            prediction, state = method.predict_next(frames, state)
            _check_prediction(method, prediction, stop - start, num_classes)
            found.add(start, prediction)
        if cuts == 0:
            whole = found
        else:
            _check_same_tracks(whole, found, f"cut into clips at {borders[1:-1]}")


class _Named:
    """What was last said of each track, and its masks by track and frame."""

    def __init__(self) -> None:
        self.class_probs: dict[int, Tensor] = {}
        self.mask_logits: dict[tuple[int, int], Tensor] = {}

    def add(self, start: int, prediction: ClipPrediction) -> None:
        assert prediction.track_ids_N is not None
        for row, number in enumerate(prediction.track_ids_N):
            self.class_probs[number] = prediction.class_probs_NK[row]
            for place, logits_HW in enumerate(prediction.mask_logits_NTHW[row]):
                self.mask_logits[number, start + place] = logits_HW


def _check_same_tracks(first: _Named, second: _Named, how: str) -> None:
    _check_same("class_probs_NK", first.class_probs, second.class_probs, how)
    _check_same("mask_logits_NTHW", first.mask_logits, second.mask_logits, how)


def _check_same(what: str, first: Mapping[K, Tensor], second: Mapping[K, Tensor], how: str) -> None:
    """What one of the two does not mention has probability 0, or no foreground, in the other."""
    for key in first.keys() | second.keys():
        one, other = first.get(key), second.get(key)
        if one is None or other is None:
            present = one if one is not None else other
            assert present is not None
            one, other = (present > 0).float(), torch.zeros_like(present)
        difference = (one - other).abs().max().item()
        scale = one.abs().max().clamp(min=1).item()
        assert difference <= TOLERANCE * scale, f"{what} differs by {difference:g} when {how}"


def _check_features(features: FrameFeatures, num_frames: int, size_HW: tuple[int, int]) -> None:
    assert len(features) == num_frames, f"{len(features)} frames of features for {num_frames}"
    assert features.frame_size_HW == size_HW, f"frame_size_HW is {features.frame_size_HW}"


def _check_same_features(first: FrameFeatures, second: FrameFeatures) -> None:
    for name, tensor in first.maps.items():
        difference = (tensor - second.maps[name]).abs().max().item()
        scale = tensor.abs().max().clamp(min=1).item()
        assert difference <= TOLERANCE * scale, (
            f"feature map {name} of a frame depends on the frames beside it (by {difference:g})"
        )


def _check_prediction(
    method: VISMethod, prediction: ClipPrediction, num_frames: int, num_classes: int
) -> None:
    """The rules that the loop enforces."""
    try:
        check_clip(method, prediction, num_frames)
        check_values(method, prediction, num_classes)
    except InputError as error:
        raise AssertionError(str(error)) from None


def _check_same_prediction(first: ClipPrediction, second: ClipPrediction, how: str) -> None:
    assert len(first) == len(second), f"{len(first)} instances, but {len(second)} when {how}"
    pairs = {
        "class_probs_NK": (first.class_probs_NK, second.class_probs_NK),
        "mask_logits_NTHW": (first.mask_logits_NTHW, second.mask_logits_NTHW),
    }
    for name, (a, b) in pairs.items():
        if a.numel():
            difference = (a - b).abs().max().item()
            scale = a.abs().max().clamp(min=1).item()
            assert difference <= TOLERANCE * scale, f"{name} differs by {difference:g} when {how}"
