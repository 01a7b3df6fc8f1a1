"""Escapes control characters in untrusted text, such as names in records, files and paths.

A character that does not print can move a terminal's cursor, hide text or reverse its order
(Boucher and Anderson, Trojan Source, USENIX Security 2023). All displayed text goes through one of
these: `escaped` for terminals and text files, `one_line` for messages and lists, `single_line` for
tables and pictures, whose writers escape the characters of their format. JSON escapes by itself.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_NOT_PLAIN_ASCII = re.compile(r"[^ -~]")


def escaped(text: str, keep: str = "\n\t") -> str:
    r"""The text with Python's escapes for characters that do not print: `\x1b`, `\u202e`.

    Args:
        keep: characters that stay as they are.
    """
    return _NOT_PLAIN_ASCII.sub(lambda match: _escape(match[0], keep), text)


def one_line(text: str) -> str:
    """The text on one line, with line breaks and tabs as escapes too."""
    return escaped(text, keep="")


def single_line(text: str) -> str:
    """The text on one line; runs of blanks and of characters that do not print become a space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def broken(text: str, columns: int) -> str:
    """The text with line breaks between words, indented as it is; a longer word stays whole."""
    indent = text[: len(text) - len(text.lstrip())]
    return textwrap.fill(
        text, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def count(number: int, noun: str) -> str:
    """A number and its noun: "1 video", "302 videos"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """Words with commas and "and"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The known word that a mistyped one is close to, in brackets; empty for none."""
    close = get_close_matches(word, [*known], n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _escape(character: str, keep: str) -> str:
    if character in keep or character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()
