"""Writers of tables, one module per format; each gives the same bytes for the same page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from vis_bench.show.tables.formats.csv_writer import write_csv
from vis_bench.show.tables.formats.html_writer import write_html
from vis_bench.show.tables.formats.latex_writer import write_latex
from vis_bench.show.tables.formats.markdown_writer import write_markdown
from vis_bench.show.tables.grid import Page

Format = Literal["markdown", "csv", "latex", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)

WRITERS: dict[Format, Callable[[Page], str]] = {
    "markdown": write_markdown,
    "csv": write_csv,
    "latex": write_latex,
    "html": write_html,
}
