"""Intervals of HOTA, IDF1 and TETA: those of half-samples of the videos, by brute force."""

import json

import numpy as np
import pytest
from scipy import stats

from compare_workload import copied, generate
from hostile_calls import call
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.compare import analyse
from vis_bench.metrics.half_samples import draw_half_samples
from vis_bench.metrics.scores import Asked
from vis_bench.metrics.tracking.evaluate import evaluate_tracking

NAMES = ("hota", "deta", "assa", "loca", "idf1", "teta")
IN_A_RECORD = ("hota", "idf1", "teta")


def parts(annotations, tracks):
    return GroundTruth.of(annotations), Results.of([Track(**track) for track in tracks])


@pytest.mark.parametrize("num_videos", [5, 8])
def test_every_half_is_evaluated_alone(num_videos):
    """Files of the drawn videos alone, their evaluation, and Student's t around all videos."""
    annotations, tracks, _ = generate(2, num_videos, 3, 6)
    drawn = draw_half_samples(num_videos, 20, 7)
    numbers_B = []
    for counts_V in drawn.tolist():
        counts = {video["id"]: n for video, n in zip(annotations["videos"], counts_V, strict=True)}
        content, copies = copied(annotations, tracks, counts)
        numbers_B.append(evaluate_tracking(*parts(content, copies), 0.3).headline())
    tracking = evaluate_tracking(*parts(annotations, tracks), 0.3)
    asked = Asked(tracking_threshold=0.3, num_resamples=20, seed=7)
    found = analyse(*parts(annotations, tracks), asked).overall
    half = num_videos // 2
    for name in NAMES:
        spread = np.std([numbers[name] for numbers in numbers_B], ddof=1)
        error = np.sqrt(half / (num_videos - half)) * spread
        ends = stats.t.interval(0.95, num_videos - 1, tracking.headline()[name], error)
        assert found[name].interval == pytest.approx(np.clip(ends, 0, 1), abs=1e-12), name


def test_the_report_and_the_record_have_the_same_interval():
    truth, results = parts(*generate(1, 9, 3, 8)[:2])
    numbers = evaluate(truth, results, Asked(tracking_threshold=0.3)).record_numbers()
    overall = analyse(truth, results, Asked(tracking_threshold=0.3)).overall
    for name in ("ap", *IN_A_RECORD):
        ends = numbers[f"{name}_low"], numbers[f"{name}_high"]
        assert ends == pytest.approx(overall[name].interval, abs=1e-12), name
        assert ends[0] < numbers[name] < ends[1]


@pytest.mark.parametrize("num_videos", [2, 6])
def test_eval_gives_them_from_three_videos_up(num_videos, tmp_path):
    annotations, tracks, _ = generate(1, num_videos, 3, 6)
    for name, content in (("gt", annotations), ("r", tracks)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    command = [
        "eval",
        "--annotations",
        tmp_path / "gt.json",
        "--predictions",
        tmp_path / "r.json",
        "--tracking",
        "--score-threshold",
        "0.3",
    ]
    numbers = evaluate(*parts(annotations, tracks), Asked(tracking_threshold=0.3)).record_numbers()
    fields = [f"{name}_{end}" for name in IN_A_RECORD for end in ("low", "high")]
    code, out, _ = call(*command, "--json")
    tracking = json.loads(out)["tracking"]
    assert code == 0
    assert {key: tracking[key] for key in fields} == {key: numbers[key] for key in fields}
    assert (tracking["hota_low"] is None) == (num_videos == 2)
    code, out, _ = call(
        *command, "--record", "Mine", "--dataset", "mine", "--output", tmp_path / "out"
    )
    assert code == 0
    [path] = [p for p in (tmp_path / "out").glob("*.json") if not p.name.endswith(".results.json")]
    record = json.loads(path.read_text())
    assert {key: record[key] for key in fields} == {key: numbers[key] for key in fields}
    if num_videos == 6:
        for name in IN_A_RECORD:
            low, high = (f"{100 * numbers[f'{name}_{end}']:.1f}" for end in ("low", "high"))
            assert f"{name.upper()} {low} to {high}" in out


def test_without_an_object_there_is_no_interval():
    annotations, tracks, _ = generate(0, 4, 2, 4)
    truth, results = parts({**annotations, "annotations": []}, tracks)
    numbers = evaluate(truth, results, Asked(tracking_threshold=0.3)).record_numbers()
    assert (numbers["hota_low"], numbers["hota_high"], numbers["teta_low"]) == (None,) * 3
