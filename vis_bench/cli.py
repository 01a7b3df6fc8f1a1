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
from typing import TYPE_CHECKING, Any, NoReturn

from vis_bench.errors import InputError

if TYPE_CHECKING:
    from vis_bench.record import Record

RECORDS = Path("results/records")
DEMO_RECORDS = Path("runs/demo")
CONFIGS = Path(__file__).resolve().parent.parent / "configs"
TABLE_NAMES = (
    "measured", "comparison", "comparison-2021", "seqformer-clip-length", "ifc-stride",
    "ifc-memory-tokens", "ifc-memory-decomposition", "ifc-encoder-comparison", "ifc-encoder",
    "ifc-coco-val",
)  # fmt: skip
FORMATS = ("markdown", "csv", "latex", "html")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code (0 done, 1 a check failed, 2 wrong input)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser().parse_args(arguments)
        options.command_line = shlex.join(["run_bench.py", *arguments])
        return int(options.command(options) or 0)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; records written so far are kept\n")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage as the other errors are: one sentence, exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see: {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="run_bench.py", description=__import__("vis_bench").__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    def command(
        name: str, run: Callable[[argparse.Namespace], int | None], text: str
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--json", action="store_true", help="print machine-readable output")
        sub.set_defaults(command=run)
        return sub

    _measuring_commands(command)
    _results_commands(command)
    _table_commands(command)
    return parser


def _measuring_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    run = command("run", _run, "measure every cell of a config, write a record each, print a table")
    run.add_argument("config", type=Path, metavar="CONFIG", help="a YAML file, see configs/")
    run.add_argument("--output", type=Path, default=RECORDS, metavar="DIR", help="folder of records (default: %(default)s)")  # fmt: skip
    _add_run_options(run)
    demo = command("demo", _demo, "run configs/demo.yaml: no data, no download, no GPU")
    demo.add_argument("--output", type=Path, default=DEMO_RECORDS, metavar="DIR", help="folder of records (default: %(default)s)")  # fmt: skip
    demo.set_defaults(config=CONFIGS / "demo.yaml")
    _add_run_options(demo)
    predict = command("predict", _predict, "a folder of frames, or of such folders -> results JSON")
    predict.add_argument("config", type=Path, metavar="CONFIG", help="a YAML file with one cell")
    predict.add_argument("--frames", type=Path, required=True, metavar="DIR", help="frames of one video, or a folder per video")  # fmt: skip
    predict.add_argument("--output", type=Path, required=True, metavar="FILE", help="the results JSON to write")  # fmt: skip
    _add_subject_options(predict)
    command("methods", _methods, "list the registered methods and their options")


def _add_subject_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, metavar="FILE", help="checkpoint (.pth or .safetensors)")  # fmt: skip
    parser.add_argument("--device", metavar="cpu|cuda", help="default: a GPU where there is one")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a config key, such as clip_length=10 or options.backbone=r101")  # fmt: skip


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    _add_subject_options(parser)
    parser.add_argument("--data-root", type=Path, metavar="DIR", help="where data sets lie")
    parser.add_argument("--limit", type=_positive, metavar="N", help="only the first N videos")
    parser.add_argument("--resume", action="store_true", help="skip cells that have a record")


def _results_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    evaluate = command("eval", _eval, "AP and AR of a results file against annotations")
    evaluate.add_argument("--annotations", type=Path, required=True, metavar="GT.json", help="YouTube-VIS annotations")  # fmt: skip
    evaluate.add_argument("--predictions", type=Path, required=True, metavar="R.json", help="YouTube-VIS results")  # fmt: skip
    evaluate.add_argument("--per-category", action="store_true", help="a row per category too")
    synth = command("synth", _synth, "write the synthetic data set to disk in YouTube-VIS form")
    synth.add_argument("directory", type=Path, metavar="DIR", help="where to write")
    synth.add_argument("--plain", action="store_true", help="one colour per class, no occlusion")
    synth.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    synth.add_argument("--split", choices=("train", "val"), help="only this split (default: both)")
    synth.add_argument("--videos", type=_positive, metavar="N", help="videos per split (default: 200 train, 24 val)")  # fmt: skip
    synth.add_argument("--format", choices=("png", "jpg"), default="png", help="of the frames (default: %(default)s)")  # fmt: skip
    validate = command("validate", _validate, "check an annotations file, and its frames if given")
    validate.add_argument("annotations", type=Path, metavar="ANNOTATIONS", help="YouTube-VIS annotations")  # fmt: skip
    validate.add_argument("--frames", type=Path, metavar="DIR", help="the folder of frames")
    validate.add_argument("--name", choices=("ytvis2019", "ytvis2021", "ovis"), help="the data set it should be")  # fmt: skip
    submit = command("submit", _submit, "check a results file and zip it for a server")
    submit.add_argument("results", type=Path, metavar="R.json", help="YouTube-VIS results")
    submit.add_argument("zip", type=Path, metavar="OUT.zip", help="the zip to write")


def _table_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    table = command("table", _table, "a paper's table, published and measured side by side, or `measured`: every record")  # fmt: skip
    table.add_argument("name", metavar="NAME", choices=TABLE_NAMES, help=", ".join(TABLE_NAMES))
    table.add_argument("--format", choices=FORMATS, default="markdown", help="default: %(default)s")
    board = command("leaderboard", _leaderboard, "the leaderboard in markdown")
    board.add_argument("--output", type=Path, metavar="F", help="write to a file instead")
    check = command("check", _check, "exit 1 on a regression, and say which number moved")
    for name in ("baseline", "current"):
        check.add_argument(f"--{name}", type=Path, required=True, metavar="F", help="a record, a folder of records, or a baseline file")  # fmt: skip
    check.add_argument("--tolerance", type=_points, default=0.1, metavar="POINTS", help="AP and AR may fall by this many points (default: %(default)s)")  # fmt: skip
    check.add_argument("--update", action="store_true", help="write the current measurements as the baseline")  # fmt: skip
    for parser in (table, board):
        parser.add_argument("--records", type=Path, default=RECORDS, metavar="DIR", help="folder of records (default: %(default)s)")  # fmt: skip


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)


def _points(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of points from 0 to 100")
    return value


def _print(text: str) -> None:
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def _print_json(value: Any) -> None:
    _print(json.dumps(value, indent=1))


def _run(options: argparse.Namespace) -> None:
    from methods import build_method
    from vis_bench.bench import Bench, RunSettings
    from vis_bench.config import load_cells
    from vis_bench.environment import pick_device
    from vis_bench.progress import Bars
    from vis_bench.record import RecordStore

    settings = RunSettings(
        options.command_line, pick_device(options.device), options.data_root, options.weights,
        options.limit,
    )  # fmt: skip
    cells = load_cells(options.config, options.overrides)
    bench = Bench(build_method, RecordStore(options.output), settings, Bars())
    records = bench.run(cells, resume=options.resume)
    _print_records(records, options.json)


def _demo(options: argparse.Namespace) -> None:
    _run(options)


def _print_records(records: list[Record], as_json: bool, form: Any = "markdown") -> None:
    from vis_bench.tables import measured_table, render

    if as_json:
        _print_json(records)
    else:
        _print(render(measured_table(records), form))


def _predict(options: argparse.Namespace) -> None:
    from methods import build_method
    from vis_bench.config import load_cells
    from vis_bench.environment import pick_device
    from vis_bench.frames_folder import predict_folder
    from vis_bench.progress import Bars

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
        _print(f"{summary['num_tracks']} tracks in {summary['num_videos']} videos: {options.output}")


def _methods(options: argparse.Namespace) -> None:
    from methods import describe_methods
    from vis_bench.tables import render, table_of

    described = describe_methods()
    if options.json:
        _print_json(described)
    else:
        _print(render(table_of(described)))


def _eval(options: argparse.Namespace) -> None:
    from vis_bench.eval_report import evaluation_json, evaluation_text
    from vis_bench.ytvis_eval import evaluate_files

    evaluation = evaluate_files(options.annotations, options.predictions)
    for warning in evaluation.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    if options.json:
        _print_json(evaluation_json(evaluation))
    else:
        _print(evaluation_text(evaluation, per_category=options.per_category))


def _synth(options: argparse.Namespace) -> None:
    from vis_bench.progress import Bars
    from vis_bench.synthetic import write_dataset

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

    from vis_bench.progress import Bars
    from vis_bench.validate import validate

    problems = validate(options.annotations, options.frames, options.name, Bars())
    if options.json:
        _print_json([asdict(problem) for problem in problems])
    else:
        _print("\n".join(f"{p.where}: {p.message}" for p in problems) or "no problems found")
    return 1 if problems else 0


def _submit(options: argparse.Namespace) -> None:
    from vis_bench.predictions import write_submission

    write_submission(options.results, options.zip)
    _print_json({"zip": str(options.zip)}) if options.json else _print(f"wrote {options.zip}")


def _table(options: argparse.Namespace) -> None:
    if options.name == "measured":
        _print_records(_records(options.records), options.json, options.format)
        return
    from vis_bench.grid import page_json
    from vis_bench.paper_tables import paper_table
    from vis_bench.tables import render

    counts = _encoder_counts() if options.name == "ifc-encoder" else None
    page = paper_table(options.name, _records(options.records), counts)
    if options.json:
        _print_json(page_json(page))
    else:
        _print(render(page, options.format))


def _records(folder: Path) -> list[Record]:
    """The records of a folder; none yet in the default folder is no error."""
    from vis_bench.record import RecordStore

    return [] if folder == RECORDS and not folder.exists() else list(RecordStore(folder))


def _encoder_counts() -> Any:
    from methods import build_method
    from vis_bench.flops.tables import count_ifc_encoders

    return count_ifc_encoders(build_method)


def _check(options: argparse.Namespace) -> int:
    from vis_bench.gate import append_summary, check, update_baseline
    from vis_bench.gate_rules import Tolerances

    if options.update:
        report = update_baseline(options.baseline, options.current)
    else:
        report = check(options.baseline, options.current, Tolerances(points=options.tolerance))
        append_summary(report, os.environ)
    _print_json(report.as_json()) if options.json else _print(report.as_markdown())
    return 0 if options.update or report.passed else 1


def _leaderboard(options: argparse.Namespace) -> None:
    from vis_bench.atomic_write import write_atomically
    from vis_bench.leaderboard import leaderboard_markdown

    records = _records(options.records)
    text = leaderboard_markdown(records)
    if options.output:
        write_atomically(options.output, text.encode())
    elif options.json:
        _print_json(records)
    else:
        _print(text)
