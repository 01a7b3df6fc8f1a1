"""What later versions measure from the same predictions, for a record that lacks it."""

from __future__ import annotations

from pathlib import Path

from vis_bench.data.results_file import read_results
from vis_bench.errors import InputError
from vis_bench.files import write_atomically
from vis_bench.metrics.bootstrap import ap_interval
from vis_bench.metrics.levels import LEVELS
from vis_bench.metrics.ytvis import evaluate
from vis_bench.records.schema import Record
from vis_bench.records.store import predictions_path, read_record, record_json
from vis_bench.runs.sources import find_annotations

# What is added, and what stands for AP where there is no object.
FIELDS = ("ap_low", "ap_high", *(f"ap_{name}" for name in LEVELS))
NO_OBJECT = -1

# How far the AP of the predictions may lie from that of the record; arithmetic, not accuracy.
SAME_AP = 1e-9


def complete_record(
    record_path: Path, annotations: Path | None = None, data_root: Path | None = None
) -> list[str]:
    """Evaluates a record's predictions again and writes what the record lacks into it: the ends of
    AP's interval, and AP by level.

    Args:
        record_path: the record; its predictions lie beside it.
        annotations, data_root: as for `find_annotations`.

    Returns:
        The fields that were written; none where the record holds no AP, or all of them already.

    Raises:
        InputError: where predictions or annotations are not at hand or not those of the record, or
            the record cannot be written.
    """
    record = read_record(record_path)
    if record.ap is None or not _lacking(record):
        return []
    results = read_results(predictions_path(record, record_path))
    truth, _ = find_annotations([record], annotations, data_root)
    evaluation = evaluate(truth, results)
    check_same_ap(record_path, record.ap, evaluation.summary()["ap"])
    low, high = ap_interval(evaluation.matches) or (None, None)
    found = {"ap_low": low, "ap_high": high, **evaluation.level_aps()}
    added = {key: found[key] for key in _lacking(record) if found[key] not in (None, NO_OBJECT)}
    if added:
        write_atomically(record_path, record_json(record.model_copy(update=added)))
    return list(added)


def _lacking(record: Record) -> list[str]:
    return [field for field in FIELDS if getattr(record, field) is None]


def check_same_ap(record_path: Path, recorded: float, found: float) -> None:
    """Refuses predictions that do not have the AP of the record beside them."""
    if not abs(recorded - found) <= SAME_AP:
        raise InputError(
            f"record {record_path} holds AP {100 * recorded:.2f}, but the predictions beside it "
            f"have {100 * found:.2f}; expected those that it was measured with"
        )
