"""Multi-scale deformable attention: the definition, the operator, and the backends on the CPU."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from cuda_ops import ms_deform_attn, ms_deform_attn_macs
from deformable_cases import (
    CASES,
    DTYPES,
    EMPTY,
    Case,
    assert_same,
    errors,
    make_inputs,
    results_of_empty,
)

SMALL = Case(((4, 3), (2, 5)), 2, 6, 2, 5, 3, "spread")
BACKENDS = ("reference", "cpu")
RUNS = [
    *((name, "cpu") for name in BACKENDS),
    *(pytest.param(name, "cuda", marks=pytest.mark.gpu) for name in ("cuda", "triton")),
]


def tent_attention(value_BSMD, shapes, locations_BQMLP2, weights_BQMLP):
    """Equation 3 with bilinear interpolation written as a sum over all pixels of a level.

    A pixel's share falls linearly from 1 at its center to 0 one pixel away, along each axis.
    """
    start, output_BQMD = 0, 0.0
    for level, (height, width) in enumerate(shapes):
        map_BHWMD = value_BSMD[:, start : start + height * width].unflatten(1, (height, width))
        x = locations_BQMLP2[:, :, :, level, :, 0] * width - 0.5
        y = locations_BQMLP2[:, :, :, level, :, 1] * height - 0.5
        share_x = (1 - (x[..., None] - torch.arange(width)).abs()).clamp(min=0)
        share_y = (1 - (y[..., None] - torch.arange(height)).abs()).clamp(min=0)
        output_BQMD = output_BQMD + torch.einsum(
            "bqmp,bqmph,bqmpw,bhwmd->bqmd",
            *(weights_BQMLP[:, :, :, level], share_y, share_x, map_BHWMD),
        )
        start += height * width
    return output_BQMD.flatten(2)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES)
def test_is_equation_3(case, backend):
    inputs = make_inputs(CASES[case])
    expected = tent_attention(
        inputs.value_BSMD, inputs.shapes_L2, inputs.locations_BQMLP2, inputs.weights_BQMLP
    )
    torch.testing.assert_close(inputs.results(backend)[0], expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradcheck(backend):
    inputs = make_inputs(Case(((3, 4), (2, 2)), 1, 3, 2, 3, 2, "spread"))
    leaves = [x.requires_grad_() for x in inputs.tensors]

    def attend(value, locations, weights):
        return ms_deform_attn(value, inputs.shapes_L2, None, locations, weights, backend=backend)

    assert torch.autograd.gradcheck(attend, leaves)


@pytest.mark.parametrize(("backend", "device"), RUNS[1:])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_error_is_at_most_twice_that_of_pytorch(case, dtype, backend, device):
    for name, (error, allowed) in errors(case, dtype, backend, device).items():
        assert error <= allowed, name


@pytest.mark.parametrize(("backend", "device"), RUNS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6, 8, 12, 31, 32, 33, 64, 100, 129])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_number_of_channels(channels, dtype, backend, device):
    inputs = make_inputs(replace(CASES["odd"], channels=channels)).to(device, dtype, torch.float32)
    exact = inputs.to("cpu", torch.float64, torch.float64).results("reference")
    for found, expected in zip(inputs.results(backend), exact, strict=True):
        rounding = 8 * torch.finfo(found.dtype).eps * float(expected.abs().max())
        assert float((found.cpu().double() - expected).abs().max()) <= rounding


@pytest.mark.parametrize(("backend", "device"), RUNS)
def test_forward_gives_the_same_bits_every_time(backend, device):
    inputs = make_inputs(CASES["encoder"]).to(device, torch.float16, torch.float16)
    first = inputs.results(backend)[0]
    assert all(torch.equal(inputs.results(backend)[0], first) for _ in range(20))


@pytest.mark.parametrize(("backend", "device"), RUNS)
def test_tensors_that_start_anywhere_in_memory(backend, device):
    inputs = make_inputs(CASES["encoder"]).to(device, torch.float16, torch.float16)

    def moved(tensor):
        """The same numbers one element into a buffer, where 16 bytes are not aligned."""
        buffer = tensor.new_zeros(tensor.numel() + 1)
        buffer[1:] = tensor.flatten()
        return buffer[1:].view(tensor.shape)

    value, locations, weights = map(moved, inputs.tensors)
    elsewhere = replace(
        inputs,
        value_BSMD=value,
        locations_BQMLP2=locations,
        weights_BQMLP=weights,
        grad_BQE=moved(inputs.grad_BQE),
    )
    assert value.data_ptr() % 16
    assert torch.equal(elsewhere.results(backend)[0], inputs.results(backend)[0])
    assert_same(elsewhere.results(backend)[2:], inputs.results(backend)[2:])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("x", "slope"),
    [(-1.0, 10.0), (-0.5, 10.0), (0.0, 20.0), (0.5, 20.0), (1.0, 40.0), (3.0, -80.0), (4.0, 0.0)],
)
def test_gradient_on_a_pixel_center_is_the_one_to_the_right(backend, x, slope):
    # Pixels 10, 30, 70, 80; slope per pixel, times the 4 pixels that a location of 1 spans.
    value = torch.tensor([10.0, 30.0, 70.0, 80.0]).view(1, 4, 1, 1)
    location = torch.tensor([(x + 0.5) / 4, 0.5]).view(1, 1, 1, 1, 1, 2).requires_grad_()
    weight = torch.ones(1, 1, 1, 1, 1)
    ms_deform_attn(value, [(1, 4)], [0], location, weight, backend=backend).sum().backward()
    assert float(location.grad[..., 0]) == 4 * slope


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30, -1e30])
def test_a_sample_without_a_place_counts_as_outside(backend, bad):
    inputs = make_inputs(SMALL).to("cpu", torch.float32, torch.float32)
    inputs.locations_BQMLP2[:, ::2, :, 1, 0, 0] = bad
    inputs.locations_BQMLP2[:, 1::2, :, 0, 1, 1] = bad
    elsewhere = torch.where(
        inputs.locations_BQMLP2 == inputs.locations_BQMLP2, inputs.locations_BQMLP2, 7.0
    )
    expected = replace(inputs, locations_BQMLP2=elsewhere.clamp(-7, 7))
    for found, own in zip(inputs.results(backend), expected.results("reference"), strict=True):
        torch.testing.assert_close(found, own, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_non_finite_values_and_weights_reach_only_what_reads_them(backend, bad):
    inputs = make_inputs(SMALL).to("cpu", torch.float32, torch.float32)
    clean = inputs.results(backend)[0].unflatten(2, (2, 5))
    inputs.value_BSMD[1, :, 1, 3] = bad
    inputs.weights_BQMLP[0, 2, 0] = bad
    output = inputs.results(backend)[0].unflatten(2, (2, 5))
    touched = torch.zeros(output.shape, dtype=torch.bool)
    touched[1, :, 1, 3] = touched[0, 2, 0] = True
    torch.testing.assert_close(output[~touched], clean[~touched])
    assert not torch.isfinite(output[0, 2, 0]).any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_layouts_in_memory_do_not_matter(backend):
    inputs = make_inputs(SMALL).to("cpu", torch.float32, torch.float32)
    expected = inputs.results(backend)
    for value in (
        inputs.value_BSMD.transpose(1, 2).contiguous().transpose(1, 2),
        inputs.value_BSMD.transpose(1, 3).contiguous().transpose(1, 3),
        torch.cat([inputs.value_BSMD] * 2, dim=3)[..., :5],
    ):
        strided = replace(
            inputs,
            value_BSMD=value,
            locations_BQMLP2=inputs.locations_BQMLP2.transpose(1, 4).contiguous().transpose(1, 4),
            weights_BQMLP=torch.stack([inputs.weights_BQMLP] * 2, dim=-1)[..., 1],
            grad_BQE=inputs.grad_BQE.transpose(0, 2).contiguous().transpose(0, 2),
        )
        for found, own in zip(strided.results(backend), expected, strict=True):
            assert torch.equal(found, own)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradient_of_a_sum_is_read_although_it_is_expanded(backend):
    inputs = make_inputs(SMALL)
    weights = inputs.weights_BQMLP.requires_grad_()
    output = ms_deform_attn(
        inputs.value_BSMD, inputs.shapes_L2, None, inputs.locations_BQMLP2, weights, backend=backend
    )
    output.sum().backward()
    ones = replace(inputs, grad_BQE=torch.ones_like(output))
    torch.testing.assert_close(weights.grad, ones.results("reference")[3])


@pytest.mark.parametrize(("backend", "device"), RUNS)
@pytest.mark.parametrize("empty", EMPTY)
def test_empty_problems(empty, backend, device):
    (output, *gradients), shapes = results_of_empty(backend, empty, device)
    assert [found.shape for found in (output, *gradients)] == shapes
    assert all(found.count_nonzero() == 0 for found in (output, *gradients))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("starts", [(0, 12), (10, 0)])
def test_levels_may_lie_in_any_order(backend, starts):
    inputs = make_inputs(SMALL)
    value = torch.rand(2, 22, 2, 5, dtype=torch.float64, requires_grad=True)
    pieces = [value[:, s : s + h * w] for s, (h, w) in zip(starts, SMALL.shapes, strict=True)]
    expected = tent_attention(
        torch.cat(pieces, dim=1), inputs.shapes_L2, inputs.locations_BQMLP2, inputs.weights_BQMLP
    )
    arguments = (inputs.locations_BQMLP2, inputs.weights_BQMLP)
    found = ms_deform_attn(value, inputs.shapes_L2, starts, *arguments, backend=backend)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    gradients = [torch.autograd.grad(x, value, inputs.grad_BQE)[0] for x in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


def test_shapes_and_starts_may_be_tensors():
    inputs = make_inputs(SMALL)
    found = ms_deform_attn(
        inputs.value_BSMD,
        torch.tensor(SMALL.shapes),
        torch.tensor([0, 12], dtype=torch.int32),
        *(inputs.locations_BQMLP2, inputs.weights_BQMLP),
    )
    assert torch.equal(found, inputs.results("auto")[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_number_of_threads_does_not_change_a_bit(backend):
    inputs = make_inputs(CASES["many_samples"]).to("cpu", torch.float32, torch.float32)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(inputs.results(backend))
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@settings(max_examples=60, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=5),
    sizes=st.tuples(
        *(st.integers(1, 3), st.integers(1, 40), st.integers(1, 3)),
        *(st.integers(1, 70), st.integers(1, 9)),
    ),
    seed=st.integers(0, 1000),
)
def test_cpu_agrees_for_any_sizes(shapes, sizes, seed):
    inputs = make_inputs(Case(tuple(shapes), *sizes, "spread"), seed)
    for found, own in zip(inputs.results("cpu"), inputs.results("reference"), strict=True):
        torch.testing.assert_close(found, own, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("backend", [*BACKENDS, "cuda", "triton"])
@pytest.mark.parametrize(
    ("positions", "starts"),
    [
        (22, (0, 1)), (22, (0, 11)), (22, (4, 4)), (22, (12, 1)), (22, (0, 0)), (22, (-1, 11)),
        (22, (-12, 0)), (22, (1, 13)), (23, (0, 13)), (23, (0, 12)), (23, (1, 13)), (23, None),
        (21, (0, 12)), (21, None), (12, (0, 12)), (31, (3, 20)), (31, (12, 0)), (0, None),
    ],
)  # fmt: skip
def test_every_position_of_the_value_belongs_to_one_level(backend, positions, starts):
    """The original module asserts the sum of the sizes; starts must not say otherwise."""
    inputs = make_inputs(SMALL)
    arguments = (inputs.locations_BQMLP2, inputs.weights_BQMLP)
    value = torch.rand(2, positions, 2, 5, dtype=torch.float64)
    with pytest.raises(ValueError, match=SHAPES):
        ms_deform_attn(value, SMALL.shapes, starts, *arguments, backend=backend)


VALUE, SHAPES, STARTS = "value_BSMD", "spatial_shapes_L2", "level_start_index_L"
LOCATIONS, WEIGHTS = "sampling_locations_BQMLP2", "attention_weights_BQMLP"
WRONG = [
    (VALUE, lambda value: value[0], ValueError),
    (VALUE, lambda value: value.int(), TypeError),
    (SHAPES, lambda shapes: [], ValueError),
    (SHAPES, lambda shapes: [4, 3, 2, 5], ValueError),
    (SHAPES, lambda shapes: [(4, 3, 1), (2, 5, 1)], ValueError),
    (SHAPES, lambda shapes: [(4, 3), (0, 5)], ValueError),
    (SHAPES, lambda shapes: [(4, 3), (2, 6)], ValueError),
    (SHAPES, lambda shapes: torch.ones(2, 2), TypeError),
    (SHAPES, lambda shapes: [(4.0, 3), (2, 5)], TypeError),
    (SHAPES, lambda shapes: torch.ones(2, 2, dtype=torch.int64, device="meta"), ValueError),
    (STARTS, lambda starts: [0], ValueError),
    (STARTS, lambda starts: [-1, 12], ValueError),
    (STARTS, lambda starts: [0.0, 12], TypeError),
    (STARTS, lambda starts: [0, 13], ValueError),
    (VALUE, lambda value: torch.cat([value, value], dim=1), ValueError),
    (LOCATIONS, lambda locations: locations[..., 0], ValueError),
    (LOCATIONS, lambda locations: locations[:, :, :1], ValueError),
    (LOCATIONS, lambda locations: locations.double(), TypeError),
    (LOCATIONS, lambda locations: locations.to("meta"), ValueError),
    (WEIGHTS, lambda weights: weights[..., :2], ValueError),
    (WEIGHTS, lambda weights: weights.half(), TypeError),
    (WEIGHTS, lambda weights: weights.to("meta"), ValueError),
]


@pytest.mark.parametrize(("name", "change", "kind"), WRONG)
def test_a_wrong_argument_is_named(name, change, kind):
    inputs = make_inputs(SMALL).to("cpu", torch.float32, torch.float32)
    arguments = {
        VALUE: inputs.value_BSMD,
        SHAPES: SMALL.shapes,
        STARTS: [0, 12],
        LOCATIONS: inputs.locations_BQMLP2,
        WEIGHTS: inputs.weights_BQMLP,
    }
    arguments[name] = change(arguments[name])
    with pytest.raises(kind, match=name) as caught:
        ms_deform_attn(**arguments)
    assert "\n" not in str(caught.value)


def test_opcheck():
    inputs = make_inputs(SMALL)
    tensors = [x.requires_grad_() for x in inputs.tensors]
    detached = [x.detach() for x in tensors[1:]]
    for backend in BACKENDS:
        torch.library.opcheck(
            torch.ops.cuda_ops.ms_deform_attn.default,
            (tensors[0], [4, 3, 2, 5], [0, 12], *tensors[1:], backend),
        )
        torch.library.opcheck(
            torch.ops.cuda_ops.ms_deform_attn_backward.default,
            (inputs.grad_BQE, tensors[0].detach(), [4, 3, 2, 5], [0, 12], *detached, backend),
            test_utils=("test_schema", "test_faketensor"),
        )


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("compiler", ["eager", "aot_eager"])
def test_compiles_as_a_whole(compiler, dynamic):
    inputs = make_inputs(SMALL)
    leaves = [x.requires_grad_() for x in inputs.tensors]

    def attend(value, locations, weights):
        return 2 * ms_deform_attn(value + 1, inputs.shapes_L2, [0, 12], locations, weights)

    compiled = torch.compile(attend, backend=compiler, fullgraph=True, dynamic=dynamic)
    results = [
        torch.autograd.grad(run(*leaves), leaves, inputs.grad_BQE) for run in (compiled, attend)
    ]
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


class Listener(TorchDispatchMode):
    """Keeps the names of the operators that are dispatched."""

    def __init__(self):
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **kwargs or {})


@pytest.mark.parametrize(
    ("device", "backend"), [*(("cpu", name) for name in BACKENDS), ("meta", "cuda")]
)
def test_a_call_is_one_operator_whose_flops_are_known(device, backend):
    inputs = make_inputs(SMALL).to(device, torch.float32, torch.float32)
    macs = 5 * 2 * 6 * 2 * 2 * 3 * 5  # 5 B Q M L P D
    arguments = (
        inputs.value_BSMD,
        inputs.shapes_L2,
        None,
        inputs.locations_BQMLP2,
        inputs.weights_BQMLP,
    )
    with Listener() as listener, torch.no_grad():
        ms_deform_attn(*arguments, backend=backend)
    assert listener.names == ["cuda_ops.ms_deform_attn.default"]
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        ms_deform_attn(*arguments, backend=backend)
    with FlopCounterMode(display=False) as both:
        inputs.results(backend)
    assert forward.get_total_flops() == 2 * macs
    assert both.get_total_flops() == 2 * macs + 2 * 2 * macs
    assert ms_deform_attn_macs(inputs.value_BSMD.shape, inputs.locations_BQMLP2.shape) == macs
