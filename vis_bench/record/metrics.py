"""Metrics of a record: titles, units and printed digits, once for all tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import floor, log10
from typing import TYPE_CHECKING

MIB = 2**20  # bytes
_MOST_DECIMALS = 4

if TYPE_CHECKING:
    from vis_bench.record.schema import Record


@dataclass(frozen=True)
class Metric:
    """One metric: its field in a record, and how its value is printed.

    `scale`: one unit of the printed value, in the record's unit. `higher_is_better` is None where
    no value is marked as the best: what counts is the speed of methods with like AP. `learned`:
    meaningless with random weights. `long_title` for where there is room. `ends`: the fields that
    hold the ends of its interval, which `ends_title` names: 95 %, or the range over processes.
    `weight`: narrow tables drop the column of the largest first. `significant`: of values below 1
    the digits after the leading zeros, at most four decimals. `remark`: a footnote of its column.
    """

    field: str
    title: str
    scale: float = 1.0
    digits: int = 1
    higher_is_better: bool | None = True
    learned: bool = False
    long_title: str = ""
    ends: tuple[str, str] | None = None
    ends_title: str = "95 %"
    weight: int = 0
    significant: int = 0
    remark: str = ""

    def of(self, record: Record) -> float | None:
        """The value in the record's unit; None if it was not measured."""
        return getattr(record, self.field)

    def interval(self, record: Record) -> tuple[str, str] | None:
        """The ends of the value's interval as printed; None without one."""
        if self.ends is None:
            return None
        low, high = (getattr(record, end) for end in self.ends)
        return None if low is None or high is None else (self.text(low), self.text(high))

    def scaled(self, record: Record) -> tuple[float | None, float | None, float | None]:
        """The value and the ends of its interval, in the printed unit; None where unknown."""
        values = (self.of(record), *(getattr(record, end) for end in self.ends or ()))
        value, low, high = (*(None if v is None else v / self.scale for v in values), None, None)[
            :3
        ]
        return value, low, high

    def text(self, value: float) -> str:
        """A value in the record's unit as printed."""
        shown, digits = value / self.scale, self.digits
        if self.significant and 0 < abs(shown) < 1:
            needed = self.significant - 1 - floor(log10(abs(shown)))
            digits = max(digits, min(needed, _MOST_DECIMALS))
        return f"{shown:.{digits}f}"


def _points(field: str, title: str, weight: int = 0, *, has_interval: bool = False) -> Metric:
    """AP or AR: a fraction in the record, points of 100 in print."""
    ends = (f"{field}_low", f"{field}_high") if has_interval else None
    return Metric(field, title, 0.01, learned=True, ends=ends, weight=weight)


AP = _points("ap", "AP", has_interval=True)
AP50 = _points("ap50", "AP50", 7)
AP75 = _points("ap75", "AP75", 5)
AR1 = _points("ar1", "AR1", 11)
AR10 = _points("ar10", "AR10", 6)

# The official 12 numbers, in the official order.
ACCURACY = (
    AP, AP50, AP75, _points("ap_s", "APs"), _points("ap_m", "APm"), _points("ap_l", "APl"),
    AR1, AR10, _points("ar100", "AR100"),
    _points("ar_s", "ARs"), _points("ar_m", "ARm"), _points("ar_l", "ARl"),
)  # fmt: skip
ACCURACY_TITLES = {metric.field: metric.title for metric in ACCURACY}

# By masks and their boundaries (HQ-YTVIS; Ke et al., ECCV 2022, equation 1), by `metrics.boundary`.
BOUNDARY_AP = _points("boundary_ap", "Boundary AP", 3, has_interval=True)
BOUNDARY = (
    BOUNDARY_AP,
    _points("boundary_ap50", "Boundary AP50"),
    _points("boundary_ap75", "Boundary AP75"),
)
BOUNDARY_TITLES = {metric.field: metric.title for metric in BOUNDARY}

# Of short and of long videos, where a data set has an annotations file of each; AP is the mean.
PARTS = tuple(
    _points(f"{field}_{part}", f"{title} {part}", has_interval=field == "ap")
    for part in ("short", "long")
    for field, title in (
        ("ap", "AP"), ("ap50", "AP50"), ("ap75", "AP75"), ("ar1", "AR1"), ("ar10", "AR10"),
    )
)  # fmt: skip

# AP of the objects that are hard to follow; the first three need occlusion labels.
_LEVELS = {
    "ap_so": ("Light", "are lightly occluded"),
    "ap_mo": ("Moderate", "are moderately occluded"),
    "ap_ho": ("Heavy", "are heavily occluded"),
    "ap_returning": ("Returning", "leave and return"),
    "ap_staying": ("Staying", "do not return"),
}
LEVELS = tuple(
    Metric(field, title, 0.01, learned=True, long_title=f"AP of objects that {what}")
    for field, (title, what) in _LEVELS.items()
)
# Objects of each level and area range, by its name in matches.
_SIZES = {
    "small": "small, up to 128 px squared",
    "medium": "medium, up to 256 px squared",
    "large": "large",
}
OBJECTS = {f.removeprefix("ap_"): what.removeprefix("are ") for f, (_, what) in _LEVELS.items()}
OBJECTS |= _SIZES

# Tracking metrics over all detections; TETA, which forgives classes, is a mean over them.
HOTA, DETA = _points("hota", "HOTA", 2, has_interval=True), _points("deta", "DetA")
ASSA = _points("assa", "AssA", 10)
TRACKING = (
    HOTA, DETA, ASSA, _points("loca", "LocA"),
    _points("idf1", "IDF1", has_interval=True), _points("teta", "TETA", has_interval=True),
)  # fmt: skip
TRACKING_TITLES = {metric.field: metric.title for metric in TRACKING}
_CLEAR_TITLES = {
    "mota": "MOTA", "motp": "MOTP", "smota": "sMOTA", "moda": "MODA", "motal": "MOTAL",
    "clr_re": "Recall", "clr_pr": "Precision", "clr_f1": "F1", "mtr": "MT", "ptr": "PT",
    "mlr": "ML",
}  # fmt: skip
_CLEAR_COUNTS = {
    "idsw": "IDSW", "frag": "Frag", "clr_tp": "TP", "clr_fn": "FN", "clr_fp": "FP",
}  # fmt: skip
# Tracking metrics that have to be asked for: in points, and counts; by name.
ASKED_TRACKING = {"CLEAR": (_CLEAR_TITLES, _CLEAR_COUNTS)}
# Of `eval --concepts` (facebookresearch/sam3, `sam3/eval`).
CONCEPT_TITLES = {
    "cgf1": "cgF1", "cgf1_50": "cgF1 50", "cgf1_75": "cgF1 75", "il_mcc": "IL_MCC",
    "positive_micro_f1": "micro F1", "phrase_ap": "Phrase AP", "phrase_ap50": "Phrase AP50",
    "phrase_ap75": "Phrase AP75", "phota": "pHOTA",
}  # fmt: skip

FPS = Metric(
    "fps",
    "FPS",
    higher_is_better=None,
    ends=("fps_low", "fps_high"),
    ends_title="range over processes",
    weight=1,
)
SPREAD = Metric("speed_spread", "Spread (%)", 0.01, digits=0, higher_is_better=None)
PEAK_MEMORY = Metric("peak_memory_bytes", "Memory (MiB)", MIB, digits=0, higher_is_better=False)
MEMORY_PER_FRAME = Metric(
    "memory_bytes_per_frame", "MiB/frame", MIB, digits=2, higher_is_better=False
)
GMACS_NOTE = "GMACs: 1e9 multiply-adds; papers of this field print them as GFLOPs."


def _gmacs(field: str, title: str, long_title: str, weight: int = 0) -> Metric:
    return Metric(
        field,
        title,
        digits=2,
        higher_is_better=None,
        long_title=long_title,
        weight=weight,
        significant=3,
        remark=GMACS_NOTE,
    )


GFLOPS_PER_FRAME = _gmacs("gflops_per_frame", "GMACs/frame", "GMACs per source frame", 4)
GFLOPS_PER_CLIP = _gmacs("gflops_per_clip", "GMACs/clip", "GMACs per clip")
PARAMS = Metric("num_params", "Params (M)", 1e6, digits=2, higher_is_better=None, weight=8)
# Numbers in a published checkpoint, which is what papers of this field call parameters.
CHECKPOINT_ENTRIES = Metric(
    "num_checkpoint_entries", "Checkpoint entries (M)", 1e6, higher_is_better=None, weight=9
)

# The columns of the table of measured cells and of the leaderboard.
SHOWN = (AP, AP50, AP75, AR1, AR10, BOUNDARY_AP, HOTA, ASSA, FPS, GFLOPS_PER_FRAME, PARAMS)
# Columns of sweeps and of papers' tables alone.
_OTHERS = (
    Metric("latency_ms_p50", "Latency p50 (ms)", higher_is_better=None),
    Metric("latency_ms_p90", "Latency p90 (ms)", higher_is_better=None),
    Metric("latency_ms_p99", "Latency p99 (ms)", higher_is_better=None),
    Metric("energy_joules_per_frame", "Energy (J/frame)", digits=2, higher_is_better=None),
    Metric("compile_seconds", "Compiling (s)", higher_is_better=None),
    Metric("memory_error_bytes", "Memory curve's error (MiB)", MIB, digits=2),
    Metric("memory_limit_bytes", "Memory limit (MiB)", MIB, digits=0),
    Metric("memory_longest", "Most frames in memory", digits=0),
)
# Every metric by its field; others are printed by their names, see `metrics_of`.
METRICS = {
    metric.field: metric
    for metric in (
        *ACCURACY, *PARTS, *LEVELS, *TRACKING, *BOUNDARY, FPS, SPREAD, PEAK_MEMORY,
        MEMORY_PER_FRAME, GFLOPS_PER_FRAME, GFLOPS_PER_CLIP, PARAMS, CHECKPOINT_ENTRIES, *_OTHERS,
    )
}  # fmt: skip
_TITLES = {field: metric.title.partition(" (")[0] for field, metric in METRICS.items()}


def metrics_of(kinds: Mapping[str, type], fractions: Collection[str]) -> dict[str, Metric]:
    """Metrics by field: its own, that of the interval of which it is an end, or by its name.

    Args:
        kinds: of the numbers, int or float, by field.
        fractions: those that are printed in points, with an interval where its ends are fields.
    """
    found = {}
    for field, kind in kinds.items():
        title, digits = field.replace("_", " "), 0 if kind is int else 3
        by_name = Metric(field, title, digits=digits, higher_is_better=None)
        if field in fractions:
            by_name = _points(field, title, has_interval=f"{field}_low" in kinds)
        found[field] = METRICS.get(field, by_name)
    for metric in [*found.values()]:
        for end, name in zip(("low", "high"), metric.ends or (), strict=False):
            title = f"{metric.title}, {end} end"
            found[name] = replace(metric, field=name, title=title, ends=None, weight=0)
    return found


def title_of(field: str) -> str:
    """The title of a field without its unit; other names without underscores."""
    titles = {**_CLEAR_TITLES, **_CLEAR_COUNTS, **_TITLES}
    return titles.get(field, field.replace("_", " "))


def metric_titles(values: Mapping[str, object]) -> dict[str, str]:
    """Titles of the metrics that have values, by field; one for AR10 and AR100 where theirs are
    equal, as where no video has more than 10 tracks of a category.
    """
    titles = {field: title_of(field) for field in values}
    if "ar100" in titles and values.get("ar10") == values["ar100"]:
        titles["ar10"] = f"{titles['ar10']}, {titles.pop('ar100')}"
    return titles


def hard_objects(held: Collection[str]) -> list[str]:
    """The levels and sizes that hold objects, without a size that holds them all.

    Args:
        held: names of levels and area ranges with objects.
    """
    names = [name for name in OBJECTS if name in held]
    sizes = [name for name in names if name in _SIZES]
    return [name for name in names if [name] != sizes]


def same_ap(first: float, second: float) -> bool:
    """True if two APs, as fractions, differ by rounding alone."""
    return abs(first - second) <= 1e-9
