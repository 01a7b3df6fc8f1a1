"""Fonts with the letters of a text: a picture's own, then DejaVu Sans, then those of the system.

Letters that none of them has are left out, with a warning; no picture has boxes in their place.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import category, normalize

from PIL import ImageFont

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
# Parts of the names of fonts without outlines, or with a box for every letter.
_UNFIT = ("emoji", "lastresort")
# Parts of the names of fonts that are taken last.
_UNUSUAL = ("bold", "italic", "oblique", "light", "thin", "black", "mono", "serif", "condensed")


@lru_cache(maxsize=4096)
def in_fonts(text: str, font: Font) -> Sequence[tuple[str, Font]]:
    """The parts of a text with the font of each; `font` alone where it has all letters."""
    text = normalize("NFC", text)
    own = getattr(font, "font_bytes", b"") or getattr(font, "path", "")
    if text.isascii() or all(_has(own, letter) for letter in text):
        return [(text, font)]
    files = [(letter, file) for letter in text if (file := _file_with(letter))]
    return [
        ("".join(letter for letter, _ in part), _opened(file, round(getattr(font, "size", 10))))
        for file, part in groupby(files, key=lambda pair: pair[1])
    ]


def fit_fonts(figure: Figure) -> None:
    """Give each text of a figure fonts that have its letters, and leave out the others."""
    from matplotlib.font_manager import fontManager, get_font
    from matplotlib.text import Text
    from matplotlib.ticker import FuncFormatter

    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(formatter := axis.get_major_formatter(), FuncFormatter):
            formatter.func = partial(_drawn_label, formatter.func)
    for text in figure.findobj(Text):
        if isinstance(text, Text) and not text.get_text().isascii():
            text.set_text(_drawable(text.get_text()))
            families = ["DejaVu Sans"]
            for file in sorted({_file_with(letter) for letter in text.get_text()} - {_dejavu()}):
                families.append(get_font(file).family_name)
                if all(known.name != families[-1] for known in fontManager.ttflist):
                    fontManager.addfont(file)
            text.set_fontfamily([*families, "sans-serif"])


def _drawn_label(named: Callable[..., str], *place: Any) -> str:
    return _drawable(named(*place))


def _drawable(text: str) -> str:
    return text if text.isascii() else "".join(filter(_file_with, normalize("NFC", text)))


@cache
def _file_with(letter: str) -> str:
    """The first font file that has a letter; empty, with a warning, where there is none."""
    if letter.isspace() or _has(_dejavu(), letter):
        return _dejavu()
    found = next((file for file in _system_files() if _has(file, letter)), "")
    if not found and category(letter)[0] not in "CM":  # what joins or colors others
        _warn_of("letters" if category(letter)[0] == "L" else "signs", letter)
    return found


@cache
def _dejavu() -> str:
    import matplotlib

    return str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))


@cache
def _system_files() -> Sequence[str]:
    """The machine's font files with outlines, usual ones first."""
    from matplotlib.font_manager import findSystemFonts

    def order(file: str) -> tuple[bool, str, str]:
        name = Path(file).name.lower()
        return any(part in name for part in _UNUSUAL), name, file

    fit = (f for f in findSystemFonts() if not any(part in f.lower() for part in _UNFIT))
    return sorted(fit, key=order)


@lru_cache(maxsize=4096)
def _has(font: str | bytes, letter: str) -> bool:
    """True if a font, given as a file or its bytes, has a letter."""
    from matplotlib.ft2font import FT2Font

    try:
        face = FT2Font(io.BytesIO(font) if isinstance(font, bytes) else font)
    except (OSError, RuntimeError):  # a file that is no font
        return False
    return face.get_char_index(ord(letter)) > 0


@cache
def _opened(file: str, size: int) -> Font:
    # The other engine shapes text, which matplotlib does not, and fails on some.
    return ImageFont.truetype(file, size, layout_engine=ImageFont.Layout.BASIC)


_named: set[str] = set()


def _warn_of(kind: str, letter: str) -> None:
    """Warn once of letters and once of other signs."""
    if kind not in _named:
        _named.add(kind)
        warnings.warn(
            f"no font of this machine has {kind} such as {letter}; pictures leave them out",
            stacklevel=2,
        )
