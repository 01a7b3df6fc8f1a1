"""Accuracy of a job: all videos inferred, tracks written as a results file, and their figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from vis_bench.data.results_file import Results, Track, write_results
from vis_bench.data.video import Video
from vis_bench.inference.loop import track_video
from vis_bench.method import VISMethod
from vis_bench.metrics.bootstrap import ap_interval
from vis_bench.metrics.images import evaluate_images
from vis_bench.metrics.tracking.protocol import SCORE_THRESHOLD
from vis_bench.metrics.ytvis import evaluate
from vis_bench.progress import Advance
from vis_bench.records.schema import AccuracyFields
from vis_bench.runs.jobs import Job


def infer(
    job: Job, method: VISMethod, videos: Iterable[Video], advance: Advance
) -> dict[int, list[Track]]:
    """The tracks of some of a job's videos, by video id.

    Args:
        method: the job's, loaded.
        advance: is called with the number of frames that are done.
    """
    tracks: dict[int, list[Track]] = {}
    for video in videos:
        tracks[video.id] = track_video(method, video, job.plan, job.dataset.category_ids)
        advance(video.length)
    return tracks


def evaluate_accuracy(job: Job, tracks: Sequence[Track], results_file: Path) -> AccuracyFields:
    """Evaluates the tracks of all of a job's videos against its ground truth: AP, its interval, AR
    and the tracking metrics. Of single images the 12 numbers of COCOeval.

    Args:
        tracks: in the order of the job's videos.
        results_file: is written; the record names it.
    """
    assert job.ground_truth is not None, "resolve_jobs refuses accuracy without annotations"
    write_results(tracks, results_file, of_images=job.dataset.of_images)
    results = Results.of(tracks)
    if job.ground_truth.of_images:
        numbers = evaluate_images(job.ground_truth, results).summary()
        return AccuracyFields(predictions=results_file.name, **numbers)
    evaluation = evaluate(job.ground_truth, results, tracking_threshold=SCORE_THRESHOLD)
    assert evaluation.tracking is not None
    low, high = ap_interval(evaluation.matches) or (None, None)
    return AccuracyFields(
        predictions=results_file.name,
        ap_low=low,
        ap_high=high,
        **evaluation.record_numbers(),
        **evaluation.tracking.headline(),
    )
