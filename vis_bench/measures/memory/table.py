"""Memory over length: the table `memory`, with the longest video for some sizes of memory."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.data.categories import dataset_title
from vis_bench.measures.memory.growth import Growth, growth_of
from vis_bench.measures.speed.table import MEBIBYTE
from vis_bench.record.names import backbone_title, cost_labels
from vis_bench.record.schema import Record
from vis_bench.table.labels import measured_order
from vis_bench.table.model import ABSENT, Column, Entry, Page, Table
from vis_bench.table.number_format import number, plain, stride_text

TITLE = "Memory over length: how long a video fits"
# GiB of the columns with the longest video, beside the limits of the records' configs.
LIMITS_GIB = (8, 24, 80)
EXTRAPOLATED, AT_LEAST = "*", "≥"
REMARKS = (
    "MiB: tensors on a GPU; on a CPU resident memory of the process, Python, libraries and weights "
    "included, without freed blocks that malloc keeps. Peak: at the longest length; fixed: of no "
    "frame, on the curve.",
    "Longest video, in frames, by the curve through the measured lengths. Over clip: the video is "
    "one clip, so that it is the longest clip, too.",
)
_EXTRAPOLATED_REMARK = f"{EXTRAPOLATED}: extrapolated, outside the measured lengths."
_AT_LEAST_REMARK = (
    f"{AT_LEAST}: longer ones may fit, too; nothing is extrapolated beyond ten times the longest "
    "measured length, or without a curve that predicts the lengths between."
)
_COLUMNS = (
    Column("Method", numeric=False),
    Column("Backbone", numeric=False, context="backbone {}", joined=", "),
    Column("Resolution", numeric=False, context="resolution {}", joined=", "),
    Column("Data", numeric=False, context="{}", weight=3),
    Column("Video", numeric=False, context="video of {}", weight=8),
    Column("Clip"),
    Column("Stride", joined="/"),
    Column("Device", numeric=False, context="{}", weight=9),
    Column("Over", numeric=False, context="over {}", weight=6),
    Column("Measured", numeric=False, context="measured at {} frames"),
    Column("Tracks", weight=5),
    Column("Peak (MiB)"),
    Column("Fixed (MiB)", weight=4),
    Column("MiB/frame"),
)


def over_length(records: Sequence[Record]) -> list[Record]:
    """The records with memory over length, in the order of the table of all records."""
    return sorted((r for r in records if r.memory_points), key=measured_order)


def memory_page(records: Sequence[Record]) -> Page:
    """A row per record, with a column for each size of memory."""
    rows = over_length(records)
    asked = {limit for row in rows if (limit := _limit_gib(row)) is not None}
    limits = sorted({*LIMITS_GIB, *asked})
    columns = (*_COLUMNS, *(Column(f"{x:g} GiB", group="Longest video") for x in limits))
    lines = tuple(
        tuple(map(Entry, (*_labels(row, name), *_figures(row, limits))))
        for row, name in zip(rows, cost_labels(rows), strict=True)
    )
    texts = [entry.text for line in lines for entry in line[len(_COLUMNS) :]]
    remarks = [*REMARKS] if lines else []
    remarks += [_EXTRAPOLATED_REMARK] if any(EXTRAPOLATED in text for text in texts) else []
    remarks += [_AT_LEAST_REMARK] if any(AT_LEAST in text for text in texts) else []
    return Page(TITLE, (Table(columns, lines),), {}, tuple(remarks))


def _limit_gib(record: Record) -> float | None:
    """The limit that the record's config sets."""
    memory = record.config.get("memory")
    limit = memory.get("limit_gib") if isinstance(memory, dict) else None
    return limit if isinstance(limit, int | float) and limit > 0 else None


def _labels(record: Record, name: str) -> tuple[str, ...]:
    lengths = [point.num_frames for point in record.memory_points]
    tracks = [point.num_tracks or 0 for point in record.memory_points]
    size = record.memory_video_size
    return (
        name, backbone_title(record.backbone),
        f"{record.resolution}p" if isinstance(record.resolution, int) else plain(record.resolution),
        f"{dataset_title(record.dataset)} {record.split}",
        ABSENT if size is None else f"{size[0]}x{size[1]}", plain(record.clip_length),
        stride_text(record), plain(record.device),
        plain(record.memory_over), ", ".join(map(str, lengths)), str(max(tracks)),
        number(record.memory_points[-1].peak_bytes, 0, MEBIBYTE),
    )  # fmt: skip


def _figures(record: Record, limits_gib: Sequence[float]) -> list[str]:
    growth = growth_of(record)
    if growth is None:
        return [ABSENT] * (2 + len(limits_gib))
    fixed, *slopes = growth.coefficients or (None,)
    per_frame = number(slopes[0], 2, MEBIBYTE) if slopes else growth.kind
    if len(slopes) > 1:
        per_frame += f" + {slopes[1] / MEBIBYTE:.3g} n"
    longest = [longest_text(growth, limit * 1024 * MEBIBYTE) for limit in limits_gib]
    return [number(fixed, 0, MEBIBYTE), per_frame, *longest]


def longest_text(growth: Growth, limit: float) -> str:
    """The longest video within some bytes: `96`, `240*` if extrapolated, `≥640` for a bound."""
    longest = growth.longest(limit)
    if not longest.frames:
        return "0" if growth.coefficients else f"<{min(growth.peaks)}"
    mark = EXTRAPOLATED if longest.extrapolated else ""
    return f"{AT_LEAST if longest.more else ''}{longest.frames}{mark}"
