"""From a backbone's maps to the feature levels of a deformable transformer (Zhu et al., 2021,
supplement A.2): a 1x1 convolution each, and coarser levels by convolutions of stride 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

GROUPS = 32


class LevelProjection(nn.Module):
    """Brings every level to the same width, and adds one coarser than the backbone's."""

    def __init__(self, channels: Sequence[int], width: int, levels: int) -> None:
        super().__init__()
        if levels != len(channels) + 1:
            raise ValueError(f"{len(channels)} backbone maps make {len(channels) + 1} levels")
        same = [nn.Conv2d(inputs, width, 1) for inputs in channels]
        coarser = nn.Conv2d(channels[-1], width, 3, stride=2, padding=1)
        self.levels = nn.ModuleList(
            nn.Sequential(conv, nn.GroupNorm(GROUPS, width)) for conv in (*same, coarser)
        )
        for conv, _ in self.levels:
            nn.init.xavier_uniform_(conv.weight)
            nn.init.zeros_(conv.bias)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps (T, width, ...), finest first."""
        return [
            level(level_map)
            for level, level_map in zip(self.levels, [*maps, maps[-1]], strict=True)
        ]
