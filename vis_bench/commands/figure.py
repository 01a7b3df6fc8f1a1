"""`figure NAME`: a paper's figure, a strip of several methods, or pictures of failures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vis_bench.charts import picture_format
from vis_bench.commands import attention_figures as attention
from vis_bench.commands.options import FRAMES, Options
from vis_bench.commands.output import print_result, warn
from vis_bench.commands.values import count, frames_path, named_file, names, picture_file
from vis_bench.errors import InputError
from vis_bench.files import check_writable, write_atomically
from vis_bench.progress import Bars
from vis_bench.record.environment import pick_device
from vis_bench.runs.sources import check_has_objects, chosen_videos, figure_sources, measured_only
from vis_bench.text import count as count_of
from vis_bench.text import one_line

if TYPE_CHECKING:
    from vis_bench.metrics.errors import VideoErrors
    from vis_bench.show.figures.strips import MethodStrip

STRIP_CONFIGS = ["ifc_mini_synthetic", "seqformer_mini_synthetic", "ms_sts_mini_synthetic"]


def add_arguments(options: Options) -> None:
    options.kinds("figure", "NAME", {name: (line, add) for name, (line, add, _) in FIGURES.items()})


def run(options: argparse.Namespace) -> None:
    """Draw the figure that was named."""
    _, _, draw = FIGURES[options.figure]
    draw(options)


def _add_strip(options: Options) -> None:
    options.argument(
        "configs",
        "CONFIG",
        "YAML files or names of bundled configs, or records or results files (.json, .json.gz) "
        f"next to theirs; NAME=CONFIG calls a row NAME (default: {' '.join(STRIP_CONFIGS)})",
        named_file,
        nargs="*",
        default=STRIP_CONFIGS,
    )
    options.required("--output", "FILE", attention.PICTURE, picture_file)
    options.value("--video", "NAME", "name or id of the video", str, unless_given="the first one")
    options.value("--frames", "PATH", FRAMES, frames_path, unless_given=attention.DATA_SET)
    options.value("--num-frames", "N", "frames to draw, evenly spread", count, default=4)
    options.flag("--dark", "draw on a dark ground, for a dark page")
    options.column()
    options.min_score()
    options.labels()
    options.device()
    options.overrides()
    options.data_root()


def _strip(options: argparse.Namespace) -> None:
    """Draw frames of one video with the masks of each method, below the ground truth."""
    from vis_bench.show.figures.strips import encode_strips, method_strip

    form = picture_format(options.output)
    is_measured = all(text.endswith((".json", ".json.gz")) for text in options.configs)
    strip = (_measured_strip if is_measured else _predicted_strip)(options)
    blocks = method_strip(strip, min_score=options.min_score, labels=options.labels)
    drawn = encode_strips(blocks, options.num_frames, options.column, form, dark=options.dark)
    write_atomically(options.output, drawn)
    aps = strip.aps()
    facts = {
        "written": [str(options.output)],
        "video": strip.video.name,
        "rows": list(strip.results),
        "ap": aps,
    }
    shown = [f"{name} {100 * ap:.1f}" for name, ap in aps.items() if ap is not None]
    ap = f", AP: {', '.join(shown)}" if shown else ""
    of_set = f" of {strip.truth.name}" if strip.truth else ""
    text = f"wrote {options.output}: {strip.video.name}{of_set}{ap}"
    print_result(options, facts, one_line(text))


def _predicted_strip(options: argparse.Namespace) -> MethodStrip:
    from methods import build_method
    from vis_bench.runs.predict import load_rows, predict_rows
    from vis_bench.show.figures.strips import MethodStrip

    rows = load_rows(
        build_method,
        options.configs,
        options.overrides,
        pick_device(options.device),
        **attention.chosen_video(options),
    )
    check_writable(options.output)
    first = next(iter(rows.values()))
    total = len(rows) * first.video.length
    with Bars(options.json).bar(f"predict {first.video.name}", total) as advance:
        results = predict_rows(rows, advance)
    truth = first.ground_truth([first.video])
    return MethodStrip(first.video, results, truth, first.categories)


def _measured_strip(options: argparse.Namespace) -> MethodStrip:
    from vis_bench.show.figures.strips import MethodStrip

    if options.overrides or options.frames:
        given = "--set" if options.overrides else "--frames"
        raise InputError(f"{given} needs configs, but the rows are results files")
    sources = figure_sources(options.configs)
    check_writable(options.output)
    names = None if options.video is None else [options.video]
    [video, *_] = chosen_videos(sources.videos, names, sources.truth.name, "video")
    return MethodStrip.of(sources, video)


def _add_failure_cases(options: Options) -> None:
    options.argument(
        "results", "RESULTS", "results file or record, or NAME=FILE to call it NAME", named_file
    )
    options.required("--output", "FILE", attention.PICTURE, picture_file)
    options.value(
        "--annotations",
        "GT.json",
        "annotations of the videos; needs --frames",
        unless_given="those of the record next to the results, or of the synthetic validation "
        "videos, which are rendered in memory",
    )
    options.annotated_frames("that of the same videos")
    options.value("--kinds", "NAME,...", "kinds of error", names, unless_given="all")
    options.value("--worst", "N", "videos per kind of error", count, default=1)
    options.value("--columns", "N", "frames of a video", count, default=4)
    options.column()
    options.min_score()
    options.labels()


def _failure_cases(options: argparse.Namespace) -> None:
    """Break down the errors of every video, and draw the worst ones."""
    from vis_bench.metrics.check_results import check_results
    from vis_bench.metrics.errors import ERRORS, break_down_videos, worst_videos
    from vis_bench.show.figures.failures import failure_cases, failure_heading
    from vis_bench.show.figures.strips import encode_strips
    from vis_bench.show.overlay.tracks import check_fit

    kinds = options.kinds or list(ERRORS)
    for kind in kinds:
        if kind not in ERRORS:
            raise InputError(f"--kinds names {kind!r}; expected some of: {', '.join(ERRORS)}")
    given = figure_sources([options.results], options.frames, options.annotations)
    check_fit(given)
    inputs = measured_only(given)
    [side], truth = inputs.sides, inputs.truth
    check_has_objects(truth)
    remarks = check_results(truth, side.results)
    check_writable(options.output)
    bars = Bars(options.json)
    with bars.bar("errors", len(truth.videos)) as advance:
        errors = break_down_videos(truth, side.results, advance)
    worst = worst_videos(errors, kinds, options.worst)
    cases = [(kind, video) for kind, videos in worst.items() for video in videos]
    if not cases:
        raise InputError(f"{side.name} loses no AP to {', '.join(kinds)}; nothing to draw")
    warnings: dict[str, None] = {}
    blocks = failure_cases(
        inputs,
        cases,
        options.columns,
        min_score=options.min_score,
        labels=options.labels,
        warn=lambda text: warnings.update({text: None}),
    )
    form = picture_format(options.output)
    judged = f"{len(truth.videos)} of {count_of(len(given.videos), 'video')} of {truth.name}"
    drawn = encode_strips(blocks, options.columns, options.column, form, remark=judged)
    write_atomically(options.output, drawn)
    warn([*truth.warnings, *remarks, *warnings])
    lines = [f"{side.name}, {judged}", *(failure_heading(*case) for case in cases)]
    lines += [f"{kind}: no further video loses AP to it" for kind in kinds if not worst[kind]]
    lines += [f"wrote {options.output}"]
    facts = {
        "written": [str(options.output)],
        "annotations": truth.name,
        "num_videos": len(truth.videos),
        "cases": [_fields(*case) for case in cases],
    }
    print_result(options, facts, "\n".join(map(one_line, lines)))


def _fields(kind: str, errors: VideoErrors) -> dict[str, object]:
    return {
        "kind": kind,
        "video": errors.video.name,
        "video_id": errors.video.id,
        "ap": errors.ap,
        "lost": errors.gains[kind],
    }


# Line of help, function that adds arguments, and function that draws.
FIGURES = {
    "strip": (
        "frames of one video with the masks of several methods, a row each", _add_strip, _strip,
    ),
    "failure-cases": (
        "the measured videos that lose most AP to each kind of error, as strips",
        _add_failure_cases, _failure_cases,
    ),
    "sampling-points": (
        "the points that the decoder's deformable attention reads, by layer and frame",
        attention.add_sampling_points, attention.sampling_points,
    ),
    "time-weights": (
        "the weight of each frame in each instance, and the mean weight of frames without the "
        "object over all videos", attention.add_time_weights, attention.time_weights,
    ),
    "memory-tokens": (
        "the attention of IFC's memory tokens, as heat over a frame for each token",
        attention.add_memory_tokens, attention.memory_tokens,
    ),
}  # fmt: skip
