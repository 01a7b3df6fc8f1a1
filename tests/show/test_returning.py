"""Gains of longer clips where objects return: against evaluations of the videos alone."""

import re
from dataclasses import replace

import pytest
from scipy import stats

import refresh
import returning
from clip_lengths_page import hard_page
from compare_workload import generate
from record_example import example_record, perfect_tracks, synthetic_record
from returning import find_sweeps, findings, returning_page, training_notes
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.half_samples import ap_samples, standard_error
from vis_bench.metrics.scores import Difference
from vis_bench.record.store import RecordStore, matches_file, read_record, record_json
from vis_bench.show.paired_ap import PairedAP
from vis_bench.table.number_format import points

NUM_VIDEOS, AWAY = 12, range(1, 6)  # ids of the videos with an object that returns


@pytest.fixture(scope="module")
def content():
    """Annotations in which the first object of some videos is away in between, and two results."""
    annotations, *results = generate(1, NUM_VIDEOS, 3, 10)
    for video in AWAY:
        entry = next(a for a in annotations["annotations"] if a["video_id"] == video)
        masks = entry["segmentations"]
        entry["segmentations"] = [masks[0], *[None] * (len(masks) - 2), masks[-1]]
    return annotations, [Results.of([Track(**track) for track in tracks]) for tracks in results]


@pytest.fixture(scope="module")
def sweeps(content):
    annotations, sides = content
    truth, found = GroundTruth.of(annotations), {}
    for length, results in zip((5, "whole"), sides, strict=True):
        evaluation = evaluate(truth, results)
        numbers = evaluation.summary() | evaluation.level_aps()
        record = example_record(clip_length=length, num_videos=NUM_VIDEOS, **numbers)
        found[length] = record, evaluation.matches
    matches = {record.clip_length: own for record, own in found.values()}
    return find_sweeps([record for record, _ in found.values()], lambda r: matches[r.clip_length])


def ap_of_videos(annotations, results, inside):
    part = annotations | {
        key: [entry for entry in annotations[key] if entry[field] in inside]
        for key, field in (("videos", "id"), ("annotations", "video_id"))
    }
    tracks = [track for track in results.tracks if track.video_id in inside]
    return evaluate(GroundTruth.of(part), Results.of(tracks)).summary()["ap"]


def test_gains_by_videos_are_those_of_the_videos_alone(content, sweeps):
    (sweep,) = sweeps
    assert [cell.record.clip_length for cell in sweep.cells] == [5, "whole"]
    annotations, (short, long) = content
    others = set(range(1, NUM_VIDEOS + 1)) - set(AWAY)
    expected = [
        ap_of_videos(annotations, long, inside) - ap_of_videos(annotations, short, inside)
        for inside in (set(AWAY), others)
    ]
    gains = [gain.difference for gain in sweep.gains("videos")]
    assert gains == pytest.approx([*expected, expected[0] - expected[1]], abs=1e-12)
    assert all(gain.low < gain.difference < gain.high for gain in sweep.gains("videos"))


def test_gains_by_objects_are_those_of_the_levels(sweeps):
    (sweep,) = sweeps
    short, long = (cell.record for cell in sweep.cells)
    expected = [long.ap_returning - short.ap_returning, long.ap_staying - short.ap_staying]
    gains = [gain.difference for gain in sweep.gains("objects")]
    assert gains == pytest.approx([*expected, expected[0] - expected[1]], abs=1e-12)


def test_a_row_per_cell_and_two_per_method_and_a_chart(sweeps):
    page = returning_page(sweeps)
    by_objects, by_videos, cells = page.tables
    assert len(cells.rows) == 2
    assert [table.data.split()[-1] for table in (by_objects, by_videos)] == ["objects", "videos"]
    assert all(" to " in entry.text for entry in by_videos.rows[0][1:])


def test_the_loss_on_hidden_objects_is_told_with_its_interval(sweeps):
    (sweep,) = sweeps
    cells = {cell.record.clip_length: cell for cell in sweep.cells}
    records = [
        cell.record.model_copy(update={"ap": 0.1 * n, "ap_so": 0.8, "ap_ho": 0.2})
        for n, cell in enumerate(sweep.cells)
    ]
    page = hard_page(records, lambda record: cells[record.clip_length].matches)
    matches = sweep.cells[-1].matches
    if {"so", "ho"} <= set(matches.levels):
        light, heavy = (ap_samples(matches, level=level)[0] for level in ("so", "ho"))
        assert f"by {points(light - heavy)} (" in page.findings[0]
    else:
        assert page.findings == ()
    assert hard_page(records, lambda record: None).findings == ()


def test_chart_sentences_and_table_beside_it_have_the_same_gains(content, sweeps):
    [panel] = returning.returning_panels(sweeps)
    [row] = returning_page(sweeps).tables[1].rows
    sides = [series.name for series in panel.series]
    for side, gain, sentence, entry in zip(
        sides, sweeps[0].gains("videos"), findings(sweeps), row[1:], strict=False
    ):
        text = re.escape(points(gain.difference, signed=True))
        assert re.search(rf" {text} [^,]*{side}", panel.title)
        assert re.search(rf" {text} ", sentence)
        assert re.match(rf"{text} ", entry.text)
    assert {series.method for series in panel.series} == {sweeps[0].cells[0].record.method}
    annotations, results = content
    ids = {video["id"] for video in annotations["videos"]}
    for series, inside in zip(panel.series, ({*AWAY}, ids - {*AWAY}), strict=True):
        expected = [100 * ap_of_videos(annotations, own, inside) for own in results]
        assert series.y == pytest.approx(expected)
        assert all(
            low < y < high for low, y, high in zip(series.low, series.y, series.high, strict=True)
        )


class Named:
    """A method whose three gains have given intervals."""

    def __init__(self, name, *ends):
        self.name, self.ends = name, ends

    def gains(self, counted):
        return [Difference(0, 0, (low + high) / 2, low, high, 0.5) for low, high in self.ends]


def test_sentences_say_the_sign_only_where_the_interval_does():
    up, down, open_ = (0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1)
    texts = findings([Named("A", up, down, up), Named("B", up, open_, down)])
    assert texts[0].endswith("raise AP (A: +15.0 (+10.0 to +20.0); B: +15.0 (+10.0 to +20.0)).")
    assert "lower AP (A: -15.0 (-20.0 to -10.0))" in texts[1]
    assert "show no measurable change (B: 0.0 (-10.0 to +10.0))" in texts[1]


def test_intervals_have_the_degrees_of_freedom_of_the_videos_of_their_kind(content, sweeps):
    (sweep,) = sweeps
    cell = sweep.cells[0]
    staying = len({a["video_id"] for a in content[0]["annotations"]} - {1, 2, 3, 4, 5})
    assert [score.num_holding for score in cell.scores["videos"]] == [len(AWAY), staying]
    assert cell.scores["objects"][0].num_holding == len(AWAY)
    gain = sweep.gains("videos")[1]
    ends = stats.t.interval(0.95, staying - 1, gain.difference, gain.standard_error)
    assert (gain.low, gain.high) == pytest.approx(ends)
    score = cell.scores["objects"][1]
    error = standard_error(score.samples_S[1:], NUM_VIDEOS)
    held = score.num_holding
    ends = stats.t.interval(0.95, held - 1, score.value, error)
    assert score.interval == pytest.approx((max(0, ends[0]), min(1, ends[1])))


def test_a_sentence_names_methods_with_one_training(sweeps):
    (sweep,) = sweeps
    (note,) = training_notes(sweeps)
    assert sweep.name in note
    assert note in returning_page(sweeps).remarks
    first, *others = sweep.cells
    retrained = replace(first, record=first.record.model_copy(update={"weights_sha256": "another"}))
    assert training_notes([replace(sweep, cells=[retrained, *others])]) == []


def test_a_single_clip_length_or_missing_matches_is_no_sweep(sweeps):
    (sweep,) = sweeps
    records = [cell.record for cell in sweep.cells]
    assert find_sweeps(records[:1], lambda record: sweep.cells[0].matches) == []
    assert find_sweeps(records, lambda record: None) == []


def test_trim_keeps_masks_of_the_best_cell_and_matches_of_all(tmp_path):
    folder, tracks = tmp_path / "records", perfect_tracks(3)
    best = synthetic_record(folder, "ifc", tracks, 3, clip_length=5)
    other = synthetic_record(folder, "other", tracks[2:], 3, clip_length=10)
    other.write_bytes(record_json(read_record(other).model_copy(update={"method": "ifc"})))
    before = PairedAP(RecordStore(folder).readable())
    records = RecordStore(folder).readable().records
    expected = before(*records)
    assert len(refresh.trim(tmp_path)) == 3
    assert refresh.trim(tmp_path) == []
    assert all(matches_file(read_record(path), path).is_file() for path in (best, other))
    assert (folder / "ifc.results.json").is_file()
    assert not (folder / "other.results.json").exists()
    after = PairedAP(RecordStore(folder).readable())
    assert after(*records) == expected
    assert after.problems == []
