"""Records compared by the predictions beside them, and what older records lack."""

import json

import pytest

from compare_workload import generate
from record_example import perfect_tracks, synthetic_record
from vis_bench.cli import main
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.metrics.compare import analyse, compare
from vis_bench.record.store import RecordStore, pack_predictions, read_record, record_json
from vis_bench.runs.external import OtherCode, record_results
from vis_bench.show.leaderboard import NO_RANK_NOTE, leaderboard_text
from vis_bench.show.paired_ap import PairedAP
from vis_bench.show.report.metrics import contradictions
from vis_bench.show.report.sides import Sides

CONTENT, FIRST, SECOND = generate(1, 24, 4, 12)
# Good, as good up to one score, and with few of its tracks.
TRACKS = {"good": FIRST, "alike": [{**FIRST[0], "score": 0.5}, *FIRST[1:]], "few": SECOND[::6]}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The annotations' path and a folder with a record of other code for each of `TRACKS`."""
    folder = tmp_path_factory.mktemp("made")
    annotations = folder / "gt.json"
    annotations.write_text(json.dumps(CONTENT))
    for name, tracks in TRACKS.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(tracks))
        _, record = record_results(
            OtherCode(name),
            annotations,
            path,
            RecordStore(folder / "records"),
            command="eval",
            dataset="mine",
            split="val",
        )
        if name == "alike":
            pack_predictions(record)
    return annotations, folder / "records"


def named(stored):
    return {record.method: record for record in stored.records}


def analysed(name):
    return analyse(GroundTruth.of(CONTENT), Results.of([Track(**track) for track in TRACKS[name]]))


def test_a_recorded_result_carries_its_interval(made):
    for name, record in named(RecordStore(made[1]).readable()).items():
        assert (record.ap_low, record.ap_high) == analysed(name).evaluation.interval
        assert record.ap_low < record.ap < record.ap_high


def test_the_difference_of_two_records_is_that_of_compare(made):
    annotations, folder = made
    stored = RecordStore(folder).readable()
    records, paired = named(stored), PairedAP(stored, annotations)
    for one, two in (("good", "few"), ("good", "alike"), ("few", "few")):
        expected = compare(analysed(one), analysed(two)).overall["ap"]
        assert paired(records[one], records[two]) == expected
    assert paired(records["good"], records["few"]).is_noise is False
    assert paired(records["good"], records["alike"]).is_noise is True
    assert paired.problems == []


def test_a_leaderboard_has_ranks_where_predictions_and_annotations_are(made, capsys):
    annotations, folder = made
    command = ["leaderboard", "--records", str(folder), "--format", "csv"]
    for more, ranks in (
        (["--annotations", str(annotations)], ["1 to 2", "1 to 2", "3"]),
        ([], ["-", "-", "-"]),
    ):
        assert main([*command, *more]) == 0
        header, *lines = capsys.readouterr().out.splitlines()
        place = header.split(",").index("Rank")
        assert [line.split(",")[place] for line in lines] == ranks


def test_without_annotations_or_with_others_there_are_no_ranks(made, tmp_path):
    annotations, folder = made
    stored = RecordStore(folder).readable()
    other = tmp_path / "other.json"
    other.write_text(annotations.read_text() + "\n")
    for paired in (PairedAP(stored), PairedAP(stored, other)):
        text = leaderboard_text(stored.records, difference=paired)
        assert NO_RANK_NOTE in text
        assert paired.problems == []


def test_predictions_of_another_ap_are_named_and_not_used(made, tmp_path):
    annotations, folder = made
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    stored = RecordStore(tmp_path).readable()
    changed = stored.paths[0]
    record = stored.records[0].model_copy(update={"ap": stored.records[0].ap + 1e-4})
    changed.write_bytes(record_json(record))
    stored = RecordStore(tmp_path).readable()
    paired = PairedAP(stored, annotations)
    assert paired(stored.records[0], stored.records[1]) is None
    assert paired(stored.records[1], stored.records[0]) is None
    (problem,) = paired.problems
    assert str(changed) in problem
    assert "the predictions beside it have" in problem


@pytest.mark.parametrize(("moved", "is_same"), [(1e-10, True), (1e-8, False)])
def test_rankings_and_reports_agree_on_equal_aps(made, tmp_path, moved, is_same):
    annotations, folder = made
    stored = RecordStore(folder).readable()
    record = named(stored)["few"]
    path = stored.paths[stored.records.index(record)]
    record = record.model_copy(update={"ap": record.ap + moved})
    (tmp_path / path.name).write_bytes(record_json(record))
    (tmp_path / record.predictions).write_bytes((folder / record.predictions).read_bytes())
    stored = RecordStore(tmp_path).readable()
    paired = PairedAP(stored, annotations)
    assert (paired(*stored.records, *stored.records) is not None) is is_same
    assert (contradictions(Sides([analysed("few")]), [record]) == []) is is_same


def test_records_of_other_videos_are_not_compared(made):
    annotations, folder = made
    stored = RecordStore(folder).readable()
    paired = PairedAP(stored, annotations)
    other = stored.records[1].model_copy(update={"annotations_sha256": "0" * 64})
    assert paired(stored.records[0], other) is None


def test_measured_records_find_their_annotations_and_lend_them_to_other_code(tmp_path):
    tracks = perfect_tracks(3)
    synthetic_record(tmp_path, "ifc", tracks[1:], 3)
    synthetic_record(tmp_path, "visitor", tracks[2:], 3, config={}, external=True)
    stored = RecordStore(tmp_path).readable()
    difference = PairedAP(stored)(*stored.records)
    assert difference.second < difference.first < 1
    assert difference.low is not None


@pytest.mark.parametrize(
    "changes",
    [{"num_videos": 0}, {"config": {"dataset": 3}}, {"predictions": "../ifc.results.json"},
     {"predictions": "other.json"}, {"annotations_sha256": None}],
)  # fmt: skip
def test_what_does_not_hold_together_is_not_compared(tmp_path, changes):
    tracks = perfect_tracks(2)
    (tmp_path / "other.json").write_text(
        '[{"video_id": 99, "category_id": 1, "score": 1, "segmentations": [null]}]'
    )
    for method in ("ifc", "color_key"):
        path = synthetic_record(tmp_path, method, tracks, 2)
        changed = read_record(path).model_copy(update=changes)
        path.write_bytes(record_json(changed))
    stored = RecordStore(tmp_path).readable()
    assert PairedAP(stored)(*stored.records) is None
