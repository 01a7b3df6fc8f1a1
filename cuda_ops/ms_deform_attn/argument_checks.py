"""Which arguments multi-scale deformable attention accepts; every error names the argument."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cuda_ops.ms_deform_attn.inputs import AttentionInputs, packed_starts

MAX_POSITIONS = 2**31 - 1  # the kernels number positions with 32 bits
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def level_layout(
    spatial_shapes_L2: Tensor | Sequence[Sequence[int]],
    level_start_index_L: Tensor | Sequence[int] | None,
) -> tuple[list[int], list[int]]:
    """The levels as Python numbers: heights and widths in turn, and where each level starts.

    Raises:
        ValueError: the levels' sizes or starts are too many, too few or too small.
        TypeError: they are not integers.
    """
    shapes = _numbers(spatial_shapes_L2, "spatial_shapes_L2")
    if not shapes or any(not isinstance(row, Sequence) or len(row) != 2 for row in shapes):
        raise ValueError(
            f"spatial_shapes_L2 must hold a height and a width for each level, got {shapes}"
        )
    _check_integers([side for row in shapes for side in row], "spatial_shapes_L2")
    if any(side < 1 for row in shapes for side in row):
        raise ValueError(f"spatial_shapes_L2 must hold sides of at least 1, got {shapes}")
    starts = packed_starts(shapes)
    if level_start_index_L is not None:
        starts = _numbers(level_start_index_L, "level_start_index_L")
        _check_integers(starts, "level_start_index_L")
    if len(starts) != len(shapes) or any(start < 0 for start in starts):
        raise ValueError(
            f"level_start_index_L must hold {len(shapes)} positions from 0 up, one for each row of "
            f"spatial_shapes_L2, got {starts}"
        )
    return [side for row in shapes for side in row], list(starts)


def check_inputs(inputs: AttentionInputs) -> None:
    """Checks shapes, dtypes and devices.

    Raises:
        ValueError: a shape or device does not fit, or a level ends beyond the value.
        TypeError: a dtype does not fit.
    """
    value_BSMD, locations_BQMLP2, weights_BQMLP = inputs.tensors
    _check_shapes(value_BSMD, len(inputs.starts_L), locations_BQMLP2, weights_BQMLP)
    _check_levels(inputs)
    _check_dtypes(value_BSMD, locations_BQMLP2, weights_BQMLP)
    for name, tensor in (
        ("sampling_locations_BQMLP2", locations_BQMLP2),
        ("attention_weights_BQMLP", weights_BQMLP),
    ):
        if tensor.device != value_BSMD.device:
            raise ValueError(
                f"{name} is on {tensor.device}; it must be on value_BSMD's {value_BSMD.device}"
            )


def _numbers(values: Tensor | Sequence, name: str) -> list:
    if not isinstance(values, Tensor):
        return list(values)
    if values.is_meta:
        raise ValueError(f"{name} is a meta tensor, which holds no numbers; pass a list of ints")
    return values.tolist()


def _check_integers(values: Sequence, name: str) -> None:
    for value in values:
        if not isinstance(value, int | torch.SymInt):
            raise TypeError(f"{name} must hold ints, got {value!r}")


def _check_shapes(
    value_BSMD: Tensor, levels: int, locations_BQMLP2: Tensor, weights_BQMLP: Tensor
) -> None:
    if value_BSMD.ndim != 4:
        raise ValueError(f"value_BSMD must have 4 dimensions, got shape {_shape(value_BSMD)}")
    batch, _, heads, _ = value_BSMD.shape
    found = locations_BQMLP2.shape
    if len(found) != 6 or (found[0], found[2], found[3], found[5]) != (batch, heads, levels, 2):
        raise ValueError(
            f"sampling_locations_BQMLP2 must have shape ({batch}, Q, {heads}, {levels}, P, 2), "
            f"got {_shape(locations_BQMLP2)}"
        )
    if weights_BQMLP.shape != found[:5]:
        raise ValueError(
            f"attention_weights_BQMLP must have shape {tuple(found[:5])}, "
            f"got {_shape(weights_BQMLP)}"
        )


def _check_levels(inputs: AttentionInputs) -> None:
    positions = inputs.value_BSMD.shape[1]
    if positions > MAX_POSITIONS:
        raise ValueError(f"value_BSMD must have at most {MAX_POSITIONS} positions, got {positions}")
    levels = zip(inputs.shapes_L2, inputs.starts_L, strict=True)
    for level, ((height, width), start) in enumerate(levels):
        if start + height * width > positions:
            raise ValueError(
                f"spatial_shapes_L2 and level_start_index_L put level {level} at positions {start} "
                f"to {start + height * width} of value_BSMD, which has {positions}"
            )


def _check_dtypes(value_BSMD: Tensor, locations_BQMLP2: Tensor, weights_BQMLP: Tensor) -> None:
    value = value_BSMD.dtype
    if value not in DTYPES:
        raise TypeError(f"value_BSMD must be of {_names(DTYPES)}, got {value}")
    allowed = (value, torch.float32) if value.itemsize == 2 else (value,)
    if locations_BQMLP2.dtype not in allowed:
        raise TypeError(
            f"sampling_locations_BQMLP2 must be of {_names(allowed)} for a {value} value_BSMD, "
            f"got {locations_BQMLP2.dtype}"
        )
    if weights_BQMLP.dtype != locations_BQMLP2.dtype:
        raise TypeError(
            "attention_weights_BQMLP must be of sampling_locations_BQMLP2's "
            f"{locations_BQMLP2.dtype}, got {weights_BQMLP.dtype}"
        )


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)


def _names(dtypes: Sequence[torch.dtype]) -> str:
    return " or ".join(str(dtype) for dtype in dtypes)
