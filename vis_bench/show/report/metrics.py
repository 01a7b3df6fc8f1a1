"""Numbers with intervals, AP per category and IoU threshold, and where AP is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

import numpy as np

from vis_bench.metrics.compare import Analysis
from vis_bench.metrics.errors import ERRORS, VideoErrors
from vis_bench.metrics.matching import IOU_THRESHOLDS
from vis_bench.record.metrics import same_ap
from vis_bench.record.schema import Record
from vis_bench.show.report.sides import LETTERS, Sides
from vis_bench.show.report.table import points, whole, words
from vis_bench.table.model import Column, Entry, Table
from vis_bench.table.number_format import percent

# Less than this prints as zero.
_LEAST = 0.0005


def metrics_table(sides: Sides) -> Table:
    """Every number that has an interval; of two sides also the paired differences."""
    p_value = Column("p", hint="two-sided, of no difference")
    columns = [Column("Metric", numeric=False), *[_MOVED, p_value] * sides.is_pair]
    rows = [[words(own.title), *own.entries(adjusted=False)] for own in sides.overall()]
    caption = "Points of 100 with 95 % intervals"
    return Table.of([*columns, *_values(sides, "{}")], rows, caption)


_MOVED = Column("B - A", hint="in points, with its paired 95 % interval")


def _columns(sides: Sides, title: str, values: str, test: str, *others: Column) -> list[Column]:
    """The columns of a table of numbers, of two sides with differences and their test."""
    p_value = Column("p", hint=f"of no difference, by {test}")
    named = [Column(title, numeric=False), *[_MOVED, p_value] * sides.is_pair]
    return [*named, *_values(sides, values), *others]


_SWAPS = "swap test with Holm's correction"


def category_table(sides: Sides) -> Table:
    """A row per category that has objects: AP with intervals, then AP at each IoU threshold."""
    pair, first = sides.is_pair, sides.samples[0]
    aps = [threshold_aps(own) for own in sides.samples]
    shown_TK = aps[1] - aps[0] if pair else aps[0]
    rows = []
    for place, own in enumerate(sides.by_category()):
        row = [*own.entries(), whole(own.num_objects)]
        if not pair:
            score = first.scores["category", own.scores[0].part, "ar100"]
            row.append(points(score.value))
        at_T = map(float, shown_TK[:, place])
        row += [points(x, signed=pair, contrast=3 if pair else 1) for x in at_T]
        rows.append([words(own.title), *row])
    of = "B - A" if pair else "AP"
    columns = _columns(
        sides,
        "Category",
        "AP {}",
        _SWAPS,
        Column("Objects"),
        *[Column("AR100")] * (not pair),
        *(Column(f"{t:.2f}".lstrip("0"), hint=f"{of} at an IoU of {t}") for t in IOU_THRESHOLDS),
    )
    return Table.of(columns, rows, "AP by category, in points, and by IoU threshold")


def hard_table(sides: Sides) -> Table | None:
    """AP by occlusion, of objects that leave and return, and by size; None without any."""
    columns = _columns(sides, "Objects", "AP {}", _SWAPS, Column("Number", hint="of objects"))
    rows = []
    for own in sides.of_hard_objects():
        number = replace(whole(own.num_objects), detail="few" if own.is_few else "")
        rows.append([words(own.title), *own.entries(), number])
    return Table.of(columns, rows, "AP of hard objects, in points") if rows else None


def group_table(sides: Sides) -> Table | None:
    """AP, AP50, AP75 and AR100 of the groups that were asked for; None without any."""
    test = "t test with Holm's correction over the groups"
    columns = _columns(sides, "Group", "{}", test, Column("Size", numeric=False))
    rows = [[words(own.title), *own.entries(), words(size)] for own, size in sides.of_groups()]
    return Table.of(columns, rows, "Groups, in points") if rows else None


def threshold_aps(side: Analysis) -> np.ndarray:
    """AP at each IoU threshold of each category that holds an object, (T, K)."""
    return side.evaluation.precision_TRK.mean(1)


def contradictions(sides: Sides, records: Sequence[Record | None]) -> list[str]:
    """A sentence for each record whose AP is not that of its predictions."""
    sentences = []
    for letter, side, record in zip(LETTERS, sides.samples, records, strict=False):
        found = side.overall["ap"].value or 0.0
        if record is not None and record.ap is not None and not same_ap(record.ap, found):
            sentences.append(
                f"The AP of record {letter} is {100 * record.ap:.2f}, but that of its predictions "
                f"{100 * found:.2f}; this page shows the latter."
            )
    return sentences


def _values(sides: Sides, form: str) -> list[Column]:
    """A column of values for each side."""
    hint = "in points, with its 95 % interval"
    return [Column(form.format(x).strip() or "Points", hint=hint) for x in sides.letters]


KINDS: Mapping[str, str] = {
    "identity": "A track changes its object, or shares it; of that:",
    "identity: switch": "A track switches to another object.",
    "identity: fragment": "Several tracks share one object.",
    "identity: drift": "A track leaves its object for the background.",
    "class": "The object is found under another category.",
    "mask quality": "The object is found, but not its whole mask.",
    "duplicate": "Another track has found the object.",
    "background": "No object is there.",
    "missed": "No track finds the object.",
}


def error_table(sides: Sides, by_video: Sequence[Sequence[VideoErrors]], shown: Set[int]) -> Table:
    """A row per kind of error: points of AP, and the videos that lose, or differ by, most of them.

    Args:
        by_video: the errors of the videos of each side.
        shown: ids of videos that can be opened.
    """
    pair = sides.is_pair
    columns = [
        Column("Error", numeric=False),
        *[_MOVED] * pair,
        *_values(sides, "{} points" if pair else "{}"),
        *[Column("Share", hint="of all AP that is lost")] * (not pair),
        Column("Videos", numeric=False, hint="with most of it"),
    ]
    rows = []
    for own in sides.of_errors():
        cells = own.entries()
        if own.moved is not None:
            # A negative contrast: more of an error is worse.
            moved = own.moved.difference, own.moved.interval
            cells[:2] = [points(*moved, signed=True, contrast=-3)]
        else:
            _, share = sides.samples[0].errors.by_kind()[own.title]
            cells.append(Entry(percent(share), order=share))
        links = tuple(_worst(own.title, by_video, shown))
        rows.append([words(own.title), *cells, Entry("", links=links)])
    return Table.of(columns, rows, "Points of AP that repairing each kind of error gains")


def _worst(
    kind: str, by_video: Sequence[Sequence[VideoErrors]], shown: Set[int]
) -> list[tuple[str, str]]:
    """The three videos with most of an error; of two sides those in which it differs most."""
    if kind not in ERRORS:
        return []
    sizes = []
    for videos in zip(*by_video, strict=True):
        gains = [own.gains[kind] for own in videos]
        size = abs(gains[1] - gains[0]) if len(gains) == 2 else gains[0]
        if size > _LEAST and videos[0].video.id in shown:
            sizes.append((-size, videos[0].video))
    sizes.sort(key=lambda pair: (pair[0], pair[1].id))
    return [(video.name, f"#video-{video.id}") for _, video in sizes[:3]]
