"""What the loop holds a method to: a method that breaks a rule is named, and so is the rule.

Shapes are checked on the host. Values are checked on what the tracker copies to the host anyway,
so that a GPU is waited for no more often than without the checks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import torch
from torch import Tensor

from vis_bench.errors import InputError
from vis_bench.method import ClipPrediction, FrameFeatures, State, VISMethod

# How far rounding may take a probability out of 0..1.
ROUNDING = 1e-4


def check_features(
    method: VISMethod, features: FrameFeatures, num_frames: int, held: FrameFeatures | None = None
) -> None:
    """Checks what `encode_frames` returned for `num_frames` frames; shapes only.

    Args:
        held: features of the frames before, which these are joined with.

    Raises:
        InputError: naming the method and the rule.
    """
    if not isinstance(features, FrameFeatures):
        _refuse(method, "encode_frames", f"a {type(features).__name__}", "FrameFeatures")
    if not features.maps or len(features) != num_frames:
        frames = len(features) if features.maps else 0
        _refuse(method, "encode_frames", f"features of {frames} frames", f"{num_frames}")
    if held is not None and _map_shapes(held) != _map_shapes(features):
        _refuse(
            method, "encode_frames", f"maps {_map_shapes(features)}",
            f"{_map_shapes(held)} as in the call before",
        )  # fmt: skip


def check_next(method: VISMethod, returned: object) -> tuple[ClipPrediction, State | None]:
    """Checks what `predict_next` returned, but for the prediction itself.

    Raises:
        InputError: naming the method and the rule.
    """
    if not isinstance(returned, tuple) or len(returned) != 2:
        given = f"a {type(returned).__name__}"
        _refuse(method, "predict_next", given, "a ClipPrediction and the state for the next call")
    prediction, state = returned
    if state is not None and not (
        isinstance(state, dict) and all(isinstance(value, Tensor) for value in state.values())
    ):
        given = f"a state of type {type(state).__name__}"
        _refuse(method, "predict_next", given, "a dict of tensors, or None")
    return prediction, state


def check_clip(method: VISMethod, prediction: ClipPrediction, num_frames: int) -> None:
    """Checks what was predicted for a clip of `num_frames` frames; shapes only.

    Raises:
        InputError: naming the method and the rule.
    """
    if not isinstance(prediction, ClipPrediction):
        _refuse(method, "predict_clip", f"a {type(prediction).__name__}", "a ClipPrediction")
    if method.online != (prediction.track_ids_N is not None):
        given, expected = "a prediction without track_ids_N", "a number for each instance's track"
        if not method.online:
            given, expected = "track_ids_N", "none from a method that is not an OnlineMethod"
        _refuse(method, "predict_clip", given, expected)
    masks_NTHW = prediction.mask_logits_NTHW
    if masks_NTHW.shape[1] != num_frames:
        _refuse(method, "predict_clip", f"masks of {masks_NTHW.shape[1]} frames", f"{num_frames}")
    if not masks_NTHW.is_floating_point():
        _refuse(method, "predict_clip", f"mask_logits_NTHW of {masks_NTHW.dtype}", "float logits")


def check_values(
    method: VISMethod, prediction: ClipPrediction, num_classes: int | None = None
) -> ClipPrediction:
    """Checks the probabilities and masks of a clip; one copy to the host for both.

    Args:
        num_classes: K of the data set, where it is known.

    Returns:
        The prediction with `class_probs_NK` as float32 on the CPU.

    Raises:
        InputError: naming the method and the rule.
    """
    probs_NK, logits_NTHW = prediction.class_probs_NK, prediction.mask_logits_NTHW
    if num_classes is not None and probs_NK.shape[1] != num_classes:
        _refuse(method, "predict_clip", f"{probs_NK.shape[1]} classes", f"{num_classes}")
    # A sum is finite only where all its terms are; it reads the masks once and stores one number.
    total_1 = logits_NTHW.sum(dtype=torch.float32)[None].to(probs_NK.device)
    numbers = torch.cat([probs_NK.float().flatten(), total_1]).cpu()
    probs_NK = numbers[:-1].view(probs_NK.shape)
    _check_range(method, probs_NK)
    if not numbers[-1].isfinite() and not logits_NTHW.isfinite().all():
        _refuse(method, "predict_clip", "mask_logits_NTHW with NaN or infinity", "finite logits")
    return replace(prediction, class_probs_NK=probs_NK)


def _check_range(method: VISMethod, probs_NK: Tensor) -> None:
    if not probs_NK.numel():
        return
    low, high = (float(value) for value in probs_NK.aminmax())
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        given = f"class_probs_NK from {low:.4g} to {high:.4g}"
        _refuse(method, "predict_clip", given, "probabilities in 0..1")


def _map_shapes(features: FrameFeatures) -> dict[str, tuple[int, ...]]:
    """The shape of a frame in each map."""
    return {name: tuple(tensor.shape[1:]) for name, tensor in sorted(features.maps.items())}


def _refuse(method: VISMethod, call: str, given: str, expected: str) -> NoReturn:
    if call == "predict_clip" and method.online:
        call = "predict_next"  # which such a method implements
    raise InputError(
        f"method {method.registered_name}: {call} returned {given}; expected {expected}"
    )
