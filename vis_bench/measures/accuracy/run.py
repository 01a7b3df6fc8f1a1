"""Measure accuracy: infer all videos, write a results file, evaluate it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vis_bench.data.datasets import Dataset
from vis_bench.data.results_file import Results, Track, write_results
from vis_bench.errors import InputError
from vis_bench.metrics.ap import Evaluation, evaluate
from vis_bench.metrics.coco import ImageEvaluation, evaluate_images
from vis_bench.metrics.scores import Asked
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.metrics.tracking.score_threshold import caveats
from vis_bench.record.names import file_stem
from vis_bench.record.schema import AccuracyFields, Record
from vis_bench.record.store import RESULTS_ENDING, name_by_content

if TYPE_CHECKING:  # a run imports the measurements
    from vis_bench.runs.attempt import Attempt
    from vis_bench.runs.build import CheckedMethod
    from vis_bench.runs.config import Cell
    from vis_bench.runs.jobs import Job


def check(cell: Cell, dataset: Dataset, method: CheckedMethod) -> None:
    """Refuse boundary AP of single images."""
    if cell.accuracy.boundary and dataset.of_images:
        raise InputError(
            f"accuracy.boundary is true, but {dataset.full_name} has images; expected videos"
        )


def measure(attempt: Attempt, record: Record) -> AccuracyFields:
    """Infer the job's videos, or take the tracks that others have inferred, and evaluate them."""
    results_file = attempt.results / f"{file_stem(record)}{RESULTS_ENDING}"
    return evaluate_tracks(attempt.job, attempt.tracks(), results_file, attempt.say)


def evaluate_tracks(
    job: Job,
    tracks_by_video: Mapping[int, Iterable[Track]],
    results_file: Path,
    say: Callable[[str], object] = lambda _: None,
) -> AccuracyFields:
    """Write the tracks of all of a job's videos as a results file, and evaluate them: AP, AR and
    tracking metrics with intervals, and boundary AP where the cell asks for it; of single images
    the 12 numbers of COCOeval.

    Args:
        results_file: gets the digest of its content in its name.
        say: is told of videos without a track above the threshold of the tracking metrics.
    """
    assert job.ground_truth is not None, "resolve_jobs refuses accuracy without annotations"
    missing = [video.name for video in job.videos if video.id not in tracks_by_video]
    if missing:
        raise InputError(
            f"{job.name}: {len(missing)} of {len(job.videos)} videos are not inferred yet; the "
            f"first is {missing[0]}"
        )
    tracks = [track for video in job.videos for track in tracks_by_video[video.id]]
    write_results(tracks, results_file, of_images=job.dataset.of_images)
    results = Results.of(tracks)
    evaluation: Evaluation | ImageEvaluation
    if job.ground_truth.of_images:
        evaluation = evaluate_images(job.ground_truth, results)
    else:
        asked = Asked(SCORE_THRESHOLD, job.cell.accuracy.boundary, job.groups)
        evaluation = evaluate(job.ground_truth, results, asked)
        for caveat in caveats(job.ground_truth, results, "the method", SCORE_THRESHOLD):
            say(caveat)
    predictions = name_by_content(results_file, RESULTS_ENDING).name
    return AccuracyFields(predictions=predictions, **evaluation.record_numbers())
