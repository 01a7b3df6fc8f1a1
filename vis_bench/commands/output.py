"""Output of commands: texts, JSON and messages, over streams that survive a closed pipe."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from vis_bench.files import write_atomically
from vis_bench.text import broken, escaped, one_line

if TYPE_CHECKING:
    from vis_bench.record.store import StoredRecords
    from vis_bench.table import Part

# Takes what a command prints while other code's prints go to standard error.
_HELD: ContextVar[TextIO | None] = ContextVar("held", default=None)


class SafeStream(io.TextIOBase):
    """Output stream that survives a closed pipe and escapes terminal control characters.

    Args:
        stream: standard output or standard error; None in a process started without it.
        escape: applied to every text.
    """

    def __init__(self, stream: TextIO | None, escape: Callable[[str], str] = escaped) -> None:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        self._stream = stream or io.StringIO()
        self._escape = escape
        self._failures: list[OSError] = []

    @property
    def failure(self) -> OSError | None:
        """The first error; everything after it is dropped."""
        return next(iter(self._failures), None)

    @property
    def verbatim(self) -> SafeStream:
        """The same stream without escapes, for a progress bar's control characters."""
        same = SafeStream(self._stream, str)
        same._failures = self._failures
        return same

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's encoding."""
        return self._stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        """Write a text, or drop it; return its length."""
        self._attempt(lambda: self._stream.write(self._escape(text)))
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._attempt(self._stream.flush)

    def isatty(self) -> bool:
        """True for a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's file descriptor."""
        return self._stream.fileno()

    def _attempt(self, operation: Callable[[], object]) -> None:
        if self.failure is not None:
            return
        try:
            operation()
        except OSError as error:
            self._failures.append(error)
            # What the stream still holds would fail again when the interpreter ends.
            with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())


def print_text(text: str) -> None:
    """Print a text on standard output, with a newline at its end."""
    (_HELD.get() or sys.stdout).write(_ended(text))


def print_colored(line: str, color: str) -> None:
    """Print one line on standard output, bold and in color on a terminal."""
    from rich.console import Console
    from rich.text import Text

    # The command line's stream escapes control characters, which rich needs.
    console = Console(file=getattr(sys.stdout, "verbatim", None), soft_wrap=True)
    console.print(Text(one_line(line), f"bold {color}"))


@contextlib.contextmanager
def own_output(files: Iterable[Path]) -> Iterator[None]:
    """Keep standard output for `print_text`: what plug-ins print, natively too, goes to standard
    error. What commands print appears at the end.

    Args:
        files: named by the command; native prints are left alone if one is standard output itself.
    """
    out, held = sys.stdout, io.StringIO()
    token = _HELD.set(held)
    try:
        with contextlib.redirect_stdout(sys.stderr), _native_prints_to_stderr(out, files):
            yield
    finally:
        _HELD.reset(token)
        out.write(held.getvalue())


@contextlib.contextmanager
def _native_prints_to_stderr(out: TextIO, files: Iterable[Path]) -> Iterator[None]:
    """Has C code that writes to the descriptor of `out` write to standard error."""
    try:
        descriptor, target = out.fileno(), sys.stderr.fileno()
        kept = os.dup(descriptor)
    except OSError:  # a stream without a descriptor, or a closed one
        yield
        return
    try:
        if not any(_is_same(path, descriptor) for path in files):
            os.dup2(target, descriptor)
        yield
    finally:
        if os.name == "posix":
            ctypes.CDLL(None).fflush(None)  # C keeps a buffer of its own
        os.dup2(kept, descriptor)
        os.close(kept)


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except (OSError, ValueError):
        return False


def say(message: str) -> None:
    """Print one line on standard error, with line breaks in it escaped; a terminal's is broken
    between words.
    """
    sys.stderr.write(f"{_fitting(one_line(message), sys.stderr)}\n")


def warn(messages: Iterable[str]) -> None:
    """Print warnings on standard error, a line each."""
    for message in messages:
        say(f"warning: {message}")


def say_if_empty(
    stored: StoredRecords, folder: Path, hint: str = "; --records names another folder"
) -> None:
    """Name the folder on standard error if it holds no record."""
    if not stored.records:
        say(f"no record in {folder}{hint}")


def report_skipped(problems: Iterable[str]) -> None:
    """Name on standard error each file that is left out because it is not a record."""
    for problem in problems:
        say(f"skipped: {problem}")


def json_text(value: Any) -> str:
    """A value as JSON, indented by one space a level; records may stand anywhere in it."""
    return _ended(
        json.dumps(value, indent=1, default=lambda record: record.model_dump(mode="json"))
    )


def print_result(options: Any, value: Any, text: str) -> None:
    """Print `value` as JSON where --json asks for it, otherwise `text`, whose sentences a terminal
    breaks between words.
    """
    print_text(json_text(value) if options.json else _fitting(text, sys.stdout))


def print_parts(options: Any, value: Any, parts: Sequence[Part]) -> None:
    """Print `value` as JSON where --json asks for it, otherwise tables and paragraphs."""
    if options.json:
        print_text(json_text(value))
    elif parts:
        from vis_bench.table import as_markdown

        deliver(as_markdown(parts), None, parts)


def deliver(text: str, output: Path | None, parts: Sequence[Part] = ()) -> None:
    """Write a text to a file if one is given, print it otherwise.

    Args:
        parts: what a terminal shows in its place, as wide as it is.
    """
    if output is not None:
        write_atomically(output, escaped(_ended(text)).encode())
    elif parts and sys.stdout.isatty():
        _print_on_terminal(parts)
    else:
        print_text(text)


def _print_on_terminal(parts: Sequence[Part]) -> None:
    from rich.console import Console

    from vis_bench.table import fitted, to_terminal

    # The command line's stream escapes control characters, which rich needs.
    stream = getattr(sys.stdout, "verbatim", sys.stdout)
    console = Console(file=stream, width=shutil.get_terminal_size().columns)
    shown = [part if isinstance(part, str) else fitted(part) for part in parts]
    to_terminal.print_parts(console, shown)


def _ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _fitting(text: str, stream: TextIO) -> str:
    """The text; for a terminal with lines as wide as it is, but those of tables."""
    if not stream.isatty():
        return text
    columns = shutil.get_terminal_size().columns
    return "\n".join(
        line if line.startswith("|") else broken(line, columns) for line in text.split("\n")
    )
