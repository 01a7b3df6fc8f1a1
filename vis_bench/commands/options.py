"""Arguments of commands, a line each, those that several share, and the guard of input files."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from vis_bench.arguments import LIMITED_RECORDS, MAX_TRACKS, RESAMPLES, RESULTS
from vis_bench.commands.values import (
    any_path,
    arrays_file,
    column_width,
    config_file,
    count,
    frames_path,
    named_file,
    names,
    output_file,
    output_folder,
    output_path,
    picture_file,
    records_path,
    score,
    seed,
    whole,
)
from vis_bench.errors import InputError
from vis_bench.files import overwrite_guard
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.text import did_you_mean

if TYPE_CHECKING:
    from vis_bench.metrics.scores import Asked

CONFIG = "a YAML file, or the name of a bundled config (see the command `list`)"
SIDE = "a record with its predictions next to it, a results file, or NAME=FILE to call it NAME"
METAVAR_CHARACTERS = 50  # of the longest list of choices in a usage
FRAMES = "a folder of frames, a folder of such folders, or a video file"
_WRITTEN = (output_file, output_path, picture_file, arrays_file)
_FOLDERS = (frames_path, records_path)  # whose files are read


def override(text: str) -> str:
    """KEY=VALUE of --set, as typed."""
    return text


class Parser(argparse.ArgumentParser):
    """Argument parser that raises an `InputError` where argparse prints the usage and exits.

    The usage in its help names the arguments that have to be given, and those by place.
    """

    def format_help(self) -> str:
        """The help, with an unused `usage` written from the arguments."""
        needed = [a for a in self._actions if a.required or not a.option_strings]
        formatter = self.formatter_class(prog=f"{self.prog} [options]")
        formatter.add_usage(None, needed, [])
        written = formatter.format_help().removeprefix("usage: ").rstrip()
        self.usage = self.usage or written.replace("%", "%%")
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Raise an `InputError` with argparse's message."""
        raise InputError(f"{message} (see: {self.prog} --help)")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As argparse; an unknown option is refused at once, with the one that may be meant."""
        values, unknown = super().parse_known_args(args, namespace)
        if unknown:
            meant = did_you_mean(unknown[0].partition("=")[0], self._option_string_actions)
            if "--set" in (args or ()) and not unknown[0].startswith("-"):
                meant = "; --set takes KEY=VALUE"
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
        return values, unknown


class Options:
    """Adds arguments to a command; the help of every option gives its default.

    Args:
        json_default: `argparse.SUPPRESS` for kinds of a command, which has --json already.
    """

    def __init__(self, parser: argparse.ArgumentParser, json_default: Any = False) -> None:
        self._parser = parser
        self._place: argparse._ActionsContainer = parser
        self._types: dict[str, Callable[[str], Any]] = {}
        parser.add_argument(
            "--json",
            action="store_true",
            default=json_default,
            help="print machine-readable output",
        )

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse the words behind the command; an InputError for a file written and read."""
        values = self._parser.parse_args(arguments)
        if getattr(values, "random_weights", False):
            if values.weights is not None:
                raise InputError(
                    f"--weights {values.weights} and --random-weights cannot be combined; give one"
                )
            values.overrides = [*values.overrides, "weights=null"]
        check_overwriting({**self._types, **vars(values).pop("types", {})}, vars(values))
        return values

    def kinds(
        self, dest: str, metavar: str, kinds: Mapping[str, tuple[str, Callable[[Options], None]]]
    ) -> None:
        """Subcommands by name: a line of help, and the function that adds arguments.

        Args:
            dest: the attribute that holds the name.
            metavar: its name in the help.
        """
        subparsers = self._parser.add_subparsers(
            dest=dest, metavar=metavar, required=True, parser_class=type(self._parser)
        )
        for name, (text, add_arguments) in kinds.items():
            parser = subparsers.add_parser(name, help=text, description=text)
            options = Options(parser, argparse.SUPPRESS)
            add_arguments(options)
            parser.set_defaults(types=options._types)

    @contextmanager
    def titled(self, title: str) -> Iterator[None]:
        """The help shows the options that are added inside below a title."""
        self._place = self._parser.add_argument_group(title)
        yield
        self._place = self._parser

    def argument(
        self, name: str, metavar: str, text: str, type: Callable[[str], Any] = any_path, **more: Any
    ) -> None:
        """A positional argument; with `nargs="?"` one that may be left out."""
        self._types[name] = type
        self._parser.add_argument(name, type=type, metavar=metavar, help=text, **more)

    def value(
        self,
        name: str,
        metavar: str,
        text: str,
        type: Callable[[str], Any] = any_path,
        *,
        default: Any = None,
        unless_given: str = "none",
        **more: Any,
    ) -> None:
        """An option with a value.

        Args:
            name: with its dashes.
            metavar: stands for the value in the help.
            type: converts what was typed.
            unless_given: the help's words for what happens without the option, if `default` is
                None.
        """
        shown = unless_given if default is None else "%(default)s"
        text = f"{text} (required)" if more.get("required") else f"{text} (default: {shown})"
        action = self._place.add_argument(
            name, type=type, metavar=metavar, default=default, help=text, **more
        )
        self._types[action.dest] = type

    def required(
        self, name: str, metavar: str, text: str, type: Callable[[str], Any] = any_path
    ) -> None:
        """An option that has to be given."""
        self.value(name, metavar, text, type, required=True)

    def choice(
        self,
        name: str,
        choices: Sequence[str],
        text: str,
        *,
        default: str | None = None,
        unless_given: str = "none",
    ) -> None:
        """An option that takes one of a few values; `default` and `unless_given` as in `value`."""
        metavar = f"{{{','.join(choices)}}}"
        if len(metavar) > METAVAR_CHARACTERS:  # the usage would be wider than a terminal
            metavar, text = name.strip("-").upper(), f"{text}: {', '.join(choices)}"
        self.value(
            name, metavar, text, str, default=default, unless_given=unless_given, choices=choices
        )

    def flag(self, name: str, text: str) -> None:
        """An option without a value, off unless given."""
        self._place.add_argument(name, action="store_true", help=text)

    def config(self, text: str = CONFIG, type: Callable[[str], Any] = config_file) -> None:
        """CONFIG, whose value is its file."""
        self.argument("config", "CONFIG", text, type)

    def overrides(self) -> None:
        """--set."""
        self.value(
            "--set",
            "KEY=VALUE",
            "override a key of the config, such as clip_length=10 or options.backbone=r101; may be "
            "repeated",
            override,
            action="append",
            dest="overrides",
        )
        self._parser.set_defaults(overrides=[])

    def device(self) -> None:
        """--device."""
        self.value(
            "--device", "cpu|cuda", "where to run", str, unless_given="a GPU if there is one"
        )

    def method(self, without_weights: str = "random weights if it names none") -> None:
        """--weights, --device and --set: how a method is built, and where it runs.

        Args:
            without_weights: the help's words for a config that names no weights.
        """
        self.value(
            "--weights",
            "FILE",
            "checkpoint (.pth, .safetensors, folder with model.safetensors); FILE:KEY takes "
            "one of several in a file",
            unless_given=f"that of the config; {without_weights}",
        )
        self.device()
        self.overrides()

    def limit(self, does: str, unless_given: str = "all") -> None:
        """--limit of commands that infer videos."""
        self.value(
            "--limit", "N", f"{does} only the first N videos", count, unless_given=unless_given
        )

    def random_weights(self, does: str) -> None:
        """--random-weights, which `parse` turns into an override of the config's weights."""
        self.flag("--random-weights", f"{does} with random weights, for a dry run")

    def measuring(self, records: Path, videos: str = "all") -> None:
        """Arguments of commands that measure cells into a folder of records.

        Args:
            videos: the help's words for how many are measured without --limit.
        """
        self.value(
            "--output",
            "DIR",
            "folder of records to write",
            output_folder,
            unless_given=f"{records}; {LIMITED_RECORDS} for part of a split, see --limit",
        )
        self.method()
        self.data_root()
        self.limit("measure", videos)
        self.random_weights("measure")
        self.flag("--resume", "skip cells and videos that are already measured")
        self.traceback()
        self.flag("--verify-frames", "compare frames by content, not by name and size")

    def traceback(self) -> None:
        """--traceback, which `main` and `Bars` ask."""
        self.flag("--traceback", "show the traceback of a method's failure")

    def data_root(self) -> None:
        """--data-root."""
        self.value(
            "--data-root",
            "DIR",
            "folder of data sets",
            unless_given="none; synthetic videos need none",
        )

    def annotated_frames(self, unless_given: str) -> None:
        """--frames of annotated videos."""
        self.value(
            "--frames",
            "DIR",
            "base folder of the annotations' file names",
            frames_path,
            unless_given=unless_given,
        )

    def min_score(
        self, default: float | None = SCORE_THRESHOLD, unless_given: str = "none"
    ) -> None:
        """--min-score of pictures and annotations."""
        self.value(
            "--min-score",
            "S",
            "leave out tracks with a lower score",
            score,
            default=default,
            unless_given=unless_given,
        )

    def column(self) -> None:
        """--column of figures."""
        self.value(
            "--column",
            "WIDTH",
            "width in a paper, such as 3.3in or 6.9in, with letters of 7 and 8 points",
            column_width,
            unless_given="880 pixels, for a README",
        )

    def labels(self) -> None:
        """--labels of pictures."""
        self.choice(
            "--labels",
            ("all", "first", "none"),
            "pictures that name an object: all; first, its first one and those in which its "
            "track switches; or none",
            default="first",
        )

    METRICS = ("boundary", "groups", "clear", "max_tracks")

    def metrics(self, boundary: str = " (default if the records hold it)", clear: str = "") -> None:
        """--boundary, --groups and --clear: metrics beside AP and AR; and --max-tracks of AP.

        Args:
            boundary, clear: more words of the help behind one, and before the other.
        """
        self.flag("--boundary", f"also AP by masks and their boundaries{boundary}")
        self.value(
            "--groups",
            "partition|FILE.yaml",
            "also AP and AR of groups of categories or videos: base and novel by the "
            "annotations' partition, as in LV-VIS, or lists in a file (docs/evaluate.md)",
            unless_given="none",
        )
        self.flag("--clear", f"{clear}also MOTA, identity switches, fragments, mostly tracked")
        self.value(
            "--max-tracks",
            "N",
            "number of tracks per category and video that AP counts",
            whole(MAX_TRACKS),
            unless_given="100, or that of the records",
        )

    def resampling(self) -> None:
        """--resamples and --seed of half-samples."""
        self.value(
            "--resamples",
            "N",
            f"half-samples of the videos, up to {RESAMPLES.high}",
            whole(RESAMPLES),
            default=1000,
            dest="num_resamples",
        )
        self.value("--seed", "N", "seed of the half-samples", seed, default=0)

    def records(self) -> None:
        """--records, which is read."""
        self.value(
            "--records",
            "DIR",
            "folder of records to read, with its subfolders",
            records_path,
            default=RESULTS,
        )

    def format(self, formats: Sequence[str]) -> None:
        """--format of tables."""
        self.choice("--format", formats, "format of the text", default="markdown")

    def columns(self, more: str = "") -> None:
        """--columns of tables."""
        self.value(
            "--columns",
            "A,B",
            f"show only these columns, such as method,ap,ap75,fps{more}",
            names,
            unless_given="those that fit; all in CSV",
        )

    def output_file(self) -> None:
        """--output of a command that prints one text."""
        self.value(
            "--output",
            "FILE",
            "file to write instead of printing",
            output_file,
            unless_given="print",
        )


def asked_of(options: argparse.Namespace, tracking_threshold: float | None) -> Asked:
    """The metrics that the options of `metrics` ask for, on the half-samples of `resampling`."""
    from vis_bench.metrics.scores import Asked

    if options.clear and not getattr(options, "tracking", True):
        raise InputError("--clear needs --tracking; give both")
    known = Asked.__dataclass_fields__
    given = {name: value for name, value in vars(options).items() if name in known}
    return Asked(tracking_threshold, **given)


def check_overwriting(types: Mapping[str, Callable[[str], Any]], values: dict[str, Any]) -> None:
    """Refuse files to write that are inputs, or lie among the frames or records that are read.

    Args:
        types: of the values, by name.
        values: as parsed.
    """
    given = [(type, values[name]) for name, type in types.items() if values[name]]
    written = [value for type, value in given if type in _WRITTEN]
    read = [(type, value) for type, value in given if type not in _WRITTEN]
    overwrite_guard(written, [path for type, value in read for path in _paths(type, value)])
    for path in written:
        if written.count(path) > 1:
            raise InputError(f"two options name the file {path}; expected a file for each")
        for type, value in read:
            if type in _FOLDERS:
                _check_outside(path, value, type)


def _paths(type: Callable[[str], Any], value: Any) -> Iterator[Path]:
    """Files that a value names, alone, in a list, or behind an `=` of NAME=FILE and KEY=FILE."""
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, Path):
            yield entry
        elif type in (named_file, override):
            parts = entry.split("=")
            yield from (Path("=".join(parts[start:])) for start in range(len(parts)))


def _check_outside(path: Path, folder: Path, type: Callable[[str], Any]) -> None:
    try:
        target = path.resolve()
        inside = target.is_file() and target.is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # not the name of a file, or a loop
        return
    if inside and target.suffix.lower() in _suffixes(type):
        raise InputError(
            f"cannot write {path}: it is among the files that are read from {folder}; expected "
            "another file"
        )


def _suffixes(type: Callable[[str], Any]) -> tuple[str, ...]:
    if type is records_path:
        return (".json", ".gz")
    from vis_bench.data.video import FRAME_SUFFIXES
    from vis_bench.data.video_file import VIDEO_SUFFIXES

    return (*FRAME_SUFFIXES, *VIDEO_SUFFIXES)
