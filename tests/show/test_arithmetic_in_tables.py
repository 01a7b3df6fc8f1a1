"""Records that computed otherwise, or elsewhere, are told apart wherever they are shown."""

import pytest

from record_example import example_record
from vis_bench.measures.speed.table import speed_table
from vis_bench.record.metrics import AP, FPS
from vis_bench.record.names import unmarked_names, with_marks
from vis_bench.record.schema import RegionFields
from vis_bench.show.curves import cost_curves
from vis_bench.show.leaderboard import best_cells, leaderboard_text
from vis_bench.show.measured import measured_page
from vis_bench.show.papers.fps import fps_page
from vis_bench.show.papers.lookup import pick
from vis_bench.show.papers.table import load_table
from vis_bench.show.speed_chart import speed_panels
from vis_bench.table import render

OTHER = [
    {"precision": "bfloat16"}, {"tf32": True}, {"compile": "default"}, {"compile": "cuda_graphs"},
]  # fmt: skip
WORDS = ["bfloat16", "TF32", "compiled", "CUDA graphs"]


def timed(fps=100.0, **changes):
    regions = {"model+tracker": RegionFields(fps=fps, speed_spread=0.0)}
    return example_record(
        fps=fps, speed_spread=0.0, regions=regions, timed_region="model+tracker", **changes
    )


PLAIN = timed()


def marked_labels(records):
    return list(map(with_marks, unmarked_names(records), records))


@pytest.mark.parametrize(("setting", "word"), list(zip(OTHER, WORDS, strict=True)), ids=WORDS)
def test_records_of_other_arithmetic_are_kept_apart(setting, word):
    """In labels, and among the best cells."""
    assert marked_labels([PLAIN, timed(**setting)]) == ["IFC", f"IFC, {word}"]
    assert marked_labels([timed(compile="none", tf32=False)]) == ["IFC"]
    better = timed(ap=0.9, **setting)
    assert best_cells([PLAIN, better]) == [better, PLAIN]


@pytest.mark.parametrize("setting", [*OTHER, {"device": "a GPU"}], ids=[*WORDS, "device"])
def test_no_curve_joins_records_of_other_arithmetic_or_devices(setting):
    records = [PLAIN, timed(clip_length=10, ap=0.6, **setting)]
    panels = speed_panels(records)[:-1]
    assert len({(panel.title, s.name) for panel in panels for s in panel.series}) == 2
    assert len(cost_curves(records)) == 2


def test_the_device_has_a_column_where_it_differs():
    same, both = [PLAIN, timed(ap=0.4)], [PLAIN, timed(device="a GPU")]
    for table in (measured_page(same), speed_table(same)):
        assert "Device" not in render(table)
        assert "a CPU" in render(table)
    assert "a GPU" in render(measured_page(both))
    assert [row["Device"] for row in speed_table(both).as_dicts()] == ["a CPU", "a GPU"]
    assert "a GPU" in leaderboard_text(both)


def test_what_compiling_took_stands_beside_fps():
    compiled = timed(compile="default", compile_seconds=12.34)
    rows = speed_table([PLAIN, compiled]).as_dicts()
    assert sorted(row["Compile (s)"] for row in rows) == ["-", "12.3"]
    assert "Compile (s)" not in render(speed_table([PLAIN]))


def test_a_papers_table_takes_float32_before_what_is_later():
    other = timed(tf32=True, created_at="2027-01-01T00:00:00+00:00")
    assert pick([other, PLAIN], AP, load_table("comparison")) == PLAIN


def test_a_papers_table_takes_the_fps_that_were_timed_as_the_authors_did():
    other = timed(speed_protocol="paper", created_at="2020-01-01T00:00:00+00:00")
    table = load_table("comparison")
    assert pick([PLAIN, other], FPS, table) == other
    assert pick([PLAIN, other], AP, table) == PLAIN
    assert "(paper's protocol)" in render(measured_page([other]))


def lines_of(records):
    grid = fps_page(records).tables[0]
    return [[entry.text for entry in row] for row in grid.rows]


NOMINAL = {"dataset": "nominal", "weights_source": "random", "ap": None, "device": "a GPU"}


def test_published_fps_with_what_was_measured_below():
    vistr = {"method": "vistr", "clip_length": 36, "resolution": 300, **NOMINAL}
    ours = timed(51.0, **vistr)
    theirs = timed(80.0, **vistr, speed_protocol="paper")
    found = lines_of([ours, theirs])
    published = ["VisTR", "ResNet-50", "36", "-", "published"]
    place = next(i for i, line in enumerate(found) if line[-1] == "69.9")
    assert found[place][:5] == published
    assert found[place][5] == "the network alone, one clip of 36 frames at a time"
    measured = [line[4:] for line in found[place + 1 : place + 3]]
    assert ["measured", "model+tracker", "float32", "a GPU", "51.0"] in measured
    assert [
        "measured",
        "model+tracker, the authors' protocol",
        "float32",
        "a GPU",
        "80.0",
    ] in measured


def test_only_the_same_method_clips_and_size_stand_beside_a_published_figure():
    ifc = {"clip_length": 5, "clip_stride": 3, **NOMINAL}
    plain = len(lines_of([]))
    assert len(lines_of([timed(**ifc)])) == plain + 1
    for other in (
        {"clip_stride": 2},
        {"resolution": 720},
        {"backbone": "r101"},
        {"dataset": "synthetic"},
        {"options": {"communication": "full"}},
    ):
        assert len(lines_of([timed(**{**ifc, **other})])) == plain, other


def test_of_equal_published_figures_one_is_shown():
    """IFC's README repeats the FPS of its slides; SeqFormer's R50 stands in two rows."""
    published = [(*line[:4], line[-1]) for line in lines_of([])]
    assert len(published) == len(set(published))
    assert ("IFC", "ResNet-50", "5", "-", "46.5") in published
    assert ("SeqFormer", "Swin-L", "whole", "-", "27.7") in published
    assert ("VidEoMT", "ViT-L", "1", "-", "160.0") in published
    assert ("VidEoMT", "ViT-L (DINOv3)", "1", "-", "133.0") in published
    dinov3 = {"method": "videomt", "backbone": "vit_l_dinov3", "clip_length": 1, **NOMINAL}
    plain = len(published)
    assert len(lines_of([timed(**dinov3, resolution=480)])) == plain + 1
    assert len(lines_of([timed(**dinov3, resolution=448)])) == plain
