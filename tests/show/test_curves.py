"""Cost curves: which records make a line, and the picture; the table of speed."""

import xml.etree.ElementTree as ET

import pytest

from record_example import example_record
from vis_bench.charts import draw
from vis_bench.measures.speed.table import speed_table, stage_table
from vis_bench.record.metrics import FPS, GFLOPS_PER_FRAME
from vis_bench.show.curves import cost_curves, curves_panels, has_curves
from vis_bench.table import render
from vis_bench.text import single_line


def cell(length, stride=1, fps=10.0, gflops=30.0, **changes):
    values = {"timed_region": "model+tracker", **changes}
    return example_record(
        clip_length=length, clip_stride=stride, fps=fps, gflops_per_frame=gflops, **values
    )


SWEEP = [
    cell(length, stride, fps=length / stride, gflops=40 - length)
    for stride in (1, 5)
    for length in (20, 5, 10)
]


def test_one_line_per_stride_sorted_by_clip_length():
    curves = cost_curves(SWEEP)
    assert [curve.label for curve in curves] == ["stride 1", "stride 5"]
    assert curves[0].values(FPS) == ([5, 10, 20], [5.0, 10.0, 20.0])
    assert curves[1].values(GFLOPS_PER_FRAME) == ([5, 10, 20], [35, 30, 20])


def test_labels_hold_what_differs():
    records = [cell(5), cell(10, method="seqformer"), cell(5, resolution=720)]
    assert [c.label for c in cost_curves(records)] == [
        "IFC, 360p",
        "IFC, 720p",
        "SeqFormer, 360p",
    ]
    assert [c.label for c in cost_curves([cell(5), cell(10)])] == ["IFC"]


def test_clip_lengths_with_a_stride_each_make_one_line_per_method():
    records = [
        cell(length, stride, method=method, backbone=method)
        for method in ("ifc", "seqformer")
        for length, stride in ((5, 3), (10, 5))
    ]
    whole = cell("whole", None, method="ifc", backbone="ifc", num_videos=3, num_frames=86)
    curves = cost_curves([*records, whole])
    assert [curve.label for curve in curves] == ["IFC, ifc", "SeqFormer, seqformer"]
    assert curves[0].values(FPS)[0] == [5, 10, 86 / 3]


def test_two_strides_at_one_clip_length_stay_two_lines():
    labels = [curve.label for curve in cost_curves([cell(10, 1), cell(10, 5), cell(20, 10)])]
    assert labels == ["stride 1", "stride 10", "stride 5"]


def test_options_and_regions_make_lines_of_their_own():
    records = [
        cell(5, options={"memory_tokens": 4}),
        cell(5, options={"memory_tokens": 8}),
        cell(5, options={"memory_tokens": 8}, timed_region="model"),
    ]
    assert len(cost_curves(records)) == 3


def test_what_was_not_measured_has_no_point():
    records = [cell(5, fps=None), cell(10), cell(20, fps=None, gflops=None)]
    [curve] = cost_curves(records)
    assert curve.values(FPS)[0] == [10]
    assert curve.values(GFLOPS_PER_FRAME)[0] == [5, 10]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (SWEEP, True),
        ([cell(5), cell(5, resolution=720)], True),
        ([cell(5), cell(5, method="seqformer")], False),
        ([cell(5), cell(10, fps=None, gflops=None)], False),
        ([], False),
    ],
)
def test_curves_need_a_sweep(records, expected):
    assert has_curves(records) is expected


def test_a_figure_that_nobody_measured_has_no_panel():
    untimed = [record.model_copy(update={"fps": None}) for record in SWEEP]
    assert [p.ylabel[:5] for p in curves_panels(cost_curves(SWEEP))] == ["FPS", "GMACs"]
    assert [p.ylabel[:5] for p in curves_panels(cost_curves(untimed))] == ["GMACs"]


def region(spread, **changes):
    return {
        "fps": 12.345,
        "latency_ms_p50": 100.04,
        "latency_ms_p90": 120.0,
        "latency_ms_p99": 300.0,
        "speed_spread": spread,
        "stage_ms_per_frame": {"encode": 61.0, "predict": 20.0, "other": 0.5},
        "peak_memory_bytes": 300 << 20,
        "energy_joules_per_frame": None,
        **changes,
    }


def test_speed_table_names_regions_and_marks_a_busy_machine():
    regions = {"model": region(0.03), "end_to_end": region(0.25, energy_joules_per_frame=2.0)}
    record = cell(5, 3, regions=regions, load_average=1.25, num_cpus=2)
    table = speed_table([record])
    first, second = table.as_dicts()
    assert [first["Region"], second["Region"]] == ["model", "end_to_end"]
    assert [first["Timed"], second["Timed"]] == ["-", "-"]
    assert [first["FPS"], second["FPS"]] == ["12.3", "12.3 (spread 25 %)"]
    stages = stage_table([record]).as_dicts()[0]
    assert stages["ms/frame encode"] == "61.00"
    assert stages["ms/frame other"] == "0.50"
    assert "ms/frame decode" not in stages
    assert (first["Memory (MiB)"], first["J/frame"], first["Load"]) == ("300", "-", "1.2 of 2")
    assert second["J/frame"] == "2.00"
    assert "spread\u00a025\u00a0%" in render(table)


def test_reconstruction_stands_beside_the_name_in_costs():
    own = {"method": "ms_sts", "reconstruction": True, "weights_source": "random"}
    records = [cell(5), cell(5, regions={"model": region(0.03)}, **own)]
    assert [c.label for c in cost_curves(records)] == ["IFC", "MS-STS (reconstruction)"]
    names = [row["Method"] for row in speed_table(records).as_dicts()]
    assert names == ["IFC", "MS-STS (reconstruction)"]
    [panel, _] = curves_panels(cost_curves(records))
    assert [series.is_hollow for series in panel.series] == [False, True]


HOSTILE = ["$x$", "$\\frac{", "_hidden", "a\x1b[31m\nb", "=1+1", "\\", "{}", "%s"]


def test_labels_are_text_in_the_picture_whatever_the_order_of_the_records():
    records = [cell(length, method=name) for name in HOSTILE for length in (5, 10)]
    drawn = draw(curves_panels(cost_curves(records)), "svg")
    assert drawn == draw(curves_panels(cost_curves(records[::-1])), "svg")
    shown = {element.text for element in ET.fromstring(drawn).iter() if element.text}
    assert {single_line(name).strip() for name in HOSTILE} <= {text.strip() for text in shown}
