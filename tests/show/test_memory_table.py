"""The table `memory`, and memory over length in the gate."""

import pytest

from record_example import example_record, memory_fields
from vis_bench.charts import digest, digest_of_svg
from vis_bench.cli import main
from vis_bench.measures.memory.table import memory_panels
from vis_bench.measures.registry import MEASURES
from vis_bench.record.store import RecordStore
from vis_bench.show.gate.baseline import GatedCell, load_cells_to_gate, write_baseline
from vis_bench.show.gate.differences import comparisons, differences
from vis_bench.show.papers import table_page
from vis_bench.table import render

GIB = 1 << 30
PER_LENGTH = {"memory_coefficients": (), "memory_bytes_per_frame": None}


def cell(method="ifc", clip_length="whole", **fields):
    return example_record(
        method=method,
        clip_length=clip_length,
        config_sha256=method[0] * 64,
        **{key: fields.pop(key) for key in ("cuda", "weights_source") if key in fields},
        **memory_fields(**fields),
    )


def rows_of(*records):
    [table] = table_page("memory", records).tables
    return table.as_dicts()


def test_random_weights_and_cpus_are_named():
    measured = cell(cuda=None), cell("seqformer", cuda=None, weights_source="random")
    remarks = table_page("memory", measured).all_remarks
    [random] = [text for text in remarks if text.startswith("Random weights")]
    assert "SeqFormer T=whole." in random
    assert "IFC" not in random
    assert any("Measured on CPUs" in text for text in remarks)
    remarks = table_page("memory", [measured[0], cell("x", cuda="12.8")]).all_remarks
    assert not any(text.startswith(("Random", "Measured on CPUs")) for text in remarks)


def test_the_table_has_its_chart_in_html(tmp_path, capsys):
    RecordStore(tmp_path / "records").write(cell())
    for form, charts in (("html", 1), ("markdown", 0)):
        assert main(["table", "memory", str(tmp_path / "records"), "--format", form]) == 0
        assert capsys.readouterr().out.count('aria-label="A frame takes') == charts


def longest(row):
    return [text for title, text in row.items() if title.startswith("Longest")]


def test_a_row_per_record_with_the_longest_video_for_each_memory():
    rows = rows_of(cell("seqformer", slope=240.0), example_record(), cell())
    assert [row["Method"] for row in rows] == ["IFC", "SeqFormer"]
    one = rows[1]
    assert (one["Measured"], one["Tracks"], one["Over"]) == ("16, 32, 48, 64", "10", "clip")
    assert (one["Peak (MiB)"], one["Fixed (MiB)"], one["MiB/frame"]) == ("15460", "100", "240.00")
    # (8192 - 100) / 240 = 33.7, (24576 - 100) / 240 = 101.98, (81920 - 100) / 240 = 340.9 > 4 x 64
    assert longest(one) == ["33", "101*", "≥256*"]
    assert longest(rows[0]) == ["≥256*"] * 3
    assert "extrapolated" in render(table_page("memory", [cell()]))
    assert rows_of(example_record()) == []


def test_memories_that_hold_as_much_share_a_column_but_in_csv():
    def heads(record, form):
        return render(table_page("memory", [record]), form)

    alike, apart = cell(), cell(slope=240.0)
    assert "Longest video 8 GiB, 24 GiB, 80 GiB" in heads(alike, "markdown")
    assert "Longest video 24 GiB" in heads(apart, "markdown")
    assert "Longest video 8 GiB,Longest video 24 GiB,Longest video 80 GiB" in heads(alike, "csv")


def test_a_curve_that_is_none_is_named_and_not_extrapolated():
    flat, irregular = (
        cell(memory_growth=kind, slope=240.0, **PER_LENGTH) for kind in ("flat", "irregular")
    )
    for record, kind in ((flat, "flat"), (irregular, "irregular")):
        [row] = rows_of(record)
        assert (row["MiB/frame"], row["Fixed (MiB)"]) == (kind, "-")
        assert longest(row) == ["≥32", "≥64", "≥64"]
    [row] = rows_of(cell(memory_growth="flat", slope=1e3, **PER_LENGTH))
    assert longest(row)[0] == "<16"


def test_a_parabola_shows_both_terms():
    mebibyte = float(1 << 20)
    [row] = rows_of(
        cell(
            memory_growth="parabola",
            memory_bytes_per_frame=None,
            memory_coefficients=(100 * mebibyte, 3 * mebibyte, 0.25 * mebibyte),
        )
    )
    assert row["MiB/frame"] == "3.00 + 0.25 n"
    # 100 + 3 n + n^2 / 4 = 8192 MiB at n = 174.0
    assert longest(row)[0] == "174*"


def test_a_limit_of_the_config_has_a_column():
    [row] = rows_of(cell(slope=240.0, config={"memory": {"limit_gib": 11}}))
    assert longest(row) == ["33", "46", "101*", "≥256*"]


def test_the_chart_has_what_frames_add_to_that_of_none():
    [panel] = memory_panels([cell("seqformer", slope=240.0), cell("ms_sts", reconstruction=True)])
    lines = {series.name: series for series in panel.series}
    names = ["MS-STS T=whole (reconstruction)", "SeqFormer T=whole"]
    assert sorted(lines) == names
    measured = lines[names[1]]
    assert (measured.method, measured.x) == ("seqformer", (16, 32, 48, 64))
    assert measured.y == pytest.approx([240 * n for n in (16, 32, 48, 64)])
    assert (panel.xscale, panel.yscale) == ("linear", "linear")
    assert lines[names[0]].is_hollow
    # (8192 - 100) / 240 = 33.7
    least, most = f"3.00 MiB ({names[0]})", f"240.00 MiB ({names[1]})"
    assert panel.title == f"A frame takes {least} to {most}; 8 GiB hold 33 frames of {names[1]}"
    [alone] = memory_panels([cell(memory_growth="flat", **PER_LENGTH)])
    assert alone.title == "Memory of IFC T=whole is flat up to 64 frames"
    assert min(alone.series[0].y) == 0
    assert MEASURES["memory"].charted([example_record()]) == []


def test_the_picture_of_a_table_is_that_of_its_records(tmp_path, capsys):
    RecordStore(tmp_path / "records").write(cell())
    words = ["table", "memory", str(tmp_path / "records"), "--picture"]
    assert main([*words, str(tmp_path / "memory.svg")]) == 0
    svg = (tmp_path / "memory.svg").read_text()
    assert digest_of_svg(svg) == digest(memory_panels([cell()]))
    words[1] = "streaming"
    assert main([*words, str(tmp_path / "none.svg")]) == 2
    words[1] = "fps"
    assert main([*words, str(tmp_path / "none.svg")]) == 2
    assert "expected sweep, speed, memory, streaming" in capsys.readouterr().err
    assert not (tmp_path / "none.svg").exists()


def moved(old, new):
    return [(f.figure, f.verdict) for f in differences("a cell", comparisons(old, new))]


@pytest.mark.parametrize(
    ("slope", "expected"),
    [
        (3.0, []), (3.4, []), (4.0, [("peak memory (64 frames)", "worse")]),
        (2.0, [("peak memory (64 frames)", "better")]),
    ],
)  # fmt: skip
def test_the_gate_compares_the_peak_at_the_longest_common_length(slope, expected):
    assert moved(cell(), cell(slope=slope)) == expected
    assert moved(cell(), cell(slope=slope, lengths=(8, 64, 96))) == expected


def test_the_gate_names_memory_that_is_gone_or_of_other_lengths_or_another_machine(tmp_path):
    name = "memory over length"
    assert moved(cell(), example_record(clip_length="whole", method="ifc")) == [
        ("peak memory (64 frames)", "missing")
    ]
    assert moved(example_record(), cell()) == []
    assert moved(cell(), cell(lengths=(8, 24))) == [(name, "not compared")]
    other = cell().model_copy(update={"device": "another"})
    assert moved(cell(), other) == [(name, "not compared")]
    write_baseline([GatedCell(cell())], tmp_path / "b.json")
    [kept] = load_cells_to_gate(tmp_path / "b.json")
    assert kept.record.memory_points == cell().memory_points
