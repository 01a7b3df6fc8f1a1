"""`figure failure-cases`: the videos that lose most AP to each kind of error."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import count, figure_file, finite, names
from vis_bench.commands.output import print_json, print_line, say
from vis_bench.errors import InputError
from vis_bench.files import check_writable, write_atomically

if TYPE_CHECKING:
    from vis_bench.show.figures.failure_cases import FailureCase

DESCRIPTION = "the videos that lose most AP to each kind of error, as strips"


def add_arguments(options: Options) -> None:
    """The results, what they are held against, and how much is drawn."""
    options.argument("results", "RESULTS", "results file, or NAME=FILE to call it NAME", str)
    options.required("--output", "FILE", "picture file to write: .png, .svg or .pdf", figure_file)
    options.value(
        "--annotations", "GT.json", "annotations of the videos; needs --frames",
        unless_given="those of the synthetic validation videos, which are drawn in memory",
    )  # fmt: skip
    options.value(
        "--frames", "DIR", "folder that the annotations' file names start from",
        unless_given="the synthetic validation videos",
    )  # fmt: skip
    options.value("--kinds", "NAME,...", "kinds of error", names, unless_given="all")
    options.value("--worst", "N", "videos per kind of error", count, default=1)
    options.value("--columns", "N", "frames of a video", count, default=4)
    options.value("--min-score", "S", "leave out tracks with a lower score", finite, default=0.3)


def run(options: argparse.Namespace) -> None:
    """Breaks down the errors of every video, and draws the worst ones."""
    from vis_bench.metrics.error_breakdown import ERRORS
    from vis_bench.metrics.video_errors import break_down_videos, worst_videos
    from vis_bench.progress import Bars
    from vis_bench.runs.sources import check_has_objects, failure_sources
    from vis_bench.show.charts import picture_format
    from vis_bench.show.figures.failure_cases import FailureCase, draw_failure_cases
    from vis_bench.show.figures.page import encode_page
    from vis_bench.show.overlay.tracks import check_fit

    kinds = options.kinds or list(ERRORS)
    for kind in kinds:
        if kind not in ERRORS:
            raise InputError(f"--kinds names {kind!r}; expected some of: {', '.join(ERRORS)}")
    inputs = failure_sources(options.results, options.frames, options.annotations)
    [side], truth = inputs.sides, inputs.truth
    check_has_objects(truth)
    check_fit(inputs)
    check_writable(options.output)
    bars = Bars(options.json)
    with bars.bar("errors", len(truth.videos)) as advance:
        errors = break_down_videos(truth, side.results, advance)
    worst = worst_videos(errors, kinds, options.worst)
    cases = [FailureCase(kind, video) for kind, videos in worst.items() for video in videos]
    if not cases:
        raise InputError(f"{side.name} loses no AP to {', '.join(kinds)}; nothing to draw")
    warnings: dict[str, None] = {}
    with bars.bar("draw", len(cases)) as advance:
        picture = draw_failure_cases(
            cases, {video.id: video for video in inputs.videos}, side, truth, truth.categories,
            columns=options.columns, min_score=options.min_score,
            warn=lambda text: warnings.update({text: None}), advance=advance,
        )  # fmt: skip
    write_atomically(options.output, encode_page(picture, picture_format(options.output)))
    for warning in [*truth.warnings, *warnings]:
        say(f"warning: {warning}")
    if options.json:
        written = [str(options.output)]
        print_json({"written": written, "cases": [_fields(case) for case in cases]})
    else:
        for line in [*(case.heading for case in cases), f"written: {options.output}"]:
            print_line(line)


def _fields(case: FailureCase) -> dict[str, object]:
    errors = case.errors
    return {
        "kind": case.kind, "video": errors.video.name, "video_id": errors.video.id,
        "ap": errors.ap, "lost": errors.gains[case.kind],
    }  # fmt: skip
