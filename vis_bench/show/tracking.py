"""What `eval --tracking` prints: HOTA and its parts, IDF1 and TETA, over all and per category."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from vis_bench.records.metrics import TRACKING_TITLES
from vis_bench.show.tables.to_markdown import escape_markdown

if TYPE_CHECKING:
    from vis_bench.metrics.tracking.evaluate import TrackingEvaluation

# Headers and rows.
Table = tuple[list[str], list[list[str]]]

_WAYS = {
    "det_averaged": "all detections",
    "class_averaged": "mean of classes",
    "class_agnostic": "without classes",
}
_HOTA = tuple(key for key in TRACKING_TITLES if key != "teta")
_TETA_TITLES = {"teta": "TETA", "loca": "LocA", "assoca": "AssocA", "clsa": "ClsA"}


def tracking_json(evaluation: TrackingEvaluation) -> dict[str, Any]:
    """All numbers as fractions; null where nothing is annotated."""
    return {
        "score_threshold": evaluation.score_threshold,
        **evaluation.summary(),
        "per_category": evaluation.per_category(),
    }


def tracking_tables(evaluation: TrackingEvaluation, *, per_category: bool = False) -> list[Table]:
    """The headline numbers in points; a dash where nothing is annotated."""
    summary = evaluation.summary()
    title = f"tracking, score > {evaluation.score_threshold:g}"
    tables: list[Table] = [
        (
            [title, *(TRACKING_TITLES[key] for key in _HOTA)],
            [[label, *_points(summary[way], _HOTA)] for way, label in _WAYS.items()],
        ),
        (
            [title, *_TETA_TITLES.values()],
            [["mean of classes", *_points(summary["teta"], _TETA_TITLES)]],
        ),
    ]
    if per_category:
        rows = [
            [escape_markdown(str(row["name"])), *_category(row)]
            for row in evaluation.per_category()
        ]
        tables.append(([title, *TRACKING_TITLES.values()], rows))
    return tables


def _category(row: Mapping[str, Any]) -> list[str]:
    if not row["annotated"]:
        return ["-"] * len(TRACKING_TITLES)
    return [*_points(row, _HOTA), *_points(row["teta"], ["teta"])]


def _points(numbers: Mapping[str, float | None], keys: Iterable[str]) -> list[str]:
    values = [numbers[key] for key in keys]
    return ["-" if value is None else f"{100 * value:.1f}" for value in values]
