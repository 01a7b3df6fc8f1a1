"""Tables by name: the papers', published and measured side by side, and those of records alone.

`table` reads a paper's YAML, `lookup` finds the record of a cell, `fill` makes the page; `fps`
puts measured beside published FPS; `over_seeds` has experiments trained with several seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vis_bench.measures.registry import MEASURES
from vis_bench.progress import Bars
from vis_bench.record.schema import Record
from vis_bench.show.measured import measured_page
from vis_bench.show.papers.fill import paper_page
from vis_bench.show.papers.fps import fps_page
from vis_bench.show.papers.over_seeds import Samples, over_seeds_page
from vis_bench.show.papers.table import PaperRow, load_table, published
from vis_bench.table.model import Page

if TYPE_CHECKING:
    from vis_bench.runs.build import BuildMethod

MEASURED, FPS = "measured", "fps"
# Pages of measurements.
PAGES = {name: measure.page for name, measure in MEASURES.items() if measure.page is not None}


def paper_tables() -> list[str]:
    """Names of the bundled papers' tables, in the order of the results page."""
    return published()["tables"]


def seed_tables() -> list[str]:
    """Names of the bundled experiments over seeds."""
    return published()["over_seeds"]


def table_names() -> tuple[str, ...]:
    """Names of all tables, in the order of `tables`, none of which is read."""
    return MEASURED, FPS, *PAGES, *paper_tables(), *seed_tables()


def tables() -> dict[str, str]:
    """Titles of all tables by name."""
    return {
        MEASURED: "Every record",
        FPS: fps_page([]).title,
        **{name: page([]).title for name, page in PAGES.items()},
        **{name: load_table(name).title for name in paper_tables()},
        **{name: over_seeds_page(name, []).title for name in seed_tables()},
    }


def is_counted(name: str) -> bool:
    """True for a table whose values are counted on shapes, which needs `build_method`."""
    others = (MEASURED, FPS, *PAGES, *seed_tables())
    return name not in others and load_table(name).count is not None


def table_page(
    name: str,
    records: Sequence[Record],
    build_method: BuildMethod | None = None,
    samples: Samples = lambda record: None,
) -> Page:
    """A table with what the records measured.

    Args:
        name: one of `tables()`, or the path of a YAML file with a paper's table.
        build_method: counts the values of a counted table; without it only published ones stand.
        samples: AP of all videos, then of each half-sample, of a record; for intervals over seeds.

    Raises:
        InputError: for an unknown name, or a YAML file that holds no table.
    """
    if name == MEASURED:
        return measured_page(records)
    if name == FPS:
        return fps_page(records)
    if name in PAGES:
        return PAGES[name](records)
    if name in seed_tables():
        return over_seeds_page(name, records, samples)
    table = load_table(name)
    count = table.count
    if count is None or build_method is None:
        return paper_page(table, records, name=name)
    from vis_bench.show.flops import count_module  # imports torch, which other tables do without

    clips = [column.clip for column in table.columns if column.clip is not None]
    with Bars().bar(name, len(table.rows) * len(clips)) as advance:

        def count_row(row: PaperRow) -> list[float]:
            changed = {key.removeprefix("options."): value for key, value in row.where.items()}
            options = {**count.options, **changed}
            return count_module(
                build_method, count.method, options, count.dataset, count.module, clips, advance
            )

        return paper_page(table, records, count_row)
