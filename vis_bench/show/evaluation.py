"""What `eval` prints: the official numbers, per category where asked for, per area and length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

from vis_bench.metrics.images import ImageEvaluation
from vis_bench.metrics.ytvis import Evaluation
from vis_bench.records.metrics import ACCURACY_TITLES
from vis_bench.show.tables.to_markdown import escape_markdown
from vis_bench.show.tracking import tracking_json, tracking_tables

LEVEL_TITLES = {
    "so": "lightly occluded",
    "mo": "moderately occluded",
    "ho": "heavily occluded",
    "returning": "leave and return",
}
LENGTHS = {"short": "up to 24", "medium": "25 to 36", "long": "37 and more"}


def evaluation_json(
    evaluation: Evaluation | ImageEvaluation, *, per_category: bool = False
) -> dict[str, Any]:
    """The 12 numbers as fractions (null without ground truth), by length, and the warnings.

    `ap_so`, `ap_mo`, `ap_ho` and `ap_returning` are null where no object is at that level. Of
    annotations in two files the 12 numbers are means, and `per_part` holds those of each. With the
    tracking metrics under `tracking` where they were computed. Of single images the 12 numbers
    alone.
    """
    report: dict[str, Any] = {
        **_nulled(evaluation.summary()), "warnings": list(evaluation.warnings),
    }  # fmt: skip
    if per_category:
        report["per_category"] = [_nulled(row) for row in evaluation.per_category()]
    return report if isinstance(evaluation, ImageEvaluation) else report | _of_videos(evaluation)


def _of_videos(evaluation: Evaluation) -> dict[str, Any]:
    """What is said of videos alone."""
    report: dict[str, Any] = {
        **_nulled(evaluation.level_aps()),
        "per_length": {k: _nulled(v) for k, v in evaluation.per_length().items()},
        "per_level": {k: _nulled(v) for k, v in evaluation.per_level().items()},
    }
    parts = evaluation.per_part()
    if parts:
        report["per_part"] = {name: _nulled(numbers) for name, numbers in parts.items()}
    if evaluation.tracking is not None:
        report["tracking"] = tracking_json(evaluation.tracking)
    return report


def evaluation_text(evaluation: Evaluation | ImageEvaluation, *, per_category: bool = False) -> str:
    """The 12 numbers in points, and the tracking metrics; a dash without ground truth."""
    if isinstance(evaluation, ImageEvaluation):
        rows = [["all images", *_points(evaluation.summary())]]
        if per_category:
            rows += [[str(row["name"]), *_points(row)] for row in evaluation.per_category()]
        return _table(["points (0..100)", *ACCURACY_TITLES.values()], rows)
    parts = evaluation.per_part()
    rows = [[f"mean of {' and '.join(parts)}" if parts else "all videos",
             *_points(evaluation.summary())]]  # fmt: skip
    rows += [[f"{name} videos", *_points(numbers)] for name, numbers in parts.items()]
    tables = [
        _table(["points (0..100)", *ACCURACY_TITLES.values()], rows),
        _length_table(evaluation),
        *_level_tables(evaluation),
    ]
    if per_category:
        rows = [
            [escape_markdown(str(row["name"])), *_points(row)] for row in evaluation.per_category()
        ]
        tables.append(_table(["category", *ACCURACY_TITLES.values()], rows))
    if evaluation.tracking is not None:
        tables += [
            _table(*table)
            for table in tracking_tables(evaluation.tracking, per_category=per_category)
        ]
    return "\n\n".join(tables)


def _length_table(evaluation: Evaluation) -> str:
    keys = ("ap", "ap50", "ap75", "ar100")
    rows = [
        [LENGTHS[name], str(numbers["num_videos"]), *_points(numbers, keys)]
        for name, numbers in evaluation.per_length().items()
        if numbers["num_videos"]
    ]
    return _table(["frames per video", "videos", *(ACCURACY_TITLES[key] for key in keys)], rows)


def _level_tables(evaluation: Evaluation) -> list[str]:
    """A table of the levels that have objects; none where there are no such levels."""
    keys = ("ap", "ap50", "ap75", "ar100")
    rows = [
        [LEVEL_TITLES[name], str(numbers["num_objects"]), *_points(numbers, keys)]
        for name, numbers in evaluation.per_level().items()
        if numbers["num_objects"]
    ]
    headers = ["level", "objects", *(ACCURACY_TITLES[key] for key in keys)]
    return [_table(headers, rows)] if rows else []


def _points(
    numbers: Mapping[str, Any], keys: tuple[str, ...] = tuple(ACCURACY_TITLES)
) -> list[str]:
    return ["-" if numbers[key] == -1 else f"{100 * numbers[key]:.1f}" for key in keys]


def _nulled(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if value == -1 else value for key, value in numbers.items()}


def _table(headers: list[str], rows: list[list[str]]) -> str:
    align = ["left"] + ["right"] * (len(headers) - 1)
    return tabulate(rows, headers=headers, tablefmt="github", colalign=align, disable_numparse=True)
