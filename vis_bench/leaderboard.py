"""The leaderboard: measured methods, one section per data set and split, best AP first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import pandas as pd

from vis_bench.record import Record
from vis_bench.tables import ABSENT, format_metric, method_label, render

UNRANKED_NOTE = "Not ranked: reconstructions, random weights, and measurements of a dirty tree."


def leaderboard_markdown(records: Sequence[Record]) -> str:
    """The leaderboard's text; rows without a rank stand below the ranked ones of their section."""
    measured = [record for record in records if record["ap"] is not None]
    if not measured:
        return "# Leaderboard\n\nNo record holds an AP yet.\n"
    measured.sort(key=lambda r: (_section(r), not is_ranked(r), -r["ap"], r["config_sha256"]))
    parts = ["# Leaderboard\n"]
    for section, group in groupby(measured, key=_section):
        rows = list(group)
        parts.append(f"## {section}\n\n{render(_table(rows))}")
        if not all(is_ranked(record) for record in rows):
            parts.append(f"{UNRANKED_NOTE}\n")
    return "\n".join(parts)


def is_ranked(record: Record) -> bool:
    """Whether a record may take a rank: published method, trained weights, committed source."""
    random_weights = record["weights_source"] == "random"
    return not (record["reconstruction"] or random_weights or record["git_dirty"])


def _section(record: Record) -> str:
    return f"{record['dataset']} {record['split']} ({record['num_videos']} videos)"


def _table(rows: Sequence[Record]) -> pd.DataFrame:
    ranks = iter(range(1, len(rows) + 1))
    columns = {
        "Rank": [str(next(ranks)) if is_ranked(record) else ABSENT for record in rows],
        "Method": [method_label(record) for record in rows],
        "Backbone": [record["backbone"] for record in rows],
        "Clip": [str(record["clip_length"]) for record in rows],
    }
    for title in ("AP", "AP50", "AP75", "AR1", "AR10", "FPS", "GFLOPs/frame", "Params (M)"):
        columns[title] = [format_metric(record, title) for record in rows]
    columns["Device"] = [record["device"] for record in rows]
    columns["Date"] = [record["created_at"][:10] for record in rows]
    columns["Commit"] = [_commit(record) for record in rows]
    return pd.DataFrame(columns)


def _commit(record: Record) -> str:
    if record["git_commit"] is None:
        return ABSENT
    return record["git_commit"][:8] + (" (dirty)" if record["git_dirty"] else "")
