"""Peak memory of a stretch of work."""

import numpy as np
import pytest
import torch

from vis_bench.cost.speed.nvml import peak_memory, process_peak, reset_process_peak

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
