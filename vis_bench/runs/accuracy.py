"""Accuracy of a job: all videos inferred, tracks written as a results file, AP, AR, tracking."""

from __future__ import annotations

from pathlib import Path

from vis_bench.data.results_file import Results, Track, write_results
from vis_bench.evaluation.tracking.protocol import SCORE_THRESHOLD
from vis_bench.evaluation.ytvis import evaluate
from vis_bench.inference.loop import track_video
from vis_bench.inference.method import VISMethod
from vis_bench.progress import Advance
from vis_bench.records.schema import AccuracyFields
from vis_bench.runs.jobs import Job


def measure_accuracy(
    job: Job, method: VISMethod, results_file: Path, advance: Advance
) -> AccuracyFields:
    """Infers the job's videos and evaluates them against its ground truth.

    Args:
        method: the job's, loaded.
        results_file: is written; the record names it.
        advance: is called with the number of frames that are done.
    """
    assert job.ground_truth is not None, "resolve_jobs refuses accuracy without annotations"
    tracks: list[Track] = []
    for video in job.videos:
        tracks += track_video(method, video, job.plan, job.dataset.category_ids)
        advance(video.length)
    write_results(tracks, results_file)
    evaluation = evaluate(job.ground_truth, Results.of(tracks), tracking_threshold=SCORE_THRESHOLD)
    assert evaluation.tracking is not None
    return AccuracyFields(
        predictions=results_file.name, **evaluation.summary(), **evaluation.tracking.headline()
    )
