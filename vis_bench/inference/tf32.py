"""TensorFloat-32: float32 products whose factors a GPU rounds to 10 bits of mantissa.

PyTorch has one switch for matrix products and one for convolutions, which differ by default. Here
they have the same value, for as long as something is measured; nothing is set on import.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.backends import cuda, cudnn

from vis_bench.errors import InputError

# The first compute capability with TF32: NVIDIA's Ampere.
FIRST_CAPABILITY = (8, 0)


def check_tf32(device: torch.device) -> None:
    """Refuses TF32 on a device that does not have it.

    Raises:
        InputError: for a CPU, or a GPU before Ampere.
    """
    if device.type != "cuda":
        raise InputError(f"tf32 is true, which only a GPU has; expected false on {device.type}")
    capability = torch.cuda.get_device_capability(device)
    if capability < FIRST_CAPABILITY:
        raise InputError(
            "tf32 is true, but this GPU has compute capability "
            f"{'.'.join(map(str, capability))}; expected false, or "
            f"{'.'.join(map(str, FIRST_CAPABILITY))} or later"
        )


@contextmanager
def tf32_set(enabled: bool) -> Iterator[None]:
    """Switches TF32 on or off for matrix products and convolutions; both are restored at the end.

    PyTorch has two ways to say it and refuses to be asked in one way for what was said in the
    other, so it is set in the older one, which compilers read too, and restored in the newer one,
    which tells "off" from "not said".
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
