"""The limit of each kernel on GPUs' data sheets, stated before it is measured."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from cuda_ops.profile.attention_shapes import CHANNELS, HEADS, AttentionShape
from cuda_ops.profile.resources import BLOCK_THREADS, KernelResources, threads_per_item


@dataclass(frozen=True)
class Card:
    """A GPU by its data sheet: rates per second, and multiprocessors.

    A multiprocessor of these does 128 multiply-adds (256 operations) and reads 128 bytes of its L1
    cache per cycle, so that the cache's rate follows from that of the operations.
    """

    name: str
    capability: tuple[int, int]
    memory_bytes: float
    float32_flop: float
    multiprocessors: int

    @property
    def cache_bytes(self) -> float:
        """Bytes per second from all L1 caches."""
        return self.float32_flop / 2


CARDS = (
    Card("A100", (8, 0), 2.039e12, 19.5e12, 108),
    Card("H100", (9, 0), 3.35e12, 66.9e12, 132),
    Card("B200", (10, 0), 8.0e12, 75e12, 148),
)


@dataclass(frozen=True)
class Bound:
    """Least seconds of one call by each limit, and the rounds in which its blocks run.

    `memory`: each input read once, each result written once. `cache`: four positions of each
    sample, read from the L1 cache. `arithmetic`: in float32, whatever the dtype.
    """

    memory: float
    cache: float
    arithmetic: float
    rounds: float

    @property
    def seconds(self) -> float:
        """The longest of the three."""
        return max(self.memory, self.cache, self.arithmetic)

    @property
    def name(self) -> str:
        """The limit; `latency` where all blocks fit at once and so none waits for another."""
        if self.rounds <= 1:
            return "latency"
        floors = {"memory": self.memory, "cache": self.cache, "arithmetic": self.arithmetic}
        return max(floors, key=floors.__getitem__)


def bound_of(
    shape: AttentionShape, pass_name: str, dtype: torch.dtype, card: Card, kernel: KernelResources
) -> Bound:
    """The limits of a call on a card; `kernel` is the one that runs there."""
    items = BLOCK_THREADS // threads_per_item(kernel.channels, CHANNELS)
    blocks = shape.batch * HEADS * math.ceil(shape.queries / items)
    return Bound(
        memory=shape.bytes_min(pass_name, dtype) / card.memory_bytes,
        cache=shape.bytes_gathered(dtype) / card.cache_bytes,
        arithmetic=2 * shape.macs(pass_name) / card.float32_flop,
        rounds=blocks / (card.multiprocessors * kernel.blocks(CHANNELS)),
    )


def kernel_of(
    kernels: Iterable[KernelResources],
    pass_name: str,
    dtype: torch.dtype,
    capability: tuple[int, int],
) -> KernelResources:
    """The kernel of a pass whose value, locations and weights have one dtype, 16 bytes at once."""
    kind = str(dtype).removeprefix("torch.")
    name = f"{pass_name} {kind} {kind} {16 // dtype.itemsize}"
    (found,) = (k for k in kernels if k.name == name and k.capability == capability)
    return found
