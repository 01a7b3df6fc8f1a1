"""The table `streaming` and its picture."""

import re
from fractions import Fraction

import numpy as np
import pytest

from paths import ROOT
from record_example import example_record, streaming_fields
from vis_bench.charts import draw
from vis_bench.measures.registry import MEASURES
from vis_bench.measures.speed.table import speed_table
from vis_bench.measures.streaming.table import streaming_page, streaming_panels
from vis_bench.measures.streaming.trace import read_trace
from vis_bench.metrics.streaming import VideoStream, latency_figures, show_figures
from vis_bench.record.store import RecordStore
from vis_bench.show.papers import table_page
from vis_bench.show.record_charts import charted_page
from vis_bench.table import render
from vis_bench.table.number_format import INTERVAL_NOTE


def cell(clip_length=5, method="ifc", **streaming):
    return example_record(
        method=method,
        clip_length=clip_length,
        config_sha256=f"{clip_length:>2}{method}" * 8,
        **streaming_fields(**streaming),
    )


def rows_of(table):
    return table.as_dicts()


def test_a_row_for_each_rate_and_delay_and_one_for_each_rate():
    page = table_page("streaming", [cell(), example_record(), cell(10, aps=(0.1, 0.3, 0.6))])
    shown, latency = map(rows_of, page.tables)
    assert [(row["Delay (ms)"], row["Clip"], row["AP"]) for row in shown] == [
        ("0", "5", "0.0"),
        ("0", "10", "10.0"),
        ("167", "5", "20.0"),
        ("167", "10", "30.0"),
        ("inf", "5", "50.0"),
        ("inf", "10", "60.0"),
    ]
    assert (shown[0]["AP low"], shown[0]["AP high"]) == ("10.0", "60.0")
    assert (shown[0]["Passes"], shown[0]["Served (%)"], shown[0]["Age (ms)"]) == (
        "10.0\u201130.0",
        "80",
        "250",
    )
    assert [row["Frame latency (ms) Mean"] for row in latency] == ["300", "300"]
    assert latency[0]["Keeps up"] == "yes"
    assert latency[0]["95 % AP at (ms)"] == "500"
    assert table_page("streaming", []).tables[0].rows == ()


def test_the_finding_is_the_highest_ap_in_time_and_that_of_whole_videos():
    late = cell("whole", aps=(0.0, 0.05, 0.7))
    page = streaming_page([cell(), cell(10, aps=(0.1, 0.3, 0.6)), late])
    first, second = page.findings
    assert "At 6 frames/s and a delay of 167 ms IFC T=10 S=1 has the highest AP: 30.0" in first
    assert first.endswith("(95 %: 10.0 to 60.0) of the 60.0 when all is computed.")
    assert second == "Clips of whole videos come too late: 5.0 at most."
    first, second = streaming_page([cell(aps=(0.0, 0.4, 0.5)), cell(10), late]).findings
    assert "IFC T=5 S=1 has the highest AP: 40.0" in first
    (first,) = streaming_page([cell("whole", aps=(0.0, 0.9, 0.9)), cell()]).findings
    assert "T=whole has the highest AP: 90.0" in first
    other = cell(10).model_copy(update={"num_videos": 3})
    assert streaming_page([cell(), other]).findings == ()


@pytest.mark.parametrize(
    ("runs", "processes", "words"),
    [
        (3, 3, "3 passes over the videos in 3 fresh processes. "),
        (2, 1, "2 passes over the videos in one process. "),
        (2, None, "2 passes over the videos. "),
    ],
)
def test_the_passes_behind_a_row_are_named(runs, processes, words):
    record = cell().model_copy(update={"streaming_runs": runs, "streaming_processes": processes})
    remarks = streaming_page([record]).all_remarks
    assert any(f"least and most AP of {words}" in remark for remark in remarks)
    assert any(INTERVAL_NOTE in remark and "fewer than 60" in remark for remark in remarks)
    old = cell(ap_pass_low=None, ap_pass_high=None)
    page = streaming_page([old])
    assert rows_of(page.tables[0])[0]["Passes"] == "-"
    assert not any("Passes" in remark for remark in page.all_remarks)


@pytest.mark.parametrize(
    ("num_clips", "p90", "p99"), [(43, "400?", "500?"), (44, "400", "500?"), (459, "400", "500")]
)
def test_percentiles_of_too_few_clips_are_marked(num_clips, p90, p99):
    page = streaming_page([cell(num_clips=num_clips)])
    [row] = rows_of(page.tables[1])
    assert (row["Frame latency (ms) p90"], row["Frame latency (ms) p99"]) == (p90, p99)
    assert any("not established" in remark for remark in page.all_remarks) == (num_clips < 459)


def test_latency_of_frames_and_the_interval_between_results_have_other_names():
    timed = example_record(
        fps=5.0, timed_region="model", latency_ms_p50=7.0, regions={"model": {"fps": 5.0}}
    )
    titles = {
        column.full_title for table in streaming_page([cell()]).tables for column in table.columns
    }
    assert not titles & {column.full_title for column in speed_table([timed]).columns} - {
        "Method",
        "Backbone",
        "Data",
        "Videos",
        "Resolution",
        "Device",
        "Clip",
        "Stride",
    }


def test_what_was_not_measured_is_a_dash():
    gone = dict.fromkeys(
        ("ap_low", "age_ms", "age_frames", "throughput", "keeps_up", "delay_95_ms"), None
    )
    text = render(streaming_page([cell(aps=(0.0, None, None), **gone)]))
    assert "nan" not in text.lower().replace("finance", "")
    assert "None" not in text


def test_the_chart_has_a_panel_for_each_rate_and_one_over_rates():
    records = [cell(), cell("whole", aps=(0.0, 0.0, 0.7))]
    delay, rate = streaming_panels(records)
    assert delay.xscale == "symlog"
    found = "IFC T=5 S=1 after 167 ms, 20.0 (10.0 to 60.0); IFC T=whole in the end, 70.0"
    assert delay.title.startswith(f"6 frames/s, highest AP: {found}")
    assert rate.title.endswith("IFC T=5 S=1 has the highest AP at 1 to 30 frames/s")
    slower = streaming_panels([cell(), cell("whole", aps=(0.0, 0.3, 0.4))])[0]
    assert "IFC T=whole after 167 ms, 30.0" in slower.title
    assert "IFC T=5 S=1 in the end, 50.0" in slower.title
    assert [(s.name, s.method) for s in delay.series] == [
        ("IFC T=5 S=1", "ifc"),
        ("IFC T=whole", "ifc"),
    ]
    assert delay.series[0].x == pytest.approx([0.0, 1 / 6, 0.5])
    assert delay.series[0].y == pytest.approx([0.0, 20.0, 50.0])
    assert all(series.goes_on for series in delay.series)
    assert [series.name for series in rate.series] == ["IFC T=5 S=1"]
    assert (delay.xlabel, rate.xlabel) == ("delay (s)", "frames/s, without 1 near 0")
    assert rate.ylim[1] < delay.ylim[1]
    assert MEASURES["streaming"].charted([example_record(), *records]) == [delay, rate]
    assert MEASURES["streaming"].charted([example_record()]) == []
    assert draw(streaming_panels([cell(aps=(None, 0.2, None))]), "png").startswith(b"\x89PNG")


def test_panels_stand_beside_each_other_in_html_with_the_looks_that_they_share():
    records = [cell(), cell("whole", aps=(0.0, 0.1, 0.7))]
    charts = charted_page(streaming_page(records), "streaming", records).tables[0].charts
    delay, rate = re.findall(r"<svg .*?</svg>", charts, flags=re.DOTALL)
    assert "6 frames/s, highest AP" in delay
    assert "at 1 to 30 frames/s" in rate
    dashes = [set(re.findall(r"stroke-dasharray: (.*?);", own)) for own in (delay, rate)]
    assert dashes[0] & dashes[1], "the second cell has its dashes in both"


def test_html_has_a_heading_that_opens_the_rows_of_each_rate_and_delay():
    page = streaming_page([cell(), cell("whole")])
    parted = render(page, "html")
    headings = re.findall(r"<summary>(Rate .*?)</summary>", parted)
    delays = {(s.rate, s.delay_ms) for s in cell().streaming}
    assert len(headings) == len(delays) > 1
    assert all(f"Rate {rate:g}, delay " in "\n".join(headings) for rate, _ in delays)
    assert parted.count("<table") == len(delays) + 1  # frame latency
    assert len(re.findall('<tr><td(?! class="group")', parted)) == sum(
        len(table.rows) for table in page.tables
    )


SHIPPED = ROOT / "results" / "streaming" / "records"


@pytest.mark.parametrize("path", RecordStore(SHIPPED).paths(), ids=lambda path: path.stem[:30])
def test_shipped_traces_give_the_latencies_of_their_records(path):
    [record] = [r for r in RecordStore(SHIPPED) if path.stem.endswith(r.config_sha256[:10])]
    trace = read_trace(SHIPPED / record.streaming_trace)
    assert (trace.sha256, trace.method) == (record.streaming_trace_sha256, record.method)
    assert len(trace.runs) == record.num_videos == 24
    for stream in record.streaming:
        rate = Fraction(str(stream.rate))
        passes = [
            [VideoStream.of(runs[n], rate, "all") for runs in trace.runs.values()]
            for n in range(trace.num_runs)
        ]
        if stream.ap_pass_low is None:  # before figures were those of one pass
            streams = [stream for streams in passes for stream in streams]
        else:
            busy = [sum(c.total for s in streams for c in s.clips) for streams in passes]
            streams = passes[busy.index(np.partition(busy, len(busy) // 2)[len(busy) // 2])]
        delay = {0.0: Fraction(0), None: None}.get(stream.delay_ms, 1 / rate)
        figures = latency_figures(streams) | show_figures(streams, delay)
        assert {key: getattr(stream, key) for key in figures} == pytest.approx(figures)
