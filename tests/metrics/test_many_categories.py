"""Annotations that list 51,248 categories, as SA-Co/VEval, cost no more than those that occur."""

import json
import tracemalloc

import pytest

from paths import GOLDEN
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import read_results
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.matching import occurring
from vis_bench.show.evaluation import evaluation_json, evaluation_text

NUMBER = 51_248
CONTENT = json.loads((GOLDEN / "concepts_made.gt.json").read_text())
USED = {category["id"] for category in CONTENT["categories"]}
OTHERS = [{"id": key, "name": f"phrase {key}"} for key in range(1, NUMBER + 1) if key not in USED]


@pytest.fixture(scope="module")
def found():
    """Evaluations with few and many categories, the JSON of both, text, and the peak of bytes."""
    results = read_results(GOLDEN / "concepts_made.preds.json")
    few = evaluate(GroundTruth.of(CONTENT), results, tracking_threshold=0.5)
    listed = [*OTHERS, *CONTENT["categories"]]
    truth = GroundTruth.of({**CONTENT, "categories": listed})
    tracemalloc.start()
    many = evaluate(truth, results, tracking_threshold=0.5)
    report, text = evaluation_json(many), evaluation_text(many)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return few, many, evaluation_json(few), report, text, peak


def test_numbers_are_those_of_the_few_that_occur(found):
    few, many, expected, report, _, _ = found
    assert few.summary() == many.summary()
    for numbers in (expected, report):
        averaged = numbers["tracking"].pop("class_averaged_all_listed")
    assert report == expected
    known = [counts.numbers()["hota"] for counts in map(many.tracking.category, USED)]
    assert averaged["hota"] == pytest.approx(sum(known) / NUMBER)
    assert averaged["loca"] == pytest.approx(1, abs=1e-3)


def test_no_row_and_no_array_of_the_others(found):
    _, many, _, report, text, peak = found
    rows = report["tracking"]["per_category"]
    assert {row["id"] for row in rows} <= USED
    assert len(json.dumps(report)) < 20_000
    assert "phrase" not in text
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
