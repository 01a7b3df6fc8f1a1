"""Kernel measurements as printable rows: times, rates, and shares of the machine's limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from vis_bench.tables.grid import ABSENT
from vis_bench.tables.text import table_of


def kernel_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """What `cuda_ops.profile.profile` measured, a row each, without those that were skipped."""
    return table_of(_printed(row) for row in rows if row["skipped"] is None)


def skipped_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line per reason why something was not measured, with what it was."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["skipped"] is not None:
            what = f"{row['backend']} {row['shape']} {row['pass']} {row['dtype']}"
            reasons.setdefault(f"{row['backend']} {row['skipped']}", []).append(what)
    return [
        f"skipped {whats[0]}{_others(len(whats) - 1)}: {reason.split(' ', 1)[1]}"
        for reason, whats in reasons.items()
    ]


def dearest_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The dearest operators of a trace: time of their own, and its share of all."""
    return table_of(
        {
            "Operator": row["op"],
            "Calls": str(row["calls"]),
            "Own ms": f"{row['self_ms']:.2f}",
            "Share": f"{100 * row['share']:.1f} %",
        }
        for row in rows
    )


def _printed(row: Mapping[str, Any]) -> dict[str, str]:
    speedup = row["speedup_over_reference"]
    return {
        "Backend": row["backend"],
        "Shape": row["shape"],
        "Pass": row["pass"],
        "Type": row["dtype"],
        "ms p50": f"{row['ms_p50']:.3f}",
        "p10..p90": f"{row['ms_p10']:.3f}..{row['ms_p90']:.3f}",
        "GB/s": f"{row['gb_per_s']:.2f}",
        "of copy": f"{100 * row['copy_share']:.1f} %",
        "GFLOP/s": f"{row['gflop_per_s']:.1f}",
        "of matrix": f"{100 * row['matrix_share']:.1f} %",
        "MB least": f"{row['bytes_min'] / 1e6:.1f}",
        "Floor ms": f"{row['floor_ms']:.3f}",
        "Bound": row["bound"],
        "x reference": ABSENT if speedup is None else f"{speedup:.1f}",
        "Note": row["note"] or "",
    }


def _others(count: int) -> str:
    return f" and {count} more" if count else ""
