"""Deformable convolution without modulation (Dai et al., ICCV 2017, arXiv 1703.06211, section 2.1).

An output value is the convolution of input values that are read off the regular grid, each moved
by its own offset and interpolated bilinearly. Interpolation and the kernel's product over channels
commute, so the product comes first where it leaves fewer channels to read.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DeformableConv2d(nn.Module):
    """A convolution with an odd square kernel, stride 1, "same" padding, one group and no bias."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel is {kernel}; expected an odd number")
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel, kernel))
        nn.init.kaiming_uniform_(self.weight, a=1)

    def forward(self, maps_NCHW: Tensor, offsets_N2HW: Tensor) -> Tensor:
        """Convolves, zero outside of the map.

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
    """Where each tap reads: (N * taps, H, W, 2), x before y, in the coordinates of grid_sample."""
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
