"""An instance's masks from its features in all frames (Wang et al., 2021, section 3.4)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.state_dict_names import rename_on_load

GROUPS = 4
DILATION = 2


class InstanceMasks(nn.Module):
    """3-D convolutions over an instance's frames, then one logit per pixel.

    Norms take their statistics over time as well, so a mask depends on every frame of the clip.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.convolutions = nn.ModuleList(
            nn.Conv3d(inputs, hidden, 3, padding=DILATION, dilation=DILATION)
            for inputs in (channels, hidden, hidden)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(GROUPS, hidden) for _ in self.convolutions)
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
