"""Numbers of a report: of one side, or of two with their difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.charts.panels import Value
from vis_bench.data.categories import distinct_names
from vis_bench.metrics.compare import Difference
from vis_bench.metrics.half_samples import interval_of
from vis_bench.metrics.matching import num_holding
from vis_bench.record.metrics import OBJECTS, hard_objects, metric_titles, title_of
from vis_bench.show.groups import SHOWN
from vis_bench.show.report.sides import Sides
from vis_bench.show.report.table import p_entry, points
from vis_bench.table.model import Entry

_ALL = 0
ENOUGH_OBJECTS = 10


@dataclass(frozen=True)
class Number:
    """One number, as fractions.

    Attributes:
        values: of each side, on all videos and on half-samples, (S,).
        num_holding: as for `interval_of`.
        moved: the difference of two sides.
        place: of a category or an area range, among all.
        num_objects: of a category or an area range.
    """

    title: str
    values: Sequence[np.ndarray]
    num_videos: int
    moved: Difference | None = None
    num_holding: int | None = None
    place: int = 0
    num_objects: int | None = None

    @property
    def is_few(self) -> bool:
        """True for too few objects to read much into their AP."""
        return self.num_objects is not None and self.num_objects < ENOUGH_OBJECTS

    @property
    def drawn(self) -> Value:
        """The value, or the difference of two, with its interval, in points; None where unknown."""
        if self.moved is not None:
            known: Value = self.moved.difference, self.moved.low, self.moved.high
        else:
            known = float(self.values[0][0]), *(self._interval(self.values[0]) or (None, None))
        value, low, high = (None if x is None or np.isnan(x) else 100 * x for x in known)
        return value, low, high

    def _interval(self, values_S: np.ndarray) -> tuple[float, float] | None:
        return interval_of(values_S, self.num_videos, num_holding=self.num_holding)

    def entries(self, *, adjusted: bool = True) -> list[Entry]:
        """Difference and p-value of two sides, then the values.

        Args:
            adjusted: the p-value is that of Holm's correction.
        """
        cells = [points(float(own_S[0]), self._interval(own_S)) for own_S in self.values]
        if self.moved is None:
            return cells
        p_value = self.moved.adjusted_p_value if adjusted else self.moved.p_value
        moved = points(self.moved.difference, self.moved.interval, signed=True)
        return [moved, p_entry(p_value), *cells]


def overall(sides: Sides) -> Iterator[Number]:
    """The metrics that all sides have."""
    compared, samples = sides.compared, [own.overall for own in sides.samples]
    moved = {} if compared is None else {**compared.overall, **compared.tracking}
    shared = [key for key in samples[0] if all(key in own for own in samples)]
    titles = metric_titles({key: [own[key].tobytes() for own in samples] for key in shared})
    for key, title in titles.items():
        yield Number(title, [own[key] for own in samples], sides.num_videos, moved.get(key))


def by_category(sides: Sides) -> Iterator[Number]:
    """AP of the categories that have objects."""
    compared = sides.compared
    moved = [] if compared is None else [row["ap"] for row in compared.by_category.values()]
    categories = sides.samples[0].categories
    names = distinct_names({category.id: category.name for category in categories})
    for k, category in enumerate(categories):
        yield Number(
            names[category.id],
            [own.by_category["ap"][:, k] for own in sides.samples],
            sides.num_videos,
            moved[k] if moved else None,
            num_holding([category]),
            k,
            int(category.num_objects_VA[:, _ALL].sum()),
        )


def of_hard_objects(sides: Sides) -> Iterator[Number]:
    """AP of the levels and sizes that have objects."""
    first, compared = sides.samples[0], sides.compared
    moved = {} if compared is None else {**compared.by_level, **compared.by_area}
    held = [key for key, own in first.by_range.items() if not np.isnan(own["ap"][0])]
    for name in hard_objects(held):
        place = first.evaluation.matches.ranges.index(name)
        yield Number(
            OBJECTS[name].capitalize(),
            [own.by_range[name]["ap"] for own in sides.samples],
            sides.num_videos,
            moved[name]["ap"] if moved else None,
            num_holding(first.categories, place),
            place,
            sum(int(c.num_objects_VA[:, place].sum()) for c in first.categories),
        )


def of_groups(sides: Sides) -> Iterator[tuple[Number, str]]:
    """AP, AP50, AP75 and AR100 of the groups that were asked for, and the group's size."""
    compared = sides.compared
    for name, own in sides.samples[0].groups.items():
        for key in SHOWN if own.num_objects else SHOWN[:1]:
            values = [side.groups[name].samples[key] for side in sides.samples]
            moved = None if compared is None else compared.by_group[name][key]
            title = f"{name}, {title_of(key)}"
            yield Number(title, values, own.num_videos, moved, own.num_holding), own.size


def of_errors(sides: Sides) -> Iterator[Number]:
    """AP that is lost to each kind of error."""
    for kind in sides.samples[0].errors.by_kind():
        lost = [own.errors.samples[kind] + 0.0 for own in sides.samples]
        yield Number(kind, lost, sides.num_videos, sides.lost.get(kind))
