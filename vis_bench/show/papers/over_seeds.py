"""Ablations trained with several seeds: what each part adds, on average and seed by seed.

The rows of such a table stand in YAML. Records belong to a row by their conditions and their
`training`, which ends with the seed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from vis_bench.data.categories import dataset_title, unit
from vis_bench.files import read_yaml
from vis_bench.record.metrics import AP, ASSA, FPS, GFLOPS_PER_FRAME, PARAMS, Metric
from vis_bench.record.names import arithmetic_words, clip_name, measured_at, tie_break
from vis_bench.record.schema import Record
from vis_bench.show.number_format import entry_of
from vis_bench.show.papers.lookup import describe_conditions, holds
from vis_bench.show.tables.model import ABSENT, Column, Entry, Footnotes, Page, Table
from vis_bench.text import count

_SEED = re.compile(r"(.*), seed (\d{1,18})")
_COSTS = (ASSA, FPS, GFLOPS_PER_FRAME, PARAMS)

BySeed = Mapping[int, Record]
# What values have to share to stand in one table, in words, and the checksum of the annotations.
_Setting = tuple[str, str]


def over_seeds_page(name: str, records: Sequence[Record]) -> Page:
    """A table for each setting (videos, clips, resolution) in which rows were measured.

    Records of other trainings and of random weights are skipped. Of several for one row, seed and
    setting the latest of a clean tree counts.
    """
    facts: dict[str, Any] = read_yaml(Path(__file__).with_name(f"{name}.yaml"))
    settings: dict[_Setting, dict[str, dict[int, Record]]] = defaultdict(lambda: defaultdict(dict))
    for record, label, seed in _fitting(facts, sorted(records, key=_preference)):
        settings[_setting(record)][label][seed] = record
    notes = Footnotes()
    tables, verdicts = [], []
    for words, digest in sorted(settings):
        is_named = sum(other == words for other, _ in settings) > 1
        title = f"{words}, annotations {digest[:8]}" if is_named else words
        rows = _rows(facts, settings[words, digest])
        tables.append(_table(rows, title, notes))
        verdict = _verdict(rows)
        verdicts += [f"{title}: {verdict}" if len(settings) > 1 else verdict] if verdict else []
    remarks = (facts["remark"], *verdicts) if tables else (facts["nothing"],)
    return Page(facts["title"], tuple(tables), notes.texts, remarks)


def covered(name: str, records: Sequence[Record]) -> list[Record]:
    """The records that belong to a row of the table."""
    facts = read_yaml(Path(__file__).with_name(f"{name}.yaml"))
    return [record for record, _, _ in _fitting(facts, records)]


def values_over_seeds(records: BySeed, metric: Metric) -> list[float]:
    """A value of every seed that has it."""
    values = (metric.of(record) for record in records.values())
    return [value for value in values if value is not None]


def gains_over_seeds(records: BySeed, before: BySeed, metric: Metric) -> list[float]:
    """Growth of a value, of every seed that has both."""
    seeds = sorted(records.keys() & before.keys())
    values = [(metric.of(records[seed]), metric.of(before[seed])) for seed in seeds]
    return [now - then for now, then in values if now is not None and then is not None]


def mean_entry(values: Sequence[float], metric: Metric, *, signed: bool = False) -> Entry:
    """The mean, with the lowest and the highest in brackets where they print differently."""
    if not values:
        return Entry(ABSENT)
    mean, *ends = (
        _signed(text) if signed else text
        for text in map(metric.text, (fmean(values), min(values), max(values)))
    )
    return Entry(mean, interval=None if {*ends} == {mean} else (ends[0], ends[1]))


def _fitting(
    facts: Mapping[str, Any], records: Sequence[Record]
) -> Iterator[tuple[Record, str, int]]:
    """(record, label of its row, seed) of each record with trained weights that fits a row."""
    for record in records:
        training = _SEED.fullmatch(record.training or "")
        if training is None or record.weights_source == "random":
            continue
        for row in facts["rows"]:
            if row["training"] == training[1] and holds(record, row["where"]):
                yield record, row["label"], int(training[2])


# Label, records and AP gains over the row above, of a measured row.
_Row = tuple[str, BySeed, list[float]]


def _rows(facts: Mapping[str, Any], measured: Mapping[str, BySeed]) -> list[_Row]:
    rows = []
    labels = [row["label"] for row in facts["rows"]]
    for above, label in zip([None, *labels], labels, strict=False):
        if label in measured:
            before = measured.get(above, {}) if above else {}
            rows.append((label, measured[label], gains_over_seeds(measured[label], before, AP)))
    return rows


def _table(rows: Sequence[_Row], title: str, notes: Footnotes) -> Table:
    seeds = sorted({seed for _, by_seed, _ in rows for seed in by_seed})
    columns = (
        Column("Variant", numeric=False),
        Column("mean", "AP", has_interval=True, interval_title="range"),
        Column("gain", "AP", has_interval=True, interval_title="range"),
        *(Column(f"seed {seed}", "AP", has_interval=True, interval_title="") for seed in seeds),
        *(
            Column(metric.title, has_interval=metric in (ASSA, FPS), interval_title="", weight=n)
            for n, metric in enumerate(_COSTS, 1)
        ),
    )
    lines = [_line(row, seeds, notes) for row in rows]
    return Table(columns, tuple(map(tuple, lines)), title, 1)


def _line(row: _Row, seeds: Sequence[int], notes: Footnotes) -> list[Entry]:
    label, by_seed, gains = row
    conditions = dict.fromkeys(describe_conditions(record) for record in by_seed.values())
    keys = tuple(key for text in conditions for key in notes.lettered(text))
    return [
        Entry(label, notes=keys),
        mean_entry(values_over_seeds(by_seed, AP), AP),
        mean_entry(gains, AP, signed=True),
        *(entry_of(by_seed[s], AP) if s in by_seed else Entry(ABSENT) for s in seeds),
        *(mean_entry(values_over_seeds(by_seed, metric), metric) for metric in _COSTS),
    ]


def _verdict(rows: Sequence[_Row]) -> str:
    """The parts that gain AP with every seed, in words; empty where no gain is known."""
    known = {label.removeprefix("+ "): min(gains) for label, _, gains in rows if gains}
    helps = [label for label, lowest in known.items() if lowest > 0]
    fails = [label for label, lowest in known.items() if lowest <= 0]
    parts = [f"higher than in the row above with every seed: {', '.join(helps) or 'none'}"]
    parts += [f"not with every seed: {', '.join(fails)}"] if fails else []
    return f"AP is {'; '.join(parts)}." if known else ""


def _setting(record: Record) -> _Setting:
    size = record.resolution
    parts = [
        f"{dataset_title(record.dataset)} {record.split}",
        None if record.num_videos is None else count(record.num_videos, unit(record.dataset)),
        None if record.backbone is None else f"backbone {record.backbone}",
        clip_name(record),
        f"short side {size}" if isinstance(size, int) else size,
        *arithmetic_words(record),
    ]
    return ", ".join(part for part in parts if part), record.annotations_sha256 or ""


def _preference(record: Record) -> tuple:
    return not record.git_dirty, measured_at(record), tie_break(record)


def _signed(text: str) -> str:
    """A number with its sign; one that prints as zero has none."""
    if float(text) == 0:
        return text.removeprefix("-")
    return text if text.startswith("-") else f"+{text}"
