"""The measured calls, at the sizes of SeqFormer's encoder and decoder.

SeqFormer (Wu et al., 2022) reads four levels, at strides 8, 16, 32 and 64, with 8 heads of 32
channels and 4 points; a frame is a batch entry. Every position of the encoder is a query; the
decoder has 300.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cuda_ops.ms_deform_attn import ms_deform_attn_macs, op
from cuda_ops.ms_deform_attn.backends import REFERENCE
from cuda_ops.ms_deform_attn.inputs import AttentionProblem, packed_starts

HEADS, CHANNELS, POINTS, DECODER_QUERIES = 8, 32, 4, 300
PASSES = ("forward", "backward")
_LEVELS = {
    360: ((45, 80), (23, 40), (12, 20), (6, 10)),
    720: ((90, 160), (45, 80), (23, 40), (12, 20)),
}
_LENGTHS = (1, 5, 36)


@dataclass(frozen=True)
class AttentionShape:
    """One call: its name, the levels' heights and widths, and how many frames and queries."""

    name: str
    levels_L2: tuple[tuple[int, int], ...]
    batch: int
    queries: int

    @property
    def positions(self) -> int:
        """S, the positions of all levels together."""
        return sum(height * width for height, width in self.levels_L2)

    @property
    def value_size(self) -> tuple[int, ...]:
        """(B, S, M, D)."""
        return (self.batch, self.positions, HEADS, CHANNELS)

    @property
    def location_size(self) -> tuple[int, ...]:
        """(B, Q, M, L, P, 2)."""
        return (self.batch, self.queries, HEADS, len(self.levels_L2), POINTS, 2)

    @property
    def output_size(self) -> tuple[int, ...]:
        """(B, Q, M * D)."""
        return (self.batch, self.queries, HEADS * CHANNELS)

    def macs(self, pass_name: str) -> int:
        """Multiply-adds of the `forward` or `backward` pass."""
        backward = pass_name == "backward"
        return ms_deform_attn_macs(self.value_size, self.location_size, backward=backward)

    @property
    def positions_read(self) -> int:
        """Positions of a frame and head that the samples can touch at most, four for each."""
        touched = 4 * self.queries * POINTS
        return sum(min(height * width, touched) for height, width in self.levels_L2)

    def bytes_min(self, pass_name: str, dtype: torch.dtype) -> int:
        """Bytes that must move: each input read once, each result written once.

        Of the value only what can be touched is read; what is read again comes from a cache and
        counts once. Intermediate results, such as a float32 gradient of a 16-bit value, do not
        count, nor do zeros that are written before sums.
        """
        value, coordinates, output = self._numbers
        read = self.batch * self.positions_read * HEADS * CHANNELS + coordinates
        # Backward reads the inputs and the output's gradient, and writes a gradient of each input.
        written = output if pass_name == "forward" else output + value + coordinates
        return (read + written) * dtype.itemsize

    def bytes_gathered(self, dtype: torch.dtype) -> int:
        """Bytes of value that the samples read, four positions each, from whatever cache."""
        _, coordinates, _ = self._numbers
        return coordinates // 3 * 4 * CHANNELS * dtype.itemsize

    def bytes_held(self, pass_name: str, dtype: torch.dtype) -> int:
        """Bytes of the arguments and the results."""
        value, coordinates, output = self._numbers
        inputs = value + coordinates
        return (output + (inputs if pass_name == "forward" else 2 * inputs)) * dtype.itemsize

    @property
    def _numbers(self) -> tuple[int, int, int]:
        """Counts of numbers: of the value, of locations and weights together, of the output."""
        value, locations, output = (
            torch.Size(size).numel()
            for size in (self.value_size, self.location_size, self.output_size)
        )
        return value, locations + locations // 2, output


def one_pass(problem: AttentionProblem, backend: str, pass_name: str) -> Callable[[], object]:
    """The `forward` or `backward` pass of a backend as a function without arguments."""
    if pass_name == "forward":
        return lambda: op.forward(problem, backend)
    return lambda: op.backward(problem.grad_BQE, problem, backend)


def attention_shapes() -> dict[str, AttentionShape]:
    """All shapes by name: `encoder` or `decoder`, the short side in pixels, `T` and the frames."""
    shapes = [
        AttentionShape(
            f"{part}_{side}_T{length}", levels, length, queries or sum(h * w for h, w in levels)
        )
        for part, queries in (("encoder", 0), ("decoder", DECODER_QUERIES))
        for side, levels in _LEVELS.items()
        for length in _LENGTHS
    ]
    return {shape.name: shape for shape in shapes}


def random_problem(
    shape: AttentionShape, device: torch.device, dtype: torch.dtype
) -> AttentionProblem:
    """Tensors of a shape, the same every time.

    Locations are spread evenly over the levels; those of a trained model lie closer together,
    which suits caches better.
    """
    random = torch.Generator(device).manual_seed(0)

    def draw(size: tuple[int, ...]) -> Tensor:
        return torch.rand(size, generator=random, device=device).to(dtype)

    weights_BQMLP = draw(shape.location_size[:-1])
    return AttentionProblem(
        value_BSMD=draw(shape.value_size) - 0.5,
        sides_2L=[side for row in shape.levels_L2 for side in row],
        starts_L=packed_starts(shape.levels_L2),
        locations_BQMLP2=draw(shape.location_size),
        weights_BQMLP=weights_BQMLP / (len(shape.levels_L2) * POINTS / 2),
        grad_BQE=draw(shape.output_size) - 0.5,
    )


def needed_bytes(backend: str, shape: AttentionShape, pass_name: str, dtype: torch.dtype) -> int:
    """About what a call takes at its peak: arguments, results and intermediate results.

    The reference holds all samples of a level, and in the backward pass their gradients and the
    sampled maps' as well; the other backends hold the value's gradient in float32 at most.
    """
    held = shape.bytes_held(pass_name, dtype)
    value = 4 * torch.Size(shape.value_size).numel()
    if backend != REFERENCE:
        return held + 2 * value
    samples = 4 * shape.batch * shape.queries * HEADS * POINTS * CHANNELS
    return held + 3 * value + (2 if pass_name == "forward" else 4) * samples
