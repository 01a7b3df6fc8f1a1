"""The interval of AP for a record that was measured without one."""

from __future__ import annotations

from pathlib import Path

from vis_bench.atomic_write import write_atomically
from vis_bench.data.results_file import read_results
from vis_bench.errors import InputError
from vis_bench.evaluation.bootstrap import ap_interval
from vis_bench.evaluation.ytvis import evaluate
from vis_bench.records.predictions import predictions_path
from vis_bench.records.store import read_record, record_json
from vis_bench.runs.record_annotations import ground_truth_of

# How far the AP of the predictions may lie from that of the record; arithmetic, not accuracy.
SAME_AP = 1e-9


def add_interval(
    record_path: Path, annotations: Path | None = None, data_root: Path | None = None
) -> tuple[float, float] | None:
    """Evaluates a record's predictions again and writes the ends of AP's interval into the record.

    Args:
        record_path: the record; its predictions lie beside it.
        annotations, data_root: as `ground_truth_of`.

    Returns:
        The ends, as fractions; None where the record holds no AP, or its interval already.

    Raises:
        InputError: where predictions or annotations are not at hand or not those of the record, or
            the record cannot be written.
    """
    record = read_record(record_path)
    if record.ap is None or record.ap_low is not None:
        return None
    results = read_results(predictions_path(record, record_path))
    evaluation = evaluate(ground_truth_of([record], annotations, data_root), results)
    check_same_ap(record_path, record.ap, evaluation.summary()["ap"])
    ends = ap_interval(evaluation.matches)
    if ends is not None:
        low, high = ends
        filled = record.model_copy(update={"ap_low": low, "ap_high": high})
        write_atomically(record_path, record_json(filled))
    return ends


def check_same_ap(record_path: Path, recorded: float, found: float) -> None:
    """Refuses predictions that do not have the AP of the record beside them."""
    if not abs(recorded - found) <= SAME_AP:
        raise InputError(
            f"record {record_path} holds AP {100 * recorded:.2f}, but the predictions beside it "
            f"have {100 * found:.2f}; expected those that it was measured with"
        )
