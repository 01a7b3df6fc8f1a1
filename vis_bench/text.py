"""Text from data, such as names in records, files and paths, made harmless to whoever shows it.

A character that does not print can move a terminal's cursor, hide what follows or reverse its
order (Boucher and Anderson, Trojan Source, USENIX Security 2023). Every text that is shown goes
through one of these functions: `escaped` in what goes to a terminal or into a text file,
`one_line` in messages and lists, `single_line` in tables and pictures, whose writers escape what
their format gives a meaning to. JSON escapes by itself.
"""

from __future__ import annotations

import re
import unicodedata

_NOT_PLAIN_ASCII = re.compile(r"[^ -~]")


def escaped(text: str, keep: str = "\n\t") -> str:
    r"""The text with escapes of Python for what does not print: `\x1b`, `\u202e`.

    Args:
        keep: characters that stay as they are.
    """
    return _NOT_PLAIN_ASCII.sub(lambda found: _escape(found[0], keep), text)


def one_line(text: str) -> str:
    """The text on one line, with line breaks and tabs as escapes too."""
    return escaped(text, keep="")


def single_line(text: str) -> str:
    """The text on one line, every run of what does not print or is blank as one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _escape(character: str, keep: str) -> str:
    if character in keep or character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()
