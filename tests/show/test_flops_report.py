"""`flops CONFIG`, the table of IFC's encoders, the table of methods, the record's fields."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml

from extras import NEEDED
from methods import build_method
from paths import ROOT
from run_case import bare_on_meta
from vis_bench.data.video import Video
from vis_bench.inference.loop import InferencePlan
from vis_bench.measures.flops.video import ShapeCounter, measure_flops
from vis_bench.record.metrics import GMACS_NOTE
from vis_bench.record.schema import CostFields
from vis_bench.runs.config import Cell, DatasetConfig, load_cells
from vis_bench.show.flops import overview, overview_parts, report_flops

MINI = {"backbone": "mini", "width": 32, "heads": 4, "hidden": 64, "num_queries": 6}

# IFC's slides (NeurIPS 2021), G, for 360x640 T=5 and T=36, then 720x1280 T=5 and T=36.
PUBLISHED_ENCODERS = {
    "none": ["5.17", "37.23", "24.62", "177.29"],
    "full": ["6.94", "148.70", "50.63", "1815.38"],
    "decomposed": ["8.33", "60.24", "36.73", "265.50"],
    "ifc": ["5.52", "39.73", "25.05", "180.39"],
}


def cell(**changes):
    values = {
        "method": "ifc", "options": MINI, "dataset": DatasetConfig(name="ytvis2019"),
        "clip_length": 5, "clip_stride": 2, "measure": ("flops",),
    }  # fmt: skip
    return Cell(**{**values, **changes})


@pytest.fixture(scope="module")
def report():
    [report] = report_flops(build_method, [cell()])
    return report


def test_the_config_beside_the_weights_decides_the_sizes(tmp_path):
    stated = []

    def build(name, *, weights_config=None, **options):
        stated.append(weights_config)
        return build_method(name, **options)

    list(report_flops(build, [cell(weights=str(tmp_path))]))
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "config.json").write_text("{}")
    list(report_flops(build, [cell(weights=str(tmp_path))]))
    assert stated == [None, tmp_path / "config.json"]


def test_all_cells_of_ifcs_encoder_table_to_the_printed_digits_in_little_memory():
    """Full attention at 720x1280 and T=36 would need over 100 GB to run."""
    code = (
        "import json, sys\n"
        "from methods import build_method\n"
        "from vis_bench.show.papers import table_page\n"
        "from vis_bench.operating_system import process_peak\n"
        "[table] = table_page('ifc-encoder', [], build_method).tables\n"
        "json.dump([table.as_dicts(), process_peak()], sys.stdout)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    rows, peak = json.loads(run.stdout)
    titles = ["360x640 T=5", "360x640 T=36", "720x1280 T=5", "720x1280 T=36"]
    counted = [[row[title] for title in titles] for row in rows if "measured" in row["Figures"]]
    assert counted == list(PUBLISHED_ENCODERS.values())
    assert peak < 1_000_000_000


def test_report_counts_a_video_of_36_frames(report):
    assert (report.cost.video.num_frames, report.cost.video.num_clips) == (36, 17)
    assert report.cost.size_HW == (360, 640)
    assert report.cost.clip.num_frames == 5


def test_tree_has_the_parts_and_adds_up(report):
    names = [node.name for node in report.cost.tree.children]
    assert {"backbone", "token_projection", "encoder", "decoder", "class_head"} <= set(names)
    per_frame = sum(node.macs[2] for node in report.cost.tree.children)
    assert per_frame == pytest.approx(report.cost.video.per_frame)
    encode, predict = report.cost.tree.macs[:2]
    assert 36 * encode + 17 * predict == pytest.approx(36 * report.cost.video.per_frame)
    assert 5 * encode + predict == pytest.approx(report.cost.clip.all.total)


def test_text_says_what_was_counted_and_what_was_not(report):
    text = report.as_text()
    assert "36 frames encoded once, 17 clips predicted" in text
    assert "the tracker and the run-length coding are not counted" in text
    assert "mac-fvcore" in text
    assert GMACS_NOTE in text
    assert "upper bound: aten.nonzero" in text
    assert "aten._softmax" in text
    shallow = report.as_text(depth=0)
    assert "ifc" in shallow
    assert "  backbone" not in shallow


def test_json_holds_the_same_figures(report):
    values = json.loads(json.dumps(report.as_json()))
    assert values["gflops_per_frame"] == report.cost.video.per_frame / 1e9
    assert values["gflops_per_clip"] == report.cost.clip.all.total / 1e9
    assert sum(values["macs_by_operator"].values()) == report.cost.video.all.total
    assert values["tree"]["num_params"] == values["num_params"] > 0
    assert values["excluded"] == ["tracker"]


def test_a_smaller_stride_costs_more_per_source_frame(report):
    dense, whole = report_flops(build_method, [cell(clip_stride=1), cell(clip_length="whole")])
    assert dense.cost.video.num_clips == 32
    assert dense.cost.video.per_frame > report.cost.video.per_frame > whole.cost.video.per_frame
    assert whole.cost.clip.all.total == whole.cost.video.all.total


def test_overview_has_a_row_per_method_and_a_column_per_clip_length():
    cells = [cell(resolution=r, clip_length=t) for r in (90, 180) for t in (5, 10)]
    text = overview(report_flops(build_method, cells), "run_bench.py flops c.yaml")
    assert text.count("90x160") == text.count("180x320") == 2
    assert text.startswith("<!-- Generated by `run_bench.py flops c.yaml`")
    assert "T=5" in text
    assert "T=10" in text
    assert "Upper bounds (IFC)" in text
    assert "width 32" in text


def test_the_overview_opens_with_the_costs_of_methods_that_can_be_compared():
    sizes = {"options": MINI, "clip_stride": 1}
    methods = ("seqformer", MINI), ("ifc", MINI)
    cells = [
        cell(**{**sizes, "options": options}, method=method, clip_length=t)
        for method, options in methods
        for t in (1, 5)
    ]
    reports = list(report_flops(build_method, cells))
    head = overview_parts(reports)[0]
    costs = {(r.label, r.cost.clip.num_frames): r.cost.video.per_frame / 1e9 for r in reports}
    least, most = sorted(("IFC", "SeqFormer"), key=lambda name: costs[name, 1])
    assert f"{least} {costs[least, 1]:.2f}, {most} {costs[most, 1]:.2f} G" in head.findings[0]
    times = costs["IFC", 5] / costs["IFC", 1]
    assert f"IFC {times:.1f} (T=5)" in head.findings[1]
    assert f"**{head.findings[0]}**" in overview(reports, "c").replace("\\", "")
    assert overview_parts(reports[:2])[0].findings == ()  # one method


def test_record_fields_weigh_the_videos_that_were_measured():
    """Videos of several sizes and lengths: all executed work over all frames, clips on average."""
    shapes = [(90, 160, 12), (90, 160, 3), (120, 90, 7)]
    videos = [
        Video(i, str(i), h, w, [np.zeros((1, 1, 3), np.uint8)] * n)
        for i, (h, w, n) in enumerate(shapes)
    ]
    plan = InferencePlan(5, 2, "native", "meta")
    method = bare_on_meta(cell())
    fields = CostFields(**measure_flops(method, videos, plan))
    alone = [CostFields(**measure_flops(method, [video], plan)) for video in videos]
    work = sum(a.gflops_per_frame * v.length for a, v in zip(alone, videos, strict=True))
    assert fields.gflops_per_frame == pytest.approx(work / 22)
    counter = ShapeCounter(method)
    assert alone[0].gflops_per_clip * 1e9 == counter.count_clip((90, 160), 5).all.total
    assert alone[1].gflops_per_clip * 1e9 == counter.count_clip((90, 160), 3).all.total
    clips = [5, 1, 2]
    mean = sum(n * a.gflops_per_clip for n, a in zip(clips, alone, strict=True)) / 8
    assert fields.gflops_per_clip == pytest.approx(mean)
    assert fields.flop_convention == "mac-fvcore"
    assert "aten._softmax" in fields.uncounted_ops
    assert fields.upper_bound_ops == ("aten.nonzero",)


def test_the_example_method_is_counted_too():
    [report] = report_flops(
        build_method, [cell(method="color_key", options={}, dataset={"name": "synthetic"})]
    )
    assert report.cost.video.all.total == 0
    assert report.cost.video.all.zero_ops


TABLE_CELLS = load_cells(ROOT / "configs" / "flops.yaml")


def test_config_of_the_table_lists_every_method_and_size():
    from methods import method_names

    left_out = {*NEEDED, "videomt", "color_follow", "external_video"}
    assert {c.method for c in TABLE_CELLS} >= set(method_names()) - {"plugin"} - left_out
    description = (ROOT / "configs" / "flops.yaml").read_text().split("\ndataset:")[0]
    assert all(name in description for name in left_out)
    assert {c.resolution for c in TABLE_CELLS if c.method != "vistr"} == {360, 720}
    assert {(c.resolution, c.clip_length) for c in TABLE_CELLS if c.method == "vistr"} == {
        (300, 36)
    }
    assert {c.clip_length for c in TABLE_CELLS} == {1, 5, 10, 20, 36}


@pytest.mark.parametrize("method", ["ifc", "seqformer", "ms_sts"])
def test_mini_models_of_the_table_are_those_that_are_trained(method):
    trained = yaml.safe_load((ROOT / f"configs/train/{method}_mini_synthetic.yaml").read_text())
    mini = [c.options for c in TABLE_CELLS if c.method == method and c.dataset.name == "synthetic"]
    assert mini
    assert all(options == trained["options"] for options in mini)


def rows_of(text):
    """The rows of all tables in a page, without their padding."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def test_generated_table_holds_what_is_counted_now():
    cells = [c for c in TABLE_CELLS if c.dataset.name == "synthetic" and c.resolution == 360]
    text = overview(report_flops(build_method, cells), "c")
    rows = [row for row in rows_of(text) if not set("".join(row)) <= set(":-")]
    assert len(rows) == 2 * (4 + 1)
    assert set(rows) <= set(rows_of((ROOT / "results/flops/README.md").read_text()))


def test_a_reconstruction_is_marked():
    cells = [c for c in TABLE_CELLS if c.dataset.name == "synthetic" and c.clip_length == 1]
    labels = {report.cell.method: report.label for report in report_flops(build_method, cells)}
    assert labels["ms_sts"] == "MS-STS (reconstruction)"
    assert labels["ifc"] == "IFC"
