"""Progress of long work on standard error: bars on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from vis_bench.errors import HINT, InputError, names_code, root_traceback
from vis_bench.text import broken, one_line

# Least seconds between two lines where there is no terminal.
LINE_SECONDS = 60.0


class Advance(Protocol):
    """Callback of long work: `advance()` after each item."""

    def __call__(self, count: int = 1) -> None:
        """Report that `count` more items are done."""


def silent(count: int = 1) -> None:
    """An `Advance` that shows nothing."""


class Bars:
    """Progress bars and messages of one command.

    Args:
        quiet: shows no progress and no messages.
        tracebacks: shows those of errors, see `trace`; None if no option asks for them.
        clock: returns seconds.
    """

    def __init__(
        self,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
        *,
        tracebacks: bool | None = None,
    ) -> None:
        # The command line's stream escapes control characters, which rich needs.
        verbatim = getattr(sys.stderr, "verbatim", None)
        self._console = Console(file=verbatim, stderr=True, quiet=quiet, emoji=False)
        self.is_quiet = quiet
        self._clock = clock
        self._tracebacks = tracebacks

    @classmethod
    def watched(cls) -> Bars:
        """Bars of a function that is called in a terminal or a notebook; quiet ones elsewhere."""
        return cls(quiet=not (sys.stderr.isatty() or "ipykernel" in sys.modules))

    @classmethod
    def of_argument(cls, bars: Bars | None) -> Bars:
        """The bars that a function was given, or those of `watched`."""
        if bars is not None and not isinstance(bars, cls):
            raise InputError(f"bars is {bars!r}; expected vis_bench.progress.Bars or None")
        return bars or cls.watched()

    @contextmanager
    def bar(self, title: str, total: int | None) -> Iterator[Advance]:
        """A bar for `total` items, or for as many as there are where they turn out to be more."""
        if self.is_quiet:
            yield silent
            return
        if not sys.stderr.isatty():
            lines = _LinePrinter(self.say, self._clock)

            def count_up(count: int = 1) -> None:
                lines.show(title, lines.done + count, total)

            yield count_up
            return
        with self._progress(TimeRemainingColumn()) as progress:
            task = progress.add_task(one_line(title), total=total)

            def advance(count: int = 1) -> None:
                progress.advance(task, count)
                done = progress.tasks[0].completed
                progress.update(task, total=None if total is None else max(total, done))

            yield advance

    @contextmanager
    def steps(self, title: str) -> Iterator[Callable[[int, int, str], None]]:
        """A bar for work that reports (items done, items in all, name of the next item)."""
        if not self.is_quiet and not sys.stderr.isatty():
            lines = _LinePrinter(self.say, self._clock)

            def print_step(done: int, total: int, next_item: str) -> None:
                lines.show(f"{title}: {next_item}", done, total)

            yield print_step
            return
        with self._progress() as progress:
            task = progress.add_task(one_line(title), total=None)

            def report(done: int, total: int, next_item: str) -> None:
                text = one_line(f"{title}: {next_item}")
                progress.update(task, completed=done, total=total, description=text)

            yield report

    def say(self, message: str) -> None:
        """One line on standard error; a terminal's is broken between words."""
        text = one_line(message)
        if self._console.is_terminal:
            text = broken(text, self._console.width)
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def trace(self, error: BaseException) -> None:
        """The traceback of an error on standard error, or once the option that shows it."""
        if self._tracebacks:
            for line in root_traceback(error).splitlines():
                self.say(line)
        elif self._tracebacks is False and names_code(error):
            self.say(HINT)
            self._tracebacks = None

    def _progress(self, *more: ProgressColumn) -> Progress:
        """Bars whose titles are plain text without markup."""
        title = TextColumn("{task.description}", markup=False)
        return Progress(
            title,
            BarColumn(),
            MofNCompleteColumn(),
            *more,
            console=self._console,
            transient=True,
            disable=self.is_quiet,
            redirect_stdout=False,
            redirect_stderr=False,
        )


def time_left(seconds: float, done: int, total: int) -> str:
    """The time that the remaining items take at the pace so far: `, 3 min left`; empty at the end.

    Args:
        seconds: taken by the items that are done.
    """
    if not 0 < done < total:
        return ""
    left = seconds / done * (total - done)
    return f", {left:.0f} s left" if left < 90 else f", {left / 60:.0f} min left"


class _LinePrinter:
    """Prints progress as lines, at most one in `LINE_SECONDS`; none for short work."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._say = say
        self._clock = clock
        self._started = self._last = clock()
        self.done = 0

    def show(self, title: str, done: int, total: int | None) -> None:
        self.done = done
        now = self._clock()
        if now - self._last >= LINE_SECONDS:
            self._last = now
            in_all = "" if total is None else f" of {max(total, done)}"
            minutes = int((now - self._started) // 60)
            self._say(f"{title}: {done}{in_all} after {minutes} min")
