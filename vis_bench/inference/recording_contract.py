"""What a method that records its attention keeps to, as one function that its tests call."""

from __future__ import annotations

import torch
from torch import Tensor

from vis_bench.inference.attention import (
    ClipAttention,
    DecoderAttention,
    MemoryAttention,
    RecordsAttention,
)

TOLERANCE = 1e-4


def check_recording(method: RecordsAttention, frames_T3HW: Tensor) -> None:
    """Checks a method, prepared for inference, on the frames of a clip.

    - Recording changes no prediction.
    - What is recorded are the parts and layers that `recorded_layers` names, of these frames and
      of the prediction's instances.
    - Weights sum to 1 over what they are shared among; to 1 at most for memory tokens, whose
      attention also goes to each other.

    Raises:
        AssertionError: naming what does not hold.
    """
    with torch.inference_mode():
        plain = method.predict_clip(method.encode_frames(frames_T3HW))
        features = method.encode_and_record(frames_T3HW)
        prediction, attention = method.predict_and_record(features)
    for name in ("class_probs_NK", "mask_logits_NTHW"):
        one, other = getattr(plain, name), getattr(prediction, name)
        assert one.shape == other.shape, f"{name} has another shape when attention is recorded"
        assert torch.allclose(one, other, atol=TOLERANCE), f"{name} differs when recorded"
    _check_parts(method, attention)
    if attention.decoder is not None:
        _check_decoder(attention.decoder, len(prediction), len(frames_T3HW))
    if attention.memory is not None:
        _check_memory(attention.memory, len(frames_T3HW))


def _check_parts(method: RecordsAttention, attention: ClipAttention) -> None:
    found = {}
    if attention.decoder is not None:
        found["decoder"] = len(attention.decoder.time_weights_LTQ)
    if attention.memory is not None:
        found["memory"] = len(attention.memory.weights_LTMBhw)
    named = dict(method.recorded_layers)
    assert found == named, f"recorded layers are {found}, but recorded_layers says {named}"


def _check_decoder(decoder: DecoderAttention, num_instances: int, num_frames: int) -> None:
    layers = len(decoder.time_weights_LTQ)
    expected = layers, num_frames, num_instances
    weights, locations = decoder.attention_weights_LTQMKP, decoder.sampling_locations_LTQMKP2
    assert decoder.queries_Q.shape == (num_instances,), "queries_Q is not one per instance"
    assert decoder.time_weights_LTQ.shape == expected, f"time_weights_LTQ is not {expected}"
    assert weights.shape[:3] == expected, f"attention_weights_LTQMKP does not begin {expected}"
    assert locations.shape == (*weights.shape, 2), "locations do not fit the weights"
    _check_sums("attention_weights_LTQMKP", weights.float().sum((-1, -2)))
    _check_sums("time_weights_LTQ", decoder.time_weights_LTQ.float().sum(1))


def _check_memory(memory: MemoryAttention, num_frames: int) -> None:
    weights = memory.weights_LTMBhw
    assert weights.ndim == 6, f"weights_LTMBhw has {weights.ndim} dimensions"
    assert weights.shape[1] == num_frames, f"weights_LTMBhw has {weights.shape[1]} frames"
    most = float(weights.float().sum((-1, -2)).max())
    assert most <= 1 + TOLERANCE, f"weights_LTMBhw sum to {most:g}"


def _check_sums(name: str, sums: Tensor) -> None:
    assert torch.allclose(sums, torch.ones_like(sums), atol=TOLERANCE), f"{name} do not sum to 1"
