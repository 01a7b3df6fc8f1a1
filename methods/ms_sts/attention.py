"""MS-STS attention: multi-scale spatio-temporal split attention (Thawakar et al., "Video Instance
Segmentation via Multi-scale Spatio-temporal Split Attention Transformer", ECCV 2022, arXiv
2203.13253, figure 3).

A reconstruction: the authors' module was never published. Theirs, from the figure: attention
within a scale, then between a scale and the next coarser one, over time, in parallel with
deformable attention. This project's, where the paper is silent: attention runs over the frames at
each location; coarser maps are resampled bilinearly; 64 channels inside, weights shared by all
scales, no dropout, and a last projection that starts at zero.

Shape letters: T frames, S positions of all levels, P positions of one level, C channels, E inner
channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.deformable_attention import FeatureLevels, flatten_maps
from methods.layers.transformer import FeedForward, MultiHeadAttention


class IntraScaleAttention(nn.Module):
    """Each location attends over its T frames, then feed-forward; post-norm."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, heads)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, hidden)

    def forward(self, tokens_TPE: Tensor) -> Tensor:
        """Keeps the shape (T, P, E)."""
        tokens_PTE = tokens_TPE.transpose(0, 1)
        attended = self.attention(tokens_PTE, tokens_PTE, tokens_PTE)
        return self.feed_forward(self.attention_norm(tokens_PTE + attended)).transpose(0, 1)


class InterScaleAttention(nn.Module):
    """Each location of a scale attends over its T frames in this scale and in a coarser one."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.fine_projection = nn.Linear(width, width)
        self.coarse_projection = nn.Linear(width, width)
        self.input_norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, hidden)

    def forward(self, fine_TPE: Tensor, coarse_TPE: Tensor) -> Tensor:
        """Update the finer scale's tokens (T, P, E).

        Args:
            coarse_TPE: the coarser scale, resampled to the finer one's grid.
        """
        fine_PTE = self.fine_projection(fine_TPE.transpose(0, 1))
        coarse_PTE = self.coarse_projection(coarse_TPE.transpose(0, 1))
        both_PTE = self.input_norm(torch.cat([fine_PTE, coarse_PTE], 1))
        attended = self.attention(both_PTE[:, : fine_PTE.shape[1]], both_PTE, both_PTE)
        return self.feed_forward(self.attention_norm(fine_PTE + attended)).transpose(0, 1)


class MSSTSAttention(nn.Module):
    """The whole module: narrow, attend within scales, attend between scales, widen.

    Args:
        width: C.
        inner: E.
        heads: of both attentions.
        intra_scale: tokens attend within their scale.
        inter_scale: they attend between scales; without `intra_scale` to the narrowed tokens.
    """

    def __init__(
        self,
        width: int,
        inner: int,
        heads: int,
        *,
        intra_scale: bool = True,
        inter_scale: bool = True,
    ) -> None:
        super().__init__()
        if not (intra_scale or inter_scale):
            raise ValueError("MS-STS attention needs intra_scale or inter_scale")
        self.narrow = nn.Linear(width, inner)
        hidden = 2 * inner
        self.intra_scale = IntraScaleAttention(inner, heads, hidden) if intra_scale else None
        self.inter_scale = InterScaleAttention(inner, heads, hidden) if inter_scale else None
        self.widen = nn.Linear(inner, width)
        nn.init.zeros_(self.widen.weight)
        nn.init.zeros_(self.widen.bias)

    def forward(self, tokens_TSC: Tensor, levels: FeatureLevels) -> Tensor:
        """Update of the tokens, (T, S, C); all zeros before training.

        No frame order enters: permuted frames give permuted results.
        """
        narrowed_TSE = self.narrow(tokens_TSC)
        intra_TSE = narrowed_TSE if self.intra_scale is None else self.intra_scale(narrowed_TSE)
        if self.inter_scale is None:
            return self.widen(intra_TSE)
        maps, inputs = levels.maps(intra_TSE), levels.maps(narrowed_TSE)
        coarser = [*maps[1:], inputs[-1]]
        resampled = [
            _resample(coarse, shape)
            for coarse, shape in zip(coarser, levels.shapes_L2, strict=True)
        ]
        return self.widen(self.inter_scale(intra_TSE, flatten_maps(resampled)))


def _resample(maps: Tensor, shape: tuple[int, int]) -> Tensor:
    """Maps (T, E, height, width) on another grid that spans the same frame."""
    if maps.shape[-2:] == shape:
        return maps
    return F.interpolate(maps, shape, mode="bilinear", align_corners=False)
