"""The generated pages follow from the records, and those of the repository are up to date."""

import re

import pytest

import chart_twins
import clip_lengths_page
import pages as refresh_pages
import refresh
from displayed import COLUMN, PHONE, smallest_letters
from methods import build_method
from paths import ROOT
from record_example import example_record, memory_fields, streaming_fields
from vis_bench.errors import InputError
from vis_bench.record.store import RecordStore
from vis_bench.table.model import Column, Entry, Table

RESULTS = ROOT / "results"
TEXTS = {"README.md", "PAPERS.md", "LEADERBOARD.md", "ABLATIONS.md"}
CHARTS = {f"clip_lengths/ap_against_fps_{scheme}.svg" for scheme in ("light", "dark")}
NAMES = {*TEXTS, *CHARTS, "clip_lengths/README.md"}


def names(paths, results):
    return {path.relative_to(results).as_posix() for path in paths}


def pages(results, build=None):
    return refresh.Pages(results, refresh.records_of(results), build)


def write_pages(results):
    return pages(results).write()


def stale_pages(results, build=None):
    return pages(results, build).stale()


def test_the_repositorys_pages_are_what_its_records_give():
    assert stale_pages(RESULTS, build_method) == [], "run `python results/refresh.py`, and commit"


def test_letters_of_charts_are_9_pixels_tall_on_a_phone_and_in_a_column():
    pages = [ROOT / "README.md", *RESULTS.rglob("*.md")]
    charts = {
        (page.parent / name).resolve()
        for page in pages
        for name in re.findall(r'(?:src|srcset)="([^"]+\.svg)"', page.read_text(encoding="utf-8"))
    }
    assert charts == {*RESULTS.rglob("*.svg")}
    for path in charts:
        svg = path.read_text(encoding="utf-8")
        assert min(smallest_letters(svg, room) for room in (PHONE, COLUMN)) >= 9, path


def test_the_recipes_name_one_record_each():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")]
    named = re.findall(r"results/clip_lengths/records/\S+", "\n".join(texts))
    patterns = [path for path in named if "*" in path]
    assert patterns
    for pattern in patterns:
        assert len(list(ROOT.glob(pattern))) == 1, pattern


def test_pages_are_written_once_and_then_up_to_date(tmp_path):
    store = RecordStore(tmp_path / "records")
    store.write(example_record(fps=10.0))
    assert names(write_pages(tmp_path), tmp_path) == NAMES
    assert write_pages(tmp_path) == []
    before = {name: (tmp_path / name).read_bytes() for name in NAMES}
    assert b"| IFC" in before["clip_lengths/README.md"]
    assert b"MaskTrack R-CNN" in before["PAPERS.md"]
    assert b'src="clip_lengths/ap_against_fps_light.svg"' in before["LEADERBOARD.md"]


def test_a_new_record_an_edit_and_a_lost_page_are_each_found(tmp_path):
    store = RecordStore(tmp_path / "records")
    store.write(example_record(fps=10.0))
    write_pages(tmp_path)
    (tmp_path / "README.md").write_text((tmp_path / "README.md").read_text() + "edited\n")
    (tmp_path / "LEADERBOARD.md").unlink()
    assert names(stale_pages(tmp_path), tmp_path) == {"README.md", "LEADERBOARD.md"}
    write_pages(tmp_path)
    store.write(example_record(fps=20.0, ap=0.6, method="seqformer"))
    assert names(stale_pages(tmp_path), tmp_path) == NAMES - {"ABLATIONS.md", "PAPERS.md"}


def test_a_record_without_speed_leaves_the_picture_alone(tmp_path):
    write_pages(tmp_path)
    RecordStore(tmp_path / "records").write(example_record(fps=None))
    expected = {"README.md", "LEADERBOARD.md", "clip_lengths/README.md"}
    assert names(stale_pages(tmp_path), tmp_path) == expected


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
    own = {"README.md", "ABLATIONS.md", "ifc-communication/README.md"}
    assert names(write_pages(results), results) == own
    assert front.read_text() == before
    assert (results / "LEADERBOARD.md").read_text() == board
    page = (results / "ifc-communication" / "README.md").read_text()
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
    assert {"52.0", "31.0", "43.0"} <= set(
        (tmp_path / "clip_lengths/README.md").read_text().split()
    )


def test_the_page_of_results_has_the_section(tmp_path, monkeypatch):
    monkeypatch.setattr(refresh, "build_method", None)  # they take long
    RecordStore(tmp_path / "records").write(example_record(ap_so=0.512))
    assert len(refresh.pages(tmp_path)) == len(NAMES)
    page = (tmp_path / "clip_lengths" / "README.md").read_text()
    measured, section = page.split(f"## {clip_lengths_page.HARD_TITLE}\n")
    assert f"# {clip_lengths_page.TITLE}\n" in measured
    assert "| IFC" in section
    assert "51.2 |" in section


def test_every_question_of_the_results_has_the_answer_of_its_page(tmp_path):
    store = RecordStore(tmp_path / "clip_lengths" / "records")
    store.write(example_record(ap=0.5, gflops_per_frame=1.5, backbone="mini"))
    write_pages(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "**IFC has the highest AP: 50.0.** [Leaderboard](LEADERBOARD.md)" in page
    assert "IFC T=5 S=1 1.50.** [Multiply-adds](flops/README.md)" in page
    questions = re.findall(r"^- (.*\?) (.*)\[.*\]\((.*)\)$", page, re.MULTILINE)
    assert len(questions) == 4
    store.write(example_record(ap=0.7, backbone="mini"))
    write_pages(tmp_path)
    assert "**IFC has the highest AP: 70.0.**" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "fields", "answer"),
    [
        ("streaming", streaming_fields(), "has the highest AP: 20.0 (95 %: 10.0 to 60.0)"),
        ("memory", memory_fields(), "8 GiB hold at least 256"),
    ],
)
def test_a_measurement_has_a_page_a_chart_and_an_answer(name, fields, answer, tmp_path):
    record = example_record(ap=None, clip_length="whole", **fields)
    RecordStore(tmp_path / name / "records").write(record)
    charts = {f"{name}/{name}_{scheme}.svg" for scheme in ("light", "dark")}
    assert names(write_pages(tmp_path), tmp_path) == {*TEXTS, *CHARTS, *charts, f"{name}/README.md"}
    for page in ("README.md", f"{name}/README.md"):
        assert answer in (tmp_path / page).read_text()
    text = (tmp_path / name / "README.md").read_text()
    assert text.index("<picture>") < text.index("| Method") < text.index("Measured by")


def test_differences_over_seeds_are_hollow_where_their_interval_holds_0():
    differences = [("up", "0.5", ("0.1", "0.9")), ("level", "0.1", ("-0.3", "0.5"))]
    rows = [(Entry(name), Entry(text, interval=ends)) for name, text, ends in differences]
    table = Table((Column("Difference"), Column("AP")), (*rows, (Entry("one"), Entry("1.0"))))
    (series,) = refresh_pages.contrasts_panel(table, "Found.").series
    assert series.y == (0.5, 0.1, 1.0)
    assert series.hollow_at == (1, 2)
