"""The gate on streaming: one trace exactly, two traces of one device within their spread."""

import pytest

from record_example import example_record, streaming_fields
from vis_bench.show.gate.baseline import GatedCell, load_cells_to_gate, write_baseline
from vis_bench.show.gate.differences import comparisons, differences


def cell(trace="ef", device="a CPU", aps=(0.0, 0.2, 0.5), num_threads=2, **figures):
    fields = streaming_fields(aps=aps, **figures)
    fields |= {"streaming_trace_sha256": trace * 32, "streaming_device": device}
    return example_record(**fields, num_threads=num_threads)


def moved(old, new):
    return [
        (f.figure.split(" (")[0], f.verdict) for f in differences("a cell", comparisons(old, new))
    ]


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
        ("streaming AP", "worse"),
        ("streaming AP", "better"),
    ]


def test_ap_of_two_traces_may_move_within_the_passes_of_both():
    """AP 0.2, of passes from 0.1 to 0.3, without a delay and with one of a frame."""
    assert moved(cell(aps=(0.2, 0.2, 0.5)), cell(trace="00", aps=(0.15, 0.29, 0.5))) == []
    assert moved(cell(), cell(trace="00", aps=(0.2, 0.2, 0.5))) == []
    nothing = {"ap_pass_low": 0.0, "ap_pass_high": 0.0}
    fallen = cell(trace="00", aps=(0.0, 0.0, 0.0), **nothing)
    assert moved(cell(aps=(0.2, 0.2, 0.5)), fallen) == [("streaming AP", "worse")] * 3
    assert moved(fallen, cell(aps=(0.2, 0.2, 0.5))) == [("streaming AP", "better")] * 3
    slightly = {"ap_pass_low": 0.05, "ap_pass_high": 0.0995}
    assert moved(cell(), cell(trace="00", aps=(0.06, 0.06, 0.5), **slightly)) == []
    assert moved(cell(), cell(trace="00", aps=(0.06, 0.06, 0.5), ap_pass_high=0.06)) == []


@pytest.mark.parametrize("trace", ["ef", "00"])
def test_an_ap_that_is_null_is_missing(trace):
    assert moved(cell(), cell(trace=trace, aps=(0.0, None, 0.5))) == [("streaming AP", "missing")]


def test_of_one_run_each_only_ap_of_an_infinite_delay_is_compared():
    once = {"frame_latency_spread": None, "ap_pass_low": None, "ap_pass_high": None}
    old, new = cell(**once), cell(trace="00", aps=(0.0, 0.0, 0.0), **once)
    assert moved(old, new) == [
        ("streaming AP", "not compared"),
        ("frame latency", "not compared"),
        ("streaming AP", "not compared"),
        ("streaming AP", "worse"),
    ]


def test_latency_of_two_traces_is_compared_within_their_spread():
    assert moved(cell(), cell(trace="00", frame_latency_ms_mean=400.0)) == []
    slower = cell(trace="00", frame_latency_ms_mean=600.0)
    assert moved(cell(), slower) == [("frame latency", "worse")]
    assert moved(slower, cell()) == [("frame latency", "better")]
    once = cell(trace="00", frame_latency_spread=None)
    assert moved(cell(), once) == [("frame latency", "not compared")]


def test_what_another_device_has_timed_is_not_compared():
    """AP of an infinite delay does not depend on a clock, and is."""
    for there in ({"device": "another"}, {"num_threads": 4}):
        uncompared = [("streaming AP and latency", "not compared")]
        assert moved(cell(), cell(trace="00", **there)) == uncompared
        fallen = cell(trace="00", aps=(0.0, 0.0, 0.1), **there)
        assert moved(cell(), fallen) == [*uncompared, ("streaming AP", "worse")]


def test_streaming_that_is_gone_is_missing_and_a_baseline_keeps_it(tmp_path):
    without = example_record(failures={"streaming": "out of luck"})
    lost = [
        f.figure
        for f in differences("a cell", comparisons(cell(), without))
        if f.verdict == "missing"
    ]
    assert lost == [
        "streaming AP (6 frames/s, 0 ms)",
        "frame latency (6 frames/s)",
        "streaming AP (6 frames/s, 167 ms)",
        "streaming AP (6 frames/s, inf)",
    ]
    assert all(
        "out of luck" in f.change for f in differences("a cell", comparisons(cell(), without))
    )
    assert moved(without, cell()) == []
    write_baseline([GatedCell(cell())], tmp_path / "b.json")
    [kept] = load_cells_to_gate(tmp_path / "b.json")
    assert kept.record.streaming == cell().streaming
    assert moved(kept.record, cell()) == []
