"""Exponents of growth: `pytest tests/benchmarks/test_bench_growth.py --benchmark-only`.

Processor time and peak memory at two sizes; 1 is linear, 2 the square.
"""

import math
import sys
import time
from functools import partial

import pytest

from growth_cases import CASES
from peak_memory import peak_of

SIZES = {
    "labels of records": 1600,
    "records written between looks": 300,
    "streaming over frames": 8000,
}


@pytest.mark.parametrize("name", CASES)
def test_growth(benchmark, name, tmp_path, pytestconfig, capsys):
    small = 10 if pytestconfig.getoption("benchmark_disable") else SIZES.get(name, 1000)
    seconds, peaks = {}, {}

    def once():
        for number in (small, 4 * small):
            subject, action = CASES[name](number, tmp_path / "time")
            start = time.process_time()
            action(subject)
            seconds.setdefault(number, []).append(time.process_time() - start)

    benchmark.pedantic(once, rounds=3)
    for number in seconds:  # once: what is traced is several times slower
        subject, action = CASES[name](number, tmp_path / "memory")
        peaks[number] = peak_of(partial(action, subject))[1]
    for what, found in (
        ("processor seconds", {number: min(values) for number, values in seconds.items()}),
        ("peak, MiB", {number: peak / 2**20 for number, peak in peaks.items()}),
    ):
        low, high = found.values()
        exponent = benchmark.extra_info[f"exponent of {what}"] = round(math.log(high / low, 4), 2)
        with capsys.disabled():
            sys.stdout.write(f"{name}, {what}: {low:.3g}, {high:.3g}, exponent {exponent}\n")
