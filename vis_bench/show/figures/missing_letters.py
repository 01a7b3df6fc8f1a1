"""Letters that the font of a figure does not have: boxes, as fonts draw them, and no more words."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def boxes_for_missing_letters() -> Iterator[None]:
    """Draws without matplotlib's warning, several lines on standard error, about each letter."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from")
        yield
