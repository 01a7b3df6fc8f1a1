"""Table of speed: every timed region with its stages, memory and energy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vis_bench.record.names import cost_labels
from vis_bench.record.schema import Record, RegionFields
from vis_bench.table.model import ABSENT, Page, Table
from vis_bench.table.number_format import (
    fps_marks,
    has_devices,
    num_timed_videos,
    number,
    plain,
)

MEBIBYTE = 1 << 20
COMPILE_COLUMN, DEVICE_COLUMN = "Compile (s)", "Device"


TITLE = "Speed of the timed regions"


def speed_page(records: Sequence[Record]) -> Page:
    """The table, and reasons for regions without figures."""
    return Page(TITLE, (speed_table(records),), {}, tuple(untimed_remarks(records)))


def speed_table(records: Sequence[Record]) -> Table:
    """Tabulate a row per record and region; stages are milliseconds per source frame.

    `Interval` is the time between the results of two clips; `Load` is the load average before the
    first run and the number of CPUs; `Videos` counts timed videos. Compile time has a column if
    anything was compiled, the device if it varies.
    """
    unneeded = set() if any(r.compile_seconds is not None for r in records) else {COMPILE_COLUMN}
    unneeded |= set() if has_devices(records) else {DEVICE_COLUMN}
    rows = [
        _row(record, subject, region, fields)
        for record, subject in zip(records, cost_labels(records), strict=True)
        for region, fields in {**record.regions, **blank_regions(record)}.items()
    ]
    return Table.from_dicts({k: v for k, v in row.items() if k not in unneeded} for row in rows)


def blank_regions(record: Record) -> dict[str, RegionFields]:
    """Regions that the config names and the method does not have, without figures."""
    return dict.fromkeys(record.untimed_regions, RegionFields())


def untimed_remarks(records: Iterable[Record]) -> list[str]:
    """Footnotes explaining the rows of `blank_regions`."""
    found = [
        f"{record.method} has no region {region}: {why}."
        for record in records
        for region, why in record.untimed_regions.items()
    ]
    return [*dict.fromkeys(found)]


def _row(record: Record, subject: str, region: str, fields: RegionFields) -> dict[str, str]:
    from vis_bench.inference.stages import OTHER, STAGE_NAMES  # imports PyTorch

    stages = fields.stage_ms_per_frame
    return {
        "Method": subject,
        "Backbone": str(record.backbone),
        "Clip": str(record.clip_length),
        "Stride": plain(record.clip_stride),
        "Videos": plain(num_timed_videos(record)),
        "Region": region,
        "FPS": number(fields.fps, 1) + fps_marks(record, fields),
        "Interval ms p50": number(fields.latency_ms_p50, 1),
        "p90": number(fields.latency_ms_p90, 1),
        "p99": number(fields.latency_ms_p99, 1),
        **{name: number(stages.get(name), 2) for name in (*STAGE_NAMES, OTHER)},
        "Memory (MiB)": number(fields.peak_memory_bytes, 0, MEBIBYTE),
        "J/frame": number(fields.energy_joules_per_frame, 2),
        COMPILE_COLUMN: number(record.compile_seconds, 1),
        "Load": _load(record),
        DEVICE_COLUMN: plain(record.device),
    }


def _load(record: Record) -> str:
    load, processors = record.load_average, record.num_cpus
    return ABSENT if load is None else f"{load:.1f} of {processors}"
