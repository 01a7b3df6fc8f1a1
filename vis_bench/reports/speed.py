"""Speed in print: every region that was timed, with its stages, memory and energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from vis_bench.cost.speed.video_run import OTHER
from vis_bench.inference.stages import STAGE_NAMES
from vis_bench.records.labels import subject_labels
from vis_bench.records.record import Record
from vis_bench.reports.measured import noise
from vis_bench.tables.grid import ABSENT

MEBIBYTE = 1 << 20


def speed_table(records: Sequence[Record]) -> pd.DataFrame:
    """One row per record and region; stages are milliseconds per source frame.

    FPS are marked where equal runs differ by more than a tenth. `Load` is what the machine had to
    do before the first run: processes that wanted to run, of so many processors.
    """
    return pd.DataFrame(
        [
            _row(record, subject, region, fields)
            for record, subject in zip(records, subject_labels(records), strict=True)
            for region, fields in (record.get("regions") or {}).items()
        ]
    )


def _row(record: Record, subject: str, region: str, fields: Mapping[str, Any]) -> dict[str, str]:
    stages = fields["stage_ms_per_frame"]
    return {
        "Method": subject,
        "Backbone": str(record["backbone"]),
        "Clip": str(record["clip_length"]),
        "Stride": ABSENT if record["clip_stride"] is None else str(record["clip_stride"]),
        "Region": region,
        "FPS": f"{fields['fps']:.1f}{noise(dict(fields), 'FPS')}",
        "Clip ms p50": f"{fields['latency_ms_p50']:.1f}",
        "p90": f"{fields['latency_ms_p90']:.1f}",
        "p99": f"{fields['latency_ms_p99']:.1f}",
        **{name: _number(stages.get(name), 2) for name in (*STAGE_NAMES, OTHER)},
        "Memory (MiB)": _number(fields["peak_memory_bytes"], 0, MEBIBYTE),
        "J/frame": _number(fields["energy_joules_per_frame"], 2),
        "Load": _load(record),
    }


def _number(value: float | None, digits: int, unit: float = 1.0) -> str:
    return ABSENT if value is None else f"{value / unit:.{digits}f}"


def _load(record: Record) -> str:
    load, processors = record.get("load_average"), record.get("num_cpus")
    return ABSENT if load is None else f"{load:.1f} of {processors}"
