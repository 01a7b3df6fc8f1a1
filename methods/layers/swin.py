"""Swin Transformer backbone (Liu et al., ICCV 2021): attention within shifted windows.

Shape letters: T frames, H and W rows and columns of the token grid, C channels, G windows, N tokens
of a window, M heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.checkpoint import rename_on_load
from vis_bench.errors import InputError

PATCH = 4
MLP_RATIO = 4
# Attention logits between tokens that a cyclic shift brought together are lowered by this.
NOT_NEIGHBORS = -100.0


# Arguments of `SwinTransformer` by name.
SWINS: Mapping[str, Mapping[str, Any]] = {
    "swin_l": {"width": 192, "blocks": (2, 2, 18, 2), "heads": (6, 12, 24, 48), "window": 12},
}


class PatchEmbedding(nn.Module):
    """A token for each patch of 4x4 pixels, frames padded to whole patches (section 3.1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(width)

    def forward(self, frames_T3HW: Tensor) -> Tensor:
        """Tokens (T, ceil(H / 4), ceil(W / 4), C)."""
        height, width = frames_T3HW.shape[-2:]
        padded = F.pad(frames_T3HW, (0, -width % PATCH, 0, -height % PATCH))
        return self.norm(self.proj(padded).permute(0, 2, 3, 1))


class PatchMerging(nn.Module):
    """Halves the grid: 2x2 tokens become one of twice the width (section 3.1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, tokens_THWC: Tensor) -> Tensor:
        """Tokens (T, ceil(H / 2), ceil(W / 2), 2C); within the four, rows run fastest."""
        height, width = tokens_THWC.shape[1:3]
        padded = F.pad(tokens_THWC, (0, 0, 0, width % 2, 0, height % 2))
        rows, columns = padded.shape[1] // 2, padded.shape[2] // 2
        blocks = padded.unflatten(2, (columns, 2)).unflatten(1, (rows, 2))
        return self.reduction(self.norm(blocks.permute(0, 1, 3, 4, 2, 5).flatten(3)))


class WindowAttention(nn.Module):
    """Multi-head attention within a window, with a learned bias per relative position (eq. 4)."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        # The published weights hold a table of the pairs' relative positions, which follows from
        # the window's size.
        self.checkpoint_entries_not_kept = window**4
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_load_state_dict_pre_hook(_check_relative_positions)

    def forward(self, windows_TGNC: Tensor, mask_GNN: Tensor | None) -> Tensor:
        """Keep the shape.

        Args:
            mask_GNN: added to the attention logits of each window; None adds nothing.
        """
        windows = windows_TGNC.shape[1]
        heads = self.qkv(windows_TGNC).unflatten(-1, (3, self.heads, -1))
        # PyTorch's fast attention knows one dimension besides the batch: a window's head.
        queries, keys, values = heads.permute(3, 0, 1, 4, 2, 5).flatten(2, 3)
        bias = self._relative_position_bias().expand(windows, -1, -1, -1)
        if mask_GNN is not None:
            bias = bias + mask_GNN[:, None]
        attended = F.scaled_dot_product_attention(
            queries, keys, values, bias.flatten(0, 1)[None].to(queries.dtype)
        )
        attended = attended.unflatten(1, (windows, self.heads))
        return self.proj(attended.transpose(-2, -3).flatten(-2))

    def _relative_position_bias(self) -> Tensor:
        table = self.relative_position_bias_table
        index_NN = relative_position_index(self.window, table.device)
        return table[index_NN].permute(2, 0, 1)


class SwinBlock(nn.Module):
    """Window attention and an MLP, each behind a norm and beside a residual (equation 3).

    Every second block shifts the windows by `shift` tokens, cyclically.
    """

    def __init__(self, width: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, MLP_RATIO * width)
        self.linear2 = nn.Linear(MLP_RATIO * width, width)
        rename_on_load(self, [(r"mlp\.fc(\d)\.", r"linear\1.")])

    def forward(self, tokens_THWC: Tensor, mask_GNN: Tensor) -> Tensor:
        """Keep the shape.

        Args:
            mask_GNN: as `shifted_window_mask` makes it for this grid.
        """
        height, width = tokens_THWC.shape[1:3]
        grid = F.pad(
            self.norm1(tokens_THWC), (0, 0, 0, -width % self.window, 0, -height % self.window)
        )
        if self.shift:
            grid = grid.roll((-self.shift, -self.shift), (1, 2))
        windows = split_windows(grid, self.window)
        attended = self.attn(windows, mask_GNN if self.shift else None)
        grid = join_windows(attended, self.window, grid.shape[2] // self.window)
        if self.shift:
            grid = grid.roll((self.shift, self.shift), (1, 2))
        tokens_THWC = tokens_THWC + grid[:, :height, :width]
        hidden = F.gelu(self.linear1(self.norm2(tokens_THWC)))
        return tokens_THWC + self.linear2(hidden)


class SwinStage(nn.Module):
    """Blocks on one grid, and the merging that leads to the next stage."""

    def __init__(self, width: int, heads: int, window: int, blocks: int, last: bool) -> None:
        super().__init__()
        self.window, self.shift = window, window // 2
        self.blocks = nn.ModuleList(
            SwinBlock(width, heads, window, shift=self.shift if index % 2 else 0)
            for index in range(blocks)
        )
        self.downsample = None if last else PatchMerging(width)

    def forward(self, tokens_THWC: Tensor) -> Tensor:
        """Keep the shape; `downsample` is the caller's to apply."""
        height, width = tokens_THWC.shape[1:3]
        mask_GNN = shifted_window_mask(height, width, self.window, self.shift, tokens_THWC)
        for block in self.blocks:
            tokens_THWC = block(tokens_THWC, mask_GNN)
        return tokens_THWC


class SwinTransformer(nn.Module):
    """Four stages; `channels` are those of the maps returned, at strides 8, 16 and 32.

    Args:
        width: channels of the first stage; they double from stage to stage.
        blocks, heads: of each stage.
        window: side of a window in tokens.
    """

    def __init__(
        self, *, width: int, blocks: Sequence[int], heads: Sequence[int], window: int
    ) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(4)]
        self.channels = tuple(widths[1:])
        self.patch_embed = PatchEmbedding(width)
        self.layers = nn.ModuleList(
            SwinStage(widths[stage], heads[stage], window, blocks[stage], last=stage == 3)
            for stage in range(4)
        )
        # The first one exists in the published weights; stride 4 is never asked for.
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        rename_on_load(self, [(r"norm(\d)\.", r"norms.\1.")])

    def forward(self, frames_T3HW: Tensor) -> list[Tensor]:
        """Maps (T, channels, ceil(H / stride), ceil(W / stride)) at strides 8, 16 and 32."""
        tokens = self.patch_embed(frames_T3HW)
        outputs = []
        for index, (stage, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            tokens = stage(tokens)
            if index > 0:
                outputs.append(norm(tokens).permute(0, 3, 1, 2))
            if stage.downsample is not None:
                tokens = stage.downsample(tokens)
        return outputs

    def prepare_for_inference(self) -> None:
        """Nothing to fold."""


def split_windows(grid_THWC: Tensor, window: int) -> Tensor:
    """Cut a grid of whole windows: (T, G, N, C), windows and tokens row by row."""
    rows, columns = grid_THWC.shape[1] // window, grid_THWC.shape[2] // window
    blocks = grid_THWC.unflatten(2, (columns, window)).unflatten(1, (rows, window))
    return blocks.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def join_windows(windows_TGNC: Tensor, window: int, columns: int) -> Tensor:
    """Undo `split_windows`."""
    blocks = windows_TGNC.unflatten(2, (window, window)).unflatten(1, (-1, columns))
    return blocks.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def shifted_window_mask(height: int, width: int, window: int, shift: int, like: Tensor) -> Tensor:
    """Keep tokens apart that only the cyclic shift made neighbors: (G, N, N), 0 or -100."""
    rows = _regions(height + -height % window, window, shift, like.device)
    columns = _regions(width + -width % window, window, shift, like.device)
    regions_HW = rows[:, None] * 3 + columns
    regions_GN = split_windows(regions_HW[None, :, :, None], window)[0, :, :, 0]
    apart_GNN = regions_GN[:, :, None] != regions_GN[:, None]
    return apart_GNN.to(like.dtype) * NOT_NEIGHBORS


def relative_position_index(window: int, device: torch.device | None = None) -> Tensor:
    """Row of the bias table for each pair of a window's tokens: (N, N)."""
    y = torch.arange(window, device=device).repeat_interleave(window)
    x = torch.arange(window, device=device).repeat(window)
    down = y[:, None] - y + window - 1
    right = x[:, None] - x + window - 1
    return down * (2 * window - 1) + right


def _regions(length: int, window: int, shift: int, device: torch.device) -> Tensor:
    """0 before the last window of a shifted axis, 1 in it, 2 where the axis wrapped around."""
    places = torch.arange(length, device=device)
    return (places >= length - window).long() + (places >= length - shift).long()


def _check_relative_positions(
    attention: WindowAttention, state: dict[str, Tensor], prefix: str, *_: object
) -> None:
    """Drop the index table of a checkpoint after comparing it with the window's size."""
    index_NN = state.pop(f"{prefix}relative_position_index", None)
    if index_NN is None or index_NN.is_meta:
        return
    if not torch.equal(index_NN.long().cpu(), relative_position_index(attention.window)):
        raise InputError(
            f"{prefix}relative_position_index of the weights is not that of "
            f"{attention.window}x{attention.window} windows, which this backbone has"
        )
