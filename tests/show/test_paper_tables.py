"""The papers' tables: published figures, which record fills which cell, and the differences."""

import csv
import io
import re

import pytest

from record_example import example_record
from vis_bench.errors import InputError
from vis_bench.show.papers import is_counted, paper_tables, table_names, table_page, tables
from vis_bench.show.papers.fill import paper_page
from vis_bench.show.papers.table import load_table, published
from vis_bench.table import FORMATS, render
from vis_bench.table.number_format import INTERVAL_NOTE

PAPER_TABLES = paper_tables()
MINI_TABLES = [name for name in PAPER_TABLES if load_table(name).mini]
SYSTEMS = {
    "MaskTrack R-CNN", "SipMask", "SG-Net", "CrossVIS", "STEm-Seg", "VisTR", "MaskProp", "IFC",
    "SeqFormer", "IDOL", "MS-STS VIS", "VidEoMT", "PMT", "CompFeat", "PCAN", "Propose-Reduce",
    "Mask2Former", "VITA", "CTVIS", "DVIS (online)", "DVIS (offline)", "DVIS++ (online)",
    "DVIS++ (offline)", "DVIS-DAQ (online)", "DVIS-DAQ (offline)",
}  # fmt: skip


def on_ytvis(**changes):
    return example_record(**{"dataset": "ytvis2019", "split": "val", "num_videos": 302, **changes})


def rows_of(name, records=()):
    """The table's rows as mappings, from its CSV."""
    text = render(table_page(name, list(records)), "csv")
    return list(csv.DictReader(io.StringIO(text)))


def column(rows, title, figures="published", data="YouTube-VIS 2019"):
    return [row[f"{title} ({data})"] for row in rows if row["Figures"] == figures]


def values_of(name):
    """Published values by column."""
    table = load_table(name)
    columns = zip(*(row.values for row in table.rows), strict=True)
    return [[value for value in column if value is not None] for column in columns]


def test_published_values_are_complete():
    """Counts and sums of the values in the papers' tables and the repositories' READMEs."""
    totals = [
        (20, 1448.3), (34, 2272.2), (76, 3614.1), (59, 4143.9), (62, 3232.9), (47, 2014.2),
        (52, 2765.0),
    ]  # fmt: skip
    columns = values_of("comparison")
    assert [(len(c), sum(c)) for c in columns] == [(n, pytest.approx(t)) for n, t in totals]
    later = values_of("comparison-2021")[2:5]
    assert [sum(c) for c in later] == pytest.approx([1919.5, 2029.1, 1553.3])
    occluded = values_of("comparison-ovis")[1:4]
    assert [sum(c) for c in occluded] == pytest.approx([1054.0, 1584.7, 960.7])
    assert list(map(sum, values_of("comparison-2022"))) == pytest.approx([294, 85.4, 98.4])
    wholes = {"ifc-memory-tokens": 784.8, "ifc-memory-decomposition": 315.4, "ifc-encoder": 2887.45}
    for name, total in wholes.items():
        assert sum(map(sum, values_of(name))) == pytest.approx(total)
    assert list(map(sum, values_of("ifc-stride"))) == pytest.approx([158.3, 171.2, 343.9])
    encoders = list(map(sum, values_of("ifc-encoder-comparison")))
    by_metric = [sum(encoders[place::3]) for place in range(3)]
    assert by_metric == pytest.approx([622.4, 667.9, 654.0])


def test_every_table_names_a_known_source_for_every_figure():
    sources = {source["text"] for source in published()["sources"].values()}
    for name in PAPER_TABLES:
        page = table_page(name, [])
        numbered = [text for key, text in page.footnotes.items() if key.isdigit()]
        assert numbered
        assert set(numbered) <= sources
        for row in page.tables[0].rows:
            assert next(entry for entry in row if entry.text == "published").notes


def test_all_sources_are_cited_somewhere():
    texts = " ".join(render(table_page(name, [])) for name in PAPER_TABLES)
    texts += render(table_page("fps", []))
    for source in published()["sources"].values():
        assert source["text"] in texts


def test_every_system_of_the_comparison_has_its_row():
    rows = rows_of("comparison")
    assert {row["Method"] for row in rows} == SYSTEMS
    assert len(rows) == 76


def test_the_best_of_each_backbone_is_marked_not_the_best_of_all():
    table = table_page("comparison", []).tables[0]
    place = [column.title for column in table.columns].index("AP")
    best = {row[1].text: row[place].text for row in table.rows if row[place].mark == "best"}
    assert best == {
        "ResNet-50": "56.7", "ResNet-101": "51.1", "ResNeXt-101": "51.2", "Swin-L": "65.7",
        "ViT-L": "69.2", "ViT-L (DINOv3)": "69.2",
    }  # fmt: skip


def test_known_cells_stand_where_the_paper_has_them():
    swin = next(row for row in rows_of("comparison")[::-1] if row["Method"] == "MS-STS VIS")
    assert (swin["Backbone"], swin["AP (YouTube-VIS 2019)"], swin["AP50 (YouTube-VIS 2019)"]) == (
        "Swin-L",
        "61.0",
        "85.2",
    )
    tokens = {row["Memory tokens"]: row for row in rows_of("ifc-memory-tokens")}
    assert tokens["16"]["AP T=15 (YouTube-VIS 2019)"] == "39.7"
    encoders = {row["Communication"]: row for row in rows_of("ifc-encoder-comparison")}
    assert encoders["Full THW"]["T=20 FPS (YouTube-VIS 2019)"] == "34.8"
    assert encoders["IFC"]["T=5 AP75 (YouTube-VIS 2019)"] == "42.7"
    flops = {row["Communication"]: row for row in rows_of("ifc-encoder")}
    assert flops["Full THW"]["720x1280 T=36"] == "1815.38"
    assert column(rows_of("seqformer-clip-length"), "AP") == ["45.1", "44.8", "43.6", "42.0"]
    assert column(rows_of("ifc-stride"), "FPS") == ["72.7", "83.0", "92.5", "95.7"]


def test_published_measured_and_difference_of_a_cell():
    record = on_ytvis(ap=0.39149, fps=50.26, clip_length=5, clip_stride=1, device="a GPU")
    ifc = [row for row in rows_of("comparison", [record]) if row["Method"] == "IFC"]
    slides = [row for row in ifc if row["Clip"] == "5"][:3]
    assert [row["Figures"] for row in slides] == ["published", "measured", "difference"]
    assert column(slides, "AP", "measured") == ["39.1"]
    assert column(slides, "AP", "difference") == ["+0.1"]
    assert column(slides, "FPS", "difference") == ["+3.8"]
    assert column(slides, "Params (M)", "difference") == ["-"]
    for part in ("YouTube-VIS 2019 val", "302 videos", "short side 360", "a GPU", "01234567"):
        assert part in slides[1]["Notes"]


def test_sources_that_disagree_both_stand_with_a_difference_each():
    rows = rows_of("comparison", [on_ytvis(ap=0.40, clip_length=5, clip_stride=1)])
    t5 = [row for row in rows if row["Method"] == "IFC" and row["Clip"] == "5"]
    assert column(t5, "AP") == ["39.0", "41.6"]
    assert column(t5, "AP", "difference") == ["+1.0", "-1.6"]
    sources = [row["Notes"] for row in t5 if row["Figures"] == "published"]
    assert "slides" in sources[0]
    assert "README" in sources[1]
    assert "46.5 in the slides" not in render(table_page("comparison", []))
    assert "36.3 in the submission, 46.5 in the slides" in render(
        table_page("ifc-encoder-comparison", [])
    )


@pytest.mark.parametrize("name", [name for name in PAPER_TABLES if name != "ifc-encoder"])
@pytest.mark.parametrize("dataset", ["synthetic", "synthetic_plain", "ovis"])
def test_other_data_never_stands_in_the_column_of_a_data_set(name, dataset):
    """Records of every method and option, no column of another data set moves."""
    records = [
        example_record(
            method=method,
            dataset=dataset,
            backbone=backbone,
            clip_length=length,
            ap=0.7777,
            clip_stride=None if length == "whole" else stride,
            fps=777.0,
            options=options,
            training=training,
        )
        for method in ("ifc", "seqformer", "ms_sts")
        for backbone in ("r50", "mini")
        for length, stride in ((5, 1), (5, 3), (10, 5), (15, 8), (20, 10), (20, 1), ("whole", 1))
        for options in ({}, {"communication": "none"}, {"memory": "unified"}, {"memory_tokens": 1})
        for training in (None, "afresh")
    ]
    page, bare = table_page(name, records), table_page(name, [])
    assert (page.tables[0] == bare.tables[0]) == (dataset != load_table(name).dataset)
    assert len(page.tables) == (
        2 if dataset == "synthetic" and name in set(MINI_TABLES) - {"ifc-coco"} else 1
    )
    for grid in page.tables[1:]:
        assert "synthetic" in grid.data
        assert any(entry.text == "77.8" for row in grid.rows for entry in row)


def test_published_fps_stand_with_their_hardware_and_are_not_ranked():
    for name in ("comparison", "ifc-stride", "ifc-encoder-comparison"):
        page = table_page(name, [])
        (conditions,) = [text for text in page.all_remarks if text.startswith("Published FPS")]
        assert "sukjunhwang/IFC issue 4" in conditions
        for grid in page.tables:
            places = [n for n, column in enumerate(grid.columns) if column.title == "FPS"]
            assert places
            assert {row[n].mark for row in grid.rows for n in places} == {None}
    page = table_page("seqformer-clip-length", [])
    assert not any("FPS" in text for text in page.all_remarks)


def test_mini_models_fill_the_same_layout_and_none_is_marked_as_best():
    records = [
        example_record(backbone="mini", clip_length=t, clip_stride=s, ap=0.5 + t / 5000)
        for t, s in ((5, 3), (20, 10))
    ]
    # A model that was trained otherwise is none of the bundled ones.
    records.append(
        records[0].model_copy(update={"training": "afresh", "ap": 0.9, "created_at": "2999-01-01"})
    )
    grid = table_page("ifc-stride", records).tables[1]
    assert [row[0].text for row in grid.rows] == ["5", "20"]
    assert [row[3].text for row in grid.rows] == ["50.1", "50.4"]
    assert {entry.mark for row in grid.rows for entry in row} == {None}


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ({}, "IFC"),
        ({"communication": "none"}, "No Comm"),
        ({"communication": "full", "memory_tokens": 3}, "Full THW"),
        ({"communication": "decomposed"}, "Decompose T-HW"),
    ],
)
def test_an_encoder_stands_in_its_own_row(options, label):
    record = on_ytvis(options=options, clip_length=10, clip_stride=1)
    rows = rows_of("ifc-encoder-comparison", [record])
    measured = [row for row in rows if row["Figures"] == "measured"]
    assert [row["Communication"] for row in measured] == [label]
    assert column(measured, "T=10 AP", "measured") == ["50.0"]
    assert column(measured, "T=5 AP", "measured") == ["-"]


def test_an_ablation_takes_no_record_with_another_option_changed():
    record = on_ytvis(options={"memory": "unified"}, clip_length=5, clip_stride=1)
    assert not column(rows_of("ifc-memory-tokens", [record]), "AP T=5", "measured")
    assert column(rows_of("ifc-memory-decomposition", [record]), "AP T=5", "measured") == ["50.0"]


def test_results_of_other_code_stand_in_the_row_of_their_name():
    for name in ("VisTR", "vistr", "Vis-TR"):
        record = on_ytvis(method=name, backbone="r101", clip_length=None, clip_stride=None)
        rows = rows_of("comparison", [record])
        measured = [row for row in rows if row["Figures"] == "measured"]
        systems = [(row["Method"], row["Backbone"]) for row in measured]
        # The slides' figures and the README's have a row each.
        assert systems == [("VisTR", "ResNet-101")] * 2


def test_the_encoder_tells_two_models_of_videomt_apart_also_on_long_videos():
    def cell(backbone, **changes):
        return on_ytvis(method="videomt", backbone=backbone, clip_length=1, **changes)

    for backbone, difference in (("vit_l", "+0.4"), ("vit_l_dinov3", "+0.1")):
        rows = rows_of("comparison", [cell(backbone, ap=0.69)])
        assert column(rows, "AP", "difference") == [difference]
        long = cell(backbone, dataset="ytvis2022", num_videos=71, ap=0.5, ap_long=0.43)
        rows = rows_of("comparison-2022", [long])
        own = column(rows, "AP", "difference", "YouTube-VIS 2022")
        assert own == [difference.replace("0.1", "0.2")]


def test_training_data_tells_two_released_models_apart():
    alone = on_ytvis(
        method="seqformer",
        clip_length="whole",
        clip_stride=None,
        ap=0.45,
        training="YouTube-VIS only",
    )
    joint = on_ytvis(method="seqformer", clip_length="whole", clip_stride=None, ap=0.47)
    rows = [row for row in rows_of("comparison", [alone, joint]) if row["Method"] == "SeqFormer"]
    assert column(rows, "AP", "difference") == ["-0.1", "-0.4"]


def test_random_weights_have_speed_and_no_accuracy():
    record = on_ytvis(weights_source="random", clip_length=5, clip_stride=3, fps=70.0)
    rows = rows_of("ifc-stride", [record])
    assert column(rows, "AP", "measured") == ["-"]
    assert column(rows, "FPS", "measured") == ["70.0"]
    assert "random weights" in rows[1]["Notes"]


def test_of_several_measurements_a_clean_one_on_the_papers_split_is_shown():
    def cell(**changes):
        return on_ytvis(clip_length=5, clip_stride=3, **changes)

    dirty = cell(ap=0.1, git_dirty=True, created_at="2027-01-01T00:00:00+00:00")
    heldout = cell(ap=0.2, split="heldout", num_videos=9999)
    old = cell(ap=0.3, created_at="2026-01-02T05:00:00+05:00")  # 00:00 UTC
    shown = cell(ap=0.4, created_at="2026-01-02T03:04:05Z")
    for records in ([dirty, heldout, old, shown], [shown, old, heldout, dirty]):
        assert column(rows_of("ifc-stride", records), "AP", "measured") == ["40.0"]
    notes = rows_of("ifc-stride", [heldout])[1]["Notes"]
    assert "YouTube-VIS 2019 heldout" in notes
    assert "not the published split" in notes


def test_figures_from_another_measurement_than_most_of_a_row_have_a_note_of_their_own():
    accuracy = on_ytvis(clip_length=5, clip_stride=3, fps=None)
    speed = on_ytvis(clip_length=5, clip_stride=3, ap=None, ap75=None, fps=60.0, device="a GPU")
    measured = table_page("ifc-stride", [accuracy, speed]).tables[0].rows[1]
    assert measured[2].notes == ("a",)
    assert [entry.notes for entry in measured[3:]] == [(), (), ("b",)]


def test_encoder_costs_are_compared_with_the_count():
    table = load_table("ifc-encoder")

    def count_row(row):
        counted = [value + 0.004 for value in row.values]
        return counted if row.labels != ["Full THW"] else [*counted[:3], 2 * counted[3]]

    rows = paper_page(table, [], count_row).tables[0].as_dicts()
    differences = [row for row in rows if row["Figures"] == "difference"]
    titles = [column.full_title for column in paper_page(table, []).tables[0].columns[2:]]
    assert [row[titles[3]] for row in differences] == ["+1815.39"]
    assert [row["Figures"] for row in rows].count("published, measured equal") == 3
    assert {row[title] for row in differences for title in titles[:3]} == {"0.00"}


def test_records_that_do_not_fit_and_the_command_that_would_measure_a_table_stand_below_it():
    stride = {"method": "ifc", "backbone": "r50", "clip_length": 5, "clip_stride": 3}
    others = [
        on_ytvis(**stride, dataset="nominal"),
        on_ytvis(**stride, dataset="nominal", seed=1),
        on_ytvis(method="vistr"),
    ]
    remarks = table_page("ifc-stride", others).remarks
    assert [text for text in remarks if "left out" in text] == [
        "2 records left out: 2 by dataset (nominal)."
    ]
    assert any("vis-bench run tables/ifc-stride --data-root DATA" in text for text in remarks)
    measured = table_page("ifc-stride", [on_ytvis(**stride, ap=0.3)]).remarks
    assert not any("vis-bench run" in text or "left out" in text for text in measured)
    for name in paper_tables():
        if not is_counted(name):
            assert "To measure these rows: vis-bench run" in "".join(table_page(name, []).remarks)


def test_a_table_may_be_a_file_of_its_own(tmp_path):
    """As a plug-in brings it; values and conditions need no line of code."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: Mine\ndataset: ytvis2019\nsplit: val\nlabels: {Heads: options.heads}\n"
        "where: {method: my method}\ncolumns: [{title: AP, metric: ap}]\n"
        "rows: [{labels: [4], values: [40.0], source: My paper}]\n"
    )
    record = on_ytvis(method="my_method", options={"heads": 4}, ap=0.42)
    rows = table_page(str(path), [record]).tables[0].as_dicts()
    assert [row["AP"] for row in rows] == ["40.0", "42.0", "+2.0"]
    assert table_page(str(path), []).footnotes == {"1": "My paper"}
    bare = tmp_path / "bare.yaml"
    bare.write_text(path.read_text().replace("source: My paper", "source: null"))
    assert table_page(str(bare), []).footnotes == {}


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [("metric: ap", "metric: apx", "metric"), ("title: Mine", "titel: Mine", "title"),
     ("[40.0]", "[40.0, 1]", "values"), ("my method}", "x, clip: 5}", "clip")],
)  # fmt: skip
def test_a_wrong_table_file_is_an_error_that_names_the_key(tmp_path, old, new, named):
    text = (
        "title: Mine\nlabels: {A: null}\nwhere: {method: my method}\n"
        "columns: [{title: AP, metric: ap}]\nrows: [{labels: [4], values: [40.0]}]\n"
    )
    path = tmp_path / "wrong.yaml"
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=named):
        table_page(str(path), [])


def test_the_order_of_the_records_makes_no_difference():
    records = [on_ytvis(clip_length=t, clip_stride=1, device=d) for t in (5, 10) for d in "abc"]
    for name in PAPER_TABLES:
        for form in FORMATS:
            assert render(table_page(name, records), form) == render(
                table_page(name, records[::-1]), form
            )


@pytest.mark.parametrize("changed", [{"memory_tokens": 16}, {"memory": "unified"}])
@pytest.mark.parametrize("name", ["comparison", "ifc-encoder-comparison", "ifc-stride"])
def test_another_memory_stands_in_its_own_table_only(name, changed):
    """The latest record is of another memory; rows of the published model do not take it."""
    clip = {"clip_length": 5, "clip_stride": 3 if name == "ifc-stride" else 1}
    later = {"created_at": "2999-01-01", "ap": 0.77, "options": changed}
    for where in ("synthetic", "ytvis2019"):
        backbone = "mini" if where == "synthetic" else "r50"
        plain = example_record(dataset=where, backbone=backbone, **clip)
        page = table_page(name, [plain, plain.model_copy(update=later)])
        assert all(e.text != "77.0" for grid in page.tables for row in grid.rows for e in row)


def test_a_measured_ap_shows_its_interval_and_the_difference_is_that_of_the_figures():
    record = on_ytvis(method="seqformer", clip_length=10, ap_low=0.41, ap_high=0.59)
    text = render(table_page("seqformer-clip-length", [record]))
    assert "| 50.0 | 41.0\u201159.0 |" in re.sub(" +", " ", text)
    assert INTERVAL_NOTE in text
    (row,) = [r for r in rows_of("seqformer-clip-length", [record]) if r["Figures"] == "measured"]
    title = "AP (YouTube-VIS 2019)"
    assert row[title] == "50.0"
    assert [row[f"AP {end} (YouTube-VIS 2019)"] for end in ("low", "high")] == ["41.0", "59.0"]
    (row,) = [r for r in rows_of("seqformer-clip-length", [record]) if r["Figures"] == "difference"]
    assert row[title] == "+8.0"
    assert [row[f"AP {end} (YouTube-VIS 2019)"] for end in ("low", "high")] == ["-1.0", "+17.0"]
    without = on_ytvis(method="seqformer", clip_length=10)
    assert INTERVAL_NOTE not in render(table_page("seqformer-clip-length", [without]))


def test_rows_measured_on_the_synthetic_set_are_counted_apart():
    mini = example_record(backbone="mini", clip_length=5, clip_stride=3)
    counts = " ".join(table_page("ifc-stride", [mini]).findings)
    assert re.findall(r"(\w+) of (\d)", counts) == [("none", "4"), ("1", "4")]


def test_names_of_tables_are_known_without_reading_them():
    assert table_names() == tuple(tables())
