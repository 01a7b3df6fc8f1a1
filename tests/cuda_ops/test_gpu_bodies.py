"""The bodies of the GPU's tests, run on the CPU: so that they do not fail on their own account."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

_SPEC = importlib.util.spec_from_file_location(
    "gpu_tests", Path(__file__).with_name("test_ms_deform_attn_gpu.py")
)
assert _SPEC is not None
assert _SPEC.loader is not None
gpu = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(gpu)


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "DEVICE", "cpu")


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_bodies_hold_on_a_backend_that_is_right(backend: str) -> None:
    gpu.test_error_is_at_most_twice_that_of_pytorch("odd", "bfloat16", backend)
    gpu.test_forward_gives_the_same_bits_every_time(backend)
    gpu.test_tensors_that_start_anywhere_in_memory(backend)
    for empty in ("batch", "queries", "points", "channels", "heads"):
        gpu.test_empty_problems(backend, empty)
    for channels in (1, 12, 33, 129):
        for dtype in (torch.float32, torch.bfloat16):
            gpu.test_any_number_of_channels(backend, channels, dtype)


def test_far_inputs_are_the_near_ones_elsewhere() -> None:
    near, far = gpu.far_inputs(torch.zeros(2048 * 8, dtype=torch.bfloat16))
    found, expected = far.results("cpu"), near.results("cpu")
    assert torch.equal(found[0], expected[0])
    last = near.value_BSMD.shape[1]
    assert torch.equal(found[1][:, -last:], expected[1])
    assert not found[1][:, :-last].any()


@pytest.mark.parametrize(
    "test",
    [
        gpu.test_more_than_two_to_the_31_elements_of_value,
        gpu.test_more_than_two_to_the_31_elements_of_output,
    ],
)
def test_too_little_memory_is_a_reason_to_skip(test) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"needs \d+ GiB of device memory"):
        test("cpu")
