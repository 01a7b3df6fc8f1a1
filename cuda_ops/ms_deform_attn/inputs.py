"""Arguments of multi-scale deformable attention and their checks; errors name the argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_POSITIONS = 2**31 - 1  # the kernels number positions with 32 bits
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class AttentionInputs:
    """The arguments of one call; backends may rely on `check_inputs`.

    Attributes:
        value_BSMD: the levels' features, flattened row by row.
        sides_2L: height and width of each level in turn.
        starts_L: where each level starts on the S axis.
        locations_BQMLP2: sampling locations (x, y) as fractions of the level.
        weights_BQMLP: attention weights, in the locations' dtype.
    """

    value_BSMD: Tensor
    sides_2L: Sequence[int]
    starts_L: Sequence[int]
    locations_BQMLP2: Tensor
    weights_BQMLP: Tensor

    @property
    def shapes_L2(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level."""
        return tuple(zip(self.sides_2L[0::2], self.sides_2L[1::2], strict=True))

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Value, locations and weights: the inputs with a gradient."""
        return self.value_BSMD, self.locations_BQMLP2, self.weights_BQMLP

    @property
    def output_size(self) -> tuple[int, int, int]:
        """(B, Q, M * D)."""
        batch, _, heads, channels = self.value_BSMD.shape
        return batch, self.locations_BQMLP2.shape[1], heads * channels

    @property
    def is_empty(self) -> bool:
        """True without samples: the output and all gradients are then 0."""
        return self.value_BSMD.numel() == 0 or self.locations_BQMLP2.numel() == 0


@dataclass(frozen=True)
class AttentionProblem(AttentionInputs):
    """Inputs together with the gradient that the output (B, Q, E), E = M * D, receives."""

    grad_BQE: Tensor

    def to(self, device: torch.device | str, value: torch.dtype, coordinate: torch.dtype) -> Self:
        """The problem on a device; `coordinate` is the dtype of locations and weights."""
        return replace(
            self,
            value_BSMD=self.value_BSMD.to(device, value),
            grad_BQE=self.grad_BQE.to(device, value),
            locations_BQMLP2=self.locations_BQMLP2.to(device, coordinate),
            weights_BQMLP=self.weights_BQMLP.to(device, coordinate),
        )


def packed_starts(shapes_L2: Sequence[Sequence[int]]) -> list[int]:
    """Starts of levels of these heights and widths that follow each other without gaps."""
    starts = [0]
    for height, width in shapes_L2[:-1]:
        starts.append(starts[-1] + height * width)
    return starts


def level_layout(
    spatial_shapes_L2: Tensor | Sequence[Sequence[int]],
    level_start_index_L: Tensor | Sequence[int] | None,
) -> tuple[list[int], list[int]]:
    """The levels as Python numbers: heights and widths in turn, and the start of each.

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
    """Check shapes, dtypes and devices.

    Raises:
        ValueError: a shape or device does not fit, or the levels do not fill the value, each once.
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
    areas = [height * width for height, width in inputs.shapes_L2]
    stop = 0
    # In the usual order, nothing is sorted: sizes may be symbols under `torch.compile`.
    levels = list(zip(inputs.starts_L, areas, range(len(areas)), strict=True))
    in_order = all(a[0] <= b[0] for a, b in pairwise(levels))
    for start, area, level in levels if in_order else sorted(levels):
        if start != stop:
            problem = "overlap" if start < stop else "leave a gap"
            raise ValueError(
                f"level_start_index_L and spatial_shapes_L2 {problem}: level {level} starts at "
                f"position {start} of value_BSMD; expected {stop}, where the one before it ends"
            )
        stop = start + area
    if stop != positions:
        raise ValueError(
            f"spatial_shapes_L2 has {stop} positions in all; expected {positions}, the positions "
            "of value_BSMD"
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
