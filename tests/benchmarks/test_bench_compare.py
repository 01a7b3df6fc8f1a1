"""Time of the paired bootstrap: 1,000 resamples, 300 videos, 40 classes (`--benchmark-only`)."""

import pytest

from compare_workload import generate
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.metrics.compare import compare
from vis_bench.metrics.error_breakdown import break_down
from vis_bench.metrics.matching import match
from vis_bench.metrics.tracking.evaluate import evaluate_tracking


@pytest.fixture(scope="module")
def workload():
    """Two results files of 30 tracks per video, and their matches."""
    annotations, *files = generate()
    truth = GroundTruth.of(annotations)
    results = [Results.of([Track(**track) for track in tracks]) for tracks in files]
    return truth, results, [match(truth, each) for each in results]


def test_a_thousand_resamples_of_both_files(benchmark, workload):
    _, _, (first, second) = workload
    result = benchmark.pedantic(compare, (first, second), rounds=3)
    assert result.num_resamples == 1000


def test_a_thousand_resamples_with_tracking_metrics(benchmark, workload):
    truth, results, matches = workload
    one, two = (evaluate_tracking(truth, each) for each in results)
    result = benchmark.pedantic(compare, matches, {"tracking": (one, two)}, rounds=3)
    assert result.tracking["hota"].low is not None


def test_the_error_breakdown_of_one_file(benchmark, workload):
    truth, results, _ = workload
    breakdown = benchmark.pedantic(break_down, (truth, results[0]), rounds=2)
    assert breakdown.ap > 0
