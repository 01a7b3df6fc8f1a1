"""`compare A B`: two records or results files on the same videos."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import vis_bench
from vis_bench.commands.options import Options
from vis_bench.commands.output import print_parts
from vis_bench.commands.values import score_threshold
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.progress import Bars
from vis_bench.table import Part


def add_arguments(options: Options) -> None:
    options.argument("first", "A", "a record with its predictions beside it, or a results file")
    options.argument("second", "B", "what A is compared with")
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
        "only tracks with a higher score take part in the tracking metrics",
        score_threshold,
        default=SCORE_THRESHOLD,
    )
    options.flag(
        "--power",
        "also print the difference in AP that this many videos can show, and how many "
        "1 AP would need",
    )
    options.flag(
        "--exact",
        "of two results files, only check that their tracks are equal: masks to the "
        "pixel, scores to 1e-6; needs no annotations; exit code 1 where they differ",
    )
    options.resampling()


def run(options: argparse.Namespace) -> int | None:
    """Prints both sides, their difference and its confidence interval."""
    if options.exact:
        from vis_bench.data.results_file import read_results
        from vis_bench.metrics.equal_tracks import equal_tracks

        files = (read_results(Path(name)) for name in (options.first, options.second))
        exact = equal_tracks(*(file.tracks for file in files))
        print_parts(options, exact.as_json(), [exact.as_text()])
        return 0 if exact.equal else 1
    report = vis_bench.compare(
        options.first,
        options.second,
        annotations=options.annotations,
        data_root=options.data_root,
        score_threshold=options.score_threshold,
        num_resamples=options.resamples,
        seed=options.seed,
        bars=Bars(),
    )
    content, parts = report.as_json(), list[Part](report.pages())
    if options.power:
        power = report.comparison.power()
        content["power"] = None if power is None else asdict(power)
        parts.insert(0, report.power_text())
    print_parts(options, content, parts)
    return None
