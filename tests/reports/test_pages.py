"""The generated pages follow from the records, and those of the repository are up to date."""

from methods import build_method
from paths import ROOT
from record_example import example_record
from vis_bench.records.store import RecordStore
from vis_bench.reports.pages import PICTURE, stale_pages, write_pages
from vis_bench.reports.paper_tables.encoder_counts import count_ifc_encoders

RESULTS = ROOT / "results"
NAMES = {"README.md", "LEADERBOARD.md", PICTURE}


def names(paths):
    return {path.name for path in paths}


def test_the_repositorys_pages_are_what_its_records_give():
    counts = count_ifc_encoders(build_method)
    assert stale_pages(RESULTS, counts) == [], "run `leaderboard --pages results`, and commit"


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
    assert names(stale_pages(tmp_path)) == NAMES


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


def test_an_ablation_stands_in_its_table_and_the_leaderboard_only(tmp_path):
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
    assert {path.name for path in write_pages(results)} == {"README.md", "LEADERBOARD.md"}
    assert front.read_text() == before
    board = (results / "LEADERBOARD.md").read_text()
    assert "ifc communication=none training=encoder afresh" in board
    assert "| No Comm " in (results / "README.md").read_text()
