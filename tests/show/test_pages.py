"""The generated pages follow from the records, and those of the repository are up to date."""

import re

import pytest

from methods import build_method
from paths import ROOT
from record_example import example_record
from vis_bench.errors import InputError
from vis_bench.records.store import RecordStore
from vis_bench.show.pages import PICTURE, Pages, records_of

RESULTS = ROOT / "results"
TEXTS = {"README.md", "LEADERBOARD.md", "ABLATIONS.md"}
NAMES = {*TEXTS, PICTURE}


def names(paths):
    return {path.name for path in paths}


def pages(results, build=None):
    return Pages.of(results, records_of(results), build)


def write_pages(results):
    return pages(results).write()


def stale_pages(results, build=None):
    return pages(results, build).stale()


def test_the_repositorys_pages_are_what_its_records_give():
    assert stale_pages(RESULTS, build_method) == [], "run `leaderboard --pages results`, and commit"


def test_the_front_pages_recipes_name_one_record_each():
    named = re.findall(r"results/records/\S+", (ROOT / "README.md").read_text(encoding="utf-8"))
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
    assert b"| ifc" in before["README.md"]
    assert b"](ap_against_fps.svg)" in before["LEADERBOARD.md"]


def test_a_new_record_an_edit_and_a_lost_page_are_each_found(tmp_path):
    store = RecordStore(tmp_path / "records")
    store.write(example_record(fps=10.0))
    write_pages(tmp_path)
    (tmp_path / "README.md").write_text((tmp_path / "README.md").read_text() + "edited\n")
    (tmp_path / "LEADERBOARD.md").unlink()
    assert names(stale_pages(tmp_path)) == {"README.md", "LEADERBOARD.md"}
    write_pages(tmp_path)
    store.write(example_record(fps=20.0, method="seqformer"))
    assert names(stale_pages(tmp_path)) == NAMES - {"ABLATIONS.md"}


def test_a_record_without_speed_leaves_the_picture_alone(tmp_path):
    (tmp_path / "records").mkdir()
    write_pages(tmp_path)
    RecordStore(tmp_path / "records").write(example_record(fps=None))
    assert names(stale_pages(tmp_path)) == {"README.md", "LEADERBOARD.md"}


def test_without_records_the_published_figures_stand(tmp_path):
    write_pages(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "No record yet." in text
    assert "MaskTrack R-CNN" in text


def test_the_front_page_gets_the_table_between_its_markers(tmp_path):
    results = tmp_path / "results"
    RecordStore(results / "records").write(example_record(fps=10.0))
    front = tmp_path / "README.md"
    front.write_text("# T\n\n<!-- measured table -->\nold\n<!-- end of measured table -->\n\nend\n")
    assert front in write_pages(results)
    text = front.read_text()
    assert "| ifc" in text
    assert "old" not in text
    assert text.startswith("# T\n")
    assert text.endswith("\nend\n")
    assert stale_pages(results) == []
    front.write_text(text.replace("| ifc", "| if"))
    assert stale_pages(results) == [front]


def test_an_ablation_stands_in_its_table_and_on_its_own_page_only(tmp_path):
    results = tmp_path / "results"
    store = RecordStore(results / "records")
    store.write(example_record(fps=10.0, backbone="mini"))
    front = tmp_path / "README.md"
    front.write_text("<!-- measured table -->\n<!-- end of measured table -->\n")
    write_pages(results)
    before = front.read_text()
    store.write(example_record(
        fps=90.0, ap=0.77, backbone="mini", training="encoder afresh",
        options={"communication": "none"}, config_sha256="ef" * 32,
    ))  # fmt: skip
    board = (results / "LEADERBOARD.md").read_text()
    assert {path.name for path in write_pages(results)} == {"README.md", "ABLATIONS.md"}
    assert front.read_text() == before
    assert (results / "LEADERBOARD.md").read_text() == board
    page = (results / "ABLATIONS.md").read_text()
    assert "ifc communication=none training=encoder afresh" in page
    assert "77.0" in page
    assert "| No Comm " in (results / "README.md").read_text()


def test_pages_skip_what_is_not_a_record(tmp_path):
    RecordStore(tmp_path / "records").write(example_record())
    (tmp_path / "records" / "broken.json").write_text("{")
    stored = records_of(tmp_path)
    assert len(stored.records) == 1
    assert len(stored.problems) == 1
    assert "broken.json" in stored.problems[0]


def test_no_page_is_written_before_all_are_made(tmp_path, monkeypatch):
    RecordStore(tmp_path / "records").write(example_record(fps=10.0))

    def fail(panels, form):
        raise RuntimeError

    monkeypatch.setattr("vis_bench.show.pages.speed_picture", fail)
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
