"""What `eval --identity-sensitivity` prints: what a single identity switch costs."""

from __future__ import annotations

from typing import Any

from vis_bench.metrics.identity_sensitivity import IdentitySensitivity, SwitchCosts
from vis_bench.show.tables import render
from vis_bench.show.tables.model import ABSENT, Column, Page, Table

_REMARK = (
    "Points of AP that one identity switch costs, tried on every track that finds an object: from "
    "the middle of its masks on, the track goes on under a new identity, masks and score unchanged."
)


def sensitivity_json(sensitivity: IdentitySensitivity | None) -> dict[str, Any] | None:
    """`predictions` and `perfect`, as fractions; null without an object to find."""
    if sensitivity is None:
        return None
    return {
        name: {
            "ap": side.ap,
            "num_switches": len(side.costs_N),
            "mean": side.mean,
            "largest": side.largest,
            "costs": side.costs_N.tolist(),
        }
        for name, side in vars(sensitivity).items()
    }


def sensitivity_text(sensitivity: IdentitySensitivity | None) -> str:
    """A row for the results and one for perfect tracks, in points."""
    if sensitivity is None:
        return "one identity switch: no object to find\n"
    columns = [
        Column("One identity switch", numeric=False),
        *map(Column, ("AP", "Tracks tried", "Mean cost", "Largest cost")),
    ]
    rows = [
        ["of these results", *_cells(sensitivity.predictions)],
        ["of perfect tracks", *_cells(sensitivity.perfect)],
    ]
    return render(Page("", (Table.of(columns, rows),), {}, (_REMARK,)))


def _cells(side: SwitchCosts) -> list[str]:
    return [_points(side.ap), str(len(side.costs_N)), _points(side.mean), _points(side.largest)]


def _points(fraction: float | None) -> str:
    return ABSENT if fraction is None else f"{100 * fraction:.1f}"
