"""Time of paired half-samples: 1,000 of them, 300 videos, 40 classes (`--benchmark-only`)."""

import pytest

from compare_workload import generate
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.metrics.compare import analyse
from vis_bench.metrics.errors import break_down
from vis_bench.metrics.scores import Asked


@pytest.fixture(scope="module")
def workload():
    """Annotations and a results file of 30 tracks per video."""
    annotations, tracks, _ = generate()
    return GroundTruth.of(annotations), Results.of([Track(**track) for track in tracks])


@pytest.mark.parametrize("threshold", [None, 0.5], ids=["ap", "ap and tracking"])
def test_a_thousand_resamples_of_one_file(benchmark, workload, threshold):
    asked = Asked(tracking_threshold=threshold)
    found = benchmark.pedantic(analyse, (*workload, asked), rounds=3)
    assert len(found.overall["ap"].samples_S) == 1001


def test_the_error_breakdown_of_one_file(benchmark, workload):
    breakdown = benchmark.pedantic(break_down, workload, rounds=2)
    assert breakdown.ap > 0
