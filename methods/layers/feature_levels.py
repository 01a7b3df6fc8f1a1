"""The feature maps of several strides, laid out as one row of positions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FeatureLevels:
    """Heights and widths of L feature maps whose S positions follow each other, row by row."""

    shapes_L2: tuple[tuple[int, int], ...]

    @classmethod
    def of_frame(cls, size_HW: tuple[int, int], strides: tuple[int, ...]) -> FeatureLevels:
        """The levels of a frame: every stride rounds up."""
        return cls(tuple((-(-size_HW[0] // s), -(-size_HW[1] // s)) for s in strides))

    def maps(self, tokens_TSC: Tensor) -> list[Tensor]:
        """The tokens of each level as a map (T, C, height, width)."""
        rows = tokens_TSC.split([height * width for height, width in self.shapes_L2], dim=1)
        return [
            row.transpose(1, 2).unflatten(2, shape)
            for row, shape in zip(rows, self.shapes_L2, strict=True)
        ]

    def centers(self, like: Tensor) -> Tensor:
        """Where each position lies in the frame: (S, 2), x then y, 0..1, float32 at least."""
        options = {"device": like.device, "dtype": torch.promote_types(like.dtype, torch.float32)}
        return torch.cat([_centers(height, width, options) for height, width in self.shapes_L2])

    def widths_and_heights(self, like: Tensor) -> Tensor:
        """Width and height of each level: (L, 2)."""
        return like.new_tensor([(width, height) for height, width in self.shapes_L2])


def flatten_maps(maps: list[Tensor]) -> Tensor:
    """Maps (T, C, height, width) as tokens (T, S, C)."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in maps], dim=1)


def _centers(height: int, width: int, options: dict) -> Tensor:
    y = (torch.arange(height, **options) + 0.5) / height
    x = (torch.arange(width, **options) + 0.5) / width
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1).flatten(
        0, 1
    )
