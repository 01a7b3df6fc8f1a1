"""`eval --annotations GT.json --predictions R.json`: the official numbers of a results file."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from vis_bench.commands.arguments import RECORDS, Options
from vis_bench.commands.arguments.values import finite, output_folder
from vis_bench.commands.output import print_json, print_text

if TYPE_CHECKING:
    from vis_bench.evaluation.ytvis import Evaluation

DESCRIPTION = "AP and AR of a results file against annotations; HOTA, IDF1 and TETA on request"


def add_arguments(options: Options) -> None:
    """The two files, and what --record takes."""
    options.required("--annotations", "GT.json", "YouTube-VIS annotations")
    options.required("--predictions", "R.json", "YouTube-VIS results")
    options.flag("--per-category", "print a row per category too")
    options.flag("--tracking", "print HOTA, IDF1 and TETA too")
    options.value(
        "--score-threshold", "SCORE", "with --tracking: only tracks with a higher score take part",
        finite, default=0.5,
    )  # fmt: skip
    options.value(
        "--record", "NAME", "write a record of the results as those of the method NAME", str,
        unless_given="no record",
    )  # fmt: skip
    options.value(
        "--output", "DIR", "folder of records to write, with --record", output_folder,
        default=RECORDS,
    )  # fmt: skip
    options.value("--backbone", "NAME", "the record's backbone", str, unless_given="not stated")
    options.value(
        "--dataset", "NAME", "the record's data set", str,
        unless_given="the one whose categories the annotations have",
    )  # fmt: skip
    options.value(
        "--split", "NAME", "the record's split", str, unless_given="as the annotations file says"
    )


def run(options: argparse.Namespace) -> None:
    """Evaluates, writes a record where one is wanted, and prints the numbers."""
    from vis_bench.evaluation.ytvis import evaluate_files
    from vis_bench.reports.evaluation import evaluation_json, evaluation_text

    threshold = options.score_threshold if options.tracking else None
    if options.record is not None:
        evaluation = _record_results(options, threshold)
    else:
        evaluation = evaluate_files(
            options.annotations, options.predictions, tracking_threshold=threshold
        )
    for warning in evaluation.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    if options.json:
        print_json(evaluation_json(evaluation, per_category=options.per_category))
    else:
        print_text(evaluation_text(evaluation, per_category=options.per_category))


def _record_results(options: argparse.Namespace, tracking_threshold: float | None) -> Evaluation:
    from vis_bench.records.other_code import record_results
    from vis_bench.records.store import RecordStore

    evaluation, path = record_results(
        options.record, options.annotations, options.predictions, RecordStore(options.output),
        command=options.command_line, backbone=options.backbone, dataset=options.dataset,
        split=options.split, tracking_threshold=tracking_threshold,
    )  # fmt: skip
    sys.stderr.write(f"wrote {path}\n")
    return evaluation
