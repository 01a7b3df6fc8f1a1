"""The gate on streaming: one trace exactly, two traces of one device within their spread."""

import pytest

from record_example import example_record, streaming_fields
from vis_bench.show.gate.baseline import GatedCell, load_cells_to_gate, write_baseline
from vis_bench.show.gate.differences import compare_cells


def cell(trace="ef", device="a CPU", aps=(0.0, 0.2, 0.5), num_threads=2, **figures):
    fields = streaming_fields(aps=aps, **figures)
    fields |= {"streaming_trace_sha256": trace * 32, "streaming_device": device}
    return GatedCell.of(example_record(**fields, num_threads=num_threads))


def moved(old, new):
    return [(f.figure.split(" (")[0], f.verdict) for f in compare_cells("a cell", old, new)]


def test_equal_measurements_pass():
    assert moved(cell(), cell()) == []
    assert moved(cell(), cell(trace="00")) == []


@pytest.mark.parametrize("figure", ["queue_ms", "share_served", "age_frames", "throughput"])
def test_a_schedule_of_the_same_trace_is_compared_exactly(figure):
    changed = cell(**{figure: 0.7500001})
    assert moved(cell(**{figure: 0.75}), changed) == [(figure, "changed")] * 3
    assert moved(cell(**{figure: 0.75}), cell(trace="00", **{figure: 0.7500001})) == []


def test_ap_of_one_trace_may_fall_by_the_points():
    assert moved(cell(), cell(aps=(0.0, 0.1995, 0.5))) == []
    assert moved(cell(), cell(aps=(0.0, 0.19, 0.52))) == [
        ("streaming AP", "worse"), ("streaming AP", "better"),
    ]  # fmt: skip
    assert moved(cell(), cell(trace="00", aps=(0.0, 0.0, 0.5))) == []


def test_latency_of_two_traces_is_compared_within_their_spread():
    assert moved(cell(), cell(trace="00", frame_latency_ms_mean=400.0)) == []
    slower = cell(trace="00", frame_latency_ms_mean=600.0)
    assert moved(cell(), slower) == [("frame latency", "worse")]
    assert moved(slower, cell()) == [("frame latency", "better")]
    once = cell(trace="00", frame_latency_spread=None)
    assert moved(cell(), once) == [("frame latency", "not compared")]


def test_latency_of_another_device_is_not_compared():
    for other in (cell(trace="00", device="another"), cell(trace="00", num_threads=4)):
        assert moved(cell(), other) == [("frame latency", "not compared")]


def test_streaming_that_is_gone_is_missing_and_a_baseline_keeps_it(tmp_path):
    without = GatedCell.of(example_record(failures={"streaming": "out of luck"}))
    [(figure, verdict)] = moved(cell(), without)
    assert (figure, verdict) == ("streaming", "missing")
    assert moved(without, cell()) == []
    write_baseline([cell()], tmp_path / "b.json")
    [kept] = load_cells_to_gate(tmp_path / "b.json")
    assert kept.streaming == cell().streaming
    assert moved(kept, cell()) == []
