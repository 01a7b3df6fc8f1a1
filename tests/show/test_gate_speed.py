"""The gate lets noise of speed pass, catches more, and names what it cannot compare."""

import random
from dataclasses import replace

import pytest

from gate_case import gate, measured, moved
from vis_bench.show.gate.baseline import GatedCell
from vis_bench.show.gate.check import compare_sets


def test_speed_beyond_the_noise_is_named_and_a_speedup_passes(tmp_path):
    report = gate(tmp_path, [measured()], [measured(fps=60.0)])
    assert report.passed
    assert moved(report) == {"FPS (model+tracker)": "better"}
    assert report.findings[0].change == "+50 %, noise explains +22 %"
    # 5 % and twice 4 % of either side are 1.05 * 1.08 * 1.08 = 1.22; 1 / 1.22 is 18 % less.
    slower = gate(tmp_path, [measured()], [measured(fps=30.0)])
    assert slower.findings[0].change == "-25 %, noise explains -18 %"


@pytest.mark.parametrize("noise", [{}, {"speed_spread": 4.0}, {"load_average": 9.0}])
def test_memory_growth_is_caught_however_busy_the_machine(tmp_path, noise):
    report = gate(tmp_path, [measured(**noise)], [measured(peak_memory_bytes=2**31, **noise)])
    assert moved(report)["peak memory (model+tracker)"] == "worse"
    assert not report.passed


UNCOMPARED = {
    "another device": ({"device": "another CPU"}, "a CPU, now another CPU"),
    "other threads": ({"num_threads": 8}, "2 threads, now 8 threads"),
    "another build of the kernels": ({"kernel_build": "g++ 13 -O3"}, "None, now g++ 13 -O3"),
    "the machine was busy": ({"load_average": 3.5}, "load 0.8 on 2 CPUs, now load 3.5 on 2 CPUs"),
    "one run only: spread unknown": ({"speed_spread": None}, "40.0, now 4.0"),
}


@pytest.mark.parametrize("reason", UNCOMPARED)
def test_the_first_line_says_that_speed_was_not_compared_and_then_why(tmp_path, reason):
    changes, sides = UNCOMPARED[reason]
    other = {"method": "seqformer"}
    after = [measured(fps=4.0, **changes), measured(**other)]
    report = gate(tmp_path, [measured(), measured(**other)], after)
    first, *rest = report.as_markdown().splitlines()
    assert first == "## Benchmark gate passed, but speed was not compared in 1 of 2 cells"
    (line,) = (line for line in rest if line.startswith("- "))
    assert f"not compared in 1 cell: {reason}" in line
    assert sides in line
    assert "| Cell" not in report.as_markdown()
    assert report.as_json()["speed_compared"] is False


@pytest.mark.parametrize("reason", UNCOMPARED)
def test_required_speed_that_was_not_compared_fails(tmp_path, reason):
    report = gate(tmp_path, [measured()], [measured(**UNCOMPARED[reason][0])])
    required = replace(report, require_speed=True)
    assert (report.passed, required.passed) == (True, False)
    heading = "## Benchmark gate failed: speed was not compared in 1 of 1 cell\n"
    assert required.as_markdown().startswith(heading)
    assert "--update" not in required.as_markdown()


@pytest.mark.parametrize("untimed", [["before"], ["after"], ["before", "after"]])
def test_required_speed_that_was_not_measured_fails(tmp_path, untimed):
    none = {"fps": None, "regions": {}, "peak_memory_bytes": None}
    sides = [[measured(**(none if side in untimed else {}))] for side in ("before", "after")]
    assert not replace(gate(tmp_path, *sides), require_speed=True).passed


def test_devices_are_compared_apart_but_for_accuracy(tmp_path):
    both = [measured(), measured(device="a GPU", fps=400.0)]
    assert gate(tmp_path, both, both).findings == []
    elsewhere = gate(tmp_path / "elsewhere", [measured()], [measured(ap=0.4, device="a GPU")])
    assert moved(elsewhere)["ap"] == "worse"
    more = gate(tmp_path / "more", [measured()], both)
    assert more.passed
    assert moved(more) == {"whole cell": "new"}


def test_a_cell_that_one_of_two_devices_no_longer_measures_is_missing(tmp_path):
    both = [measured(), measured(device="a GPU", fps=400.0)]
    assert moved(gate(tmp_path, both, both[:1])) == {"whole cell": "missing"}


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.4])
def test_the_same_code_on_a_noisy_machine_passes_every_time(spread):
    """1,000 pairs of runs of log-normal level; 2.56 standard deviations are (p90 - p10) / p50."""
    rng = random.Random(7)
    sigma = spread / 2.56

    def run():
        level, seen = rng.lognormvariate(0, sigma), rng.uniform(0.6, 1.4)
        return [GatedCell(measured(fps=40 * level, speed_spread=spread * seen))]

    assert all(compare_sets(run(), run()).passed for _ in range(1000))


def processes(low, fps, high, number=3, **changes):
    return measured(
        fps=fps, fps_low=low, fps_high=high, speed_processes=number, speed_spread=0.0, **changes
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # Ranges that overlap, and ranges less than the floor of 5 % apart.
        (processes(36, 40, 44), processes(30, 32, 37), None),
        (processes(38, 40, 44), processes(30, 32, 37), None),
        (processes(38, 40, 44), processes(30, 32, 36), "worse"),
        (processes(30, 32, 36), processes(38, 40, 44), "better"),
        # Two processes, or one, say nothing about others: the spread inside of them counts.
        (processes(36, 40, 44), processes(30, 32, 37, number=2), "worse"),
        (measured(fps=40.0, speed_spread=0.2), processes(30, 32, 37), None),
    ],
)
def test_ranges_over_processes_are_the_noise_of_fps(tmp_path, before, after, expected):
    report = gate(tmp_path, [before], [after])
    assert moved(report).get("FPS (model+tracker)") == expected


def test_another_number_of_processes_is_the_same_cell(tmp_path):
    """Records of 0.2.0 have no such setting."""
    speeds = {"warmup": 1}, {"warmup": 1, "processes": 3}, {"warmup": 1, "processes": 1}
    for number, speed in enumerate(speeds):
        pair = measured(config={"speed": speeds[0]}), measured(config={"speed": speed})
        assert moved(gate(tmp_path / str(number), [pair[0]], [pair[1]])) == {}
