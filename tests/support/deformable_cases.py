"""Inputs for multi-scale deformable attention, and how far a backend's results are off."""

from dataclasses import dataclass, replace

import torch

from cuda_ops.ms_deform_attn import ms_deform_attn
from cuda_ops.ms_deform_attn.inputs import AttentionProblem, packed_starts

# Sizes of a problem that may be 0.
EMPTY = ("batch", "queries", "points", "channels", "heads")
QUANTITIES = ("output", "value", "sampling_locations", "attention_weights")


@dataclass(frozen=True)
class Case:
    """Sizes of a problem, the rule by which its locations are drawn, and how often it is drawn."""

    shapes: tuple[tuple[int, int], ...]
    batch: int
    queries: int
    heads: int
    channels: int
    points: int
    locations: str
    draws: int = 8


# Location gradients jump where locations lie exactly on pixel centers or on the line beyond which
# nothing is read. The sides of those two cases are powers of two, so that every dtype places the
# locations exactly and agrees on the side.
CASES = {
    "encoder": Case(((6, 8), (3, 4), (2, 2)), 1, 48, 2, 32, 4, "spread", draws=3),
    "odd": Case(((7, 5), (3, 1), (1, 3)), 2, 13, 3, 7, 3, "spread"),
    "one_query": Case(((9, 11),), 1, 1, 1, 1, 1, "spread", draws=40),
    "many_samples": Case(((4, 4), (4, 3), (3, 3), (2, 5), (1, 1)), 1, 5, 2, 36, 7, "spread"),
    "wide": Case(((5, 6), (2, 3)), 1, 6, 1, 300, 2, "spread"),
    "one_pixel": Case(((1, 1),), 2, 9, 2, 16, 4, "spread"),
    "far": Case(((4, 5), (2, 3)), 1, 48, 2, 8, 4, "far"),
    "borders": Case(((4, 8), (2, 4), (1, 2)), 1, 80, 2, 8, 4, "borders"),
    "centers": Case(((8, 4), (4, 2), (2, 1)), 1, 80, 2, 8, 4, "centers"),
}
DTYPES = {
    "float32": (torch.float32, torch.float32),
    "float16": (torch.float16, torch.float16),
    "bfloat16": (torch.bfloat16, torch.bfloat16),
    "float16_float32": (torch.float16, torch.float32),
    "bfloat16_float32": (torch.bfloat16, torch.float32),
}


@dataclass(frozen=True)
class Inputs(AttentionProblem):
    """Tensors of one problem and the gradient that its output receives."""

    def results(self, backend, *, checked=True):
        leaves = [x.detach().requires_grad_() for x in self.tensors]
        arguments = (self.shapes_L2, self.starts_L, *leaves[1:])
        if checked:
            output = ms_deform_attn(leaves[0], *arguments, backend=backend)
        else:  # levels that leave a part of the value out
            operator = torch.ops.cuda_ops.ms_deform_attn
            output = operator(leaves[0], self.sides_2L, *arguments[1:], backend)
        return (output.detach(), *torch.autograd.grad(output, leaves, self.grad_BQE))


def make_inputs(case, seed=0):
    """Float64 inputs that float32 holds exactly."""
    random = torch.Generator().manual_seed(seed)
    levels, positions = len(case.shapes), sum(h * w for h, w in case.shapes)
    shape = (case.batch, case.queries, case.heads, levels, case.points)
    locations = _LOCATIONS[case.locations](case, shape, random)
    weights = torch.rand(shape, generator=random).flatten(3).softmax(-1).view(shape)
    value = torch.randn(case.batch, positions, case.heads, case.channels, generator=random)
    grad = torch.randn(case.batch, case.queries, case.heads * case.channels, generator=random)
    return Inputs(
        value_BSMD=value.double(),
        sides_2L=[side for row in case.shapes for side in row],
        starts_L=packed_starts(case.shapes),
        locations_BQMLP2=locations.double(),
        weights_BQMLP=weights.double(),
        grad_BQE=grad.double(),
    )


def far_inputs(value):
    """A small problem, and the same one at the far end of `value`: a buffer that may be huge.

    Its elements make up 2 batch entries of 1 head with 8 channels, whose ends are overwritten.
    """
    near = make_inputs(Case(((4, 5), (2, 3)), 2, 9, 1, 8, 2, "spread"))
    near = near.to(value.device, value.dtype, torch.float32)
    count = near.value_BSMD.shape[1]
    value_BSMD = value.view(2, -1, 1, 8)
    value_BSMD[:, -count:] = near.value_BSMD
    start = value_BSMD.shape[1] - count
    starts = [start + first for first in near.starts_L]
    return near, replace(near, value_BSMD=value_BSMD, starts_L=starts)


def errors(case, dtype, backend, device="cpu", thinned=1):
    """Per result, the largest error against float64 over one in `thinned` draws, and its limit.

    The limit is twice the error of plain PyTorch in that dtype, or one rounding of the largest
    number where that is more. `backend` is a name, or computes the results from the inputs.
    """
    run = backend if callable(backend) else (lambda inputs: inputs.results(backend))
    worst = {name: [0.0, 0.0, 0.0] for name in QUANTITIES}
    for seed in range(-(-CASES[case].draws // thinned)):
        inputs = make_inputs(CASES[case], seed).to(device, *DTYPES[dtype])
        exact = inputs.to("cpu", torch.float64, torch.float64).results("reference")
        found, own = run(inputs), inputs.results("reference")
        for name, e, f, o in zip(QUANTITIES, exact, found, own, strict=True):
            rounding = torch.finfo(o.dtype).eps * float(e.abs().max())
            seen = _distance(f, e), _distance(o, e), rounding
            worst[name] = [max(pair) for pair in zip(worst[name], seen, strict=True)]
    for name, (_, own_error, rounding) in worst.items():
        # Otherwise a location lies where the gradient jumps, and the comparison says nothing.
        assert own_error < 16 * rounding, f"{case} is unfit for comparing {name} in {dtype}"
    return {name: (error, max(2 * own, least)) for name, (error, own, least) in worst.items()}


def _spread(case, shape, random):
    return torch.rand(*shape, 2, generator=random) * 1.5 - 0.25


def _far(case, shape, random):
    choices = torch.tensor([-60000.0, -300.0, -1.25, 0.3125, 0.71875, 2.25, 300.0, 60000.0])
    return choices[torch.randint(len(choices), (*shape, 2), generator=random)]


def _borders(case, shape, random):
    """Pixel coordinates -1, -1/2, 0, and the same on the other side."""
    sides = torch.tensor([(w, h) for h, w in case.shapes])[:, None, :]
    drawn = torch.randint(3, (*shape, 2), generator=random) / 2 - 1
    pixels = torch.where(torch.rand(drawn.shape, generator=random) < 0.5, drawn, sides - 1 - drawn)
    return (pixels + 0.5) / sides


def _centers(case, shape, random):
    sides = torch.tensor([(w, h) for h, w in case.shapes])[:, None, :]
    return ((torch.rand(*shape, 2, generator=random) * sides).floor() + 0.5) / sides


_LOCATIONS = {"spread": _spread, "far": _far, "borders": _borders, "centers": _centers}


def _distance(found, exact):
    return float((found.cpu().double() - exact).abs().max())


def assert_same(found, expected):
    """Equal but for the order in which numbers were added."""
    for one, other in zip(found, expected, strict=True):
        allowed = 32 * torch.finfo(one.dtype).eps * float(other.abs().max())
        torch.testing.assert_close(one.cpu(), other.cpu(), rtol=0, atol=allowed)


def results_of_empty(backend, empty, device):
    """The output and gradients of a problem with one size 0, and the shapes they should have."""
    sizes = {"batch": 2, "queries": 3, "heads": 2, "channels": 4, "points": 2} | {empty: 0}
    b, q, m, d, p = sizes.values()
    inputs = [(b, 22, m, d), (b, q, m, 2, p, 2), (b, q, m, 2, p)]
    leaves = [torch.rand(shape, device=device, requires_grad=True) for shape in inputs]
    output = ms_deform_attn(leaves[0], ((4, 3), (2, 5)), None, *leaves[1:], backend=backend)
    gradients = torch.autograd.grad(output, leaves, torch.ones_like(output))
    return [output, *gradients], [(b, q, m * d), *inputs]


def found_errors(backend, dtypes):
    """`errors` of all cases; dtypes are keys of DTYPES, with :N for every Nth draw."""
    return {
        f"{case}-{dtype}": errors(case, dtype, backend, thinned=int(every))
        for case in CASES
        for dtype, every in (choice.split(":") for choice in dtypes)
    }
