"""Numbers with intervals, AP per category and IoU threshold, and where AP is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from vis_bench.metrics.analyse import Analysis
from vis_bench.metrics.compare import Difference
from vis_bench.metrics.errors import ERRORS, VideoErrors
from vis_bench.metrics.matching import IOU_THRESHOLDS, num_holding
from vis_bench.record.metrics import ACCURACY_TITLES, OBJECTS, same_ap
from vis_bench.record.schema import Record
from vis_bench.show.compare import TITLES
from vis_bench.show.groups import SHOWN
from vis_bench.show.report.sides import LETTERS, Sides
from vis_bench.show.report.table import (
    change,
    difference,
    interval,
    moved_entry,
    p_entry,
    points,
    whole,
    words,
)
from vis_bench.table.model import Column, Entry, Table
from vis_bench.table.number_format import percent

_ALL = 0
ENOUGH_OBJECTS = 10
# Less than this prints as zero.
_LEAST = 0.0005


def metrics_table(sides: Sides) -> Table:
    """Every number that has an interval; of two sides also the paired differences."""
    moved = Column("B - A", hint="in points, with its paired 95 % interval")
    p_value = Column("p", hint="two-sided, of no difference")
    pair = sides.is_pair
    columns = [Column("Metric", numeric=False), *[moved] * pair, *_values(sides, "{}")]
    rows = []
    for key in sides.samples[0].overall:
        if all(key in own.overall for own in sides.samples):
            values = [own.overall[key] for own in sides.samples]
            numbers = [interval(values_S, sides.num_videos) for values_S in values]
            if pair:
                change_entry, p = difference(values, sides.num_videos)
                numbers = [change_entry, *numbers, p]
            rows.append([words(TITLES[key]), *numbers])
    return Table.of([*columns, *[p_value] * pair], rows, "Points of 100 with 95 % intervals")


_MOVED = (
    Column("B - A", hint="AP, with its paired 95 % interval"),
    Column("p", hint="of no difference, by swap test with Holm's correction"),
)


def _tested(moved: Difference) -> list[Entry]:
    """Entries of the columns `_MOVED`."""
    return [moved_entry(moved), p_entry(moved.adjusted_p_value)]


def category_table(sides: Sides) -> Table:
    """A row per category that has objects: AP with intervals, then AP at each IoU threshold."""
    compared, first = sides.compared, sides.samples[0]
    aps = [threshold_aps(own) for own in sides.samples]
    shown_TK = aps[0] if compared is None else aps[1] - aps[0]
    rows = []
    for k, category in enumerate(first.categories):
        ap_of = [own.by_category["ap"][:, k] for own in sides.samples]
        row = [interval(ap_S, sides.num_videos, num_holding([category])) for ap_S in ap_of]
        row.append(whole(int(category.num_objects_VA[:, _ALL].sum())))
        at_T = map(float, shown_TK[:, k])
        if compared is None:
            row.append(points(float(first.by_category["ar100"][0, k])))
            row += [points(x, shaded=True) for x in at_T]
        else:
            moved = list(compared.by_category.values())[k]["ap"]
            row = [*_tested(moved), *row, *(change(x, 3) for x in at_T)]
        rows.append([words(category.name), *row])
    columns = _category_columns(sides)
    return Table.of(columns, rows, "AP by category, in points, and by IoU threshold")


def _category_columns(sides: Sides) -> list[Column]:
    of = "B - A" if sides.is_pair else "AP"
    thresholds = [f"{t:.2f}".lstrip("0") for t in IOU_THRESHOLDS]
    return [
        Column("Category", numeric=False),
        *_MOVED * sides.is_pair,
        *_values(sides, "AP {}"),
        Column("Objects"),
        *[Column("AR100")] * (not sides.is_pair),
        *(Column(t, hint=f"{of} at an IoU of {t}") for t in thresholds),
    ]


def hard_table(sides: Sides) -> Table | None:
    """AP by occlusion, of objects that leave and return, and by size; None without any."""
    columns = [Column("Objects", numeric=False), *_MOVED * sides.is_pair]
    columns += [*_values(sides, "AP {}"), Column("Number", hint="of objects")]
    rows = []
    for own in hard_objects(sides):
        cells = [] if own.moved is None else _tested(own.moved)
        cells += [interval(ap_S, sides.num_videos, own.num_videos) for ap_S in own.values]
        number = replace(whole(own.number), detail="few" if own.is_few else "")
        rows.append([words(own.title), *cells, number])
    return Table.of(columns, rows, "AP of hard objects, in points") if rows else None


def group_table(sides: Sides) -> Table | None:
    """AP, AP50, AP75 and AR100 of the groups that were asked for; None without any."""
    compared = sides.compared
    hint = "of no difference, by t test with Holm's correction over the groups"
    moved = Column("B - A", hint="with its paired 95 % interval"), Column("p", hint=hint)
    columns = [Column("Group", numeric=False), *moved * sides.is_pair]
    columns += [*_values(sides, "{}"), Column("Size", numeric=False)]
    rows = []
    for name, own in sides.samples[0].groups.items():
        for key in SHOWN if own.num_objects else SHOWN[:1]:
            cells = [] if compared is None else _tested(compared.by_group[name][key])
            values = [side.groups[name].samples[key] for side in sides.samples]
            cells += [interval(values_S, own.num_videos, own.num_holding) for values_S in values]
            rows.append([words(f"{name}, {ACCURACY_TITLES[key]}"), *cells, words(own.size)])
    return Table.of(columns, rows, "Groups, in points") if rows else None


@dataclass(frozen=True)
class HardObjects:
    """Objects of one level or size, the videos that hold any, each side's AP of samples, and the
    difference of two sides.
    """

    name: str
    number: int
    num_videos: int
    values: Sequence[np.ndarray]
    moved: Difference | None

    @property
    def title(self) -> str:
        return OBJECTS[self.name].capitalize()

    @property
    def is_few(self) -> bool:
        """True for too few objects to read much into their AP."""
        return self.number < ENOUGH_OBJECTS


def hard_objects(sides: Sides) -> Iterator[HardObjects]:
    """The levels and sizes that have objects."""
    matches, compared = sides.samples[0].evaluation.matches, sides.compared
    moved = {} if compared is None else {**compared.by_level, **compared.by_area}
    for name in OBJECTS:
        values = [own.by_range[name]["ap"] for own in sides.samples if name in own.by_range]
        if values and not np.isnan(values[0][0]):
            place = matches.ranges.index(name)
            number = sum(int(c.num_objects_VA[:, place].sum()) for c in sides.samples[0].categories)
            held = num_holding(sides.samples[0].categories, place)
            yield HardObjects(name, number, held, values, moved[name]["ap"] if moved else None)


def threshold_aps(side: Analysis) -> np.ndarray:
    """AP at each IoU threshold of each category that holds an object, (T, K)."""
    return side.evaluation.precision_TRK.mean(1)


def contradictions(sides: Sides, records: Sequence[Record | None]) -> list[str]:
    """A sentence for each record whose AP is not that of its predictions."""
    sentences = []
    for letter, side, record in zip(LETTERS, sides.samples, records, strict=False):
        found = float(side.overall["ap"][0])
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
    "identity": "A track does not stay with one object, or not alone; of that:",
    "identity: switch": "A track goes over to another object.",
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
        *[Column("B - A", hint="points of AP, with the paired 95 % interval")] * pair,
        *_values(sides, "{} points" if pair else "{}"),
        *[Column("Share", hint="of all AP that is lost")] * (not pair),
        Column("Videos", numeric=False, hint="with most of it"),
    ]
    rows = []
    for kind in KINDS:
        lost = [own.errors.samples[kind] + 0.0 for own in sides.samples]
        cells = [interval(lost_S, sides.num_videos) for lost_S in lost]
        if pair:
            moved, _ = difference(lost, sides.num_videos)
            # A negative contrast: more of an error is worse.
            cells.insert(0, replace(change(lost[1][0] - lost[0][0], -3), detail=moved.detail))
        else:
            _, share = sides.samples[0].errors.by_kind()[kind]
            cells.append(Entry(percent(share), order=share))
        rows.append([words(kind), *cells, Entry("", links=tuple(_worst(kind, by_video, shown)))])
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
