"""Charts where they are shown: in a notebook or a file, and within HTML pages.

A page draws a chart once, for light and dark: colors are placeholders, which become the variables
of `css_colors`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from vis_bench.arguments import path_of
from vis_bench.charts.draw import draw
from vis_bench.charts.encode import picture_format
from vis_bench.charts.looks import DARK, LIGHT, Theme
from vis_bench.charts.panels import Panel
from vis_bench.errors import InputError, MissingPackageError
from vis_bench.files import write_atomically
from vis_bench.text import single_line

FORMATS = "png", "svg", "pdf"


@dataclass(frozen=True, repr=False)
class Chart:
    """Panels and how `draw` lays them out."""

    panels: Sequence[Panel]
    layout: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<{self.finding()}>"

    def _repr_svg_(self) -> str:
        return self.drawn("svg").decode()

    def finding(self) -> str:
        """The titles of the panels."""
        return "; ".join(panel.title for panel in self.panels)

    def drawn(self, form: str) -> bytes:
        """The chart as a file: "png", "svg" or "pdf"."""
        return draw(self.panels, form, **self.layout)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the chart to a file ending in .png, .svg or .pdf; return its path."""
        file = path_of("path", path)
        form = picture_format(file)
        if form not in FORMATS:
            raise InputError(f"{file}: expected a file ending in .png, .svg or .pdf")
        write_atomically(file, self.drawn(form))
        return file


# No chart draws these colors otherwise.
_NAMES = ("ink", "line", *LIGHT.colors)
_PLACEHOLDERS = {name: f"#11aa{n:02x}" for n, name in enumerate(_NAMES)}
_THEME = Theme(
    {name: _PLACEHOLDERS[name] for name in LIGHT.colors},
    _PLACEHOLDERS["ink"],
    _PLACEHOLDERS["line"],
)


def css_colors() -> str:
    """Rules of a style sheet that set the colors of inline charts, as `--chart-blue`."""
    light, dark = (
        " ".join(f"--chart-{name}: {color};" for name, color in _colors(theme).items())
        for theme in (LIGHT, DARK)
    )
    scheme = "@media screen and (prefers-color-scheme: dark)"
    return f":root {{ {light} }}\n{scheme} {{ :root {{ {dark} }} }}\n"


def draw_inline(panels: Sequence[Panel], name: str, **layout: Any) -> Markup:
    """Return a chart as an `svg` element that fills its place; `--width` is that it was drawn in.

    Without Matplotlib it is a sentence that says what to install.

    Args:
        name: begins the ids in the element, and differs between the charts of a page.
        layout: arguments of `draw`.
    """
    try:
        svg = draw(panels, "svg", theme=_THEME, **layout).decode()
    except MissingPackageError as error:
        return Markup("<p>No chart: {}.</p>").format(str(error))
    head, body = svg[svg.index("<svg") :].split(">", 1)
    view = re.search(r'viewBox="([^"]+)"', head)
    assert view is not None, "matplotlib writes a viewBox"
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    for color, placeholder in _PLACEHOLDERS.items():
        body = body.replace(placeholder, f"var(--chart-{color})")
    # A style would hold for the whole page.
    body = re.sub(r"<(style|metadata).*?</\1>", "", body, flags=re.DOTALL)
    alt = " ".join(single_line(panel.alt or f"{panel.title}.") for panel in panels)
    named = f'role="img" aria-label="{escape(alt)}" style="--width: {view[1].split()[2]}pt"'
    return Markup(f'<svg viewBox="{view[1]}" {named}>{body}')


def draw_each_inline(panels: Sequence[Panel], name: str, **layout: Any) -> list[Markup]:
    """Return a chart of each panel, for pages that set them beside or below each other.

    Args:
        name, layout: as for `draw_inline`.
    """
    return [draw_inline([own], f"{name}-{n}", **layout) for n, own in enumerate(panels)]


def _colors(theme: Theme) -> dict[str, str]:
    return {"ink": theme.ink, "line": theme.line, **theme.colors}
