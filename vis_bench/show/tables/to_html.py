"""HTML writer: documents that need no script, no file and no address but their own."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from vis_bench.show.tables.model import Column, Page
from vis_bench.text import single_line

if TYPE_CHECKING:
    from jinja2 import Template


def write(page: Page) -> str:
    """Write a document with its title, a table each, footnotes and remarks."""
    return _template().render(page=page, groups=_groups)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader  # only this format waits for it

    environment = Environment(
        loader=PackageLoader("vis_bench.show.tables", "."), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["line"] = single_line
    return environment.get_template("page.html.jinja")


def _groups(columns: tuple[Column, ...]) -> list[tuple[str, int]]:
    """Neighboring groups with their widths; none where no column has one."""
    if not any(column.group for column in columns):
        return []
    return [(group, len(list(run))) for group, run in groupby(columns, lambda c: c.group)]
