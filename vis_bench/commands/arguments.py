"""The command line's arguments, command by command; `cli` says what each command does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from vis_bench.errors import InputError

RECORDS = Path("results/records")
DEMO_RECORDS = Path("runs/demo")
TRACE = Path("runs/trace.json.gz")
TABLE_NAMES = (
    "measured", "comparison", "comparison-2021", "seqformer-clip-length", "ifc-stride",
    "ifc-memory-tokens", "ifc-memory-decomposition", "ifc-encoder-comparison", "ifc-encoder",
    "ifc-coco-val",
)  # fmt: skip
FORMATS = ("markdown", "csv", "latex", "html")
DATASETS = ("ytvis2019", "ytvis2021", "ovis", "synthetic")


class Parser(argparse.ArgumentParser):
    """Reports wrong usage as the other errors are: one sentence, exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Raises an `InputError` with argparse's message."""
        raise InputError(f"{message} (see: {self.prog} --help)")


def build_parser() -> Parser:
    """The whole command line; the parsed `command` is the command's name."""
    parser = Parser(
        prog="run_bench.py",
        description="Benchmark and evaluation harness for video instance segmentation.",
    )
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )

    def add(name: str, text: str) -> _Options:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--json", action="store_true", help="print machine-readable output")
        return _Options(sub)

    _add_measuring(add)
    _add_cost(add)
    _add_files(add)
    _add_tables(add)
    return parser


class _Options:
    """Adds options to a command, each on a line."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser

    def value(self, name: str, metavar: str, text: str, kind: Any = Path, **more: Any) -> None:
        """An argument, or an option where the name starts with dashes, with a value."""
        if more.get("default") is not None:
            text += " (default: %(default)s)"
        self._parser.add_argument(name, type=kind, metavar=metavar, help=text, **more)

    def choice(self, name: str, choices: tuple[str, ...], text: str, **more: Any) -> None:
        """As `value`, with the allowed values listed."""
        if more.get("default") is not None:
            text += " (default: %(default)s)"
        self._parser.add_argument(name, choices=choices, help=text, **more)

    def flag(self, name: str, text: str) -> None:
        """An option without a value."""
        self._parser.add_argument(name, action="store_true", help=text)

    def overrides(self) -> None:
        """--set."""
        self._parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
            help="override a config key, such as clip_length=10 or options.backbone=r101",
        )  # fmt: skip

    def subject(self) -> None:
        """What builds and places a method."""
        self.value("--weights", "FILE", "checkpoint (.pth or .safetensors)")
        self.value("--device", "cpu|cuda", "where to run; a GPU where there is one", str)
        self.overrides()

    def run(self, records: Path) -> None:
        """What every command that measures cells takes."""
        self.value("--output", "DIR", "folder of records", default=records)
        self.subject()
        self.value("--data-root", "DIR", "where data sets lie")
        self.value("--limit", "N", "only the first N videos", _count)
        self.flag("--resume", "skip cells that have a record")


_Add = Callable[[str, str], _Options]


def _add_measuring(add: _Add) -> None:
    run = add("run", "measure every cell of a config, write a record each, print a table")
    run.value("config", "CONFIG", "a YAML file, see configs/")
    run.run(RECORDS)
    demo = add("demo", "run configs/demo.yaml: no data, no download, no GPU")
    demo.run(DEMO_RECORDS)
    predict = add("predict", "a folder of frames, or of such folders, to a results JSON")
    predict.value("config", "CONFIG", "a YAML file with one cell")
    predict.value("--frames", "DIR", "one video's frames, or a folder per video", required=True)
    predict.value("--output", "FILE", "the results JSON to write", required=True)
    predict.subject()
    train = add("train", "train a bundled model on the synthetic videos")
    train.value("config", "CONFIG", "a YAML file, see configs/train/")
    train.value("--output", "DIR", "checkpoint and weights (default: runs/<name of the config>)")
    train.overrides()
    train.flag("--resume", "go on from the checkpoint in the output folder")
    add("methods", "list the registered methods and their options")


def _add_cost(add: _Add) -> None:
    flops = add("flops", "multiply-adds by module, per clip and per source frame")
    flops.value("config", "CONFIG", "a YAML file, see configs/", nargs="?")
    flops.choice("--table", ("ifc-encoder",), "count a paper's table instead")
    flops.value("--depth", "N", "levels of modules to show", _count, default=2)
    flops.value("--output", "F", "write to a file instead of printing")
    flops.overrides()
    kernels = add("profile-kernels", "kernels against the memory and arithmetic limits")
    for name in ("--shapes", "--backends", "--passes", "--dtypes"):
        kernels.value(name, "A,B", f"only these {name[2:]} (default: all that apply)", _names)
    kernels.value("--config", "CONFIG", "trace this config's method instead, see --trace")
    kernels.value("--trace", "FILE", "the trace to write, with --config", default=TRACE)
    kernels.subject()


def _add_files(add: _Add) -> None:
    evaluate = add("eval", "AP and AR of a results file against annotations")
    evaluate.value("--annotations", "GT.json", "YouTube-VIS annotations", required=True)
    evaluate.value("--predictions", "R.json", "YouTube-VIS results", required=True)
    evaluate.flag("--per-category", "a row per category too")
    evaluate.value("--record", "NAME", "enter the results into the records as method NAME", str)
    evaluate.value("--output", "DIR", "folder of records, with --record", default=RECORDS)
    for name in ("--backbone", "--dataset", "--split"):
        evaluate.value(name, "NAME", f"the record's {name[2:]}, with --record", str)
    synth = add("synth", "write the synthetic data set to disk in YouTube-VIS form")
    synth.value("directory", "DIR", "where to write; made where it is missing")
    synth.flag("--plain", "one colour per class, no occlusion, no look-alikes")
    synth.value("--seed", "N", "another seed gives other videos", int, default=0)
    synth.choice("--split", ("train", "val"), "only this split (default: both)")
    synth.value("--videos", "N", "videos per split (default: 200 train, 24 val)", _count)
    synth.choice("--format", ("png", "jpg"), "of the frames", default="png")
    validate = add("validate", "check an annotations file, and its frames if given")
    validate.value("annotations", "ANNOTATIONS", "YouTube-VIS annotations")
    validate.value("--frames", "DIR", "the folder that file names start from")
    validate.choice("--name", DATASETS, "the data set that it should be")
    split = add("split", "cut a held-out part from a training annotations file")
    split.value("annotations", "ANNOTATIONS", "YouTube-VIS annotations of a training split")
    split.value("folder", "DIR", "where both parts are written")
    split.value("--fraction", "F", "of the videos that is held out, 0..1", float, default=0.1)
    split.value("--seed", "N", "another seed gives another split", int, default=0)
    submit = add("submit", "check a results file and zip it for a server")
    submit.value("results", "R.json", "YouTube-VIS results")
    submit.value("zip", "OUT.zip", "the zip to write")


def _add_tables(add: _Add) -> None:
    table = add("table", "a paper's table, published and measured; or `measured`: every record")
    table.choice("name", TABLE_NAMES, f"one of: {', '.join(TABLE_NAMES)}", metavar="NAME")
    table.value("--records", "DIR", "folder of records", default=RECORDS)
    table.choice("--format", FORMATS, "of the text", default="markdown")
    board = add("leaderboard", "the leaderboard in markdown")
    board.value("--records", "DIR", "folder of records", default=RECORDS)
    board.value("--output", "F", "write to a file instead of printing")
    board.value("--pages", "DIR", "write all generated pages from DIR/records, such as results")
    check = add("check", "exit 1 on a regression, and say which number moved")
    for name in ("--baseline", "--current"):
        check.value(name, "F", "a record, a folder of records, or a baseline file", required=True)
    check.value("--tolerance", "POINTS", "how far AP and AR may fall", _points, default=0.1)
    check.flag("--update", "write the current measurements as the baseline")

    compare = add("compare", "two records or results files, with confidence intervals")
    compare.value("first", "A", "a record with its predictions beside it, or a results file")
    compare.value("second", "B", "what A is compared with")
    compare.value("--annotations", "GT.json", "annotations, needed for results files")
    compare.value("--data-root", "DIR", "where data sets lie")
    compare.value("--resamples", "N", "bootstrap resamples of the videos", _count, default=1000)
    compare.value("--seed", "N", "of the resampling", int, default=0)


def _count(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _points(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of points from 0 to 100")
    return value
