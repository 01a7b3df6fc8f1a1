"""`eval --annotations GT.json --predictions R.json`: the official numbers of a results file."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vis_bench.commands.arguments import RECORDS, Options
from vis_bench.commands.arguments.values import (
    finite,
    frames_per_second,
    num_params,
    output_folder,
)
from vis_bench.commands.output import print_json, print_text, say
from vis_bench.errors import InputError

if TYPE_CHECKING:
    from vis_bench.metrics.identity_sensitivity import IdentitySensitivity
    from vis_bench.metrics.images import ImageEvaluation
    from vis_bench.metrics.ytvis import Evaluation

DESCRIPTION = "AP and AR of a results file against annotations; HOTA, IDF1 and TETA on request"


def add_arguments(options: Options) -> None:
    """The two files, and what --record takes."""
    options.required(
        "--annotations", "GT.json", "annotations in YouTube-VIS form, or of images in COCO's"
    )
    options.required("--predictions", "R.json", "results in the same form")
    options.value(
        "--long-annotations", "LONG.json", "annotations of the long videos, where --annotations "
        "are those of the short ones: AP is the mean of both, as YouTube-VIS 2022 has it",
        unless_given="one file",
    )  # fmt: skip
    options.flag("--per-category", "print a row per category too")
    options.flag("--tracking", "print HOTA, IDF1 and TETA too")
    options.value(
        "--score-threshold", "SCORE", "with --tracking: only tracks with a higher score take part",
        finite, default=0.5,
    )  # fmt: skip
    options.flag(
        "--identity-sensitivity", "print what a single identity switch costs, track by track"
    )
    options.value(
        "--record", "NAME", "write a record of the results as those of the method NAME", str,
        unless_given="no record",
    )  # fmt: skip
    options.value(
        "--output", "DIR", "folder of records to write, with --record", output_folder,
        default=RECORDS,
    )  # fmt: skip
    for name, metavar, kind, text, unless_given in RECORDED:
        options.value(name, metavar, text, kind, unless_given=unless_given)


# What is said of results in their record: name, metavar, kind, help, and what holds unless given.
RECORDED: tuple[tuple[str, str, Callable[[str], Any], str, str], ...] = (
    ("--backbone", "NAME", str, "the record's backbone", "not stated"),
    ("--dataset", "NAME", str, "the record's data set",
     "the one whose categories the annotations have"),
    ("--split", "NAME", str, "the record's split", "as the annotations file says"),
    ("--note", "TEXT", str, "what tells these results from others of the method, such as "
     "'36 frames'", "none"),
    ("--url", "URL", str, "where the results come from", "not stated"),
    ("--fps", "N", frames_per_second, "source frames per second, measured on --device",
     "not stated"),
    ("--device", "NAME", str, "what --fps were measured on, such as 'one V100'", "not stated"),
    ("--params", "N", num_params, "distinct learnable parameters: a whole number, or one with K, "
     "M or B such as 39.1M", "not stated"),
)  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Evaluates, writes a record where one is wanted, and prints the numbers."""
    from vis_bench.metrics.ytvis import evaluate_files
    from vis_bench.show.evaluation import evaluation_json, evaluation_text

    threshold = options.score_threshold if options.tracking else None
    if options.record is not None:
        evaluation = _record_results(options, threshold)
    else:
        _refuse_without_record(options)
        evaluation = evaluate_files(
            options.annotations, options.predictions,
            long_annotations=options.long_annotations, tracking_threshold=threshold,
        )  # fmt: skip
    for warning in evaluation.warnings:
        say(f"warning: {warning}")
    report = evaluation_json(evaluation, per_category=options.per_category)
    text = evaluation_text(evaluation, per_category=options.per_category)
    if options.identity_sensitivity:
        from vis_bench.show.identity_sensitivity import sensitivity_json, sensitivity_text

        sensitivity = _identity_sensitivity(options)
        report["identity_sensitivity"] = sensitivity_json(sensitivity)
        text = f"{text}\n\n{sensitivity_text(sensitivity)}"
    if options.json:
        print_json(report)
    else:
        print_text(text)


def _identity_sensitivity(options: argparse.Namespace) -> IdentitySensitivity | None:
    from vis_bench.data.annotations import read_annotations
    from vis_bench.data.results_file import read_results
    from vis_bench.metrics.identity_sensitivity import identity_sensitivity
    from vis_bench.progress import Bars

    truth, results = read_annotations(options.annotations), read_results(options.predictions)
    if truth.of_images:
        raise InputError(
            f"{options.annotations} lists single images, in which nothing is tracked; leave out "
            "--identity-sensitivity"
        )
    with Bars().bar("identity switches", 2 * len(truth.videos)) as advance:
        return identity_sensitivity(truth, results, advance)


def _refuse_without_record(options: argparse.Namespace) -> None:
    for name, *_ in RECORDED:
        if getattr(options, name.removeprefix("--")) is not None:
            raise InputError(f"{name} says what goes into a record; give --record NAME too")


def _record_results(
    options: argparse.Namespace, tracking_threshold: float | None
) -> Evaluation | ImageEvaluation:
    from vis_bench.records.store import RecordStore
    from vis_bench.runs.external import OtherCode, record_results

    source = OtherCode(
        options.record, options.backbone, options.note, options.url, options.fps, options.device,
        options.params,
    )  # fmt: skip
    evaluation, path = record_results(
        source, options.annotations, options.predictions, RecordStore(options.output),
        command=options.command_line, dataset=options.dataset, split=options.split,
        long_annotations=options.long_annotations, tracking_threshold=tracking_threshold,
    )  # fmt: skip
    say(f"wrote {path}")
    return evaluation
