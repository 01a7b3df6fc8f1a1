"""Results files of other code enter the leaderboard and the comparison."""

import hashlib
import json

import pytest

from paths import GOLDEN
from vis_bench.data.split import split_annotations
from vis_bench.errors import InputError
from vis_bench.records.caveats import is_ranked
from vis_bench.records.other_code import record_results
from vis_bench.records.store import RecordStore, read_record
from vis_bench.reports.leaderboard import leaderboard_markdown
from vis_bench.reports.paper_tables import paper_table
from vis_bench.tables.text import render

ANNOTATIONS, PREDICTIONS = GOLDEN / "eval_dense.gt.json", GOLDEN / "eval_dense.preds.json"
EXPECTED = json.loads((GOLDEN / "eval_dense.expected.json").read_text())


def record(tmp_path, name="VisTR", **changes):
    options = {"dataset": "ytvis2019", "split": "heldout", "backbone": "ResNet-50", **changes}
    store = RecordStore(tmp_path)
    _, path = record_results(name, ANNOTATIONS, PREDICTIONS, store, command="eval", **options)
    return read_record(path), path


def test_the_record_holds_the_official_numbers_and_the_files_checksums(tmp_path):
    written, path = record(tmp_path)
    for field, official in (("ap", "AP"), ("ap75", "AP75"), ("ap_l", "APl"), ("ar10", "AR10")):
        assert getattr(written, field) == EXPECTED["stats"][official]
    assert written.annotations_sha256 == hashlib.sha256(ANNOTATIONS.read_bytes()).hexdigest()
    assert (path.parent / written.predictions).read_bytes() == PREDICTIONS.read_bytes()
    assert written.fps is None
    assert list(RecordStore(tmp_path)) == [written]


def test_it_is_ranked_and_marked_as_other_code(tmp_path):
    written, _ = record(tmp_path)
    assert is_ranked(written)
    text = leaderboard_markdown([written])
    assert "| VisTR (other code) | ResNet-50" in text
    assert "YouTube-VIS 2019 heldout" in text


def test_it_stands_in_its_row_of_the_comparison(tmp_path):
    written, _ = record(tmp_path)
    lines = render(paper_table("comparison", [written])).splitlines()
    place = next(n for n, line in enumerate(lines) if "VisTR" in line)
    assert f"{100 * written.ap:.1f}" in lines[place + 1]


def test_the_same_file_is_one_record_and_another_name_another(tmp_path):
    for name in ("VisTR", "VisTR", "MaskProp"):
        record_results(name, ANNOTATIONS, PREDICTIONS, RecordStore(tmp_path), command="eval",
                       dataset="ytvis2019")  # fmt: skip
    assert len(list(RecordStore(tmp_path))) == 2


def test_a_held_out_part_says_its_own_split(tmp_path):
    part, _ = split_annotations(ANNOTATIONS, tmp_path / "split", fraction=0.5)
    kept = {video["id"] for video in json.loads(part.path.read_text())["videos"]}
    results = tmp_path / "results.json"
    tracks = json.loads(PREDICTIONS.read_text())
    results.write_text(json.dumps([track for track in tracks if track["video_id"] in kept]))
    renamed = part.path.rename(tmp_path / "mine.json")
    _, path = record_results("VisTR", renamed, results, RecordStore(tmp_path / "r"),
                             command="eval", dataset="ytvis2019")  # fmt: skip
    written = read_record(path)
    assert written.split == "heldout"
    assert written.annotations_sha256 == part.sha256
    assert written.num_videos == len(kept)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "name for --record is empty"),
        ({"dataset": "ytvis"}, "expected one of ytvis2019"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        record(tmp_path / "r", **changes)
    assert not (tmp_path / "r").exists()


def test_unknown_categories_need_a_data_sets_name(tmp_path):
    with pytest.raises(InputError, match="--dataset names one"):
        record(tmp_path, dataset=None)
