"""Methods that can be trained, their criteria, and the weights that they start from.

The papers start from backbones trained on ImageNet. The mini backbone learns the synthetic classes
alone, from crops around instances, in a tenth of the time that it takes inside a whole method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from methods import build_method
from methods.layers.backbones import build_backbone
from methods.training.config import TrainConfig
from methods.training.criterion import Criterion, DenseHead, Example, LossSum
from methods.training.ifc_criterion import IFCCriterion
from methods.training.ms_sts_criterion import MSSTSCriterion
from methods.training.seqformer_criterion import SeqFormerCriterion
from vis_bench.data.synthetic import CLASSES
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import check_finite, check_kinds, read_state
from vis_bench.method import ClipPrediction, FrameFeatures, VISMethod
from vis_bench.runs.build import naming_builder
from vis_bench.runs.bundled import bundled_configs
from vis_bench.runs.weights import find_file

STRIDES = {"stride_8": 1.0, "stride_16": 1.0, "stride_32": 1.0}


class BackboneClassifier(VISMethod):
    """A backbone that is trained alone; its weights start a method's `backbone`."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Maps `stride_8`, `stride_16` and `stride_32`, (T, C, H/stride, W/stride)."""
        maps = dict(zip(STRIDES, self.backbone(frames_T3HW), strict=True))
        return FrameFeatures(maps, (frames_T3HW.shape[-2], frames_T3HW.shape[-1]))

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """Not for inference."""
        raise NotImplementedError("a backbone alone predicts no instances")


class BackboneCriterion(Criterion):
    """The class of every cell, from each of the backbone's maps."""

    default_weights = STRIDES

    def __init__(self, method: BackboneClassifier, num_classes: int) -> None:
        super().__init__()
        channels = zip(STRIDES, method.backbone.channels, strict=True)
        self.heads = nn.ModuleDict(
            {name: DenseHead(c, num_classes, boxes=False) for name, c in channels}
        )

    def add_clip(
        self, total: LossSum, method: VISMethod, example: Example, clips: int, instances: int
    ) -> None:
        """See `Criterion`."""
        for name, head in self.heads.items():
            total.add(name, head(example.features.maps[name], example.targets) / clips)


def build_classifier(*, backbone: str = "mini") -> VISMethod:
    """The backbone alone; it classifies nothing itself, its criterion's heads do."""
    return BackboneClassifier(build_backbone(backbone))


CRITERIA: Mapping[str, Callable[[VISMethod, int], Criterion]] = {
    "backbone": BackboneCriterion,
    "ifc": IFCCriterion,
    "ms_sts": MSSTSCriterion,
    "seqformer": SeqFormerCriterion,
}


def build_trainable(config: TrainConfig) -> VISMethod:
    """The method that a config trains; for `backbone`, which is not a method, its classifier."""
    with naming_builder(config.method, config.options):
        if config.method == "backbone":
            return build_classifier(**config.options)
        return build_method(config.method, num_classes=len(CLASSES), **config.options)


def build_criterion(
    name: str, method: VISMethod, num_classes: int, weights: Mapping[str, float] = {}
) -> Criterion:
    """The criterion of a method, with `weights` over its own."""
    if name not in CRITERIA:
        raise InputError(
            f"method {name!r} cannot be trained; expected one of: {', '.join(CRITERIA)}"
        )
    criterion = CRITERIA[name](method, num_classes)
    criterion.weigh(weights)
    return criterion


def find_weights_file(name: str) -> Path:
    """The file of `initial_weights`, relative to the working directory or to the source."""
    path = find_file(Path(name))
    if path is None:
        maker = Path(name).parent.name
        bundled = f"train/{maker}" in bundled_configs()
        raise InputError(
            f"initial_weights {name} does not exist, expected a .safetensors or .pth file relative "
            "to the working directory or to the source tree"
            + (f"; `vis-bench train {maker}` makes it" if bundled else "")
        )
    return path


def load_initial_weights(method: VISMethod, path: Path, fresh: Sequence[str] = ()) -> None:
    """Load the tensors of a file into a method; the method's others stay as they were built.

    Args:
        method: is changed in place.
        path: a .safetensors or .pth file; a tensor that does not fit the method is an `InputError`.
        fresh: tensors of the file whose names start with one of these are left out.
    """
    state = {k: v for k, v in read_state(path).items() if not k.startswith(tuple(fresh))}
    check_kinds(state, method, path)
    try:
        unused = method.load_state_dict(state, strict=False).unexpected_keys
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"initial_weights {path} do not fit the method: {reason}") from None
    if unused:
        raise InputError(
            f"initial_weights {path} do not fit the method: it has no tensor named {unused[0]}"
        )
    check_finite(state, path)
