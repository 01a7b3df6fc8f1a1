"""Progress bars for long work, on standard error so that standard output stays clean."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Advance(Protocol):
    """What long work calls as it goes on: `advance()` after each item."""

    def __call__(self, count: int = 1) -> None:
        """Says that `count` more items are done."""


def silent(count: int = 1) -> None:
    """An `Advance` that shows nothing."""


class Bars:
    """Hands out progress bars; shows none when quiet, or where standard error is not a terminal."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._quiet = quiet

    @contextmanager
    def bar(self, title: str, total: int | None) -> Iterator[Advance]:
        """A bar for `total` items."""
        if self._quiet or not sys.stderr.isatty():
            yield silent
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeRemainingColumn(), console=self._console) as progress:
            task = progress.add_task(title, total=total)

            def advance(count: int = 1) -> None:
                progress.advance(task, count)

            yield advance

    @contextmanager
    def steps(self, title: str) -> Iterator[Callable[[int, int, str], None]]:
        """A bar for work that reports how far it is: (done, of all, what comes next)."""
        shown = not self._quiet and sys.stderr.isatty()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self._console, disable=not shown) as progress:
            task = progress.add_task(title, total=None)

            def report(done: int, total: int, coming: str) -> None:
                progress.update(task, completed=done, total=total, description=f"{title}: {coming}")

            yield report

    def say(self, message: str) -> None:
        """One line on standard error."""
        self._console.print(message, highlight=False, markup=False, soft_wrap=True)
