"""Annotations that list 51,248 categories, as SA-Co/VEval, cost no more than those that occur."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import vis_bench
from paths import GOLDEN
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, read_results
from vis_bench.masks.rle import from_run_lengths
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.compare import analyse
from vis_bench.metrics.errors import break_down_videos
from vis_bench.metrics.matching import occurring
from vis_bench.metrics.scores import Asked
from vis_bench.show.evaluation import EvaluationReport
from vis_bench.show.report.metrics import category_table, hard_table
from vis_bench.show.report.scores import confusion_table, track_scores
from vis_bench.show.report.sides import Sides

NUMBER = 51_248
CONTENT = json.loads((GOLDEN / "concepts_made.gt.json").read_text())
USED = {category["id"] for category in CONTENT["categories"]}
OTHERS = [{"id": key, "name": f"phrase {key}"} for key in range(1, NUMBER + 1) if key not in USED]


@pytest.fixture(scope="module")
def inputs():
    """Annotations of five videos with few categories and with many, and their tracks."""
    truths = [
        GroundTruth.of({**CONTENT, "categories": own})
        for own in (CONTENT["categories"], [*OTHERS, *CONTENT["categories"]])
    ]
    truths = [truth.of_videos(truth.videos[:5]) for truth in truths]
    ids = {video.id for video in truths[0].videos}
    tracks = read_results(GOLDEN / "concepts_made.preds.json").tracks
    return *truths, [track for track in tracks if track.video_id in ids]


@pytest.fixture(scope="module")
def found(inputs):
    """Evaluations with few and many categories, the JSON of both, text, and the peak of bytes."""
    few_truth, truth, tracks = inputs
    few = evaluate(few_truth, Results.of(tracks), Asked(tracking_threshold=0.5))
    tracemalloc.start()
    many = evaluate(truth, Results.of(tracks), Asked(tracking_threshold=0.5))
    report = EvaluationReport(many).as_json(per_category=True)
    text = EvaluationReport(many).as_text(per_category=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return few, many, EvaluationReport(few).as_json(per_category=True), report, text, peak


def test_numbers_are_those_of_the_few_that_occur(found):
    few, many, expected, report, _, _ = found
    assert few.summary() == many.summary()
    for numbers in (expected, report):
        averaged = numbers["tracking"].pop("class_averaged_all_listed")
    left_out = expected.pop("categories_left_out"), report.pop("categories_left_out")
    assert left_out == (0, NUMBER - len(USED))
    assert report == expected
    known = [counts.numbers()["hota"] for counts in map(many.tracking.category, USED)]
    assert averaged["hota"] == pytest.approx(sum(known) / NUMBER)
    assert averaged["loca"] == pytest.approx(1, abs=1e-3)


def test_no_row_and_no_array_of_the_others(found):
    _, many, _, report, text, peak = found
    for rows in (report["per_category"], report["tracking"]["per_category"]):
        assert {row["id"] for row in rows} <= USED
    assert len(json.dumps(report)) < 20_000
    assert "phrase" not in text
    assert f"{NUMBER - len(USED):,} of {NUMBER:,} listed categories" in text
    assert len(many.matches.categories) == NUMBER
    assert {own.id for own in occurring(many.matches.categories)} <= USED
    assert peak < 40e6, f"{peak / 1e6:.0f} MB"


def test_all_can_still_be_asked_for(found):
    few, many, *_ = found
    categories = many.matches.categories
    absent = categories[3]
    assert (absent.id, absent.name) == (4, "phrase 4")
    assert not absent.num_objects_VA.any()
    assert absent.hits_ATn.shape == (*categories[6].hits_ATn.shape[:2], 0)
    assert [own.id for own in categories[:3]] == [1, 2, 3]
    assert categories[-1].id == NUMBER
    by_id = {own.id: own for own in few.matches.categories}
    assert (categories[6].score_n == by_id[7].score_n).all()
    assert many.tracking.category(4).numbers()["loca"] == 1


@pytest.fixture(scope="module")
def compared(inputs):
    """Two sides, with few categories and with many; the second scores every other track lower."""
    *truths, tracks = inputs
    low = [replace(track, score=track.score / (1 + n % 2)) for n, track in enumerate(tracks)]
    return [
        Sides(
            [
                analyse(truth, Results.of(own), Asked(tracking_threshold=0.5, num_resamples=5))
                for own in (tracks, low)
            ]
        )
        for truth in truths
    ]


def test_a_comparison_is_that_of_the_few(compared):
    few, many = compared
    assert many.compared == few.compared
    held = {thing.category_id for thing in few.samples[0].truth.objects if not thing.is_crowd}
    assert len(many.compared.by_category) == len(held) < len(USED)


def test_a_report_is_that_of_the_few(compared):
    few, many = compared
    for table in (category_table, hard_table):
        assert table(many) == table(few)
    for one, two in zip(few.samples, many.samples, strict=True):
        scores = track_scores(one), track_scores(two)
        for name, value in vars(scores[0]).items():
            np.testing.assert_equal(vars(scores[1])[name], value, name)
        assert confusion_table(two, scores[1], "") == confusion_table(one, scores[0], "")
        np.testing.assert_equal(vars(two.errors), vars(one.errors))


def test_errors_of_a_video_are_those_of_the_few(compared):
    found = [
        break_down_videos(own.truth, own.results)[0].gains
        for own in (side.samples[0] for side in compared)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("numbers", [(101,), (120, 3), (250, 100), (150, 100, 99)])
def test_the_highest_ap_that_the_limit_of_tracks_allows_is_said(numbers, tmp_path):
    """Of tracks equal to the objects: a row of pixels each, the categories one after the other."""
    size = 2, sum(numbers)
    objects = []
    for category, number in enumerate(numbers, 1):
        for _ in range(number):
            place = 2 * len(objects)
            code = from_run_lengths([place, 2, 2 * size[1] - place - 2], *size)
            objects.append({"video_id": 1, "category_id": category, "segmentations": [code]})
    truth = {
        "videos": [{"id": 1, "height": 2, "width": size[1], "length": 1, "file_names": ["a.jpg"]}],
        "categories": [{"id": 1 + n, "name": f"c{n}"} for n in range(len(numbers))],
        "annotations": [{"id": 1 + n, "iscrowd": 0, **own} for n, own in enumerate(objects)],
    }
    tracks = [{**own, "score": 1 - n / 1e3} for n, own in enumerate(objects)]
    for name, content in (("gt.json", truth), ("r.json", tracks)):
        (tmp_path / name).write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="AP cannot exceed") as caught:
        report = vis_bench.evaluate(tmp_path / "gt.json", tmp_path / "r.json")
    [text] = {str(w.message) for w in caught if "AP cannot exceed" in str(w.message)}
    assert text.endswith(f" {100 * report.summary()['ap']:.1f}")
    assert report.summary()["ap"] < 1
