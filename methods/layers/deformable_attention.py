"""Multi-scale deformable attention (Zhu et al., "Deformable DETR", 2021, equation 3).

Shape letters: T frames, Q queries, S positions of all levels, M heads, D channels of a head, L
levels, P points, C = M * D.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuda_ops import compiled_with, ms_deform_attn, resolve_backend
from methods.layers.maps import grid_of

# Tensors by name, an entry per layer, of layers that record their attention.
AttentionRecord = dict[str, list[Tensor]]


@dataclass(frozen=True)
class FeatureLevels:
    """Heights and widths of L feature maps whose S positions follow each other, row by row.

    Maps of a padded frame show it in their first rows and columns alone: `valid_L2`, None where
    nothing is padded. Places in the frame are then fractions of those, so that positions in the
    padding have places beyond 1.
    """

    shapes_L2: tuple[tuple[int, int], ...]
    valid_L2: tuple[tuple[int, int], ...] | None = None

    @classmethod
    def of_frame(cls, size_HW: tuple[int, int], strides: tuple[int, ...]) -> FeatureLevels:
        """Levels of a frame: every stride rounds up."""
        return cls(tuple(grid_of(size_HW, stride) for stride in strides))

    def maps(self, tokens_TSC: Tensor) -> list[Tensor]:
        """Tokens of each level as a map (T, C, height, width)."""
        rows = tokens_TSC.split([height * width for height, width in self.shapes_L2], dim=1)
        return [
            row.transpose(1, 2).unflatten(2, shape)
            for row, shape in zip(rows, self.shapes_L2, strict=True)
        ]

    def centers(self, like: Tensor) -> Tensor:
        """Positions' places in the frame: (S, 2), x then y, 0..1, float32 at least."""
        options = {"device": like.device, "dtype": torch.promote_types(like.dtype, torch.float32)}
        centers = []
        for (height, width), (rows, columns) in zip(
            self.shapes_L2, self.valid_L2 or self.shapes_L2, strict=True
        ):
            y = (torch.arange(height, **options) + 0.5) / rows
            x = (torch.arange(width, **options) + 0.5) / columns
            centers.append(torch.stack([x.repeat(height), y.repeat_interleave(width)], -1))
        return torch.cat(centers)

    def widths_and_heights(self, like: Tensor) -> Tensor:
        """Width and height of each level: (L, 2)."""
        return like.new_tensor([(width, height) for height, width in self.shapes_L2])

    def valid_of(self, level: int) -> tuple[int, int] | None:
        """Rows and columns of a level that show the frame; None where nothing is padded."""
        return None if self.valid_L2 is None else self.valid_L2[level]

    def valid_ratios(self, like: Tensor) -> Tensor | None:
        """Shares of each level's width and height that show the frame: (L, 2); None for all."""
        if self.valid_L2 is None:
            return None
        valid_L2 = like.new_tensor([(columns, rows) for rows, columns in self.valid_L2])
        return valid_L2 / self.widths_and_heights(like)

    def clear_padding_(self, values_TSMD: Tensor) -> None:
        """Set the values at positions in the padding to zero, in place."""
        if self.valid_L2 is None:
            return
        levels = values_TSMD.split([height * width for height, width in self.shapes_L2], dim=1)
        for values, shape, (rows, columns) in zip(
            levels, self.shapes_L2, self.valid_L2, strict=True
        ):
            map_THWMD = values.unflatten(1, shape)
            map_THWMD[:, rows:] = 0
            map_THWMD[:, :rows, columns:] = 0


def flatten_maps(maps: list[Tensor]) -> Tensor:
    """Maps (T, C, height, width) as tokens (T, S, C)."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in maps], dim=1)


def attention_backend(method: nn.Module, device: torch.device) -> str:
    """Backend of a method's deformable attention in float32; ValueError where it cannot run."""
    return resolve_backend(device, torch.float32, _named_backend(method))


def attention_build(method: nn.Module, device: torch.device) -> str | None:
    """Compiler and flags of that backend; None without a library."""
    return compiled_with(device, torch.float32, _named_backend(method))


def _named_backend(method: nn.Module) -> str:
    layer = next(m for m in method.modules() if isinstance(m, DeformableAttention))
    return layer.kernel_backend


class DeformableAttention(nn.Module):
    """Every query reads P points on each level near its reference, per head, per frame.

    SeqFormer's decoder projects what was read twice, once for the box query and once for the
    instance query. Its encoder carries the second projection (`box_projection`) too, in the
    published weights and never in use.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        levels: int,
        points: int,
        kernel_backend: str = "auto",
        *,
        box_projection: bool = False,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of the {heads} heads")
        self.heads, self.levels, self.points = heads, levels, points
        self.kernel_backend = kernel_backend
        self.sampling_offsets = nn.Linear(width, heads * levels * points * 2)
        self.attention_weights = nn.Linear(width, heads * levels * points)
        self.value_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)
        if box_projection:
            self.output_proj_box = nn.Linear(width, width)
        self._start_on_rays()

    def read(
        self,
        queries_TQC: Tensor,
        references_TQX: Tensor,
        memory_TSC: Tensor,
        levels: FeatureLevels,
        record: AttentionRecord | None = None,
    ) -> Tensor:
        """Read the frames' memory, before any output projection.

        Args:
            queries_TQC: with their positions added; a first dimension of 1 serves all frames.
            references_TQX: points (x, y) or boxes (cx, cy, w, h) in 0..1 of the frame, offsets
                being counted in pixels of the level or in halves of the box; the first dimension
                may be 1.
            record: gets `locations` (T, Q, M, L, P, 2), x and y in fractions of the maps, and
                `weights` (T, Q, M, L, P), which sum to 1 over L and P.

        Returns:
            Tensor of shape (T, Q, C).
        """
        values_TSMD = self.value_proj(memory_TSC).unflatten(-1, (self.heads, -1))
        levels.clear_padding_(values_TSMD)
        frames = values_TSMD.shape[0]
        locations = self._locations(queries_TQC, references_TQX, levels)
        weights = self._weights(queries_TQC).to(locations.dtype)
        locations = locations.expand(frames, -1, -1, -1, -1, -1)
        weights = weights.expand(frames, -1, -1, -1, -1)
        if record is not None:
            record["locations"].append(locations)
            record["weights"].append(weights)
        return ms_deform_attn(
            values_TSMD, levels.shapes_L2, None, locations, weights, backend=self.kernel_backend
        )

    def forward(
        self, queries_TQC: Tensor, references_TQX: Tensor, memory_TSC: Tensor, levels: FeatureLevels
    ) -> Tensor:
        """Read the frames' memory and project the result once; (T, Q, C)."""
        return self.output_proj(self.read(queries_TQC, references_TQX, memory_TSC, levels))

    def _locations(self, queries: Tensor, references: Tensor, levels: FeatureLevels) -> Tensor:
        """Sampling locations (T, Q, M, L, P, 2), in the references' precision."""
        centers, sizes = references[:, :, None, None, None].tensor_split([2], dim=-1)
        ratios_L2 = levels.valid_ratios(references)
        if ratios_L2 is not None:
            centers = centers * ratios_L2[:, None]
        if not sizes.numel():
            return centers + self._offsets(queries, 1 / levels.widths_and_heights(references))
        halves = references.new_full((self.levels, 2), 0.5 / self.points)
        if ratios_L2 is not None:
            halves = halves * ratios_L2
        return centers + self._offsets(queries, halves) * sizes

    def _offsets(self, queries: Tensor, units_L2: Tensor) -> Tensor:
        """Offsets (T, Q, M, L, P, 2) in units of the maps; scaling the projection's weights is
        less work than scaling what it makes.
        """
        scale = units_L2[:, None].expand(self.heads, -1, self.points, -1).flatten()
        projection = self.sampling_offsets
        offsets = F.linear(queries, projection.weight * scale[:, None], projection.bias * scale)
        offsets = offsets.to(units_L2.dtype)
        return offsets.unflatten(-1, (self.heads, self.levels, self.points, 2))

    def _weights(self, queries: Tensor) -> Tensor:
        """Attention weights (T, Q, M, L, P): they sum to 1 over levels and points."""
        logits = self.attention_weights(queries).unflatten(-1, (self.heads, -1))
        return logits.softmax(-1).unflatten(-1, (self.levels, self.points))

    @torch.no_grad()
    def _start_on_rays(self) -> None:
        """Start each head on a ray of its own, point p at distance p (supplement A.4)."""
        angles = torch.arange(self.heads) * (2 * math.pi / self.heads)
        rays_M2 = torch.stack([angles.cos(), angles.sin()], -1)
        rays_M2 /= rays_M2.abs().amax(-1, keepdim=True)
        steps_P1 = torch.arange(1, self.points + 1)[:, None]
        offsets_MLP2 = (rays_M2[:, None, None] * steps_P1).expand(-1, self.levels, -1, -1)
        nn.init.zeros_(self.sampling_offsets.weight)
        self.sampling_offsets.bias.copy_(offsets_MLP2.flatten())
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for name, projection in self.named_children():
            if name.startswith(("value_proj", "output_proj")):
                nn.init.xavier_uniform_(projection.weight)
                nn.init.zeros_(projection.bias)
