"""The vision transformer: tokens of a frame, and the blocks that they pass.

Parameters have the names of transformers' `VideomtForUniversalSegmentation`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.videomt.positions import PositionTable, rotated


class PatchTokens(nn.Module):
    """Frames -> class token, register tokens, and a token for each patch.

    Args:
        channels: C.
        patch_size: sides in pixels of a patch.
        registers: R, the number of register tokens.
        table: what is added to the patches for their positions; None where blocks rotate them.
    """

    def __init__(
        self, channels: int, patch_size: int, registers: int, table: PositionTable | None
    ) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, channels))
        self.register_tokens = nn.Parameter(0.02 * torch.randn(1, registers, channels))
        self.patch_embeddings = nn.ModuleDict(
            {"projection": nn.Conv2d(3, channels, patch_size, patch_size)}
        )
        self.position_embeddings = table
        self.num_prefix = 1 + registers

    def forward(self, frames_T3HW: Tensor) -> Tensor:
        """Tokens (T, 1 + R + P, C); H and W are multiples of the patch size."""
        maps_TCHW = self.patch_embeddings["projection"](frames_T3HW)
        patches_TPC = maps_TCHW.flatten(2).transpose(1, 2)
        if self.position_embeddings is not None:
            rows, columns = maps_TCHW.shape[-2:]
            patches_TPC = patches_TPC + self.position_embeddings(rows, columns, maps_TCHW.device)
        prefix_1RC = torch.cat([self.cls_token, self.register_tokens], 1)
        prefix_TRC = prefix_1RC.expand(len(frames_T3HW), -1, -1).to(patches_TPC.dtype)
        return torch.cat([prefix_TRC, patches_TPC], 1)


class Attention(nn.Module):
    """Self-attention of all tokens, in which patches may be rotated by their positions.

    Args:
        channels: C; `heads`: of C / heads channels each.
        key_bias: keys have a bias (DINOv2) or none (DINOv3).
    """

    def __init__(self, channels: int, heads: int, *, key_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(channels, channels)
        self.k_proj = nn.Linear(channels, channels, bias=key_bias)
        self.v_proj = nn.Linear(channels, channels)
        self.out_proj = nn.Linear(channels, channels)

    def forward(self, tokens_BSC: Tensor, rotation: tuple[Tensor, Tensor] | None) -> Tensor:
        """Tokens (B, S, C); `rotation`: cosines and sines of the last P of them, (P, C / heads)."""
        queries, keys, values = (
            project(tokens_BSC).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        if rotation is not None:
            queries, keys = rotated(queries, *rotation), rotated(keys, *rotation)
        attended_BMSD = F.scaled_dot_product_attention(queries, keys, values)
        return self.out_proj(attended_BMSD.transpose(1, 2).flatten(2))


class LayerScale(nn.Module):
    """A learned factor per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lambda1 = nn.Parameter(torch.ones(channels))

    def forward(self, tokens_BSC: Tensor) -> Tensor:
        return tokens_BSC * self.lambda1


class TokenMLP(nn.Module):
    """Two layers with four times the channels between them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, tokens_BSC: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(tokens_BSC)))


class Block(nn.Module):
    """Attention and perceptron, each behind a norm and before a learned scale, added to the tokens.

    Args:
        channels, heads, key_bias: see `Attention`.
        epsilon: of both norms.
    """

    def __init__(self, channels: int, heads: int, *, key_bias: bool, epsilon: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=epsilon)
        self.attention = Attention(channels, heads, key_bias=key_bias)
        self.layer_scale1 = LayerScale(channels)
        self.norm2 = nn.LayerNorm(channels, eps=epsilon)
        self.mlp = TokenMLP(channels)
        self.layer_scale2 = LayerScale(channels)

    def forward(self, tokens_BSC: Tensor, rotation: tuple[Tensor, Tensor] | None) -> Tensor:
        """Tokens (B, S, C) -> (B, S, C); see `Attention`."""
        attended_BSC = self.attention(self.norm1(tokens_BSC), rotation)
        tokens_BSC = tokens_BSC + self.layer_scale1(attended_BSC)
        return tokens_BSC + self.layer_scale2(self.mlp(self.norm2(tokens_BSC)))
