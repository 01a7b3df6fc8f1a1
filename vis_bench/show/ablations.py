"""Ablations as one table per question: a row per variant, a column per clip length."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from vis_bench.record.metrics import AP, AP75, FPS, GFLOPS_PER_FRAME, HOTA, Metric
from vis_bench.record.names import (
    arithmetic_words,
    backbone_title,
    clip_name,
    method_title,
    named_options,
    option_words,
    with_marks,
)
from vis_bench.record.schema import Record
from vis_bench.show.leaderboard import leaderboard_sections
from vis_bench.show.measured import key_remarks
from vis_bench.show.number_format import interval_remarks, metric_column
from vis_bench.show.tables.model import ABSENT, Column, Entry, Page, Table

_SEED = re.compile(r", seed \d{1,18}$")
_SINGLE_CLIP = (AP, AP75, HOTA, FPS, GFLOPS_PER_FRAME)
MEAN_NOTE = "Values are means over the seeds of the training."

# Changed options by name, in order of the names.
_Variant = tuple[tuple[str, Any], ...]


def ablation_pages(ablations: Sequence[Record], among: Sequence[Record] = ()) -> list[Page]:
    """A page per method, training and data, with a table for each option that was changed.

    Args:
        among: further records, whose unchanged methods say what is a change.
    """
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for section, rows in leaderboard_sections(ablations):
        for row in rows:
            training = option_words("training", _SEED.sub("", row.training or ""))
            words = method_title(row.method), training, *arithmetic_words(row)
            shared = f"backbone {backbone_title(row.backbone)}", f"resolution {row.resolution}"
            title = with_marks(", ".join(filter(None, words)), row)
            groups[f"{title}: {section}", *shared].append(row)
    return [
        _page(title, shared, rows, [*ablations, *among])
        for (title, *shared), rows in groups.items()
    ]


def _page(
    title: str, shared: Sequence[str], records: Sequence[Record], among: Sequence[Record]
) -> Page:
    unchanged = _unchanged(records, among)
    by_variant: dict[_Variant, list[Record]] = defaultdict(list)
    for record in records:
        given, options = named_options(record), sorted(_options(record).items())
        changed = (
            (k, v) for k, v in options if (v != unchanged[k] if k in unchanged else k in given)
        )
        by_variant[tuple(changed)].append(record)
    common = set.intersection(*map(set, by_variant)) if len(by_variant) > 1 else set()
    shared = [*shared, *sorted(option_words(*change) for change in common)]
    by_variant = {tuple(c for c in v if c not in common): rows for v, rows in by_variant.items()}
    questions: dict[str, list[_Variant]] = defaultdict(list)
    for variant in filter(None, by_variant):
        questions[variant[0][0] if len(variant) == 1 else ""].append(variant)
    tables = []
    for key, variants in sorted(questions.items()) or [("", [])]:
        default = option_words(key, unchanged[key]) if key in unchanged else "unchanged"
        rows = {f"{default} (default)": by_variant[()]} if () in by_variant else {}
        for variant in variants:
            rows[", ".join(option_words(k, v) for k, v in variant)] = by_variant[variant]
        rows = {label: rows[label] for label in sorted(rows, key=_natural)}
        question = f"by {key.replace('_', ' ')}" if key else ""
        tables.append(replace(_table(rows, question), shared=tuple(shared)))
    has_seeds = any(_SEED.search(record.training or "") for record in records)
    remarks = *([MEAN_NOTE] if has_seeds else []), *interval_remarks(records)
    return Page(title, tuple(tables), {}, (*remarks, *key_remarks(records)))


def _unchanged(records: Sequence[Record], among: Sequence[Record]) -> Mapping[str, Any]:
    """The options of the method as it is; without it, of each option the most common value."""
    one = records[0]
    alike = [r for r in (*records, *among) if (r.method, r.backbone) == (one.method, one.backbone)]
    for record in alike:
        if not named_options(record):
            return _options(record)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    values = {}
    for record in records:
        for key, value in _options(record).items():
            values[key, str(value)] = value
            counts[key][str(value)] += 1
    return {key: values[key, count.most_common(1)[0][0]] for key, count in counts.items()}


def _options(record: Record) -> dict[str, Any]:
    options = {**record.resolved_options, **named_options(record)}
    return {key: value for key, value in options.items() if key not in ("backbone", "variant")}


def _table(variants: Mapping[str, Sequence[Record]], question: str) -> Table:
    """AP by clip length; of a single one further metrics."""
    clips = {clip_name(row): row for rows in variants.values() for row in rows}
    names = sorted(clips, key=_natural)
    if len(names) > 1:
        columns = [(Column(name, "AP"), AP, name) for name in names]
    else:
        question = " ".join([question, *names]).strip()
        columns = [
            (metric_column(metric), metric, name) for metric in _SINGLE_CLIP for name in names
        ]
    values = [
        [
            _mean([row for row in rows if clip_name(row) == name], metric)
            for rows in variants.values()
        ]
        for _, metric, name in columns
    ]
    titles = Column("Variant", numeric=False), *(column for column, *_ in columns)
    return Table(titles, tuple(zip(map(Entry, variants), *values, strict=True)), question, 1)


def _mean(records: Sequence[Record], metric: Metric) -> Entry:
    """The value of one record, or the mean over several."""
    values = [value for value in map(metric.of, records) if value is not None]
    mean = Entry(metric.text(fmean(values)) if values else ABSENT)
    return replace(mean, interval=metric.interval(records[0])) if len(records) == 1 else mean


def _natural(text: str) -> list[tuple[int, str]]:
    """Sort key with numbers by value: T=5 before T=10."""
    return [(int(part or 0), word) for word, part in re.findall(r"(\D*)(\d*)", text)]
