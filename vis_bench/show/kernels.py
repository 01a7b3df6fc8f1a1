"""Tables of kernel measurements: times, rates, and shares of the machine's limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vis_bench.grouping import grouped
from vis_bench.record.schema import MachineFields
from vis_bench.table.model import ABSENT, Page, Table
from vis_bench.table.number_format import percent
from vis_bench.text import count

_BYTES = (
    "The least that must move: each value, location and weight read once and each result written "
    "once; of the value only what the samples can touch. What is read again comes from a cache: "
    "the gathered rate counts four positions of each sample, wherever they come from."
)

_WARM = "On a CPU a call may find its data in the cache, which a copy of large memory never does."


def kernel_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The measured rows of `profile-kernels`, without those that were skipped."""
    return Table.from_dicts(_printed(row) for row in rows if row["skipped"] is None)


def kernel_summary(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The measured rows in few columns, for a terminal."""
    return Table.from_dicts(
        {
            "Pass": f"{row['pass']} {row['dtype']}",
            "Shape": row["shape"],
            "Backend": row["backend"],
            "ms": f"{row['ms_p50']:.3f}",
            "Times faster than reference": _speedup(row),
            "Share of limit": percent(row["floor_ms"] / row["ms_p50"], 1),
            "Bound by": row["bound"],
        }
        for row in rows
        if row["skipped"] is None
    )


def kernel_page(rows: Sequence[Mapping[str, Any]], machine: MachineFields) -> Page:
    """The measured rows with the machine, an explanation, and what was skipped."""
    measured = [row for row in rows if row["skipped"] is None]
    rates = {row["copy_gb_per_s"] for row in measured}
    remarks = [
        _machine_line(machine),
        *(f"A copy of memory reaches {rate:.1f} GB/s here, in the same run." for rate in rates),
        _BYTES,
        *([] if machine.cuda else [_WARM]),
        *skipped_lines(rows),
    ]
    grids = (kernel_table(rows),) if measured else ()
    return Page(f"Kernels on {machine.device}", grids, {}, tuple(remarks))


def skipped_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line per backend and reason for skipping."""
    skipped = (row for row in rows if row["skipped"] is not None)
    return [
        f"skipped {first['backend']} {first['shape']} {first['pass']} {first['dtype']}"
        f"{' and ' + count(len(others), 'other') if others else ''}: {reason}"
        for (_, reason), (first, *others) in grouped(
            skipped, lambda row: (row["backend"], row["skipped"])
        ).items()
    ]


def most_expensive_operators(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The most expensive operators of a trace, with their share of all own time."""
    return Table.from_dicts(
        {
            "Operator": row["op"],
            "Calls": str(row["calls"]),
            "Own time (ms)": f"{row['self_ms']:.2f}",
            "Share of all": percent(row["share"], 1),
        }
        for row in rows
    )


def _printed(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Backend": row["backend"],
        "Shape": row["shape"],
        "Pass": row["pass"],
        "Type": row["dtype"],
        "Median ms": f"{row['ms_p50']:.3f}",
        "10th..90th percentile ms": f"{row['ms_p10']:.3f}..{row['ms_p90']:.3f}",
        "Least MB moved": f"{row['bytes_min'] / 1e6:.1f}",
        "GB/s": f"{row['gb_per_s']:.2f}",
        "Share of copy bandwidth": percent(row["copy_share"], 1),
        "Gathered GB/s": f"{row['gathered_gb_per_s']:.1f}",
        "GFLOP/s": f"{row['gflop_per_s']:.1f}",
        "Share of matrix rate": percent(row["matrix_share"], 1),
        "Shortest possible ms": f"{row['floor_ms']:.3f}",
        "Bottleneck": row["bound"],
        "Times faster than reference": _speedup(row),
        "Note": row["note"],
    }


def _speedup(row: Mapping[str, Any]) -> str:
    speedup = row["speedup_over_reference"]
    return ABSENT if speedup is None else f"{speedup:.1f}"


def _machine_line(machine: MachineFields) -> str:
    parts = [f"torch {machine.torch}", f"Python {machine.python}"]
    if machine.cuda:
        parts += [f"CUDA {machine.cuda}", f"driver {machine.driver or 'unknown'}"]
    else:
        parts.append(f"{machine.num_threads} threads")
    return ", ".join(parts) + "; medians."
