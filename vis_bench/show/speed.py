"""Speed in print: every region that was timed, with its stages, memory and energy."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from vis_bench.cost.speed.video_run import OTHER
from vis_bench.inference.stages import STAGE_NAMES
from vis_bench.records.names import cost_labels
from vis_bench.records.schema import Record, RegionFields
from vis_bench.show.number_format import (
    has_devices,
    neighbors_mark,
    num_timed_videos,
    plain,
    protocol_mark,
    spread_mark,
)
from vis_bench.show.tables.grid import ABSENT

MEBIBYTE = 1 << 20
COMPILE_COLUMN, DEVICE_COLUMN = "Compile (s)", "Device"


def speed_table(records: Sequence[Record]) -> pd.DataFrame:
    """One row per record and region; stages are milliseconds per source frame.

    FPS are marked where equal runs differ by more than a tenth. `Load` is what the machine had to
    do before the first run: processes that wanted to run, of so many processors. `Videos` counts
    those that were timed. What compiling took has a column where something was compiled, the device
    where there are several.
    """
    table = pd.DataFrame(
        [
            _row(record, subject, region, fields)
            for record, subject in zip(records, cost_labels(records), strict=True)
            for region, fields in record.regions.items()
        ]
    )
    if table.empty:
        return table
    unneeded = [] if any(r.compile_seconds is not None for r in records) else [COMPILE_COLUMN]
    unneeded += [] if has_devices(records) else [DEVICE_COLUMN]
    return table.drop(columns=unneeded)


def _row(record: Record, subject: str, region: str, fields: RegionFields) -> dict[str, str]:
    stages = fields.stage_ms_per_frame
    return {
        "Method": subject,
        "Backbone": str(record.backbone),
        "Clip": str(record.clip_length),
        "Stride": plain(record.clip_stride),
        "Videos": plain(num_timed_videos(record)),
        "Region": region,
        "FPS": f"{_number(fields.fps, 1)}{spread_mark(fields)}{neighbors_mark(record)}"
        + protocol_mark(record),
        "Clip ms p50": _number(fields.latency_ms_p50, 1),
        "p90": _number(fields.latency_ms_p90, 1),
        "p99": _number(fields.latency_ms_p99, 1),
        **{name: _number(stages.get(name), 2) for name in (*STAGE_NAMES, OTHER)},
        "Memory (MiB)": _number(fields.peak_memory_bytes, 0, MEBIBYTE),
        "J/frame": _number(fields.energy_joules_per_frame, 2),
        COMPILE_COLUMN: _number(record.compile_seconds, 1),
        "Load": _load(record),
        DEVICE_COLUMN: plain(record.device),
    }


def _number(value: float | None, digits: int, unit: float = 1.0) -> str:
    return ABSENT if value is None else f"{value / unit:.{digits}f}"


def _load(record: Record) -> str:
    load, processors = record.load_average, record.num_cpus
    return ABSENT if load is None else f"{load:.1f} of {processors}"
