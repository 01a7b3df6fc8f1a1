"""The mask head of SeqFormer and IDOL (Wu et al., ECCV 2022, arXiv 2112.08275, section 3.1, "Mask
head"; after CondInst, Tian et al., 2020): a small convolution network whose weights the instance
query writes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.checkpoint import rename_on_load
from methods.layers.maps import add_upsampled
from methods.layers.transformer import MLP, full_precision

DYNAMIC_CHANNELS = 8
STRIDE = 8
UPSAMPLING = 2


class MaskBranch(nn.Module):
    """Mask features per frame: encoder levels 32, 16 and 8 merged top down, at stride 8."""

    def __init__(self, width: int, mask_channels: int) -> None:
        super().__init__()
        self.conv_32 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_16 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_8 = nn.Conv2d(width, width, 3, padding=1)
        self.narrow = nn.Conv2d(width, width // 4, 3, padding=1)
        self.output = nn.Conv2d(width // 4, mask_channels, 3, padding=1)
        rename_on_load(
            self,
            [
                (r"lay3\.", "conv_32."),
                (r"lay4\.", "conv_16."),
                (r"dcn\.", "conv_8."),
                (r"lay1\.", "narrow."),
                (r"lay2\.", "output."),
            ],
        )

    def forward(self, level_8: Tensor, level_16: Tensor, level_32: Tensor) -> Tensor:
        """Mask features (T, mask_channels, H/8, W/8) from maps (T, C, ...)."""
        maps = _conv_relu(self.conv_32, level_32)
        maps = _conv_relu(self.conv_16, add_upsampled(level_16, maps))
        maps = _conv_relu(self.conv_8, add_upsampled(level_8, maps))
        return _conv_relu(self.output, _conv_relu(self.narrow, maps))


class DynamicMaskHead(nn.Module):
    """Three 1x1 convolutions whose parameters the `controller` writes for each instance.

    Their input is the mask features and two channels of coordinates relative to the instance's
    place in the frame.
    """

    def __init__(self, width: int, mask_channels: int) -> None:
        super().__init__()
        hidden = DYNAMIC_CHANNELS
        self.shapes = ((hidden, mask_channels + 2), (hidden, hidden), (1, hidden))
        weights = [outputs * inputs for outputs, inputs in self.shapes]
        biases = [outputs for outputs, _ in self.shapes]
        self.sizes = (*weights, *biases)
        self.controller = MLP(width, width, sum(self.sizes), 3)
        for layer in self.controller.layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        instances_NC: Tensor,
        centers_TN2: Tensor,
        mask_features_TCHW: Tensor,
        size_HW: tuple[int, int],
    ) -> Tensor:
        """Mask logits (N, T, 2 * ceil(H / 8), 2 * ceil(W / 8)): stride 4.

        Runs in float32 also under autocast: coordinates are hundreds of pixels.

        Args:
            instances_NC: the selected instance queries.
            centers_TN2: their references, x and y in 0..1.
            size_HW: of the frame that the references are fractions of, in pixels; the mask features
                may reach beyond it, right and below.
        """
        with full_precision(instances_NC.device):
            features_TCHW = mask_features_TCHW.to(centers_TN2.dtype)
            parameters = self.controller(instances_NC.to(centers_TN2.dtype))
            inputs_NTCP = _with_relative_coordinates(features_TCHW, centers_TN2, size_HW)
            logits_NTP = self._convolve(parameters, inputs_NTCP)
            logits_NTHW = logits_NTP.unflatten(-1, features_TCHW.shape[-2:])
            return aligned_bilinear(logits_NTHW, UPSAMPLING)

    def _convolve(self, parameters_NX: Tensor, maps_NTCP: Tensor) -> Tensor:
        """Run each instance's own network at all P places of all its frames."""
        pieces = parameters_NX.split(self.sizes, dim=-1)
        layers = len(self.shapes)
        for index, shape in enumerate(self.shapes):
            weight_N1OI = pieces[index].unflatten(-1, shape)[:, None]
            bias_N1O1 = pieces[layers + index][:, None, :, None]
            maps_NTCP = weight_N1OI @ maps_NTCP + bias_N1O1
            if index < layers - 1:
                maps_NTCP = F.relu(maps_NTCP)
        return maps_NTCP[:, :, 0]


def aligned_bilinear(maps: Tensor, factor: int) -> Tensor:
    """Upsample (..., H, W) by a whole factor so that output j shows input (j - factor // 2) /
    factor; beyond the edge the last value stands (CondInst, Tian et al., 2020).
    """
    height, width = maps.shape[-2:]
    flat = maps.reshape(-1, 1, height, width)
    grown = F.interpolate(
        F.pad(flat, (0, 1, 0, 1), mode="replicate"),
        size=(factor * height + 1, factor * width + 1),
        mode="bilinear",
        align_corners=True,
    )
    shifted = F.pad(grown, (factor // 2, 0, factor // 2, 0), mode="replicate")
    shifted = shifted[..., : factor * height, : factor * width]
    return shifted.reshape(*maps.shape[:-2], factor * height, factor * width)


def _with_relative_coordinates(
    features_TCHW: Tensor, centers_TN2: Tensor, size_HW: tuple[int, int]
) -> Tensor:
    """Inputs (N, T, 2 + C, P) of the dynamic network: reference minus location in pixels, x then
    y, before the features.
    """
    height, width = features_TCHW.shape[-2:]
    y = torch.arange(height, device=centers_TN2.device) * STRIDE + STRIDE // 2
    x = torch.arange(width, device=centers_TN2.device) * STRIDE + STRIDE // 2
    places_2P = torch.stack([x.repeat(height), y.repeat_interleave(width)])
    pixels_NT2 = (centers_TN2 * centers_TN2.new_tensor([size_HW[1], size_HW[0]])).transpose(0, 1)
    relative_NT2P = pixels_NT2[..., None] - places_2P
    features_NTCP = features_TCHW.flatten(2).expand(pixels_NT2.shape[0], -1, -1, -1)
    return torch.cat([relative_NT2P, features_NTCP], dim=2)


def _conv_relu(conv: nn.Conv2d, maps: Tensor) -> Tensor:
    return F.relu(conv(maps), inplace=True)
