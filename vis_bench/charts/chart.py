"""A chart with its layout, which a notebook shows and `save` writes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vis_bench.charts.draw import draw
from vis_bench.charts.encode import picture_format
from vis_bench.charts.panels import Panel
from vis_bench.errors import InputError
from vis_bench.files import write_atomically

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
        file = Path(path)
        form = picture_format(file)
        if form not in FORMATS:
            raise InputError(f"{file}: expected a file ending in .png, .svg or .pdf")
        write_atomically(file, self.drawn(form))
        return file
