"""A benchmark and evaluation harness for video instance segmentation.

The Python interface: `evaluate` a results file, or a training loop's tracks by an `Evaluator`,
`compare` several, `report` on two, `draw` masks, `measure` a config, read `records` into a table
and `chart` them. The command line makes the same of files. Wrong input
raises `vis_bench.InputError` with one sentence.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from vis_bench.arguments import (
    COUNT,
    RESAMPLES,
    RESULTS,
    SEED,
    THRESHOLD,
    optional_path,
    path_of,
    speaks_of_arguments,
)
from vis_bench.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from vis_bench.charts import Chart
    from vis_bench.progress import Bars
    from vis_bench.record.schema import Record
    from vis_bench.runs.measure_config import MeasureReport
    from vis_bench.runs.overrides import Overrides
    from vis_bench.show.compare import AgainstFirst, CompareReport
    from vis_bench.show.evaluation import EvaluationReport
    from vis_bench.show.evaluator import Evaluator

__all__ = [
    "Evaluator", "InputError", "chart", "compare", "draw", "evaluate", "measure", "records",
    "report",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Imported when it is asked for: it needs NumPy, for which `vis-bench --help` does not wait.
    if name == "Evaluator":
        from vis_bench.show.evaluator import Evaluator

        return Evaluator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@speaks_of_arguments
def evaluate(
    annotations: str | Path,
    results: str | Path,
    *,
    long_annotations: str | Path | None = None,
    tracking_threshold: float | None = None,
    boundary: bool = False,
    groups: str | Path | None = None,
    clear: bool = False,
    max_tracks: int | None = None,
) -> EvaluationReport:
    """Compute AP and AR of a results file as the official evaluator does.

    Args:
        annotations: a file in YouTube-VIS form, or of images in COCO's.
        results: a results file in the same form.
        long_annotations: those of the long videos, where AP is the mean of short and long ones.
        tracking_threshold: compute HOTA, IDF1 and TETA of tracks with a higher score, too.
        boundary: compute AP by masks and their boundaries, too.
        groups: `partition`, or a YAML file of groups of categories or videos, which are evaluated
            alone, too.
        clear: with tracking_threshold, count CLEAR (MOTA, identity switches ...), too.
        max_tracks: the best tracks of a category and video that AP counts, 100 or more, on data of
            your own; 100 unless given, as the official evaluator does.

    Returns:
        `summary()`: `ap`, `ap50`, ... as fractions; `interval`: the 95 % interval of AP;
        `per_category()`: a row per category; `finding()`, `as_json()` and `as_text()`.
    """
    from vis_bench.metrics.ap import evaluate_files
    from vis_bench.metrics.scores import Asked
    from vis_bench.show.evaluation import EvaluationReport

    if tracking_threshold is not None:
        THRESHOLD.check("tracking_threshold", tracking_threshold)
    chosen = optional_path("groups", groups)
    evaluation = evaluate_files(
        path_of("annotations", annotations),
        path_of("results", results),
        Asked(tracking_threshold, boundary, chosen, clear=clear, max_tracks=max_tracks),
        long_annotations=optional_path("long_annotations", long_annotations),
    )
    _warn(evaluation.warnings)
    return EvaluationReport(evaluation)


@overload
def compare(
    first: str | Path,
    second: str | Path,
    *,
    annotations: str | Path | None = None,
    data_root: str | Path | None = None,
    score_threshold: float | None = None,
    boundary: bool = False,
    groups: str | Path | None = None,
    clear: bool = False,
    max_tracks: int | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
    bars: Bars | None = None,
) -> CompareReport: ...


@overload
def compare(
    first: str | Path,
    second: str | Path,
    third: str | Path,
    /,
    *others: str | Path,
    annotations: str | Path | None = None,
    data_root: str | Path | None = None,
    score_threshold: float | None = None,
    boundary: bool = False,
    groups: str | Path | None = None,
    clear: bool = False,
    max_tracks: int | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
    bars: Bars | None = None,
) -> AgainstFirst: ...


@speaks_of_arguments
def compare(
    first: str | Path,
    second: str | Path,
    *others: str | Path,
    annotations: str | Path | None = None,
    data_root: str | Path | None = None,
    score_threshold: float | None = None,
    boundary: bool = False,
    groups: str | Path | None = None,
    clear: bool = False,
    max_tracks: int | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
    bars: Bars | None = None,
) -> CompareReport | AgainstFirst:
    """Compare records or results files on the same videos, with intervals of the differences.

    Args:
        first, second: files of records with their predictions beside them, or results files, or
            NAME=FILE. A record and the results file that it names are one.
        others: more files; each is compared with the first.
        annotations: needed for results files; records know their data set.
        data_root: folder of data sets, for records of public ones.
        score_threshold: tracks with a higher score take part in the tracking metrics; 0.5 unless
            given.
        boundary: compare AP by masks and their boundaries, too, as of records that all hold it.
        groups, clear: as for `evaluate`.
        max_tracks: as for `evaluate`; that of the records unless given.
        num_resamples, seed: of the half-samples of the videos.
        bars: show progress; unless given, in a terminal or a notebook only.

    Returns:
        `finding()`: the differences in AP in a sentence; `as_json()` and `as_text()`: all of it. Of
        two files every part of the comparison, of more a table with a row for each.
    """
    from vis_bench.metrics.scores import Asked
    from vis_bench.metrics.tracking import SCORE_THRESHOLD
    from vis_bench.progress import Bars
    from vis_bench.runs.sources import compared_sources
    from vis_bench.show.compare import compare_sides

    threshold = SCORE_THRESHOLD if score_threshold is None else score_threshold
    THRESHOLD.check("score_threshold", threshold)
    RESAMPLES.check("num_resamples", num_resamples)
    SEED.check("seed", seed)
    paths = [path_of("first", first), path_of("second", second)]
    sources = compared_sources(
        paths + [path_of("others", other) for other in others],
        annotations=optional_path("annotations", annotations),
        data_root=optional_path("data_root", data_root),
    )
    chosen = optional_path("groups", groups)
    asked = Asked(threshold, boundary, chosen, num_resamples, seed, clear, max_tracks)
    found = compare_sides(sources, Bars.of_argument(bars), asked)
    _warn(found.warnings)
    return found


@speaks_of_arguments
def report(
    first: str | Path,
    second: str | Path | None = None,
    *,
    output: str | Path = "report.html",
    annotations: str | Path | None = None,
    frames: str | Path | None = None,
    data_root: str | Path | None = None,
    boundary: bool = False,
    groups: str | Path | None = None,
    clear: bool = False,
    max_tracks: int | None = None,
    bars: Bars | None = None,
) -> Path:
    """Write an HTML page about one record or results file, or about two.

    Args:
        first, second: as for `compare`.
        output: the page.
        annotations: as for `compare`.
        frames: folder that the annotations' file names start from; not needed for records.
        data_root, boundary, groups, clear, max_tracks, bars: as for `compare`.

    Returns:
        The path of the page.
    """
    from vis_bench.files import overwrite_guard
    from vis_bench.metrics.scores import Asked
    from vis_bench.progress import Bars
    from vis_bench.runs.sources import compared_sources
    from vis_bench.show.report.page import ReportPlan, write_report

    page = path_of("output", output)
    sides = [path_of("first", first)]
    sides += [] if second is None else [path_of("second", second)]
    truth = optional_path("annotations", annotations)
    overwrite_guard([page], [*sides, *([truth] if truth else [])])
    sources = compared_sources(
        sides,
        annotations=truth,
        frames=optional_path("frames", frames),
        data_root=optional_path("data_root", data_root),
    )
    chosen = optional_path("groups", groups)
    plan = ReportPlan(asked=Asked(None, boundary, chosen, clear=clear, max_tracks=max_tracks))
    made = write_report(sources, plan, Bars.of_argument(bars), "vis_bench.report", page)
    _warn(made.warnings)
    return page


@speaks_of_arguments
def draw(
    results: str | Path,
    frames: str | Path,
    output: str | Path,
    *,
    annotations: str | Path | None = None,
    videos: Sequence[str] | None = None,
    bars: Bars | None = None,
) -> list[Path]:
    """Draw the masks of a results file over the frames: a strip and an animation per video.

    Args:
        results: a results file.
        frames: folder that the annotations' file names start from, or, without annotations, a
            folder of frames or of videos, or a video file.
        output: folder of the pictures.
        annotations: adds a row with the ground truth, and marks what is missed or switched.
        videos: names or ids; all unless given.
        bars: as for `compare`.

    Returns:
        The paths of the pictures.
    """
    from vis_bench.progress import Bars
    from vis_bench.runs.sources import drawn_sources
    from vis_bench.show.overlay.overlays import OverlayPlan, draw_overlays

    sources = drawn_sources(
        [str(path_of("results", results))],
        path_of("frames", frames),
        optional_path("annotations", annotations),
        videos,
    )
    files, found = draw_overlays(
        sources.videos,
        sources.sides,
        sources.annotated,
        sources.truth.categories,
        path_of("output", output),
        OverlayPlan(),
        Bars.of_argument(bars),
    )
    _warn([*sources.truth.warnings, *found])
    return [path for paths in files.values() for path in paths]


@speaks_of_arguments
def measure(
    config: str | Path,
    settings: Overrides = (),
    *,
    output: str | Path | None = None,
    data_root: str | Path | None = None,
    weights: str | Path | None = None,
    limit: int | None = None,
    device: str | None = None,
    resume: bool = False,
    verify_frames: bool = False,
    trace: str | Path | None = None,
    bars: Bars | None = None,
) -> MeasureReport:
    """Measure every cell of a config and write a record of each.

    Args:
        config: a YAML file, or the name of a bundled config.
        settings: values by keys of the config, which they replace (`{"clip_length": 10}`), or
            texts as `--set` takes them (`["clip_length=10"]`).
        output: folder of the records; results/records unless given, and runs/limited for the first
            videos of a split.
        data_root: folder of data sets.
        weights: a file in place of the config's.
        limit: measure the first videos only.
        device: "cpu" or "cuda"; a GPU where there is one, unless given.
        resume: keep what was measured before by the same code on the same frames.
        verify_frames: tell frames apart by their contents and not only by their sizes.
        trace: recorded times of clips that streaming is scheduled by, in place of this machine's.
        bars: show progress; unless given, in a terminal or a notebook only.

    Returns:
        `records`, `failures` (a sentence each) and the `folder` of the records.
    """
    from methods import build_method
    from vis_bench.progress import Bars
    from vis_bench.record.environment import pick_device
    from vis_bench.runs.bundled import find_config
    from vis_bench.runs.jobs import RunSettings
    from vis_bench.runs.measure_config import measure_config

    run = RunSettings(
        "vis_bench.measure",
        pick_device(device),
        optional_path("data_root", data_root),
        optional_path("weights", weights),
        None if limit is None else COUNT.check("limit", limit),
        verify_frames,
        optional_path("trace", trace),
    )
    return measure_config(
        find_config(path_of("config", config)),
        settings,
        run,
        build_method,
        Bars.of_argument(bars),
        output=optional_path("output", output),
        resume=resume,
    )


def records(folder: str | Path = RESULTS) -> pd.DataFrame:
    """Read the records in and below a folder into a table, a row per record, a column per field.

    A file that is not a record is left out, with a warning that names it.
    """
    import pandas as pd

    stored = _stored(folder)
    return pd.DataFrame([record.model_dump(mode="json") for record in stored])


@speaks_of_arguments
def chart(
    name: str,
    folder: str | Path = RESULTS,
    *,
    rows: str | None = None,
    columns: str | None = None,
    value: str | None = None,
    where: Mapping[str, object] | None = None,
) -> Chart:
    """Draw the records in and below a folder.

    Args:
        name: "leaderboard", AP against FPS, and "curves", FPS and multiply-adds over clip length,
            without trainings of an experiment; "sweep"; or a measurement: "speed", "memory",
            "streaming".
        folder: as for `records`.
        rows, columns, value: of a sweep, fields of records: those of the axis, of a line each, and
            of the points, such as "clip_length", "method" and "ap"; several are separated by
            commas. Unless given, clips by resolutions.
        where: of a sweep, values that fields of its records have.

    Returns:
        A chart that a notebook shows: `save(path)` writes it as SVG, PDF or PNG, `finding()` are
        its titles.
    """
    from vis_bench.show.record_charts import asked_sweep, record_chart

    stored = _stored(folder)
    sweep = asked_sweep(name, stored, rows, columns, value, where)
    return record_chart(name, stored, sweep=sweep)


def _stored(folder: str | Path) -> Sequence[Record]:
    """The readable records; warns of other files."""
    from vis_bench.record.store import RecordStore

    stored = RecordStore(path_of("folder", folder)).readable()
    _warn(f"skipped: {problem}" for problem in stored.problems)
    return stored.records


def _warn(sentences: Iterable[str]) -> None:
    """Python warnings at the line that called the function of this module."""
    for sentence in sentences:
        warnings.warn(sentence, stacklevel=4)
