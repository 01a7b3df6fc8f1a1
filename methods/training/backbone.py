"""Training of a mini backbone alone: the class of every cell, at each of its strides.

The papers start from backbones trained on ImageNet. The mini backbone learns the synthetic classes
from crops around instances instead, in a tenth of the time that it takes inside a whole method.
"""

from __future__ import annotations

from torch import Tensor, nn

from methods.layers.backbones import build_backbone
from methods.training.criterion import Criterion, DenseHead, Example, LossSum
from vis_bench.method import ClipPrediction, FrameFeatures, VISMethod

WEIGHTS = {"stride_8": 1.0, "stride_16": 1.0, "stride_32": 1.0}


class BackboneClassifier(VISMethod):
    """A backbone that is trained alone; its weights start a method's `backbone`."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Maps `stride_8`, `stride_16` and `stride_32`, (T, C, H/stride, W/stride)."""
        maps = dict(zip(WEIGHTS, self.backbone(frames_T3HW), strict=True))
        return FrameFeatures(maps, (frames_T3HW.shape[-2], frames_T3HW.shape[-1]))

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """Not for inference."""
        raise NotImplementedError("a backbone alone predicts no instances")


class BackboneCriterion(Criterion):
    """The class of every cell, from each of the backbone's maps."""

    default_weights = WEIGHTS

    def __init__(self, method: BackboneClassifier, num_classes: int) -> None:
        super().__init__()
        channels = zip(WEIGHTS, method.backbone.channels, strict=True)
        self.heads = nn.ModuleDict(
            {name: DenseHead(c, num_classes, boxes=False) for name, c in channels}
        )

    def add_clip(
        self, total: LossSum, method: VISMethod, example: Example, clips: int, instances: int
    ) -> None:
        """See `Criterion`."""
        for name, head in self.heads.items():
            total.add(name, head(example.features.maps[name], example.targets) / clips)


def build(*, num_classes: int, backbone: str = "mini") -> VISMethod:
    """The backbone alone; it classifies nothing itself, its criterion's heads do."""
    return BackboneClassifier(build_backbone(backbone))
