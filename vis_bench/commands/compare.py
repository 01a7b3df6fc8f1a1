"""`compare A B`: records or results files on the same videos, in all detail or as one table."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from vis_bench.commands.options import SIDE, Options, asked_of
from vis_bench.commands.output import deliver, json_text, print_parts, warn
from vis_bench.commands.values import named_file, score_threshold
from vis_bench.errors import InputError
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.progress import Bars
from vis_bench.table import FORMATS, Format, Part, as_markdown, fitted, render

if TYPE_CHECKING:
    from vis_bench.show.compare import AgainstFirst


_OF_TWO = "--{} compares two; leave out --format and further files"


def add_arguments(options: Options) -> None:
    options.argument("first", "A", SIDE, named_file)
    options.argument("second", "B", "the same, compared with A", named_file)
    more = "more of them, a row each against A; a record and its predictions count as one"
    options.argument("others", "C", more, named_file, nargs="*", default=[])
    options.value(
        "--annotations",
        "GT.json",
        "annotations, needed for results files",
        unless_given="those of the records' data set",
    )
    options.data_root()
    options.value(
        "--score-threshold",
        "SCORE",
        "count only tracks with a higher score in the tracking metrics",
        score_threshold,
        default=SCORE_THRESHOLD,
    )
    options.metrics()
    options.flag(
        "--power",
        "also print the difference in AP that this many videos can show, and how many "
        "1 AP would need",
    )
    options.flag(
        "--exact",
        "only check that two results files have equal tracks: masks to the pixel, scores to "
        "1e-6; needs no annotations; exit code 1 if they differ",
    )
    options.resampling()
    options.choice(
        "--format",
        FORMATS,
        "one table with a row for each file against A, with Holm's correction over the rows",
        unless_given="Markdown; for two files all tables",
    )
    options.output_file()


def run(options: argparse.Namespace) -> int | None:
    """Print two sides, their difference and its interval; or each of several against the first."""
    if options.exact:
        if options.others or options.format:
            raise InputError(_OF_TWO.format("exact"))
        return _print_exact(options)
    from vis_bench.runs.sources import compared_sources
    from vis_bench.show.compare import AgainstFirst, compare_sides

    sources = compared_sources(
        [options.first, options.second, *options.others],
        annotations=options.annotations,
        data_root=options.data_root,
    )
    if options.power and (len(sources.sides) > 2 or options.format):
        raise InputError(_OF_TWO.format("power"))
    asked = asked_of(options, options.score_threshold)
    report = compare_sides(sources, Bars(), asked, in_one_table=bool(options.format))
    warn(report.warnings)
    if isinstance(report, AgainstFirst):
        _print_table(options, report)
        return None
    content, parts = report.as_json(), list[Part](report.pages())
    if options.power:
        power = report.comparison.power()
        content["power"] = None if power is None else asdict(power)
        parts.insert(1, report.power_text())
    if options.json:
        deliver(json_text(content), options.output)
    else:
        deliver(as_markdown(parts), options.output, parts)
    return None


def _print_exact(options: argparse.Namespace) -> int:
    """Compare the tracks themselves; 1 if any differs."""
    from vis_bench.data.results_file import read_results
    from vis_bench.metrics.equal_tracks import equal_tracks
    from vis_bench.runs.sources import split_name

    given = options.first, options.second
    first, second = (read_results(split_name(text)[1]).tracks for text in given)
    exact = equal_tracks(first, second)
    print_parts(options, exact.as_json(), [exact.as_text()])
    return 0 if exact.equal else 1


def _print_table(options: argparse.Namespace, found: AgainstFirst) -> None:
    """Print a row for each side, compared with the first."""
    page, form = found.page(), cast(Format, options.format or "markdown")
    text = json_text(found.as_json()) if options.json else render(page, form)
    in_terminal = form == "markdown" and not options.json
    deliver(text, options.output, [fitted(page)] if in_terminal else ())
