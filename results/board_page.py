"""LEADERBOARD.md, and what its rows do not show: one training each, and the published order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from page_text import GENERATED, bold
from vis_bench.record.metrics import AP
from vis_bench.record.names import is_ranked, method_title, split_ablations
from vis_bench.record.schema import Record
from vis_bench.show.leaderboard import (
    PairedDifference,
    best_cells,
    choices,
    leaderboard_pages,
    pages_markdown,
)
from vis_bench.show.papers import seed_tables
from vis_bench.show.papers.over_seeds import largest_distance
from vis_bench.show.papers.table import load_table
from vis_bench.table.number_format import points
from vis_bench.table.to_markdown import escape_markdown
from vis_bench.text import listed

_TEXT = (
    "The best cell of each method and backbone. The others are in the table of "
    "[all cells](clip_lengths/README.md), ablations on\n[a page of their own](ABLATIONS.md). "
    "Rows go by AP; `vis-bench compare` says whether any two of them differ. "
    "Predictions of\nother cells are not shipped: `vis-bench run` measures them again."
)
_BACKBONE = "ResNet-50"  # of the published values that every method has


def board_text(records: Sequence[Record], difference: PairedDifference, picture: str) -> str:
    """The page.

    Args:
        picture: Markdown of the chart of AP against FPS.
    """
    best = best_cells(records)
    pages = leaderboard_pages(best, difference, chosen=choices(records))
    found = [
        f"{page.title}: {sentence}" if len(pages) > 1 else sentence
        for page in pages
        for sentence in page.findings
    ]
    opening = [bold(found)] if found else []
    cautions = map(escape_markdown, filter(None, (trainings(records), published_order(best))))
    introduction = "\n\n".join([*opening, *cautions, picture.rstrip(), _TEXT])
    bare = [replace(page, findings=()) for page in pages]
    return "\n".join([GENERATED, pages_markdown(bare, introduction=introduction)])


def trainings(records: Sequence[Record]) -> str:
    """A sentence on mini models that were trained once, and how far two trainings lie apart."""
    weights: dict[str, set[str | None]] = {}
    for record in split_ablations(records)[0]:
        if record.backbone == "mini" and record.ap is not None:
            weights.setdefault(record.method, set()).add(record.weights_sha256)
    names = [method_title(method) for method, own in sorted(weights.items()) if len(own) == 1]
    if not names:
        return ""
    far = [x for name in seed_tables() if (x := largest_distance(name, records)) is not None]
    text = f"{listed(names)} are mini models here, trained once each: they show the bench, not the "
    text += "methods."
    if far:
        text += (
            " In the ablations, two trainings that differ in their seed lie up to "
            f"{points(max(far))} AP apart in 95 % of cases."
        )
    return text


def published_order(best: Sequence[Record]) -> str:
    """A sentence on the published order of the ranked methods; empty with fewer than two."""
    published = published_ap(_BACKBONE)
    shown = [r.method for r in best if is_ranked(r) and r.method in published]
    if len(shown) < 2:
        return ""
    order = sorted(shown, key=lambda method: -published[method])
    values = ", ".join(f"{method_title(m)} {AP.text(published[m] / 100)}" for m in order)
    way = "the same" if order == shown else "the other way" if order == shown[::-1] else "another"
    return f"The published order with {_BACKBONE} on YouTube-VIS 2019 is {way}: {values}."


def published_ap(backbone: str) -> dict[str, float]:
    """The highest published AP of each method with a backbone, by its names in records."""
    table = load_table("comparison")
    place = [column.metric for column in table.columns].index(AP)
    found: dict[str, float] = {}
    for row in table.rows:
        value, methods = row.values[place], table.conditions(row)["method"]
        if table.row_labels(row)["Backbone"] == backbone and value is not None:
            for method in methods if isinstance(methods, list) else [methods]:
                found[method] = max(value, found.get(method, 0.0))
    return found
