"""What multi-scale deformable attention accepts; every refusal names the argument."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

BACKENDS = ("auto", "reference", "cpu", "cuda", "triton")
MAX_POSITIONS = 2**31 - 1  # the kernels number positions with 32 bits
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def check_backend(backend: str) -> None:
    """Checks the name of a backend.

    Raises:
        ValueError: it is none of `BACKENDS`.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")


def level_layout(
    spatial_shapes_L2: Tensor | Sequence[Sequence[int]],
    level_start_index_L: Tensor | Sequence[int] | None,
) -> tuple[list[int], list[int]]:
    """The levels as Python numbers: heights and widths in turn, and where each level starts.

    Raises:
        ValueError: the levels' sizes or starts are too many, too few or too small.
        TypeError: these are no integers.
    """
    shapes = _numbers(spatial_shapes_L2, "spatial_shapes_L2")
    if not shapes or any(not isinstance(row, Sequence) or len(row) != 2 for row in shapes):
        raise ValueError(
            f"spatial_shapes_L2 must hold a height and a width for each level, got {shapes}"
        )
    _check_integers([side for row in shapes for side in row], "spatial_shapes_L2")
    if any(side < 1 for row in shapes for side in row):
        raise ValueError(f"spatial_shapes_L2 must hold sides of at least 1, got {shapes}")
    starts = _packed_starts(shapes)
    if level_start_index_L is not None:
        starts = _numbers(level_start_index_L, "level_start_index_L")
        _check_integers(starts, "level_start_index_L")
    if len(starts) != len(shapes) or any(start < 0 for start in starts):
        raise ValueError(
            f"level_start_index_L must hold {len(shapes)} positions from 0 on, one for each row of "
            f"spatial_shapes_L2, got {starts}"
        )
    return [side for row in shapes for side in row], list(starts)


def check_inputs(
    value_BSMD: Tensor,
    sides_2L: Sequence[int],
    starts_L: Sequence[int],
    locations_BQMLP2: Tensor,
    weights_BQMLP: Tensor,
) -> None:
    """Checks shapes, dtypes and devices.

    Raises:
        ValueError: for a shape, a level beyond the value's end, or a device.
        TypeError: for a dtype.
    """
    _check_shapes(value_BSMD, len(starts_L), locations_BQMLP2, weights_BQMLP)
    _check_levels(value_BSMD.shape[1], sides_2L, starts_L)
    _check_dtypes(value_BSMD, locations_BQMLP2, weights_BQMLP)
    for name, tensor in (
        ("sampling_locations_BQMLP2", locations_BQMLP2),
        ("attention_weights_BQMLP", weights_BQMLP),
    ):
        if tensor.device != value_BSMD.device:
            raise ValueError(
                f"{name} is on {tensor.device}; it must be on value_BSMD's {value_BSMD.device}"
            )


def _packed_starts(shapes: Sequence[Sequence[int]]) -> list[int]:
    starts = [0]
    for height, width in shapes[:-1]:
        starts.append(starts[-1] + height * width)
    return starts


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


def _check_levels(positions: int, sides_2L: Sequence[int], starts_L: Sequence[int]) -> None:
    if positions > MAX_POSITIONS:
        raise ValueError(f"value_BSMD must have at most {MAX_POSITIONS} positions, got {positions}")
    for level, start in enumerate(starts_L):
        height, width = sides_2L[2 * level], sides_2L[2 * level + 1]
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
