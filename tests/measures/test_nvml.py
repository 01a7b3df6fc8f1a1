"""Readings of NVML, through a stand-in for pynvml, and peak memory."""

from types import SimpleNamespace

import numpy as np
import pynvml
import pytest
import torch

from vis_bench.measures.speed.nvml import (
    THROTTLE_REASONS,
    Gpu,
    joules_per_frame,
    open_gpu,
    peak_memory,
)
from vis_bench.operating_system import process_peak, reset_process_peak


class FakeNvml:
    """One GPU at 250 W; a call named in `unsupported` fails as NVML's do."""

    def __init__(self, unsupported=(), clock=None):
        self.unsupported = unsupported
        self.clock = clock or SimpleNamespace(now=0.0)
        self.answers = {
            "nvmlInit": None,
            "nvmlDeviceGetHandleByUUID": "handle",
            "nvmlDeviceGetName": "NVIDIA H200",
            "nvmlSystemGetDriverVersion": "570.1",
            "nvmlDeviceGetClockInfo": 1980,
            "nvmlDeviceGetMaxClockInfo": 1980,
            "nvmlDeviceGetTemperature": 41,
            "nvmlDeviceGetCurrentClocksEventReasons": pynvml.nvmlClocksEventReasonSwPowerCap,
            "nvmlDeviceGetPowerUsage": 250_000,
        }

    def __getattr__(self, name):
        if name in self.unsupported:
            return self.fail
        if name == "nvmlDeviceGetTotalEnergyConsumption":
            return lambda handle: int(250_000 * self.clock.now)
        if name in self.answers:
            return lambda *arguments: self.answers[name]
        return getattr(pynvml, name)  # a constant

    @staticmethod
    def fail(*arguments):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)


def test_describe_has_units_of_people():
    assert Gpu("handle", FakeNvml()).describe() == {
        "name": "NVIDIA H200",
        "driver": "570.1",
        "sm_clock_mhz": 1980,
        "max_sm_clock_mhz": 1980,
        "memory_clock_mhz": 1980,
        "temperature_celsius": 41,
        "throttle_reasons": ["power_cap"],
        "power_watts": 250.0,
    }


@pytest.mark.parametrize("call", [name for name in FakeNvml().answers if "Get" in name])
def test_what_a_gpu_does_not_support_is_null(call):
    described = Gpu("handle", FakeNvml(unsupported=[call])).describe()
    if call != "nvmlDeviceGetHandleByUUID":
        assert None in described.values()
    assert set(described) == set(Gpu("handle", FakeNvml()).describe())


def test_every_throttle_reason_is_one_of_nvmls():
    for suffix in THROTTLE_REASONS.values():
        assert hasattr(pynvml, f"nvmlClocksEventReason{suffix}")


def test_every_question_is_one_that_nvml_answers():
    for name in [*FakeNvml().answers, "nvmlDeviceGetTotalEnergyConsumption"]:
        assert callable(getattr(pynvml, name))


@pytest.mark.parametrize("window", [1.0, 5.0])
def test_joules_per_frame_over_a_window(window):
    nvml = FakeNvml()
    runs = []

    def run():
        runs.append(1)
        nvml.clock.now += 0.4

    energy = joules_per_frame(
        Gpu("handle", nvml), run, 10, seconds=window, clock=lambda: nvml.clock.now
    )
    assert energy == pytest.approx(250 * 0.4 / 10)
    assert 0.4 * len(runs) >= window


def test_energy_is_null_without_a_gpu_or_a_counter():
    def must_not_run():
        pytest.fail("worked for nothing")

    assert joules_per_frame(None, must_not_run, 10) is None
    nvml = FakeNvml(unsupported=["nvmlDeviceGetTotalEnergyConsumption"])
    assert joules_per_frame(Gpu("handle", nvml), must_not_run, 10) is None


@pytest.mark.parametrize("uuid", ["GPU-1234", "1234"])
def test_the_gpu_is_found_by_its_identity(monkeypatch, uuid):
    """By UUID, so that CUDA_VISIBLE_DEVICES cannot mix GPUs up."""
    properties = SimpleNamespace(uuid=uuid)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    nvml, asked = FakeNvml(), []
    nvml.nvmlDeviceGetHandleByUUID = lambda name: asked.append(name) or "handle"
    assert open_gpu(torch.device("cuda"), nvml) is not None
    assert asked == ["GPU-1234"]
    missing = FakeNvml(unsupported=["nvmlInit"])
    assert open_gpu(torch.device("cuda"), missing) is None


MEGABYTE = 1 << 20


def peak_of(megabytes):
    with peak_memory(torch.device("cpu")) as peaks:
        np.ones(megabytes * MEGABYTE, np.uint8).sum()
    return peaks


def test_the_peak_holds_what_was_resident():
    before = process_peak()
    assert peak_of(200)["process"] >= 200 * MEGABYTE
    assert process_peak() > before or before > 200 * MEGABYTE


def test_a_peak_belongs_to_its_own_stretch():
    if not reset_process_peak():
        pytest.skip("this system has no resettable peak of resident memory")
    large, small = peak_of(300)["process"], peak_of(1)["process"]
    assert large - small > 200 * MEGABYTE
