"""Numbers with intervals, AP per category and IoU threshold, and where AP is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from vis_bench.metrics.analyse import Analysis
from vis_bench.metrics.compare import Comparison, Difference
from vis_bench.metrics.errors import ERRORS, VideoErrors
from vis_bench.metrics.matching import IOU_THRESHOLDS, num_holding
from vis_bench.record.metrics import ACCURACY_TITLES, OBJECTS, TRACKING_TITLES, same_ap
from vis_bench.record.schema import Record
from vis_bench.show.report.table import (
    LETTERS,
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

TITLES = {**ACCURACY_TITLES, **TRACKING_TITLES}
_ALL = 0
ENOUGH_OBJECTS = 10
# Less than this prints as zero.
_LEAST = 0.0005


def metrics_table(samples: Sequence[Analysis]) -> Table:
    """Every number that has an interval; of two sides also the paired differences."""
    is_pair, num_videos = len(samples) == 2, samples[0].num_videos
    headings = [Column("Metric", numeric=False)]
    headings += (
        [Column("B - A", hint="in points, with its paired 95 % interval")] if is_pair else []
    )
    headings += _sides(samples, "{}")
    headings += [Column("p", hint="two-sided, of no difference")] if is_pair else []
    rows = []
    for key in samples[0].overall:
        if all(key in side.overall for side in samples):
            numbers = [interval(side.overall[key], num_videos) for side in samples]
            if is_pair:
                sides = [side.overall[key] for side in samples]
                moved, p_value = difference(sides, num_videos)
                numbers = [moved, *numbers, p_value]
            rows.append([words(TITLES[key]), *numbers])
    return Table.of(headings, rows, "Points of 100 with 95 % intervals")


_MOVED = (
    Column("B - A", hint="AP, with its paired 95 % interval"),
    Column("p", hint="of no difference, by swap test with Holm's correction"),
)


def _tested(moved: Difference) -> list[Entry]:
    """Entries of the columns `_MOVED`."""
    return [moved_entry(moved), p_entry(moved.adjusted_p_value)]


def category_table(samples: Sequence[Analysis], compared: Comparison | None) -> Table:
    """A row per category that has objects: AP with intervals, then AP at each IoU threshold.

    Args:
        compared: both sides, if there are two.
    """
    ap_TK = [threshold_aps(side) for side in samples]
    is_pair, num_videos = compared is not None, samples[0].num_videos
    moved = [] if compared is None else [row["ap"] for row in compared.by_category.values()]
    thresholds = [f"{t:.2f}".lstrip("0") for t in IOU_THRESHOLDS]
    headings = [Column("Category", numeric=False)]
    headings += _MOVED if is_pair else []
    headings += [*_sides(samples, "AP {}"), Column("Objects")]
    headings += [] if is_pair else [Column("AR100")]
    of = "B - A" if is_pair else "AP"
    headings += [Column(t, hint=f"{of} at an IoU of {t}") for t in thresholds]
    rows = []
    for k, category in enumerate(samples[0].evaluation.matches.categories):
        sides = [side.by_category["ap"][:, k] for side in samples]
        if np.isnan(sides[0][0]):
            continue
        row = [words(category.name)]
        row += _tested(moved[k]) if is_pair else []
        row += [interval(side, num_videos, num_holding([category])) for side in sides]
        row += [whole(int(category.num_objects_VA[:, _ALL].sum()))]
        if is_pair:
            row += [change(float(x), 3) for x in ap_TK[1][:, k] - ap_TK[0][:, k]]
        else:
            row += [points(float(samples[0].by_category["ar100"][0, k]))]
            row += [points(float(value), shaded=True) for value in ap_TK[0][:, k]]
        rows.append(row)
    return Table.of(headings, rows, "AP by category, in points, and by IoU threshold")


def hard_table(samples: Sequence[Analysis], compared: Comparison | None) -> Table | None:
    """AP by occlusion, of objects that leave and return, and by size; None without any.

    Args:
        compared: both sides, if there are two.
    """
    num_videos = samples[0].num_videos
    moved = {} if compared is None else {**compared.by_level, **compared.by_area}
    headings = [Column("Objects", numeric=False)]
    headings += _MOVED if compared else []
    headings += [*_sides(samples, "AP {}"), Column("Number", hint="of objects")]
    rows = []
    for own in hard_objects(samples):
        cells = _tested(moved[own.name]["ap"]) if compared else []
        cells += [interval(ap_S, num_videos, own.num_videos) for ap_S in own.sides]
        number = replace(whole(own.number), detail="few" if own.is_few else "")
        rows.append([words(own.title), *cells, number])
    return Table.of(headings, rows, "AP of hard objects, in points") if rows else None


def group_table(samples: Sequence[Analysis], compared: Comparison | None) -> Table | None:
    """AP of the groups that were asked for; None without any.

    Args:
        compared: both sides, if there are two.
    """
    moved = {} if compared is None else compared.by_group
    headings = [Column("Group", numeric=False)]
    if compared:
        hint = "of no difference, by t test with Holm's correction over the groups"
        headings += [_MOVED[0], Column("p", hint=hint)]
    headings += [*_sides(samples, "AP {}"), Column("Size", numeric=False)]
    rows = []
    for name, own in samples[0].groups.items():
        cells = _tested(moved[name]["ap"]) if compared else []
        sides = [side.groups[name].samples["ap"] for side in samples]
        cells += [interval(ap_S, own.num_videos, own.num_holding) for ap_S in sides]
        rows.append([words(name), *cells, words(own.size)])
    return Table.of(headings, rows, "AP of groups, in points") if rows else None


@dataclass(frozen=True)
class HardObjects:
    """Objects of one level or size, the videos that hold any, and each side's AP of samples."""

    name: str
    number: int
    num_videos: int
    sides: Sequence[np.ndarray]

    @property
    def title(self) -> str:
        return OBJECTS[self.name].capitalize()

    @property
    def is_few(self) -> bool:
        """True for too few objects to read much into their AP."""
        return self.number < ENOUGH_OBJECTS


def hard_objects(samples: Sequence[Analysis]) -> Iterator[HardObjects]:
    """The levels and sizes that have objects."""
    matches = samples[0].evaluation.matches
    for name in OBJECTS:
        sides = [side.by_range[name]["ap"] for side in samples if name in side.by_range]
        if sides and not np.isnan(sides[0][0]):
            place = matches.ranges.index(name)
            number = sum(int(c.num_objects_VA[:, place].sum()) for c in matches.categories)
            yield HardObjects(name, number, num_holding(matches.categories, place), sides)


def threshold_aps(side: Analysis) -> np.ndarray:
    """AP at each IoU threshold of each category, (T, K); NaN without objects."""
    precision_TRK = side.evaluation.precision_TRK
    return np.where(precision_TRK[:, 0] > -1, precision_TRK.mean(1), np.nan)


def contradictions(samples: Sequence[Analysis], records: Sequence[Record | None]) -> list[str]:
    """A sentence for each record whose AP is not that of its predictions."""
    sentences = []
    for letter, side, record in zip(LETTERS, samples, records, strict=False):
        found = float(side.overall["ap"][0])
        if record is not None and record.ap is not None and not same_ap(record.ap, found):
            sentences.append(
                f"The AP of record {letter} is {100 * record.ap:.2f}, but that of its predictions "
                f"{100 * found:.2f}; this page shows the latter."
            )
    return sentences


def _sides(samples: Sequence[Analysis], form: str) -> list[Column]:
    letters = LETTERS[: len(samples)] if len(samples) == 2 else ("",)
    hint = "in points, with its 95 % interval"
    return [Column(form.format(letter).strip() or "Points", hint=hint) for letter in letters]


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


def error_table(
    samples: Sequence[Analysis], by_video: Sequence[Sequence[VideoErrors]], shown: Set[int]
) -> Table:
    """A row per kind of error: points of AP, and the videos that lose, or differ by, most of them.

    Args:
        by_video: the errors of the videos of each side.
        shown: ids of videos that can be opened.
    """
    is_pair, num_videos = len(samples) == 2, samples[0].num_videos
    headings = [Column("Error", numeric=False)]
    headings += [Column("B - A", hint="points of AP, with the paired 95 % interval")] * is_pair
    headings += _sides(samples, "{} points" if is_pair else "{}")
    headings += [] if is_pair else [Column("Share", hint="of all AP that is lost")]
    headings += [Column("Videos", numeric=False, hint="with most of it")]
    rows = []
    for kind in KINDS:
        sides, cells = [side.errors.samples[kind] + 0.0 for side in samples], list[Entry]()
        if is_pair:
            moved, _ = difference(sides, num_videos)
            # A negative contrast: more of an error is worse.
            cells.append(replace(change(sides[1][0] - sides[0][0], -3), detail=moved.detail))
        cells += [interval(side, num_videos) for side in sides]
        if not is_pair:
            _, share = samples[0].errors.by_kind()[kind]
            cells.append(Entry(percent(share), order=share))
        rows.append([words(kind), *cells, Entry("", links=tuple(_worst(kind, by_video, shown)))])
    return Table.of(headings, rows, "Points of AP that repairing each kind of error gains")


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
