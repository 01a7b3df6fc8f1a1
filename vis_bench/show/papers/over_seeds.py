"""Experiments trained with several seeds: contrasts with intervals over seeds and videos.

Rows and contrasts of such an experiment stand in YAML. Records belong to a row by their conditions
and their `training`, which ends with the seed.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from vis_bench.data.categories import dataset_title, unit
from vis_bench.metrics.half_samples import CONFIDENCE, trained_difference
from vis_bench.record.names import DIRTY, arithmetic_words, caveats, measured_at, tie_break
from vis_bench.record.schema import Record
from vis_bench.show.papers.lookup import describe_conditions, holds
from vis_bench.table.model import ABSENT, Column, Entry, Footnotes, Page, Table
from vis_bench.table.number_format import p_text, plain, points, stride_text
from vis_bench.text import count
from vis_bench.yaml_text import read_yaml

_SEED = re.compile(r"(.*), seed (\d{1,18})")
INTERVAL_NOTE = (
    "95 %: for the mean of new trainings from the same start model, and of sets of as many videos; "
    "SE: standard errors over seeds and, by half-samples, over videos. Differences are paired by "
    "seed."
)
CONTRAST = "Difference"  # first column of the table of contrasts
NO_INTERVAL_NOTE = "No interval where predictions or a second seed are missing."

# AP of all videos, then of each half-sample, of a record; None where it cannot be computed.
Samples = Callable[[Record], np.ndarray | None]
# Records of one row by seed, and of all rows by the row's name.
_BySeed = Mapping[int, Record]
_ByRow = Mapping[str, _BySeed]
# What values have to share to stand in one table, in words, and the checksum of the annotations.
_SetUp = tuple[str, str]


def over_seeds_page(
    name: str, records: Sequence[Record], samples: Samples = lambda record: None
) -> Page:
    """Two tables for each setting (videos, resolution): the contrasts, and the rows by seed.

    Records of other trainings and of random weights are skipped. Of several for one row, seed and
    setting the latest of a clean tree counts.

    Args:
        samples: of records with AP; without them contrasts have no interval.
    """
    facts = _facts(name)
    settings = _by_setting(facts, records)
    notes = Footnotes()
    tables, remarks = [], [facts["remark"], INTERVAL_NOTE] if settings else [facts["nothing"]]
    findings = []
    for words, digest in sorted(settings):
        is_named = sum(other == words for other, _ in settings) > 1
        title = f"{words}, annotations {digest[:8]}" if is_named else words
        by_row = settings[words, digest]
        prefix = f"{title}: " if len(settings) > 1 else ""
        contrasts = _contrasts(facts, by_row, samples, title)
        findings += [prefix + _finding(row) for row in contrasts.rows[:1]]
        tables += [table for table in (contrasts, _rows(facts, by_row, title, notes)) if table.rows]
        remarks += _missing(facts, contrasts)
        if spread := _spread(by_row):
            remarks.append(prefix + spread)
    texts = tuple(dict.fromkeys(remarks))
    return Page(facts["title"], tuple(tables), notes.texts, texts, tuple(findings))


def _missing(facts: Mapping[str, Any], contrasts: Table) -> list[str]:
    """Sentences on contrasts without an interval, or over too few seeds."""
    remarks = []
    if any(row[1].interval is None for row in contrasts.rows):
        remarks.append(NO_INTERVAL_NOTE)
    if any(int(row[-1].text) < facts["seeds"] for row in contrasts.rows):
        remarks.append(f"Preliminary: {facts['seeds']} seeds are registered.")
    return remarks


def _facts(name: str) -> dict[str, Any]:
    return read_yaml(Path(__file__).with_name(f"{name}.yaml"))


def _by_setting(
    facts: Mapping[str, Any], records: Sequence[Record]
) -> dict[_SetUp, dict[str, dict[int, Record]]]:
    settings: dict[_SetUp, dict[str, dict[int, Record]]] = defaultdict(lambda: defaultdict(dict))
    for record, row, seed in _fitting(facts, sorted(records, key=_preference)):
        settings[_setting(record)][row][seed] = record
    return settings


def _finding(row: Sequence[Entry]) -> str:
    """The registered contrast, which is the first, and whether its interval leaves out 0."""
    label, value, *_, seeds = row
    text = f"{label.text[:1].upper()}{label.text[1:]}: {value.text} AP"
    if value.interval is None:
        return f"{text}, without an interval."
    low, high = value.interval
    found = "no difference found" if float(low) <= 0 <= float(high) else "a measurable difference"
    return f"{text} (95 %: {low} to {high}) over {count(int(seeds.text), 'seed')}, {found}."


def contrast_samples(
    terms: Mapping[str, float], by_row: _ByRow, samples: Samples
) -> tuple[np.ndarray, np.ndarray | None]:
    """A weighted sum of rows' AP, for every seed that all of its rows have.

    Returns:
        By seed, on all videos, (K,), and on all and on each half-sample of them, (K, S); None for
        the latter unless every record has samples.
    """
    seeds = set.intersection(*(set(by_row.get(row, {})) for row in terms))
    values_K, samples_KS, is_known = [], [], True
    for seed in sorted(seeds):
        records = [by_row[row][seed] for row in terms]
        weights = list(terms.values())
        values_K.append(sum(w * (r.ap or 0) for w, r in zip(weights, records, strict=True)))
        found = [samples(record) for record in records]
        known = [ap_S for ap_S in found if ap_S is not None]
        is_known &= len(known) == len(found)
        if is_known:
            samples_KS.append(np.tensordot(weights, np.stack(known), 1))
    return np.array(values_K), np.stack(samples_KS) if is_known and samples_KS else None


def _contrasts(facts: Mapping[str, Any], by_row: _ByRow, samples: Samples, title: str) -> Table:
    columns = (
        Column(CONTRAST, numeric=False),
        Column("AP", has_interval=True),
        Column("p"),
        Column("SE, seeds"),
        Column("SE, videos"),
        Column("Seeds"),
    )
    lines = []
    for label, terms in facts["contrasts"].items():
        values_K, samples_KS = contrast_samples(terms, by_row, samples)
        if not len(values_K):
            continue
        num_videos = next(iter(by_row[next(iter(terms))].values())).num_videos or 0
        found = None if samples_KS is None else trained_difference(samples_KS, num_videos)
        mean = points(float(values_K.mean()), signed=True)
        if found is None:
            cells = Entry(mean), *[Entry(ABSENT)] * 3
        else:
            ends = points(found.low, signed=True), points(found.high, signed=True)
            errors = points(found.seeds_error), points(found.videos_error)
            cells = Entry(mean, interval=ends), Entry(p_text(found.p_value)), *map(Entry, errors)
        lines.append((Entry(label), *cells, Entry(str(len(values_K)))))
    return Table(columns, tuple(lines), title, 1)


def _rows(facts: Mapping[str, Any], by_row: _ByRow, title: str, notes: Footnotes) -> Table:
    seeds = sorted({seed for by_seed in by_row.values() for seed in by_seed})
    columns = (
        Column("Model", numeric=False),
        Column("Clip/stride", numeric=False),
        Column("mean", "AP"),
        Column("SD", "AP"),
        Column(f"of seeds {', '.join(map(str, seeds))}", "AP", numeric=False),
    )
    lines = [
        _line(description["label"], by_row[row], seeds, notes)
        for row, description in facts["rows"].items()
        if by_row.get(row)
    ]
    return Table(columns, tuple(lines), f"{title}, by seed", 1)


def _line(
    label: str, by_seed: Mapping[int, Record], seeds: Sequence[int], notes: Footnotes
) -> tuple[Entry, ...]:
    conditions = dict.fromkeys(map(describe_conditions, by_seed.values()))
    keys = tuple(key for text in conditions for key in notes.lettered(text))
    aps = {seed: record.ap for seed, record in by_seed.items() if record.ap is not None}
    return (
        Entry(label, notes=keys),
        Entry(_clip(next(iter(by_seed.values())))),
        Entry(points(fmean(aps.values()))),
        Entry(points(stdev(aps.values())) if len(aps) > 1 else ABSENT),
        Entry(", ".join(points(aps.get(seed)) for seed in seeds)),
    )


def _clip(record: Record) -> str:
    return "/".join(filter(None, (plain(record.clip_length), stride_text(record))))


def pooled_deviation(by_row: _ByRow) -> tuple[float, float] | None:
    """Standard deviation of AP over seeds within rows, and its degrees of freedom.

    Rows share seeds, and often trainings, so that they are no independent samples: of rows with the
    covariance C over K seeds the freedom is (K - 1) tr(C)^2 / tr(C^2) (Satterthwaite, Biometrics
    Bulletin 2, 1946; Box, Annals of Mathematical Statistics 25, 1954).

    Returns:
        None without two seeds that all rows have, or without spread.
    """
    seeds = set.intersection(*(set(by_seed) for by_seed in by_row.values())) if by_row else set()
    if len(seeds) < 2:
        return None
    aps_RK = np.array([[row[s].ap or 0.0 for s in sorted(seeds)] for row in by_row.values()])
    covariance_RR = np.atleast_2d(np.cov(aps_RK))
    total = float(np.trace(covariance_RR))
    if not total:
        return None
    freedom = (len(seeds) - 1) * total**2 / float((covariance_RR**2).sum())
    return math.sqrt(total / len(by_row)), freedom


def _spread(by_row: _ByRow) -> str:
    """A sentence on trainings that differ in their seed alone; empty without two seeds."""
    found = pooled_deviation(by_row)
    if found is None:
        return ""
    deviation, freedom = found
    return (
        f"Trainings that differ in their seed alone: SD {points(deviation)} points of AP (about "
        f"{count(round(freedom), 'degree')} of freedom, as rows share seeds and trainings), so "
        f"that two of them lie up to {points(_apart(deviation, freedom))} apart in 95 % of cases."
    )


def _apart(deviation: float, freedom: float) -> float:
    """The distance of two trainings that 95 % of pairs do not exceed."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(2) * deviation


def _fitting(
    facts: Mapping[str, Any], records: Sequence[Record]
) -> Iterator[tuple[Record, str, int]]:
    """(record, its row, seed) of each record with AP of trained weights that fits a row."""
    for record in records:
        training = _SEED.fullmatch(record.training or "")
        if training is None or record.weights_source == "random" or record.ap is None:
            continue
        for row, description in facts["rows"].items():
            if description["training"] == training[1] and holds(record, description["where"]):
                yield record, row, int(training[2])


def _setting(record: Record) -> _SetUp:
    size = record.resolution
    parts = [
        f"{dataset_title(record.dataset)} {record.split}",
        None if record.num_videos is None else count(record.num_videos, unit(record.dataset)),
        None if record.backbone is None else f"backbone {record.backbone}",
        f"short side {size}" if isinstance(size, int) else size,
        *arithmetic_words(record),
    ]
    return ", ".join(part for part in parts if part), record.annotations_sha256 or ""


def _preference(record: Record) -> tuple:
    return DIRTY not in caveats(record), measured_at(record), tie_break(record)
