"""TF32 is set for as long as something is measured, and not a moment longer."""

import pytest
import torch
from torch.backends import cuda, cudnn

from vis_bench.errors import InputError
from vis_bench.inference import loop
from vis_bench.inference.compiled import check_tf32, tf32_set
from vis_bench.inference.loop import InferencePlan

GPU = torch.device("cuda")


def switches():
    return cuda.matmul.allow_tf32, cudnn.allow_tf32


def precisions():
    return (
        cuda.matmul.fp32_precision, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision,
        torch.get_float32_matmul_precision(),
    )  # fmt: skip


@pytest.mark.parametrize("enabled", [False, True])
def test_both_switches_are_set_and_restored(enabled):
    before, exact = switches(), precisions()
    with tf32_set(enabled):
        assert switches() == (enabled, enabled)
    assert (switches(), precisions()) == (before, exact)


def test_it_is_restored_where_a_measurement_fails():
    before = precisions()
    with pytest.raises(RuntimeError, match="out of memory"), tf32_set(True):
        raise RuntimeError("out of memory")
    assert precisions() == before


@pytest.mark.parametrize("first", [False, True])
def test_what_the_user_set_comes_back(first):
    before = switches()
    try:
        cuda.matmul.allow_tf32 = cudnn.allow_tf32 = first
        with tf32_set(not first):
            assert switches() == (not first, not first)
        assert switches() == (first, first)
    finally:
        cuda.matmul.allow_tf32, cudnn.allow_tf32 = before


class StandIn:
    """A context that does nothing: autocast for a device that is not there."""

    def __init__(self, *arguments, **options):
        pass

    def __enter__(self):
        pass

    def __exit__(self, *error):
        pass


@pytest.mark.parametrize("tf32", [False, True])
def test_a_plan_for_a_gpu_sets_it_around_inference_alone(monkeypatch, tf32):
    monkeypatch.setattr(loop.torch, "autocast", StandIn)
    before = switches()
    plan = InferencePlan(5, 1, 360, GPU, tf32=tf32)
    assert switches() == before
    with plan.arithmetic():
        assert switches() == (tf32, tf32)
    assert switches() == before


def test_a_plan_for_a_cpu_leaves_it_alone():
    before = switches()
    with InferencePlan(5, 1, 360, torch.device("cpu")).arithmetic():
        assert switches() == before


def test_a_cpu_has_none():
    message = "tf32 is true, which only a GPU has; expected false on cpu"
    with pytest.raises(InputError, match=message):
        check_tf32(torch.device("cpu"))


@pytest.mark.parametrize(("capability", "refused"), [((7, 5), True), ((8, 0), False)])
def test_only_ampere_and_later_have_it(monkeypatch, capability, refused):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    if not refused:
        check_tf32(GPU)
        return
    message = r"this GPU has compute capability 7\.5; expected false, or 8\.0 or later"
    with pytest.raises(InputError, match=message):
        check_tf32(GPU)


@pytest.mark.gpu
def test_on_a_gpu_it_rounds_products():
    """10 bits of mantissa: an error of about 1e-3 where float32 has 1e-6."""
    generator = torch.Generator(GPU).manual_seed(0)
    left, right = (torch.randn(512, 512, device=GPU, generator=generator) for _ in range(2))
    exact = left.double() @ right.double()
    errors = []
    for enabled in (False, True):
        with tf32_set(enabled):
            errors.append(((left @ right).double() - exact).abs().max() / exact.abs().max())
    assert errors[0] < 1e-5 < 1e-4 < errors[1]
