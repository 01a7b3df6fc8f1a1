"""The gate catches what it must and lets noise pass."""

import random
from dataclasses import replace

import pytest

from record_example import example_record
from vis_bench.errors import InputError
from vis_bench.record.store import RecordStore, record_json
from vis_bench.show.gate.baseline import GatedCell, load_cells_to_gate
from vis_bench.show.gate.check import (
    SUMMARY_VARIABLE,
    Rules,
    append_summary,
    check,
    compare_sets,
    update_baseline,
)

TIMED = {
    "gflops_per_frame": 91.25, "gflops_per_clip": 456.25, "flop_convention": "mac-fvcore",
    "fps": 40.0, "speed_spread": 0.04, "peak_memory_bytes": 2**30, "timed_region": "model+tracker",
    "load_average": 0.8, "num_cpus": 2,
    "regions": {"model+tracker": {"fps": 40.0, "speed_spread": 0.04, "peak_memory_bytes": 2**30}},
}  # fmt: skip


def measured(**changes):
    """A timed record; changes to speed fields reach its region too."""
    values = {**TIMED, **changes}
    if values["regions"]:
        fields = ("fps", "fps_low", "fps_high", "speed_spread", "peak_memory_bytes")
        values["regions"] = {"model+tracker": {key: values.get(key) for key in fields}}
    return example_record(**values)


def gate(tmp_path, before, after, **rules):
    for name, records in (("before", before), ("after", after)):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        for number, record in enumerate(records):
            path = tmp_path / name / f"{number}.json"
            path.write_bytes(record_json(record))
    return check(tmp_path / "before", tmp_path / "after", Rules(**rules))


def moved(report):
    return {finding.figure: finding.verdict for finding in report.findings}


TRACKED = {"tracking_score_threshold": 0.5, "hota": 0.5, "deta": 0.4, "assa": 0.6, "loca": 0.8,
           "idf1": 0.5, "teta": 0.45}  # fmt: skip
LEVELLED = {"ap_so": 0.5, "ap_mo": 0.4, "ap_ho": 0.1, "ap_returning": 0.3, "ap_short": 0.6,
            "ar10_long": 0.2, "ar_s": 0.3}  # fmt: skip
EVERY = measured(**TRACKED, **LEVELLED)
METRICS = [
    "ap", "ap50", "ap75", "ap_m", "ar1", "ar10", "ar100", "ar_s", *[*TRACKED][1:], *LEVELLED,
]  # fmt: skip


@pytest.mark.parametrize("metric", METRICS)
def test_a_loss_of_two_tenths_of_a_point_is_caught(tmp_path, metric):
    value = getattr(EVERY, metric)
    lost, slightly, gone, gained = (
        EVERY.model_copy(update={metric: after})
        for after in (value - 0.002, value - 0.001, None, value + 0.05)
    )
    report = gate(tmp_path, [EVERY], [lost])
    assert not report.passed
    assert moved(report) == {metric: "worse"}
    assert report.findings[0].change == "-0.2 points"
    assert gate(tmp_path, [EVERY], [slightly]).passed
    assert not gate(tmp_path, [EVERY], [slightly], points=0.05).passed
    assert moved(gate(tmp_path, [EVERY], [gone])) == {metric: "missing"}
    assert moved(gate(tmp_path, [EVERY], [gained])) == {metric: "better"}
    assert gate(tmp_path, [EVERY], [gained]).passed
    assert gate(tmp_path, [gone], [EVERY]).passed, "a metric that only the newer record has"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, {}),
        ({"gflops_per_frame": 91.25}, {"gflops_per_frame": 182.5}, {"gflops_per_frame": "changed"}),
        ({"num_params": 100}, {"num_params": 101}, {"num_params": "changed"}),
        ({"num_params": 100}, {"num_params": 99}, {"num_params": "changed"}),
        ({}, {"flop_convention": "2 x mac"}, {"flop_convention": "changed"}),
        ({}, {"annotations_sha256": "ef" * 32, "ap": 0.1}, {"annotations_sha256": "changed"}),
        (TRACKED, {**TRACKED, "tracking_score_threshold": 0.1, "hota": 0.1},
         {"tracking_score_threshold": "changed"}),
        ({}, {"gflops_per_frame": None}, {"gflops_per_frame": "missing"}),
        ({}, {"num_params": None}, {"num_params": "missing"}),
        ({}, {"fps": None, "regions": {}, "peak_memory_bytes": None},
         {"FPS (model+tracker)": "missing", "peak memory (model+tracker)": "missing"}),
        ({}, {"fps": 30.0}, {"FPS (model+tracker)": "worse"}),
        ({"speed_spread": 0.1}, {"fps": 30.0}, {}),
        ({}, {"peak_memory_bytes": int(1.08 * 2**30)}, {}),
        ({"peak_memory_bytes": 0}, {}, {}),
    ],
)  # fmt: skip
def test_a_change_has_its_verdict(tmp_path, before, after, expected):
    report = gate(tmp_path, [measured(**before)], [measured(**after)])
    assert moved(report) == expected
    assert report.passed == (not expected)
    assert report.num_compared == 1


def test_the_tolerance_is_in_points_however_small_the_value(tmp_path):
    small = {"tracking_score_threshold": 0.5, "hota": 0.004}
    before, after = measured(**small), measured(**{**small, "hota": 0.002})
    assert moved(gate(tmp_path, [before], [after])) == {"hota": "worse"}
    assert gate(tmp_path, [before], [after], points=0.25).passed


def test_unknown_parameters_match_the_zero_of_older_records(tmp_path):
    before, after = measured(num_params=0), measured(num_params=None)
    assert "num_params" not in moved(gate(tmp_path / "a", [before], [after]))
    assert moved(gate(tmp_path / "b", [measured()], [after]))["num_params"] == "missing"


@pytest.mark.parametrize("known", [None, ["project_path", "python"]])
def test_a_baseline_of_another_machine_holds_and_its_paths_are_in_no_title(tmp_path, known):
    """Also where the baseline is from before records named their places."""

    def at(root, places, name="VITA"):
        paths = {"project_path": f"{root}/vita", "python": f"{root}/env/bin/python"}
        return {"options": {"name": name, **paths}, "place_options": places}

    before, places = measured(**at("/home/me", known)), ["project_path", "python"]
    report = gate(tmp_path / "a", [before], [measured(ap=0.1, **at("/ci", places))])
    assert report.num_compared == 1
    assert moved(report) == {"ap": "worse"}
    assert "/" not in report.findings[0].cell
    assert gate(tmp_path / "b", [before], [measured(**at("/ci", places, "x"))]).num_compared == 0


def test_the_interval_of_ap_is_not_gated(tmp_path):
    """It may be absent on either side, or move; a baseline does not hold it."""
    without, narrow, wide = (
        measured(**ends)
        for ends in ({}, {"ap_low": 0.49, "ap_high": 0.51}, {"ap_low": 0.2, "ap_high": 0.8})
    )
    for before, after in ((without, narrow), (narrow, without), (narrow, wide)):
        report = gate(tmp_path, [before], [after])
        assert report.passed
        assert report.findings == []
    update_baseline(tmp_path / "baseline.json", tmp_path / "after")
    assert "ap_low" not in (tmp_path / "baseline.json").read_text()


@pytest.mark.parametrize(
    ("field", "before", "after", "texts"),
    [
        (
            "peak_memory_bytes",
            2**30,
            2**31,
            ("1024 MiB", "2048 MiB", "+100 %, noise explains +28 %"),
        ),
        ("num_params", 927_911, 927_912, ("927,911", "927,912", "+1")),
        ("num_params", 40_000_000, 39_000_000, ("40,000,000", "39,000,000", "-1,000,000")),
        ("gflops_per_frame", 91.25, 45.625, ("91.25", "45.625", "x 0.5")),
        ("gflops_per_frame", 91.25, 182.5, ("91.25", "182.5", "x 2")),
        ("gflops_per_frame", 91.25, 91.25000001, ("91.25000000", "91.25000001", "+0.00000001")),
        ("gflops_per_frame", 0.0, 91.25, ("0.00", "91.25", "+91.25")),
        ("ap", 0.5, 0.488, ("50.0", "48.8", "-1.2 points")),
        ("ap", 0.5, 0.499999, ("50.0000", "49.9999", "-0.0001 points")),
    ],
)
def test_what_moved_can_be_read(tmp_path, field, before, after, texts):
    sides = [measured(**{field: before})], [measured(**{field: after})]
    report = gate(tmp_path, *sides, points=0)
    (finding,) = report.findings
    assert (finding.baseline, finding.current, finding.change) == texts
    [in_json] = report.as_json()["findings"]
    assert (in_json["baseline_value"], in_json["current_value"]) == (before, after)


def test_a_vanished_method_is_named(tmp_path):
    before = [measured(), measured(method="seqformer", clip_length="whole", clip_stride=None)]
    report = gate(tmp_path, before, [measured()])
    assert not report.passed
    (finding,) = report.findings
    assert finding.verdict == "missing"
    assert finding.cell == "seqformer r50 synthetic val T=whole 360"


def test_a_new_cell_is_named_and_passes(tmp_path):
    report = gate(tmp_path, [measured()], [measured(), measured(options={"memory_tokens": 4})])
    assert report.passed
    assert report.findings[0].verdict == "new"
    assert "memory_tokens=4" in report.findings[0].cell


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


LATER = {"created_at": "2026-02-01T00:00:00+00:00", "config_sha256": "ef" * 32}
PLUG_IN = {"distribution": "mine", "version": "1", "sha256": "ab" * 32}


@pytest.mark.parametrize("later", [{}, LATER, {**LATER, "git_commit": "f" * 16}])
def test_two_records_of_a_cell_in_one_folder_are_named_and_fail(tmp_path, later):
    once, twice = [measured()], [measured(), measured(ap=0.1, **later)]
    for before, after in ((once, twice), (twice, once), (twice, twice)):
        report = gate(tmp_path, before, after)
        assert not report.passed
        assert {finding.verdict for finding in report.findings} == {"repeated"}
        finding = report.findings[0]
        named = finding.baseline if before == twice else finding.current
        assert "0.json" in named
        assert "1.json" in named
        for path in (tmp_path / "before" / "1.json", tmp_path / "after" / "1.json"):
            path.unlink(missing_ok=True)
    (tmp_path / "after" / "1.json").write_bytes(record_json(twice[1]))
    with pytest.raises(InputError, match=r"1\.json measure the same cell"):
        update_baseline(tmp_path / "baseline.json", tmp_path / "after")


OTHER_CELLS = [
    {"kernel_backend": "reference"}, {"weights_sha256": "ef" * 32}, {"seed": 1},
    {"weights_sha256": None, "weights_source": "random"}, {"note": "36 frames"},
    {"method_source": PLUG_IN}, {"external": True}, {"reconstruction": True},
    {"config": {"kernel_backend": "reference"}}, {"config": {"measure": ["speed"]}},
    {"config": {"weights_trained_on": ["synthetic/train"]}}, {"config": {"speed": {"videos": 2}}},
]  # fmt: skip


@pytest.mark.parametrize("change", OTHER_CELLS, ids=str)
def test_what_a_config_a_note_or_weights_define_is_another_cell(tmp_path, change):
    """A fall of the AP of either is caught, and the names of the two differ."""
    both = [measured(ap=0.6), measured(ap=0.6, **change)]
    for fallen in ([both[0], measured(ap=0.1, **change)], [measured(ap=0.1), both[1]]):
        report = gate(tmp_path, both, fallen)
        assert moved(report) == {"ap": "worse"}
        assert report.num_compared == 2
    report = gate(tmp_path, both, [both[0], measured(ap=0.1, **change)])
    other = gate(tmp_path, both, [measured(ap=0.1), both[1]])
    assert report.findings[0].cell != other.findings[0].cell
    (tmp_path / "after" / "1.json").unlink()
    assert moved(gate(tmp_path, both, both[:1])) == {"whole cell": "missing"}
    folders = tmp_path / "elsewhere"
    alone = gate(folders, both[:1], both[1:])
    assert {finding.verdict for finding in alone.findings} == {"missing", "new"}


EXPECTED_CHANGES = [
    {"git_commit": "f" * 16, "git_dirty": True}, LATER, {"command": "x", "url": "https://a.b"},
    {"method_source": {**PLUG_IN, "version": "2", "sha256": "cd" * 32}}, {"torch": "9"},
    {"config": {"kernel_backend": "auto", "compile": "none", "weights": "/elsewhere/w.pth"}},
    {"config": {"speed": {"protocol": "bench", "videos": 8}, "measure": ["accuracy"]}},
    {"options": {"checkpoint": "/ci/w"}, "place_options": ["checkpoint"]},
    {"options": {"project_path": "/ci/project", "python": "/ci/bin/python"}},
]  # fmt: skip


@pytest.mark.parametrize("change", EXPECTED_CHANGES, ids=str)
def test_what_changes_between_two_measurements_leaves_the_cell_the_same(tmp_path, change):
    report = gate(
        tmp_path,
        [measured(method_source=PLUG_IN)],
        [measured(**{"method_source": PLUG_IN, **change})],
    )
    assert report.findings == []
    assert report.num_compared == 1


def test_a_cell_that_one_of_two_devices_no_longer_measures_is_missing(tmp_path):
    both = [measured(), measured(device="a GPU", fps=400.0)]
    assert moved(gate(tmp_path, both, both[:1])) == {"whole cell": "missing"}


UNMEASURED = {
    "accuracy": (dict.fromkeys(("ap", "ap50")), "ap"),
    "flops": ({"gflops_per_frame": None}, "gflops_per_frame"),
    "speed": ({"fps": None, "regions": {}, "load_average": None, "num_cpus": None},
              "FPS (model+tracker)"),
}  # fmt: skip


@pytest.mark.parametrize("measurement", UNMEASURED)
@pytest.mark.parametrize("busy", [{}, {"load_average": 9.0}])
def test_the_recorded_reason_of_a_missing_value_is_printed(tmp_path, measurement, busy):
    """Speed that was not measured is missing, whatever the load of the baseline."""
    changes, figure = UNMEASURED[measurement]
    failed = measured(**{**busy, **changes, "failures": {measurement: "OutOfMemoryError: 3 GiB"}})
    report = gate(tmp_path, [measured(**busy)], [failed])
    finding = next(finding for finding in report.findings if finding.figure == figure)
    assert finding.verdict == "missing"
    assert "OutOfMemoryError: 3 GiB" in finding.change
    assert "OutOfMemoryError: 3 GiB" in report.details()
    assert "None CPUs" not in report.details()
    assert not report.passed


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.4])
def test_the_same_code_on_a_noisy_machine_passes_every_time(spread):
    """1,000 pairs of runs of log-normal level; 2.56 standard deviations are (p90 - p10) / p50."""
    rng = random.Random(7)
    sigma = spread / 2.56

    def run():
        level, seen = rng.lognormvariate(0, sigma), rng.uniform(0.6, 1.4)
        return [GatedCell.of_record(measured(fps=40 * level, speed_spread=spread * seen))]

    assert all(compare_sets(run(), run()).passed for _ in range(1000))


def test_a_baseline_file_is_written_read_back_and_refreshed_deliberately(tmp_path):
    store = RecordStore(tmp_path / "records")
    path = store.write(measured())
    baseline = tmp_path / "baseline.json"
    update_baseline(baseline, tmp_path / "records")
    written = baseline.read_bytes()
    assert check(baseline, path).findings == []
    store.write(measured(ap=0.3))
    assert not check(baseline, tmp_path / "records").passed
    assert baseline.read_bytes() == written
    report = update_baseline(baseline, tmp_path / "records")
    assert moved(report) == {"ap": "worse"}
    assert report.as_markdown().startswith("## Baseline refreshed: 1 figure moved\n")
    assert check(baseline, tmp_path / "records").passed
    assert load_cells_to_gate(baseline)[0].ap == 0.3


def test_an_update_lists_new_cells_as_new_and_nothing_as_failed(tmp_path):
    folder, baseline = tmp_path / "records", tmp_path / "baseline.json"
    RecordStore(folder).write(measured())
    report = update_baseline(baseline, folder)
    assert report.as_markdown().startswith("## Baseline refreshed: 0 figures moved, 1 cell new\n")
    RecordStore(folder).write(measured(method="seqformer"))
    RecordStore(folder).write(measured(ap=0.4))
    report = update_baseline(baseline, folder)
    assert report.passed
    assert moved(report) == {"ap": "worse", "whole cell": "new"}
    text = report.as_markdown()
    assert text.startswith("## Baseline refreshed: 1 figure moved, 1 cell new\n")
    assert "**" not in text
    assert "--update" not in text
    for path in folder.glob("seqformer*"):
        path.unlink()
    text = update_baseline(baseline, folder).as_markdown()
    assert text.startswith("## Baseline refreshed: 0 figures moved, 1 cell gone\n")


def test_the_baseline_is_the_same_bytes_whatever_the_order(tmp_path):
    records = [measured(), measured(method="seqformer"), measured(device="a GPU")]
    for name, order in (("a", records), ("b", records[::-1])):
        (tmp_path / name).mkdir()
        for number, record in enumerate(order):
            (tmp_path / name / f"{number}.json").write_bytes(record_json(record))
        update_baseline(tmp_path / f"{name}.json", tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_update_overwrites_nothing_but_baselines(tmp_path):
    path = RecordStore(tmp_path / "records").write(measured())
    before = path.read_bytes()
    for target in (path, tmp_path / "records"):
        with pytest.raises(InputError, match="is not a baseline file"):
            update_baseline(target, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("{}", "is not a record"),
        ('{"vis_bench_baseline": 9, "cells": []}', "version 9"),
        ('{"vis_bench_baseline": 1, "cells": 3}', "not a list of cells"),
        ('{"vis_bench_baseline": 1, "cells": []}', "holds no record"),
    ],
)
def test_a_file_that_is_none_of_the_three_is_refused(tmp_path, content, message):
    path = tmp_path / "baseline.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        check(path, path)


def test_a_missing_baseline_says_how_to_write_one(tmp_path):
    with pytest.raises(InputError, match="--update"):
        check(tmp_path / "none.json", tmp_path)


def test_the_summary_names_the_cell_and_goes_where_github_wants_it(tmp_path):
    report = gate(tmp_path, [measured()], [measured(ap=0.498)])
    text = report.as_markdown()
    assert text.startswith("## Benchmark gate failed: 1 moved\n")
    assert "| ifc r50 synthetic val T=5 S=1 360 | ap" in text
    assert "**worse**" in text
    summary = tmp_path / "summary.md"
    summary.write_text("earlier step\n")
    append_summary(report, {SUMMARY_VARIABLE: str(summary)})
    append_summary(report, {})
    assert summary.read_text() == "earlier step\n" + text


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
