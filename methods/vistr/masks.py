"""VisTR's masks (Wang et al., 2021, section 3.4).

An instance's attention maps in a frame are fused with the frame's encoded map, brought to stride 4
with the backbone's finer maps, and passed through a deformable convolution; 3-D convolutions over
all frames make the masks.

Shape letters: F frames, C channels of the encoded map, M attention heads.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.checkpoint import rename_on_load
from methods.layers.maps import add_upsampled

KERNEL = 3
# Frames at stride 4 that are processed at once; bounds the peak memory.
STRIDE_4_FRAMES = 6


class AttentionMaps(nn.Module):
    """Attention weights between a frame's queries and its encoded tokens, one map per head.

    One softmax runs over all heads and locations together, as in the authors' code.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Linear(width, width)
        self.keys = nn.Linear(width, width)
        rename_on_load(self, [(r"q_linear\.", "queries."), (r"k_linear\.", "keys.")])

    def forward(self, queries_TNC: Tensor, memory_TSC: Tensor) -> Tensor:
        """Maps (T, N, heads, S) for N queries of each frame and the frame's S tokens."""
        queries_TMND = self.queries(queries_TNC).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        keys_TMSD = self.keys(memory_TSC).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        queries_TMND = queries_TMND * queries_TMND.shape[-1] ** -0.5
        scores_TNMS = (queries_TMND @ keys_TMSD.transpose(-1, -2)).transpose(1, 2)
        return scores_TNMS.flatten(2).softmax(-1).view(scores_TNMS.shape)


class MaskFeatures(nn.Module):
    """A map of `channels` at stride 4 for every frame.

    The first convolution is linear, so the part of it that belongs to the encoded map is shared by
    all instances of a frame: `shared`.

    Args:
        width: C.
        heads: M.
        lateral_channels: of the backbone's maps at strides 16, 8 and 4.
    """

    def __init__(self, width: int, heads: int, lateral_channels: Sequence[int]) -> None:
        super().__init__()
        self.width = width
        self.channels = width // 16
        fused, stride_16, stride_8, stride_4 = width + heads, width // 2, width // 4, width // 8
        self.fuse = nn.Conv2d(fused, fused, 3, padding=1)
        self.fuse_norm = nn.GroupNorm(8, fused)
        self.conv_32 = nn.Conv2d(fused, stride_16, 3, padding=1)
        self.norm_32 = nn.GroupNorm(8, stride_16)
        self.lateral_16 = nn.Conv2d(lateral_channels[0], stride_16, 1)
        self.conv_16 = nn.Conv2d(stride_16, stride_8, 3, padding=1)
        self.norm_16 = nn.GroupNorm(8, stride_8)
        self.lateral_8 = nn.Conv2d(lateral_channels[1], stride_8, 1)
        self.conv_8 = nn.Conv2d(stride_8, stride_4, 3, padding=1)
        self.norm_8 = nn.GroupNorm(8, stride_4)
        self.lateral_4 = nn.Conv2d(lateral_channels[2], stride_4, 1)
        self.offsets = nn.Conv2d(stride_4, 2 * KERNEL * KERNEL, 1)
        self.deformable = DeformableConv2d(stride_4, self.channels, KERNEL)
        self.norm_4 = nn.GroupNorm(8, self.channels)
        rename_on_load(
            self,
            [
                (r"lay1\.", "fuse."),
                (r"gn1\.", "fuse_norm."),
                (r"lay2\.", "conv_32."),
                (r"gn2\.", "norm_32."),
                (r"adapter1\.", "lateral_16."),
                (r"lay3\.", "conv_16."),
                (r"gn3\.", "norm_16."),
                (r"adapter2\.", "lateral_8."),
                (r"lay4\.", "conv_8."),
                (r"gn4\.", "norm_8."),
                (r"adapter3\.", "lateral_4."),
                (r"conv_offset\.", "offsets."),
                (r"dcn\.", "deformable."),
                (r"gn5\.", "norm_4."),
            ],
        )

    def shared(self, encoded_FCHW: Tensor) -> Tensor:
        """Part of the first convolution that all instances of a frame share."""
        weight = self.fuse.weight[:, : self.width]
        return F.conv2d(encoded_FCHW, weight, self.fuse.bias, padding=1)

    def forward(
        self,
        attention_FMHW: Tensor,
        shared: Tensor,
        lateral_16: Tensor,
        lateral_8: Tensor,
        lateral_4: Tensor,
    ) -> Tensor:
        """Features (F, channels, H/4, W/4) of one instance.

        Args:
            attention_FMHW: the instance's attention maps, at stride 32.
            shared: see there, of the same frames.
            lateral_16, lateral_8, lateral_4: the backbone's maps behind the convolutions of these
                names, of the same frames.
        """
        maps = shared + F.conv2d(attention_FMHW, self.fuse.weight[:, self.width :], padding=1)
        maps = F.relu(self.fuse_norm(maps), inplace=True)
        maps = F.relu(self.norm_32(self.conv_32(maps)), inplace=True)
        maps = add_upsampled(lateral_16, maps)
        maps = F.relu(self.norm_16(self.conv_16(maps)), inplace=True)
        maps = add_upsampled(lateral_8, maps)
        maps = F.relu(self.norm_8(self.conv_8(maps)), inplace=True)
        pieces = zip(maps.split(STRIDE_4_FRAMES), lateral_4.split(STRIDE_4_FRAMES), strict=True)
        return torch.cat([self._at_stride_4(add_upsampled(fine, maps)) for maps, fine in pieces])

    def _at_stride_4(self, maps: Tensor) -> Tensor:
        deformed = self.deformable(maps, self.offsets(maps))
        return F.relu(self.norm_4(deformed), inplace=True)


class DeformableConv2d(nn.Module):
    """Deformable convolution without modulation (Dai et al., ICCV 2017, arXiv 1703.06211, section
    2.1): odd square kernel, stride 1, "same" padding, one group, no bias.

    It interpolates after the product over channels, with which interpolation commutes, because
    fewer channels are left to read.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel, kernel))
        nn.init.kaiming_uniform_(self.weight, a=1)

    def forward(self, maps_NCHW: Tensor, offsets_N2HW: Tensor) -> Tensor:
        """Convolve, zero outside of the map.

        Args:
            maps_NCHW: the input.
            offsets_N2HW: in pixels, (N, 2 * kernel**2, H, W): for every tap of the kernel, row by
                row, how far down and how far to the right of its regular place it reads.

        Returns:
            Tensor (N, out_channels, H, W).
        """
        outputs, _, kernel, _ = self.weight.shape
        num_maps, _, height, width = maps_NCHW.shape
        taps = kernel * kernel
        weights_KO = self.weight.permute(2, 3, 0, 1).reshape(taps * outputs, -1, 1, 1)
        products = F.conv2d(maps_NCHW, weights_KO)
        products = products.reshape(num_maps * taps, outputs, height, width)
        grid = _sampling_grid(offsets_N2HW.float(), kernel)
        sampled = F.grid_sample(products, grid.to(products.dtype), align_corners=False)
        return sampled.view(num_maps, taps, outputs, height, width).sum(1)


def _sampling_grid(offsets_N2HW: Tensor, kernel: int) -> Tensor:
    """Places that each tap reads: (N * taps, H, W, 2), x then y, as `grid_sample` counts."""
    num_maps, _, height, width = offsets_N2HW.shape
    offsets_NKHW2 = offsets_N2HW.view(num_maps, kernel * kernel, 2, height, width)
    device, half = offsets_N2HW.device, kernel // 2
    steps = torch.arange(-half, half + 1, device=device, dtype=torch.float32)
    down_K = steps.repeat_interleave(kernel).view(-1, 1, 1)
    right_K = steps.repeat(kernel).view(-1, 1, 1)
    rows = torch.arange(height, device=device, dtype=torch.float32)[:, None]
    columns = torch.arange(width, device=device, dtype=torch.float32)
    y = offsets_NKHW2[:, :, 0] + (rows + down_K)
    x = offsets_NKHW2[:, :, 1] + (columns + right_K)
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)
    return grid.flatten(0, 1)


class InstanceMasks(nn.Module):
    """3-D convolutions over an instance's frames, then one logit per pixel.

    Norms take their statistics over time as well, so a mask depends on every frame of the clip.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.convolutions = nn.ModuleList(
            nn.Conv3d(inputs, hidden, 3, padding=2, dilation=2)
            for inputs in (channels, hidden, hidden)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(4, hidden) for _ in self.convolutions)
        self.logits = nn.Conv3d(hidden, 1, 1)
        rename_on_load(
            self,
            [
                (r"0\.", "convolutions.0."),
                (r"1\.", "norms.0."),
                (r"3\.", "convolutions.1."),
                (r"4\.", "norms.1."),
                (r"6\.", "convolutions.2."),
                (r"7\.", "norms.2."),
                (r"9\.", "logits."),
            ],
        )

    def forward(self, features_TCHW: Tensor) -> Tensor:
        """Mask logits (T, H, W) of one instance."""
        maps = features_TCHW.transpose(0, 1)[None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            maps = F.relu(norm(convolution(maps)), inplace=True)
        return self.logits(maps)[0, 0]
