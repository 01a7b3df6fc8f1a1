"""The options of a command, a line each, and those that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from vis_bench.commands.arguments.values import (
    arrays_file,
    count,
    figure_file,
    output_file,
    output_folder,
    seed,
    whole_number,
)

RECORDS = Path("results/records")
LIMITED_RECORDS = Path("runs/limited")
CONFIG = "a YAML file, or the name of a bundled config (see the command `configs`)"
# Twice this many resamples of all classes of a data set are held in memory.
MOST_RESAMPLES = 100_000


class Options:
    """Adds arguments to a command; every option's help says its default.

    Args:
        of_kind: whether they are those of a kind of a command, which itself has --json already.
    """

    def __init__(self, parser: argparse.ArgumentParser, *, of_kind: bool = False) -> None:
        self._parser = parser
        self.output_files: list[str] = []
        """The names of the values that are files to write."""
        # Where it is not given behind the kind, it stays what it was before.
        parser.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS if of_kind else False,
            help="print machine-readable output",
        )  # fmt: skip

    def kinds(self, dest: str, metavar: str, modules: Mapping[str, ModuleType]) -> None:
        """Kinds of a command by the name that is typed, each a module as a command's is.

        Args:
            dest: the attribute that holds the name.
            metavar: stands for it in the help.
        """
        kinds = self._parser.add_subparsers(
            dest=dest, metavar=metavar, required=True, parser_class=type(self._parser)
        )
        for name, module in modules.items():
            text = module.DESCRIPTION
            parser = kinds.add_parser(name, help=text, description=text)
            own = Options(parser, of_kind=True)
            module.add_arguments(own)
            parser.set_defaults(output_files=tuple(own.output_files))

    def argument(self, name: str, metavar: str, text: str, kind: Any = Path, **more: Any) -> None:
        """A positional argument; with `nargs="?"` one that may be left out."""
        self._note_output(name, kind)
        self._parser.add_argument(name, type=kind, metavar=metavar, help=text, **more)

    def value(
        self, name: str, metavar: str, text: str, kind: Callable[[str], Any] = Path, *,
        default: Any = None, unless_given: str = "none",
    ) -> None:  # fmt: skip
        """An option with a value.

        Args:
            name: with its dashes.
            metavar: stands for the value in the help.
            text: the help.
            kind: makes the value of what was typed.
            default: the value unless given.
            unless_given: says in the help what happens without the option, where `default` is None.
        """
        self._note_output(name, kind)
        shown = unless_given if default is None else "%(default)s"
        self._parser.add_argument(
            name, type=kind, metavar=metavar, default=default, help=f"{text} (default: {shown})"
        )

    def required(
        self, name: str, metavar: str, text: str, kind: Callable[[str], Any] = Path
    ) -> None:
        """An option that has to be given."""
        self._note_output(name, kind)
        self._parser.add_argument(
            name, type=kind, metavar=metavar, required=True, help=f"{text} (required)"
        )

    def choice(
        self, name: str, choices: Sequence[str], text: str, *,
        default: str | None = None, unless_given: str = "none",
    ) -> None:  # fmt: skip
        """An option that takes one of a few values; `default` and `unless_given` as in `value`."""
        shown = unless_given if default is None else "%(default)s"
        self._parser.add_argument(
            name, choices=choices, default=default, help=f"{text} (default: {shown})"
        )

    def flag(self, name: str, text: str) -> None:
        """An option without a value, off unless given."""
        self._parser.add_argument(name, action="store_true", help=text)

    def config(self, text: str = CONFIG, **more: Any) -> None:
        """CONFIG, as it was typed; `find_config` finds its file."""
        self.argument("config", "CONFIG", text, str, **more)

    def overrides(self) -> None:
        """--set."""
        self._parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
            help="override a key of the config, such as clip_length=10 or options.backbone=r101; "
            "may be repeated (default: the config as it is)",
        )  # fmt: skip

    def subject(self, without_weights: str = "random weights where it names none") -> None:
        """What a method is built from, and where it runs: --weights, --device, --set.

        Args:
            without_weights: what the help says of a config that names none.
        """
        self.value(
            "--weights", "FILE", "checkpoint (.pth, .safetensors, folder with model.safetensors)",
            unless_given=f"what the config names; {without_weights}",
        )  # fmt: skip
        self.value(
            "--device", "cpu|cuda", "where to run", str, unless_given="a GPU where there is one"
        )
        self.overrides()

    def measuring(self, records: Path) -> None:
        """What commands take that measure cells into a folder of records."""
        self.value(
            "--output", "DIR", "folder of records to write", output_folder,
            unless_given=f"{records}; {LIMITED_RECORDS} for part of a split, see --limit",
        )  # fmt: skip
        self.subject()
        self.data_root()
        self.value("--limit", "N", "measure only the first N videos", count, unless_given="all")
        self.flag("--resume", "skip cells that have a record")

    def data_root(self) -> None:
        """--data-root."""
        self.value(
            "--data-root", "DIR", "folder of data sets",
            unless_given="none, which is enough for the synthetic videos",
        )  # fmt: skip

    def resampling(self) -> None:
        """--resamples and --seed of a bootstrap."""
        self.value(
            "--resamples", "N", f"bootstrap resamples of the videos, up to {MOST_RESAMPLES}",
            whole_number(1, MOST_RESAMPLES), default=1000,
        )  # fmt: skip
        self.value("--seed", "N", "seed of the resampling", seed, default=0)

    def records(self) -> None:
        """--records, which is read."""
        self.value("--records", "DIR", "folder of records to read", default=RECORDS)

    def format(self) -> None:
        """--format of tables."""
        from vis_bench.show.tables import FORMATS

        self.choice("--format", FORMATS, "format of the text", default="markdown")

    def output_file(self) -> None:
        """--output of a command that prints one text."""
        self.value(
            "--output", "FILE", "file to write instead of printing", output_file,
            unless_given="print",
        )  # fmt: skip

    def _note_output(self, name: str, kind: Callable[[str], Any]) -> None:
        if kind in (output_file, figure_file, arrays_file):
            self.output_files.append(name.removeprefix("--").replace("-", "_"))
