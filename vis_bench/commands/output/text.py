"""Texts and JSON, to standard output or to a file, and messages to standard error."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from vis_bench.files import write_atomically
from vis_bench.text import escaped, one_line


def print_text(text: str) -> None:
    """A text on standard output, with a newline at its end."""
    sys.stdout.write(_ended(text))


def print_line(text: str) -> None:
    """A text on standard output, in one line whatever it quotes."""
    print_text(one_line(text))


def say(message: str) -> None:
    """A message on standard error, in one line whatever it quotes."""
    sys.stderr.write(f"{one_line(message)}\n")


def print_json(value: Any) -> None:
    """A value as JSON on standard output."""
    print_text(json_text(value))


def json_text(value: Any) -> str:
    """A value as JSON, indented by one space a level; records may stand anywhere in it."""
    return _ended(json.dumps(value, indent=1, default=_plain))


def deliver(text: str, output: Path | None) -> None:
    """Writes a text to a file where one is given, prints it otherwise.

    Raises:
        InputError: for a file that cannot be written.
    """
    if output is None:
        print_text(text)
    else:
        write_atomically(output, escaped(_ended(text)).encode())


def _plain(record: Any) -> Any:
    return record.model_dump(mode="json")


def _ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"
