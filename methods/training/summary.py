"""A training run's summary for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vis_bench.show.tables import render
from vis_bench.show.tables.model import ABSENT, Table
from vis_bench.text import one_line


def summary_text(summary: Mapping[str, Any]) -> str:
    """What `train` returns, in a few lines and a table of metrics in percent."""
    lines = [f"trained to step {summary['steps']} in {summary['seconds']} s"]
    if losses := summary["losses"]:
        lines.append("last losses: " + ", ".join(f"{k} {v:.3f}" for k, v in losses.items()))
    lines.append(one_line(f"weights: {summary['weights']}"))
    text = "\n".join(lines) + "\n"
    if summary["metrics"]:
        text += "\n" + render(Table.from_dicts(map(_row, summary["metrics"])))
    return text


def _row(metrics: Mapping[str, Any]) -> dict[str, str]:
    figures = {key.upper(): value for key, value in metrics.items() if key != "clip_length"}
    return {
        "Clip": str(metrics["clip_length"]),
        **{k: ABSENT if v is None else f"{100 * v:.1f}" for k, v in figures.items()},
    }
