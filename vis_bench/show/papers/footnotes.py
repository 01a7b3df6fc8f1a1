"""Footnotes of a page: sources by number, conditions of measurement by letter."""

from __future__ import annotations

import itertools
import string

from vis_bench.show.published import source_text


class Footnotes:
    """Hands out keys in the order in which texts first appear; the same text has one key."""

    def __init__(self) -> None:
        self._numbers = map(str, itertools.count(1))
        self._letters = _letters()
        self._keys: dict[str, str] = {}

    def source(self, key: str | None) -> tuple[str, ...]:
        """The footnote of a published source."""
        return () if key is None else (self._key(source_text(key), self._numbers),)

    def conditions(self, text: str | None) -> tuple[str, ...]:
        """The footnote of what something was measured on."""
        return () if text is None else (self._key(text, self._letters),)

    @property
    def texts(self) -> dict[str, str]:
        """Key to text; numbers before letters."""
        return {
            key: text
            for text, key in sorted(self._keys.items(), key=lambda item: not item[1].isdigit())
        }

    def _key(self, text: str, keys: itertools.chain | map) -> str:
        if text not in self._keys:
            self._keys[text] = next(keys)
        return self._keys[text]


def _letters() -> itertools.chain[str]:
    """The letters a to z, then aa to zz and so on."""
    return itertools.chain.from_iterable(
        map("".join, itertools.product(string.ascii_lowercase, repeat=length))
        for length in itertools.count(1)
    )
