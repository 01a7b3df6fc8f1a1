"""Multiply-adds of a function or a module: this project's, and fvcore's."""

import warnings

from fvcore.nn import FlopCountAnalysis
from torch import nn

from vis_bench.measures.flops.counter import count_macs


class Lambda(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *tensors):
        """Call the function."""
        return self.function(*tensors)


def macs(function, *tensors):
    """Multiply-adds of one call."""
    module = function if isinstance(function, nn.Module) else Lambda(function)
    return count_macs(module, module, *tensors)[1].total


def fvcore_macs(module, *tensors):
    """The same by fvcore."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        analysis = FlopCountAnalysis(module, tensors)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        return analysis.total()
