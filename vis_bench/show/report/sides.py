"""The analysed sides of a report, one record or two that are compared, and their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from vis_bench.charts.panels import Value
from vis_bench.data.categories import distinct_names
from vis_bench.data.video import Video, named_apart
from vis_bench.metrics.compare import Analysis, Comparison, compare, error_differences
from vis_bench.metrics.scores import BRIEF, IN_POINTS, Difference, Key, Score
from vis_bench.record.metrics import OBJECTS, hard_objects, metric_titles, title_of
from vis_bench.record.schema import Record
from vis_bench.show.report.table import p_entry, points
from vis_bench.table.model import Entry

# The two sides of a comparison.
LETTERS = ("A", "B")
ENOUGH_OBJECTS = 10


def methods_of(records: Sequence[Record | None]) -> list[str]:
    """The methods that give the sides their looks; letters where results have no record."""
    known = [record.method for record in records if record is not None]
    return known if len(known) == len(records) else [*LETTERS[: len(records)]]


@dataclass(frozen=True)
class Numbers:
    """One number of each side, and the difference of two."""

    title: str
    scores: Sequence[Score]
    moved: Difference | None = None

    @property
    def num_objects(self) -> int | None:
        """Objects of a category or an area range."""
        return self.scores[0].num_objects

    @property
    def is_few(self) -> bool:
        """True for too few objects to read much into their AP."""
        return self.num_objects is not None and self.num_objects < ENOUGH_OBJECTS

    @property
    def drawn(self) -> Value:
        """The value, or the difference of two, with its interval, in points; None where unknown."""
        score = self.scores[0]
        known, ends = score.value, score.interval
        if self.moved is not None:
            known, ends = self.moved.difference, self.moved.interval
        value, low, high = (
            None if x is None else 100 * x for x in (known, *(ends or (None, None)))
        )
        return value, low, high

    def entries(self, *, adjusted: bool = True) -> list[Entry]:
        """Difference and p-value of two sides, then the values.

        Args:
            adjusted: the p-value is that of Holm's correction.
        """
        cells = [points(score.value, score.interval) for score in self.scores]
        if self.moved is None:
            return cells
        p_value = self.moved.adjusted_p_value if adjusted else self.moved.p_value
        moved = points(self.moved.difference, self.moved.interval, signed=True)
        return [moved, p_entry(p_value), *cells]


@dataclass(frozen=True)
class Sides:
    """Samples of one side, or of A and B."""

    samples: Sequence[Analysis]

    @property
    def is_pair(self) -> bool:
        return len(self.samples) == 2

    @property
    def letters(self) -> Sequence[str]:
        """Letters that tell two sides apart; of one an empty text."""
        return LETTERS if self.is_pair else ("",)

    @cached_property
    def videos(self) -> Sequence[Video]:
        return named_apart(self.samples[0].truth.videos)

    @property
    def num_videos(self) -> int:
        return self.samples[0].num_videos

    @cached_property
    def compared(self) -> Comparison | None:
        """Differences of two sides, and their tests."""
        return compare(*self.samples) if self.is_pair else None

    @cached_property
    def lost(self) -> dict[str, Difference]:
        """Differences of the AP that is lost to each kind of error; empty of one side."""
        return error_differences(*self.samples) if self.is_pair else {}

    def overall(self) -> Iterator[Numbers]:
        """The metrics that all sides have."""
        sides, compared = [own.overall for own in self.samples], self.compared
        moved = {} if compared is None else {**compared.overall, **compared.tracking}
        shared = [key for key in sides[0] if all(key in own for own in sides)]
        equal = {key: [own[key].samples_S.tobytes() for own in sides] for key in shared}
        for key, title in metric_titles(equal).items():
            factor = IN_POINTS.get(key, 1.0)
            row = moved[key].scaled(factor) if key in moved else None
            yield Numbers(title, [own[key].scaled(factor) for own in sides], row)

    def by_category(self) -> Iterator[Numbers]:
        """AP of the categories that have objects."""
        names = distinct_names({own.id: own.name for own in self.samples[0].categories})
        moved = {} if self.compared is None else self.compared.by_category
        for key, name in names.items():
            yield self._number(name, ("category", str(key), "ap"), moved.get(name))

    def of_hard_objects(self) -> Iterator[Numbers]:
        """AP of the levels and sizes that have objects."""
        scores, compared = self.samples[0].scores, self.compared
        moved = {} if compared is None else {**compared.by_level, **compared.by_area}
        kinds = {part: kind for kind, part, _ in scores if kind in ("area", "level")}
        held = [part for part, kind in kinds.items() if scores[kind, part, "ap"].value is not None]
        for name in hard_objects(held):
            title = OBJECTS[name].capitalize()
            yield self._number(title, (kinds[name], name, "ap"), moved.get(name))

    def of_groups(self) -> Iterator[tuple[Numbers, str]]:
        """AP, AP50, AP75 and AR100 of the groups that were asked for, and the group's size."""
        compared = self.compared
        for name, own in self.samples[0].evaluation.per_group.items():
            moved = {} if compared is None else compared.by_group[name]
            for key in BRIEF if own.num_objects else BRIEF[:1]:
                title = f"{name}, {title_of(key)}"
                yield self._number(title, ("group", name, key), moved), own.size

    def of_errors(self) -> Iterator[Numbers]:
        """AP that is lost to each kind of error."""
        sides = [own.lost for own in self.samples]
        for kind in sides[0]:
            yield Numbers(kind, [own[kind] for own in sides], self.lost.get(kind))

    def _number(self, title: str, key: Key, moved: Mapping[str, Difference] | None) -> Numbers:
        return Numbers(title, [own.scores[key] for own in self.samples], (moved or {}).get(key[2]))
