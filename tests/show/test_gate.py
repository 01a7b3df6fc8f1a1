"""The gate catches what it must and lets noise pass."""

import json

import pytest

from gate_case import gate, measured, moved
from vis_bench.cli import main
from vis_bench.record.store import RecordStore
from vis_bench.show.gate.check import SUMMARY_VARIABLE, append_summary, update_baseline

TRACKED = {"tracking_score_threshold": 0.5, "hota": 0.5, "deta": 0.4, "assa": 0.6, "loca": 0.8,
           "idf1": 0.5, "teta": 0.45}  # fmt: skip
LEVELLED = {"ap_so": 0.5, "ap_mo": 0.4, "ap_ho": 0.1, "ap_returning": 0.3, "ap_short": 0.6,
            "ar10_long": 0.2, "ar_s": 0.3, "boundary_ap": 0.4, "boundary_ap50": 0.6,
            "boundary_ap75": 0.3}  # fmt: skip
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


def test_the_interval_of_ap_is_not_gated(tmp_path):
    """It may be absent on either side, or move; `--significant` needs it of a baseline."""
    without, narrow, wide = (
        measured(**ends)
        for ends in ({}, {"ap_low": 0.49, "ap_high": 0.51}, {"ap_low": 0.2, "ap_high": 0.8})
    )
    for before, after in ((without, narrow), (narrow, without), (narrow, wide)):
        report = gate(tmp_path, [before], [after])
        assert report.passed
        assert report.findings == []
    update_baseline(tmp_path / "baseline.json", tmp_path / "after")
    assert '"ap_low": 0.2' in (tmp_path / "baseline.json").read_text()


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
        ("gflops_per_frame", 91.25, 45.625, ("91.25", "45.62", "x 0.5")),
        ("gflops_per_frame", 91.25, 182.5, ("91.25", "182.50", "x 2")),
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
    assert finding.cell == "SeqFormer, ResNet-50, synthetic set val, 360p T=whole"


def test_a_new_cell_is_named_and_passes(tmp_path):
    report = gate(tmp_path, [measured()], [measured(), measured(options={"memory_tokens": 4})])
    assert report.passed
    assert report.findings[0].verdict == "new"
    assert "IFC, 4 memory tokens, " in report.findings[0].cell


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


def test_what_became_worse_comes_first_with_a_row_for_each_kind_of_a_cell(tmp_path):
    fallen = {"ap": 0.4, "ap50": 0.5, "ap75": 0.3, "num_params": 7, "load_average": 99.0}
    report = gate(tmp_path, [measured(ap50=0.7, ap75=0.6, clip_length=n) for n in (5, 9)],
                  [measured(**fallen, clip_length=n) for n in (5, 9)])  # fmt: skip
    _, table, *others = report.parts()
    rows = [[entry.text for entry in row] for row in table.rows]
    assert [row[1] for row in rows].count("AP") == 2
    assert all("AP50, AP75 too" in row[-1] for row in rows if row[1] == "AP")
    assert len({(row[0], row[1]) for row in rows}) == len(rows)
    assert any("not compared in 2 cells" in str(part) for part in others)


def test_a_loss_that_is_meant_passes_and_the_history_says_so(tmp_path, capsys):
    history, current = tmp_path / "history", tmp_path / "current"
    RecordStore(history / ("a1" * 20)).write(measured())
    RecordStore(current).write(measured(ap=0.4, created_at="2027-01-01T00:00:00+00:00"))
    arguments = ["check", "--history", str(history), "--current", str(current)]
    assert main(arguments) == 1
    assert main([*arguments, "--accept", ""]) == 1
    assert "--accept" in capsys.readouterr().out
    assert main([*arguments[:4], f"mine={current}", "--accept", "Ann"]) == 0
    capsys.readouterr()
    assert main([*arguments, "--accept", "Ann: half the *memory*", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["passed"], content["accepted"]) == (True, "Ann: half the *memory*")
    assert [finding["verdict"] for finding in content["findings"]] == ["worse"]
    current.rename(history / ("b2" * 20))
    assert main(["history", str(history), "--json"]) == 0
    [move] = json.loads(capsys.readouterr().out)["moves"]
    assert move["change"].endswith("accepted: Ann: half the *memory*")
    assert main([*arguments[:2], "x", *arguments[3:], "--accept", "Ann"]) == 2


def test_the_summary_names_the_cell_and_goes_where_github_wants_it(tmp_path):
    report = gate(tmp_path, [measured()], [measured(ap=0.498)])
    text = report.as_markdown()
    assert text.startswith("## Benchmark gate failed: 1 moved\n")
    assert "| IFC, ResNet-50, synthetic set val, 360p T=5 S=1 | AP " in text
    assert "**worse**" in text
    summary = tmp_path / "summary.md"
    summary.write_text("earlier step\n")
    append_summary(report, {SUMMARY_VARIABLE: str(summary)})
    append_summary(report, {})
    assert summary.read_text() == "earlier step\n" + text
