"""Readings beside the clock: peak memory, and NVML's view of a GPU with its energy.

Nothing here raises for want of a GPU, a driver or a counter: a value that cannot be read is None.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pynvml
import torch

from vis_bench.operating_system import process_peak, reset_process_peak

# The energy counter moves every 20 to 100 ms: a window of seconds keeps that below a few percent.
WINDOW_SECONDS = 3.0

THROTTLE_REASONS = {
    "application_clocks": "ApplicationsClocksSetting",
    "power_cap": "SwPowerCap",
    "hardware_slowdown": "HwSlowdown",
    "sync_boost": "SyncBoost",
    "software_thermal": "SwThermalSlowdown",
    "hardware_thermal": "HwThermalSlowdown",
    "power_brake": "HwPowerBrakeSlowdown",
    "display_clocks": "DisplayClockSetting",
}


class Gpu:
    """One GPU as NVML sees it.

    Args:
        handle: NVML's, of the device.
        nvml: the `pynvml` module, or a substitute.
    """

    def __init__(self, handle: Any, nvml: Any = pynvml) -> None:
        self._handle = handle
        self._nvml = nvml

    def describe(self) -> dict[str, Any]:
        """Name, driver, clocks (MHz), temperature (degrees Celsius), throttling, power (W)."""
        nvml, ask = self._nvml, self._ask
        power = ask("nvmlDeviceGetPowerUsage")
        return {
            "name": _text(ask("nvmlDeviceGetName")),
            "driver": _text(self._try(lambda: nvml.nvmlSystemGetDriverVersion())),
            "sm_clock_mhz": ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
            "max_sm_clock_mhz": ask("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
            "temperature_celsius": ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
            "throttle_reasons": self.throttle_reasons(),
            "power_watts": None if power is None else power / 1e3,
        }

    def throttle_reasons(self) -> list[str] | None:
        """Reasons for lowered clocks at this moment; idling does not count."""
        mask = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if mask is None:
            return None
        bits = {
            name: getattr(self._nvml, f"nvmlClocksEventReason{suffix}", 0)
            for name, suffix in THROTTLE_REASONS.items()
        }
        return [name for name, bit in bits.items() if mask & bit]

    def joules(self) -> float | None:
        """The energy counter, in joules since the driver was loaded."""
        millijoules = self._ask("nvmlDeviceGetTotalEnergyConsumption")
        return None if millijoules is None else millijoules / 1e3

    def _ask(self, function: str, *arguments: Any) -> Any:
        return self._try(lambda: getattr(self._nvml, function)(self._handle, *arguments))

    def _try(self, question: Callable[[], Any]) -> Any:
        with suppress(self._nvml.NVMLError):
            return question()
        return None


def open_gpu(device: torch.device, nvml: Any = pynvml) -> Gpu | None:
    """The device as NVML sees it; None for a CPU, and where there is no NVML."""
    if device.type != "cuda":
        return None
    uuid = str(torch.cuda.get_device_properties(device).uuid)
    try:
        nvml.nvmlInit()
        name = uuid if uuid.startswith("GPU-") else f"GPU-{uuid}"
        return Gpu(nvml.nvmlDeviceGetHandleByUUID(name), nvml)
    except nvml.NVMLError:
        return None


def joules_per_frame(
    gpu: Gpu | None,
    run: Callable[[], None],
    num_frames: int,
    *,
    seconds: float = WINDOW_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> float | None:
    """Energy of the whole GPU per source frame, over as many runs as fill the window.

    Args:
        run: works through `num_frames` frames, and returns when the device has finished.
        seconds: the least length of the window.
        clock: returns the time in seconds.

    Returns:
        Joules per frame, or None without a GPU or without an energy counter.
    """
    before = None if gpu is None else gpu.joules()
    if gpu is None or before is None:
        return None
    start, runs = clock(), 0
    while runs == 0 or clock() - start < seconds:
        run()
        runs += 1
    after = gpu.joules()
    return None if after is None else (after - before) / (runs * num_frames)


def _text(value: str | bytes | None) -> str | None:
    return value.decode() if isinstance(value, bytes) else value


@contextmanager
def peak_memory(
    device: torch.device, elsewhere: Callable[[], Mapping[str, int | None]] = dict
) -> Iterator[dict[str, int | None]]:
    """Measure the peaks of what runs inside, in bytes; they are filled in at its end.

    `process`: resident memory of this process. `allocator`: held by tensors on the GPU at once.
    `device`: in use on the whole GPU afterwards, the allocator's cache, the context and other
    processes included. Those of a GPU are None without one.

    Args:
        elsewhere: peaks since its last call that replace those of this process; see
            `VideoMethod.take_peaks`.
    """
    peaks: dict[str, int | None] = {"process": None, "allocator": None, "device": None}
    gpu = device.type == "cuda"
    if gpu:
        torch.cuda.reset_peak_memory_stats(device)
    reset_process_peak()
    elsewhere()
    yield peaks
    peaks["process"] = process_peak()
    if gpu:
        peaks["allocator"] = torch.cuda.max_memory_allocated(device)
        free, total = torch.cuda.mem_get_info(device)
        peaks["device"] = total - free
    peaks.update(elsewhere())
