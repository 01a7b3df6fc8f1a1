"""A benchmark and evaluation harness for video instance segmentation.

The Python interface: `evaluate` a results file, `compare` two, `measure` a config, and read
`records` into a table. The command line calls the same functions. Wrong input raises
`vis_bench.errors.InputError` with one sentence.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from vis_bench.metrics.ap import Evaluation
    from vis_bench.metrics.coco import ImageEvaluation
    from vis_bench.progress import Bars
    from vis_bench.runs.harness import Outcome
    from vis_bench.show.compare import CompareReport

__all__ = ["compare", "evaluate", "measure", "records"]

# Folders of records, unless another one is named: of whole splits, and of the first videos of one.
RECORDS, LIMITED_RECORDS = Path("results/records"), Path("runs/limited")


def evaluate(
    annotations: str | Path, results: str | Path, *,
    long_annotations: str | Path | None = None, tracking_threshold: float | None = None,
) -> Evaluation | ImageEvaluation:  # fmt: skip
    """Compute AP and AR of a results file as the official evaluator does.

    Args:
        annotations: a file in YouTube-VIS form, or of images in COCO's.
        results: a results file in the same form.
        long_annotations: those of the long videos, where AP is the mean of short and long ones.
        tracking_threshold: compute HOTA, IDF1 and TETA of tracks with a higher score, too.

    Returns:
        `summary()`: `ap`, `ap50`, ... as fractions; `interval`: the 95 % interval of AP;
        `per_category()`: a row per category.
    """
    from vis_bench.metrics.ap import evaluate_files

    return evaluate_files(
        Path(annotations), Path(results), tracking_threshold=tracking_threshold,
        long_annotations=None if long_annotations is None else Path(long_annotations),
    )  # fmt: skip


def compare(
    first: str | Path, second: str | Path, *, annotations: str | Path | None = None,
    data_root: str | Path | None = None, score_threshold: float | None = None,
    num_resamples: int = 1000, seed: int = 0, bars: Bars | None = None,
) -> CompareReport:  # fmt: skip
    """Compare two records or results files on the same videos, with intervals of the differences.

    Args:
        first, second: files of records with their predictions beside them, or results files.
        annotations: needed for results files; records know their data set.
        data_root: folder of data sets, for records of public ones.
        score_threshold: tracks with a higher score take part in the tracking metrics.
        num_resamples, seed: of the half-samples of the videos.
        trace: recorded times of clips that streaming is scheduled by, in place of this machine's.
        bars: show progress; none is shown unless given.

    Returns:
        `finding()`: the difference in AP in a sentence; `as_json()` and `as_text()`: all of it.
    """
    from vis_bench.metrics.tracking import SCORE_THRESHOLD
    from vis_bench.progress import Bars
    from vis_bench.runs.sources import compared_sources
    from vis_bench.show.compare import compare_pair

    pair = compared_sources(
        [Path(first), Path(second)],
        annotations=None if annotations is None else Path(annotations),
        data_root=None if data_root is None else Path(data_root),
    )  # fmt: skip
    threshold = SCORE_THRESHOLD if score_threshold is None else score_threshold
    return compare_pair(
        pair, bars or Bars(quiet=True), score_threshold=threshold, num_resamples=num_resamples,
        seed=seed,
    )  # fmt: skip


def measure(
    config: str | Path, settings: Sequence[str] = (), *, output: str | Path | None = None,
    data_root: str | Path | None = None, weights: str | Path | None = None,
    limit: int | None = None, device: str | None = None, resume: bool = False,
    verify_frames: bool = False, trace: str | Path | None = None, bars: Bars | None = None,
    command: str = "vis_bench.measure",
    default_output: Path = RECORDS, measure_all: Callable[..., Outcome] | None = None,
) -> Outcome:  # fmt: skip
    """Measure every cell of a config and write a record of each.

    Args:
        config: a YAML file, or the name of a bundled config.
        settings: `key=value` over the config's, as `--set` takes them.
        output: folder of the records; `default_output` unless given, and runs/limited for the
            first videos of a split.
        data_root: folder of data sets.
        weights: a file in place of the config's.
        limit: measure the first videos only.
        device: "cpu" or "cuda"; a GPU where there is one, unless given.
        resume: keep what was measured before by the same code on the same frames.
        verify_frames: tell frames apart by their contents and not only by their sizes.
        bars: show progress; none is shown unless given.
        command: stands in the records.
        measure_all: measures the jobs; in this process unless given.

    Returns:
        `records`, `failures` (a sentence each) and the `folder` of the records.
    """
    from methods import build_method
    from vis_bench.progress import Bars
    from vis_bench.record.environment import pick_device
    from vis_bench.record.store import RecordStore
    from vis_bench.runs.bundled import find_config
    from vis_bench.runs.harness import run_jobs
    from vis_bench.runs.jobs import RunSettings, load_jobs
    from vis_bench.text import count

    bars = bars or Bars(quiet=True)
    run = RunSettings(
        command, pick_device(device), None if data_root is None else Path(data_root),
        None if weights is None else Path(weights), limit, verify_frames,
        None if trace is None else Path(trace),
    )  # fmt: skip
    jobs = load_jobs(find_config(config), settings, run, build_method, bars)
    folder = Path(output or default_output)
    where = f"records go to {folder}"
    if output is None and any(job.limited for job in jobs):
        folder = LIMITED_RECORDS
        where = f"--limit: records go to {folder}; --output names another folder"
    store = RecordStore(folder)
    store.prepare()
    bars.say(f"{count(len(jobs), 'cell')}; {where}")
    outcome = (measure_all or partial(run_jobs, resume=resume))(jobs, store, bars)
    return replace(outcome, folder=folder)


def records(folder: str | Path = RECORDS) -> pd.DataFrame:
    """Read a folder of records into a table, a row per record and a column per field.

    A file that is not a record is left out, with a warning that names it.
    """
    import pandas as pd

    from vis_bench.record.store import RecordStore

    stored = RecordStore(Path(folder)).readable()
    for problem in stored.problems:
        warnings.warn(f"skipped: {problem}", stacklevel=2)
    return pd.DataFrame([record.model_dump(mode="json") for record in stored.records])
