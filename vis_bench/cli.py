"""The command line: `python run_bench.py COMMAND`, or `vis-bench COMMAND` once installed.

Each command imports what it needs when it runs, so that `eval` never waits for torch. Wrong input
ends with one sentence on standard error and exit code 2.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vis_bench.commands.arguments import RECORDS, build_parser
from vis_bench.errors import InputError

if TYPE_CHECKING:
    from vis_bench.evaluation.ytvis import Evaluation
    from vis_bench.records.schema import Record

DEMO_CONFIG = Path(__file__).resolve().parent.parent / "configs" / "demo.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code (0 done, 1 a check failed, 2 wrong input)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = build_parser().parse_args(arguments)
        options.command_line = shlex.join(["run_bench.py", *arguments])
        return COMMANDS[options.command](options) or 0
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; records written so far are kept\n")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _print(text: str) -> None:
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def _print_json(value: Any) -> None:
    _print(json.dumps(value, indent=1))


def _run(options: argparse.Namespace) -> int:
    from methods import build_method
    from vis_bench.progress import Bars
    from vis_bench.records.machine import pick_device
    from vis_bench.records.store import RecordStore
    from vis_bench.reports.curves import has_curves, printed_curves, write_curves
    from vis_bench.reports.speed import speed_table
    from vis_bench.runs.config import load_cells
    from vis_bench.runs.jobs import RunSettings, resolve_jobs
    from vis_bench.runs.measure import measure_jobs
    from vis_bench.tables.text import render

    settings = RunSettings(
        options.command_line, pick_device(options.device), options.data_root, options.weights,
        options.limit,
    )  # fmt: skip
    cells = load_cells(options.config, options.overrides)
    bars = Bars()
    jobs = resolve_jobs(cells, settings, build_method, bars.say)
    outcome = measure_jobs(jobs, RecordStore(options.output), bars, resume=options.resume)
    records = outcome.records
    _print_records(records, options.json)
    timed = speed_table(records)
    if not timed.empty and not options.json:
        _print(f"\n{render(timed)}")
    if has_curves(records):
        if not options.json:
            _print(f"\n{render(printed_curves(records))}")
        for path in write_curves(records, options.output):
            bars.say(f"cost curves: {path}")
    return 1 if outcome.failures else 0


def _demo(options: argparse.Namespace) -> int:
    options.config = DEMO_CONFIG
    return _run(options)


def _print_records(records: list[Record], as_json: bool, form: Any = "markdown") -> None:
    from vis_bench.reports.measured import measured_table
    from vis_bench.tables.text import render

    if as_json:
        _print_json([record.model_dump(mode="json") for record in records])
    else:
        _print(render(measured_table(records), form))


def _predict(options: argparse.Namespace) -> None:
    from methods import build_method
    from vis_bench.progress import Bars
    from vis_bench.records.machine import pick_device
    from vis_bench.runs.config import load_cells
    from vis_bench.runs.predict import predict_folder

    cells = load_cells(options.config, options.overrides)
    if len(cells) != 1:
        raise InputError(f"{options.config} has {len(cells)} cells; predict takes a config of one")
    device = pick_device(options.device)
    summary = predict_folder(
        build_method, cells[0], options.frames, options.output, options.weights, device, Bars()
    )
    if options.json:
        _print_json(summary)
    else:
        _print(
            f"{summary['num_tracks']} tracks in {summary['num_videos']} videos: {options.output}"
        )


def _flops(options: argparse.Namespace) -> None:
    if (options.config is None) == (options.table is None):
        raise InputError("flops takes either a CONFIG or --table ifc-encoder, and not both")
    if options.table:
        _print_page(options.table, [], options.json)
        return
    from methods import build_method
    from vis_bench.atomic_write import write_atomically
    from vis_bench.progress import Bars
    from vis_bench.reports.flops import report_flops
    from vis_bench.reports.flops_tables import overview
    from vis_bench.runs.config import load_cells

    cells = load_cells(options.config, options.overrides)
    with Bars().bar("flops", len(cells)) as advance:
        reports = list(report_flops(build_method, cells, advance))
    if options.json:
        text = json.dumps([report.as_json() for report in reports], indent=1) + "\n"
    elif len(reports) == 1:
        text = reports[0].as_text(options.depth)
    else:
        text = overview(reports, f"python {options.command_line}")
    if options.output:
        write_atomically(options.output, text.encode())
    else:
        _print(text)


def _profile_kernels(options: argparse.Namespace) -> None:
    if options.config:
        _trace(options)
        return
    from cuda_ops.profile import PASSES, profile
    from vis_bench.progress import Bars
    from vis_bench.records.machine import pick_device
    from vis_bench.reports.kernels import kernel_table, skipped_lines
    from vis_bench.tables.text import render

    device = pick_device(options.device)
    with Bars().steps("kernels") as progress:
        try:
            rows = profile(
                options.shapes, options.backends, options.passes or PASSES, options.dtypes,
                device=device, progress=progress,
            )  # fmt: skip
        except ValueError as error:
            raise InputError(str(error)) from None
    if options.json:
        _print_json(rows)
    else:
        measured = kernel_table(rows)
        _print(render(measured) if len(measured) else "nothing was measured")
        _print("\n".join(skipped_lines(rows)))


def _trace(options: argparse.Namespace) -> None:
    from cuda_ops.profile import trace_method
    from methods import build_method
    from vis_bench.records.machine import pick_device
    from vis_bench.reports.kernels import most_expensive_operators
    from vis_bench.runs.config import load_cells
    from vis_bench.runs.load_method import find_weights, load_method
    from vis_bench.runs.random_clip import random_clip
    from vis_bench.tables.text import render

    cell = load_cells(options.config, options.overrides)[0]
    device = pick_device(options.device)
    method = load_method(build_method, cell, 40, find_weights(cell, options.weights), device)
    options.trace.parent.mkdir(parents=True, exist_ok=True)
    rows = trace_method(method, random_clip(method, cell, device), options.trace)
    _print_json(rows) if options.json else _print(render(most_expensive_operators(rows)))
    sys.stderr.write(f"wrote {options.trace}\n")


def _train(options: argparse.Namespace) -> None:
    from methods.training.loop import train
    from vis_bench.progress import Bars

    output = options.output or Path("runs") / options.config.stem
    summary = train(options.config, options.overrides, output, resume=options.resume, bars=Bars())
    _print_json(summary)


def _methods(options: argparse.Namespace) -> None:
    from methods import describe_methods
    from vis_bench.tables.text import render, table_of

    described = describe_methods()
    if options.json:
        _print_json(described)
    else:
        _print(render(table_of(described)))


def _eval(options: argparse.Namespace) -> None:
    from vis_bench.evaluation.ytvis import evaluate_files
    from vis_bench.reports.evaluation import evaluation_json, evaluation_text

    if options.record:
        evaluation = _record_results(options)
    else:
        evaluation = evaluate_files(options.annotations, options.predictions)
    for warning in evaluation.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    if options.json:
        _print_json(evaluation_json(evaluation, per_category=options.per_category))
    else:
        _print(evaluation_text(evaluation, per_category=options.per_category))


def _record_results(options: argparse.Namespace) -> Evaluation:
    from vis_bench.records.other_code import record_results
    from vis_bench.records.store import RecordStore

    evaluation, path = record_results(
        options.record, options.annotations, options.predictions, RecordStore(options.output),
        command=options.command_line, backbone=options.backbone, dataset=options.dataset,
        split=options.split,
    )  # fmt: skip
    sys.stderr.write(f"wrote {path}\n")
    return evaluation


def _synth(options: argparse.Namespace) -> None:
    from vis_bench.data.synthetic import write_dataset
    from vis_bench.progress import Bars

    splits = [options.split] if options.split else ["train", "val"]
    written = write_dataset(
        options.directory, Bars(), plain=options.plain, seed=options.seed,
        num_videos=dict.fromkeys(splits, options.videos), image_format=options.format,
    )  # fmt: skip
    if options.json:
        _print_json(written)
    else:
        _print("\n".join(f"{key}: {value}" for key, value in written.items()))


def _validate(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from vis_bench.data.validate import validate
    from vis_bench.progress import Bars

    problems = validate(options.annotations, options.frames, options.name, Bars())
    if options.json:
        _print_json([asdict(problem) for problem in problems])
    else:
        _print("\n".join(f"{p.where}: {p.message}" for p in problems) or "no problems found")
    return 1 if problems else 0


def _split(options: argparse.Namespace) -> None:
    from vis_bench.data.split import split_annotations, split_grid
    from vis_bench.tables.text import render

    parts = split_annotations(
        options.annotations, options.folder, fraction=options.fraction, seed=options.seed
    )
    if options.json:
        _print_json([part.as_json() for part in parts])
        return
    for part in parts:
        size = f"{part.num_videos} videos, {part.num_objects} objects"
        _print(f"{part.path}: {size}, sha256 {part.sha256}")
    _print(render(split_grid(parts)))


def _submit(options: argparse.Namespace) -> None:
    from vis_bench.data.results_file import write_submission

    write_submission(options.results, options.zip)
    _print_json({"zip": str(options.zip)}) if options.json else _print(f"wrote {options.zip}")


def _table(options: argparse.Namespace) -> None:
    if options.name == "measured":
        _print_records(_records(options.records), options.json, options.format)
        return
    _print_page(options.name, _records(options.records), options.json, options.format)


def _print_page(name: str, records: list[Record], as_json: bool, form: Any = "markdown") -> None:
    from vis_bench.reports.paper_tables import paper_table
    from vis_bench.tables.grid import page_json
    from vis_bench.tables.text import render

    page = paper_table(name, records, _encoder_counts() if name == "ifc-encoder" else None)
    _print_json(page_json(page)) if as_json else _print(render(page, form))


def _records(folder: Path) -> list[Record]:
    """The records of a folder; none yet in the default folder is no error."""
    from vis_bench.records.store import RecordStore

    return [] if folder == RECORDS and not folder.exists() else list(RecordStore(folder))


def _encoder_counts() -> Any:
    from methods import build_method
    from vis_bench.progress import Bars
    from vis_bench.reports.paper_tables.encoder_counts import count_ifc_encoders

    with Bars().bar("ifc-encoder", 16) as advance:
        return count_ifc_encoders(build_method, advance)


def _write_pages(options: argparse.Namespace) -> None:
    from vis_bench.reports.pages import write_pages

    changed = [str(path) for path in write_pages(options.pages, _encoder_counts())]
    if options.json:
        _print_json({"written": changed})
    else:
        _print("\n".join(f"wrote {path}" for path in changed) or "up to date")


def _check(options: argparse.Namespace) -> int:
    from vis_bench.gate.rules import Tolerances
    from vis_bench.gate.verdict import append_summary, check, update_baseline

    if options.update:
        report = update_baseline(options.baseline, options.current)
    else:
        report = check(options.baseline, options.current, Tolerances(points=options.tolerance))
        append_summary(report, os.environ)
    _print_json(report.as_json()) if options.json else _print(report.as_markdown())
    return 0 if options.update or report.passed else 1


def _leaderboard(options: argparse.Namespace) -> None:
    from vis_bench.atomic_write import write_atomically
    from vis_bench.reports.leaderboard import leaderboard_markdown

    if options.pages:
        _write_pages(options)
        return
    records = _records(options.records)
    text = leaderboard_markdown(records)
    if options.output:
        write_atomically(options.output, text.encode())
    elif options.json:
        _print_json([record.model_dump(mode="json") for record in records])
    else:
        _print(text)


def _compare(options: argparse.Namespace) -> None:
    from vis_bench.progress import Bars
    from vis_bench.reports.compare_inputs import load_pair
    from vis_bench.reports.compare_report import compare_pair

    pair = load_pair(
        options.first, options.second, annotations=options.annotations, data_root=options.data_root
    )
    report = compare_pair(pair, Bars(), num_resamples=options.resamples, seed=options.seed)
    _print_json(report.as_json()) if options.json else _print(report.as_text())


COMMANDS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "run": _run,
    "demo": _demo,
    "predict": _predict,
    "methods": _methods,
    "flops": _flops,
    "profile-kernels": _profile_kernels,
    "train": _train,
    "eval": _eval,
    "synth": _synth,
    "validate": _validate,
    "split": _split,
    "submit": _submit,
    "table": _table,
    "leaderboard": _leaderboard,
    "check": _check,
    "compare": _compare,
}
