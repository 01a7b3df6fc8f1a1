"""Records that fill a paper's table: the choice for each cell, and its conditions in words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vis_bench.data.categories import dataset_title, unit
from vis_bench.data.official import OFFICIAL_VIDEOS
from vis_bench.record.metrics import FPS, Metric
from vis_bench.record.names import (
    DIRTY,
    arithmetic_name,
    arithmetic_words,
    caveats,
    is_comparable,
    measured_again,
    measured_at,
    tie_break,
)
from vis_bench.record.schema import Record
from vis_bench.show.papers.table import PaperTable, Where
from vis_bench.table.labels import value_of
from vis_bench.text import count


@dataclass(frozen=True)
class Measurement:
    """A measured value as printed, with its conditions.

    Attributes:
        comparable: False where a difference to the published value would be meaningless.
        interval: both ends as printed.
        num_videos: of the measurement.
    """

    text: str
    conditions: str
    comparable: bool = True
    interval: tuple[str, str] | None = None
    num_videos: int | None = None


def measurement(
    records: Iterable[Record], where: Where, metric: Metric, table: PaperTable
) -> Measurement | None:
    """The measurement of a cell, from the record that `pick` chooses."""
    record = pick((r for r in records if holds(r, where)), metric, table)
    value = None if record is None else metric.of(record)
    if record is None or value is None:
        return None
    conditions, comparable = describe_conditions(record, table), fits_published(record, table)
    return Measurement(
        metric.text(value), conditions, comparable, metric.interval(record), record.num_videos
    )


def holds(record: Record, where: Where) -> bool:
    """True if a record meets every condition.

    Methods are compared without case and punctuation, so that results of other code may use any
    spelling: "MaskTrack R-CNN" is "masktrack_rcnn".
    """
    options = {**record.options, **record.resolved_options}
    for key, wanted in where.items():
        allowed = wanted if isinstance(wanted, list) else [wanted]
        if key == "method":
            if _simplified(record.method) not in map(_simplified, allowed):
                return False
        elif key.startswith("options."):
            if options.get(key.removeprefix("options.")) not in allowed:
                return False
        elif getattr(record, key) not in allowed:
            return False
    return True


def pick(records: Iterable[Record], metric: Metric, table: PaperTable) -> Record | None:
    """The record whose value is shown; trained weights only, where the value is learned.

    Preferred, in this order: comparable with the published values, a clean tree, the paper's split,
    for FPS the authors' protocol, plain float32, the smaller clip stride, more videos, the latest.
    """
    fit = [record for record in records if metric.of(record) is not None]
    if metric.learned:
        fit = [record for record in fit if record.weights_source != "random"]
    return max(fit, key=lambda record: _preference(record, metric, table), default=None)


def describe_conditions(record: Record, table: PaperTable | None = None) -> str:
    """Data, split, videos, resolution, precision, device and commit, with every reservation.

    Args:
        table: whose published values the record stands beside, if any.
    """
    size, digest = record.resolution, record.annotations_sha256
    parts = [
        f"{dataset_title(record.dataset)} {record.split}",
        None if record.num_videos is None else count(record.num_videos, unit(record.dataset)),
        f"annotations {digest[:8]}" if digest else None,
        f"short side {size}" if isinstance(size, int) else size,
        None if record.precision is None else arithmetic_name(record),
        f"clip stride {record.clip_stride}" if record.clip_stride else None,
        record.timed_region if record.fps is not None else None,
        "timed by the authors' protocol" if record.speed_protocol == "paper" else None,
        "FPS timed beside other workers" if record.timed_alone is False else None,
        record.device,
        f"commit {record.git_commit[:8]}" if record.git_commit else None,
        *caveats(record),
        f"measured again: {again}" if (again := measured_again(record)) else None,
        None if table is None else _other_videos(record, table),
    ]
    return ", ".join(part for part in parts if part)


def fits_published(record: Record, table: PaperTable) -> bool:
    """True if a difference to the published values means something: trained weights, and the same
    videos, none of them seen in training.
    """
    return is_comparable(record) and _other_videos(record, table) is None


def _other_videos(record: Record, table: PaperTable) -> str | None:
    """Words on how the videos differ from the published ones; None on other data sets."""
    if record.dataset != table.dataset:
        return None
    if record.split != table.split:
        return f"not the published split, {table.split}"
    num_videos = OFFICIAL_VIDEOS.get(table.dataset, {}).get(table.split)
    if None in (num_videos, record.num_videos) or num_videos == record.num_videos:
        return None
    return f"not the {num_videos} {unit(record.dataset)}s of the published split"


def _preference(record: Record, metric: Metric, table: PaperTable) -> tuple:
    return (
        fits_published(record, table),
        DIRTY not in caveats(record),
        record.split == table.split,
        metric is FPS and record.speed_protocol == "paper",
        not arithmetic_words(record),
        -(record.clip_stride or 0),
        record.num_videos or 0,
        measured_at(record),
        tie_break(record),
    )


def _simplified(name: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def left_out(records: Iterable[Record], cells: Sequence[Where]) -> list[str]:
    """A sentence that counts the records which one condition alone keeps out of all cells."""
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        failed = [[key for key in where if not holds(record, {key: where[key]})] for where in cells]
        fewest = min(failed, key=len, default=[])
        if len(fewest) == 1 and fewest != ["method"]:
            reasons[fewest[0]][str(value_of(record, fewest[0]))] += 1
    texts = [
        f"{values.total()} by {key}" + f" ({next(iter(values))})" * (len(values) == 1)
        for key, values in reasons.items()
    ]
    total = sum(values.total() for values in reasons.values())
    return [f"{count(total, 'record')} left out: {', '.join(texts)}."] if texts else []
