"""What can be trained: methods, and the backbone alone."""

from __future__ import annotations

from methods import build_method
from methods.training import backbone_classifier
from methods.training.config import TrainConfig
from vis_bench.data.synthetic import CLASSES
from vis_bench.method import VISMethod
from vis_bench.runs.load_method import naming_builder


def build_trainable(config: TrainConfig) -> VISMethod:
    """The method that a config trains, or for `backbone`, which is not a method, its classifier.

    Raises:
        InputError: for an unknown method or option.
    """
    with naming_builder(config.method, config.options):
        if config.method == "backbone":
            return backbone_classifier.build(num_classes=len(CLASSES), **config.options)
        return build_method(config.method, num_classes=len(CLASSES), **config.options)
