"""The generated pages follow from the records, and those of the repository are up to date."""

import re
from dataclasses import replace

import pytest

import chart_twins
import refresh
from methods import build_method
from paths import ROOT
from record_example import example_record
from vis_bench.errors import InputError
from vis_bench.record.store import RecordStore
from vis_bench.show.measured import speed_remarks
from vis_bench.table import render
from vis_bench.table.model import Column, Entry, Page, Table

RESULTS = ROOT / "results"
TEXTS = {"README.md", "PAPERS.md", "LEADERBOARD.md", "ABLATIONS.md"}
NAMES = {*TEXTS, "ap_against_fps_light.svg", "ap_against_fps_dark.svg"}


def names(paths):
    return {path.name for path in paths}


def pages(results, build=None):
    return refresh.Pages(results, refresh.records_of(results), build)


def write_pages(results):
    return pages(results).write()


def stale_pages(results, build=None):
    return pages(results, build).stale()


def test_the_repositorys_pages_are_what_its_records_give():
    assert stale_pages(RESULTS, build_method) == [], "run `python results/refresh.py`, and commit"


def test_the_recipes_name_one_record_each():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")]
    named = re.findall(r"results/records/\S+", "\n".join(texts))
    patterns = [path for path in named if "*" in path]
    assert patterns
    for pattern in patterns:
        assert len(list(ROOT.glob(pattern))) == 1, pattern


def test_pages_are_written_once_and_then_up_to_date(tmp_path):
    store = RecordStore(tmp_path / "records")
    store.write(example_record(fps=10.0))
    assert names(write_pages(tmp_path)) == NAMES
    assert write_pages(tmp_path) == []
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert set(before) == NAMES
    assert b"| IFC" in before["README.md"]
    assert b"MaskTrack R-CNN" in before["PAPERS.md"]
    assert b'src="ap_against_fps_light.svg"' in before["LEADERBOARD.md"]


def test_a_new_record_an_edit_and_a_lost_page_are_each_found(tmp_path):
    store = RecordStore(tmp_path / "records")
    store.write(example_record(fps=10.0))
    write_pages(tmp_path)
    (tmp_path / "README.md").write_text((tmp_path / "README.md").read_text() + "edited\n")
    (tmp_path / "LEADERBOARD.md").unlink()
    assert names(stale_pages(tmp_path)) == {"README.md", "LEADERBOARD.md"}
    write_pages(tmp_path)
    store.write(example_record(fps=20.0, method="seqformer"))
    assert names(stale_pages(tmp_path)) == NAMES - {"ABLATIONS.md", "PAPERS.md"}


def test_a_record_without_speed_leaves_the_picture_alone(tmp_path):
    (tmp_path / "records").mkdir()
    write_pages(tmp_path)
    RecordStore(tmp_path / "records").write(example_record(fps=None))
    assert names(stale_pages(tmp_path)) == {"README.md", "LEADERBOARD.md"}


def test_without_records_the_published_figures_stand(tmp_path):
    write_pages(tmp_path)
    assert "No record yet." in (tmp_path / "README.md").read_text()
    assert "MaskTrack R-CNN" in (tmp_path / "PAPERS.md").read_text()


def test_the_front_page_gets_the_table_between_its_markers(tmp_path):
    results = tmp_path / "results"
    RecordStore(results / "records").write(example_record(fps=10.0))
    front = tmp_path / "README.md"
    front.write_text("# T\n\n<!-- measured table -->\nold\n<!-- end of measured table -->\n\nend\n")
    assert front in write_pages(results)
    text = front.read_text()
    assert "| IFC" in text
    assert "old" not in text
    assert text.startswith("# T\n")
    assert text.endswith("\nend\n")
    assert stale_pages(results) == []
    front.write_text(text.replace("| IFC", "| IF"))
    assert stale_pages(results) == [front]


def test_an_experiment_over_seeds_stands_on_its_own_page_only(tmp_path):
    results = tmp_path / "results"
    store = RecordStore(results / "records")
    store.write(example_record(fps=10.0, backbone="mini"))
    front = tmp_path / "README.md"
    front.write_text("<!-- measured table -->\n<!-- end of measured table -->\n")
    write_pages(results)
    before = front.read_text()
    store.write(
        example_record(
            fps=90.0,
            ap=0.77,
            backbone="mini",
            training="clips of 10 frames, seed 0",
            clip_length=20,
            options={"communication": "none"},
            config_sha256="ef" * 32,
        )
    )
    board = (results / "LEADERBOARD.md").read_text()
    assert {path.name for path in write_pages(results)} == {"ABLATIONS.md"}
    assert front.read_text() == before
    assert (results / "LEADERBOARD.md").read_text() == board
    page = (results / "ABLATIONS.md").read_text()
    assert "no communication" in page
    assert "77.0" in page


def test_no_page_is_written_before_all_are_made(tmp_path, monkeypatch):
    RecordStore(tmp_path / "records").write(example_record(fps=10.0))

    def fail(panels, **layout):
        raise RuntimeError

    monkeypatch.setattr(chart_twins, "draw_twins", fail)
    with pytest.raises(RuntimeError):
        write_pages(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["records"]


def test_a_front_page_in_another_encoding_is_named_and_left_alone(tmp_path):
    RecordStore(tmp_path / "results" / "records").write(example_record())
    front = tmp_path / "README.md"
    front.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"README\.md is not UTF-8"):
        pages(tmp_path / "results")
    assert front.read_bytes() == b"\xff\xfe"


def test_the_leaderboard_page_has_the_best_cell_and_the_table_the_others(tmp_path):
    store = RecordStore(tmp_path / "records")
    for number, ap in enumerate((0.31, 0.52, 0.43)):
        store.write(example_record(ap=ap, clip_length=5 + number, config_sha256=str(number) * 64))
    write_pages(tmp_path)
    board = (tmp_path / "LEADERBOARD.md").read_text()
    assert "52.0" in board
    assert not {"31.0", "43.0"} & set(board.split())
    assert {"52.0", "31.0", "43.0"} <= set((tmp_path / "README.md").read_text().split())


TIMED = {
    "fps": 20.0, "timed_region": "model+tracker", "speed_spread": 0.12, "load_average": 0.4,
    "num_cpus": 2, "config": {"speed": {"videos": 3}},
}  # fmt: skip


def test_a_sentence_names_what_was_timed_on_what():
    records = [
        example_record(**TIMED),
        example_record(**{**TIMED, "config": {"speed": {"videos": 1}}}),
    ]
    assert speed_remarks(records) == [
        "FPS timed over model and tracker on 1 to 3 videos (a CPU, 2 threads)."
    ]
    (line,) = speed_remarks([example_record(**TIMED, num_videos=1)])
    assert "on 1 video (" in line, "no more videos are timed than there are"
    assert speed_remarks([example_record(fps=None)]) == []


def test_machines_and_regions_have_a_sentence_each():
    records = [
        example_record(**TIMED),
        example_record(**TIMED, device="a GPU"),
        example_record(**{**TIMED, "timed_region": "model"}),
        example_record(fps=20.0, device=None, num_threads=None),
    ]
    lines = speed_remarks(records)
    assert len(lines) == 4
    assert lines[-1] == "FPS of 1 row timed over an unknown region (unknown device)."
    text = refresh.front_table(records[-1:])
    assert "20.0 [?]" in text
    assert "- [?] spread unknown" in text


def test_the_front_table_has_the_best_cell_of_each_method_and_no_ablation():
    records = [example_record(**TIMED), example_record(training="afresh", ap=0.77)]
    shared, _, header, _, *rows = refresh.front_table(records).splitlines()[:6]
    assert "24 videos" in shared
    titles = [cell.strip() for cell in header.strip("|").split("|")]
    assert titles == ["Method", "Clip", "Stride", "AP", "FPS"]
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert cells[4] == "20.0 (spread\u00a012\u00a0%)"
    assert "77.0" not in refresh.front_table(records)
    assert "(reconstruction)" in refresh.front_table([example_record(reconstruction=True)])
    assert refresh.front_table([]) == "No record yet.\n"


LEVELLED = {"ap_so": 0.512, "ap_mo": 0.4, "ap_ho": 0.083, "ap_returning": 0.3}


def titles(table):
    return [column.title for column in table.columns]


def texts(table):
    return [[entry.text for entry in row] for row in table.rows]


def test_a_row_per_method_with_its_best_cell():
    records = [
        example_record(ap=0.5, clip_length=10, **LEVELLED),
        example_record(ap=0.6, clip_length=20, **{**LEVELLED, "ap_ho": 0.1}),
        example_record(method="seqformer", ap=0.55, **{**LEVELLED, "ap_returning": None}),
    ]
    table = refresh.hard_objects(records)
    assert titles(table)[8:] == ["AP", "Light", "Moderate", "Heavy", "Returning"]
    assert [[row[0], *row[6:]] for row in texts(table)] == [
        ["IFC", "20", "1", "60.0", "51.2", "40.0", "10.0", "30.0"],
        ["SeqFormer", "5", "1", "55.0", "51.2", "40.0", "8.3", "-"],
    ]


def test_columns_that_nobody_has_are_left_out():
    both = {"ap_short": 0.61, "ap_long": 0.39, "ap50_long": 0.5}
    table = refresh.hard_objects([example_record(ap=0.5, dataset="ytvis2022", **both)])
    assert titles(table)[8:] == ["AP", "AP short", "AP long"]
    assert texts(table)[0][8:] == ["50.0", "61.0", "39.0"]


def test_only_cells_with_such_numbers_have_a_row():
    assert refresh.hard_objects([example_record()]) is None
    table = refresh.hard_objects([example_record(), example_record(method="x", ap=0.1, **LEVELLED)])
    assert [row[0] for row in texts(table)] == ["x"]
    better = example_record(ap=0.9, clip_length=10)
    table = refresh.hard_objects([better, example_record(ap=0.5, **LEVELLED)])
    assert texts(table)[0][8] == "50.0"


def test_the_page_of_results_has_the_section(tmp_path, monkeypatch):
    monkeypatch.setattr(refresh, "build_method", None)  # they take long
    RecordStore(tmp_path / "records").write(example_record(**LEVELLED))
    assert len(refresh.pages(tmp_path)) == 6
    page = (tmp_path / "README.md").read_text()
    measured, section = page.split(f"## {refresh.HARD_TITLE}\n")
    assert "## Measured\n" in measured
    assert "| IFC" in section
    assert "51.2 |" in section


def one(text, key, data="synthetic set"):
    return Table((Column("AP"),), ((Entry(text, notes=(key,)),),), data)


def test_the_same_table_under_another_title_is_a_link():
    first = Page(
        "First (24 videos)",
        (one("1.0", "1"), one("2.0", "a")),
        {"1": "p", "a": "m"},
    )
    second = Page(
        "Second",
        (one("3.0", "1"), one("2.0", "b")),
        {"1": "q", "b": "m"},
        ("Done.",),
    )
    text = refresh.papers_markdown([first, second])
    assert text.startswith(render(first))
    alone = replace(second, tables=second.tables[:1], footnotes={"1": "q"})
    assert text == "\n".join(
        [
            render(first),
            render(alone),
            "Synthetic set: as under [First (24 videos)](#first-24-videos).\n",
        ]
    )


def test_tables_that_differ_in_a_figure_or_their_data_stand_both():
    papers = [
        Page("A", (one("1.0", "1"),), {"1": "p"}),
        Page("B", (one("1.1", "1"),), {"1": "p"}),
        Page("C", (one("1.0", "1", "another set"),), {"1": "p"}),
    ]
    assert refresh.papers_markdown(papers) == "\n".join(map(render, papers))


def test_anchors_are_those_of_github():
    assert (
        refresh.heading_anchor("IFC's encoders, by clip-length (T)")
        == "ifcs-encoders-by-clip-length-t"
    )
