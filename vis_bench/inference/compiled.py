"""Faster arithmetic: `torch.compile` around a method's two calls, and TensorFloat-32.

TF32 products are float32 products whose factors a GPU rounds to 10 bits of mantissa. PyTorch has
one switch for matrix products and one for convolutions, which differ by default; `tf32_set` gives
both the same value inside its context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.backends import cuda, cudnn

from vis_bench.errors import InputError, reason
from vis_bench.hosted_method import HostedMethod
from vis_bench.method import ClipPrediction, FrameFeatures, State, VISMethod

# The names that configs use, beside `none`, and torch.compile's: `cuda_graphs` replays whole graphs
# of kernels.
_MODES: Mapping[str, str] = {"default": "default", "cuda_graphs": "reduce-overhead"}

# Runs over the same shapes until everything is compiled: PyTorch compiles in the first, records
# CUDA graphs in the second, and replays them in the third.
COMPILING_RUNS = 3

# Graphs of one function for different shapes. PyTorch's own limit of 8 is reached by videos of
# different lengths; beyond a limit it would go on without compiling, and say so in a log only.
_MOST_GRAPHS = 64

# The first compute capability with TF32: NVIDIA's Ampere.
FIRST_CAPABILITY = (8, 0)


class CompiledMethod(VISMethod):
    """Stands for a method in the inference loop: `encode_frames` and `predict_next` are compiled.

    Everything else is the method's own. Compilation happens at the first call with a shape. What a
    CUDA graph returns is copied, because its next replay overwrites it.

    Args:
        method: prepared for inference, on its device.
        mode: `default` or `cuda_graphs`.
    """

    def __init__(self, method: VISMethod, mode: str) -> None:
        super().__init__()
        for name in VISMethod.__annotations__:  # input format, rules, name, options, source
            setattr(self, name, getattr(method, name))
        self.method = method
        self.eval()
        self._copies = mode == "cuda_graphs"
        forget_compiled()  # graphs of other methods, which count towards the limit
        self._encode = torch.compile(method.encode_frames, mode=_MODES[mode])
        self._predict = torch.compile(method.predict_next, mode=_MODES[mode])

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """The method's, compiled."""
        features = self._call(self._encode, frames_T3HW)
        if not self._copies:
            return features
        return FrameFeatures(_copied(features.maps), features.frame_size_HW)

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """The method's, compiled."""
        return self.predict_next(features, None)[0]

    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State | None]:
        """The method's, compiled."""
        prediction, state = self._call(self._predict, features, state)
        if not self._copies:
            return prediction, state
        tensors = {name: own for name, own in vars(prediction).items() if isinstance(own, Tensor)}
        return replace(prediction, **_copied(tensors)), None if state is None else _copied(state)

    def prepare_for_inference(self) -> None:
        """Nothing: the method is prepared already."""

    def resolved_kernel_backend(self, device: torch.device) -> str | None:
        """The method's."""
        return self.method.resolved_kernel_backend(device)

    def resolved_kernel_build(self, device: torch.device) -> str | None:
        """The method's."""
        return self.method.resolved_kernel_build(device)

    def _call(self, function: Callable, *inputs: object) -> Any:
        if self._copies:
            torch.compiler.cudagraph_mark_step_begin()
        limits = {"recompile_limit": _MOST_GRAPHS, "fail_on_recompile_limit_hit": True}
        with torch._dynamo.config.patch(limits):
            return function(*inputs)


def compiled(method: VISMethod, mode: str) -> VISMethod:
    """The method compiled; itself where `mode` is `none`."""
    if mode != "none" and isinstance(method, HostedMethod):
        raise InputError(
            f"compile is {mode}, but the model of {method.registered_name} is another project's; "
            "expected none"
        )
    return method if mode == "none" else CompiledMethod(method, mode)


def check_compile(mode: str, device: torch.device) -> None:
    """Refuse CUDA graphs without a GPU, and a device where compiling something small fails."""
    if mode == "cuda_graphs" and device.type != "cuda":
        raise InputError(
            f"compile is cuda_graphs, which needs a GPU; expected none or default on {device.type}"
        )
    if mode != "none":
        why = _why_not(device.type)
        if why is not None:
            raise InputError(f"compile is {mode}, but torch.compile fails on {device.type}: {why}")


@cache
def _why_not(device_type: str) -> str | None:
    try:
        torch.compile(_one_more)(torch.zeros(2, device=device_type))
    except Exception as error:  # whatever is missing on the machine
        return reason(error)
    return None


def forget_compiled() -> None:
    """Drop everything that this process has compiled."""
    torch.compiler.reset()


def _one_more(numbers: Tensor) -> Tensor:
    return numbers + 1


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def check_tf32(device: torch.device) -> None:
    """Refuse TF32 on a device without it: a CPU, or a GPU before Ampere."""
    if device.type != "cuda":
        raise InputError(f"tf32 is true, which needs a GPU; expected false on {device.type}")
    capability = torch.cuda.get_device_capability(device)
    if capability < FIRST_CAPABILITY:
        raise InputError(
            "tf32 is true, but this GPU has compute capability "
            f"{'.'.join(map(str, capability))}; expected false, or "
            f"{'.'.join(map(str, FIRST_CAPABILITY))} or later"
        )


@contextmanager
def tf32_set(enabled: bool) -> Iterator[None]:
    """Switch TF32 on or off for matrix products and convolutions; both are restored at the end.

    PyTorch's old and new TF32 APIs must not be mixed: set through the old one, which compilers read
    too, restored through the new one, which distinguishes "off" from "not set".
    """
    switches = cuda.matmul, cudnn.conv, cudnn.rnn  # type: ignore[attr-defined]
    before = [switch.fp32_precision for switch in switches]
    cuda.matmul.allow_tf32 = cudnn.allow_tf32 = enabled
    try:
        yield
    finally:
        cuda.matmul.allow_tf32 = before[0] == "tf32"
        cudnn.allow_tf32 = before[1] == "tf32"
        for switch, precision in zip(switches, before, strict=True):
            switch.fp32_precision = precision
