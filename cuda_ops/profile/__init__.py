"""Profiling of the kernels: how fast they are, and how fast this machine lets them be.

In go the names of shapes, backends, passes and dtypes; out come rows of numbers. `trace_method`
looks at a whole method instead and lists its most expensive operators.
"""

from cuda_ops.profile.attention_shapes import PASSES
from cuda_ops.profile.sweep import Budget, default_dtypes, profile
from cuda_ops.profile.trace import trace_method

__all__ = ["PASSES", "Budget", "default_dtypes", "profile", "trace_method"]
