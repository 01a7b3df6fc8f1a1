"""`eval --annotations GT.json --predictions R.json`: the official numbers of a results file."""

from __future__ import annotations

import argparse
import re

from vis_bench.arguments import RECORDS
from vis_bench.commands.options import Options, asked_of
from vis_bench.commands.output import print_parts, say, warn
from vis_bench.commands.values import output_folder, positive, score_threshold
from vis_bench.errors import InputError
from vis_bench.metrics.ap import Evaluation, evaluate_files
from vis_bench.metrics.coco import ImageEvaluation
from vis_bench.metrics.scores import Asked
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.show.evaluation import EvaluationReport


def add_arguments(options: Options) -> None:
    options.required(
        "--annotations", "GT.json", "annotations in YouTube-VIS form, or of images in COCO's"
    )
    options.required("--predictions", "R.json", "results in the same form")
    options.value(
        "--long-annotations",
        "LONG.json",
        "annotations of the long videos, if --annotations has the short ones; AP is the mean "
        "of both, as in YouTube-VIS 2022",
        unless_given="one file",
    )
    options.flag("--per-category", "also print a row per category")
    options.flag("--tracking", "also print HOTA, IDF1 and TETA")
    options.value(
        "--score-threshold",
        "SCORE",
        "with --tracking: count only tracks with a higher score",
        score_threshold,
        default=SCORE_THRESHOLD,
    )
    options.metrics(" (Tube-Boundary AP of HQ-YTVIS)", "with --tracking: ")
    options.flag(
        "--concepts",
        "print cgF1, phrase AP and pHOTA of (video, phrase) pairs instead, as in SA-Co/VEval",
    )
    with options.titled("record of the results (with --record)"):
        _add_record(options)


def _add_record(options: Options) -> None:
    unknown = "not stated"
    options.value(
        "--record", "NAME", "write a record of the method NAME", str, unless_given="no record"
    )
    options.value("--output", "DIR", "folder of records", output_folder, default=RECORDS)
    options.value("--backbone", "NAME", "its backbone", str, unless_given=unknown)
    options.value(
        "--dataset", "NAME", "its data set", str, unless_given="the one with these categories"
    )
    options.value("--split", "NAME", "its split", str, unless_given="that of the annotations file")
    options.value("--note", "TEXT", "label among results of one method, such as '36 frames'", str)
    options.value("--url", "URL", "where the results come from", str, unless_given=unknown)
    options.value(
        "--fps", "N", "source frames per second on --device", positive, unless_given=unknown
    )
    options.value("--device", "NAME", "for --fps, such as 'one V100'", str, unless_given=unknown)
    options.value(
        "--params",
        "N",
        "distinct learnable parameters, whole or with K, M or B, such as 39.1M",
        num_params,
        unless_given=unknown,
    )


def run(options: argparse.Namespace) -> None:
    """Evaluate, write a record where one is wanted, and print the numbers."""
    if options.concepts:
        _evaluate_concepts(options)
        return
    threshold = options.score_threshold if options.tracking else None
    asked = asked_of(options, threshold)
    if options.record is not None:
        evaluation = _record_results(options, asked)
    else:
        _refuse_without_record(options)
        evaluation = evaluate_files(
            options.annotations,
            options.predictions,
            asked,
            long_annotations=options.long_annotations,
        )
    warn(evaluation.warnings)
    shown = EvaluationReport(evaluation)
    report = shown.as_json(per_category=options.per_category)
    parts = shown.parts(per_category=options.per_category)
    print_parts(options, report, parts)


def _evaluate_concepts(options: argparse.Namespace) -> None:
    from vis_bench.metrics.concepts import evaluate_concept_files
    from vis_bench.show.evaluation import concepts_page

    others = ("per_category", "tracking", "long_annotations", "record")
    for name in (*Options.METRICS, *others):
        if getattr(options, name):
            raise InputError(
                f"--concepts evaluates pairs of a video and a phrase; leave out --{name}".replace(
                    "_", "-"
                )
            )
    evaluation = evaluate_concept_files(options.annotations, options.predictions)
    report = {"concepts": evaluation.numbers(), "warnings": list(evaluation.warnings)}
    warn(evaluation.warnings)
    print_parts(options, report, [concepts_page(evaluation)])


def num_params(text: str) -> int:
    """A whole number, or one with K, M or B for thousands, millions or billions.

    A bare number below 1000 is refused: it is more likely meant in millions.
    """
    match = re.fullmatch(r"([0-9]+)|([0-9]+(?:\.[0-9]+)?)([KMB])", text)
    if match is None or (match[1] and 0 < int(match[1]) < 1000):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of parameters; expected a whole number, or one such as 39.1M"
        )
    thousands = {"K": 10**3, "M": 10**6, "B": 10**9}
    return int(match[1]) if match[1] else round(float(match[2]) * thousands[match[3]])


def _refuse_without_record(options: argparse.Namespace) -> None:
    for name in ("backbone", "dataset", "split", "note", "url", "fps", "device", "params"):
        if getattr(options, name) is not None:
            raise InputError(f"--{name} is a field of a record; give --record NAME too")


def _record_results(options: argparse.Namespace, asked: Asked) -> Evaluation | ImageEvaluation:
    from vis_bench.record.store import RecordStore
    from vis_bench.runs.external import OtherCode, record_results

    source = OtherCode(
        options.record,
        options.backbone,
        options.note,
        options.url,
        options.fps,
        options.device,
        options.params,
    )
    evaluation, path = record_results(
        source,
        options.annotations,
        options.predictions,
        RecordStore(options.output),
        asked,
        command=options.command_line,
        dataset=options.dataset,
        split=options.split,
        long_annotations=options.long_annotations,
    )
    say(f"wrote {path}")
    return evaluation
