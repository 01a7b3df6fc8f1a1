"""What a measurement was made on, in one line."""

from __future__ import annotations

from vis_bench.data.categories import dataset_title
from vis_bench.records.caveats import caveats
from vis_bench.records.schema import Record


def describe_conditions(record: Record, published_split: str) -> str:
    """Data, split, videos, resolution, precision, device and commit, with every reservation."""
    parts = [
        f"{dataset_title(record.dataset)} {record.split}",
        _count(record.num_videos, "video"),
        _annotations(record),
        _pixels(record.resolution),
        record.precision,
        f"clip stride {record.clip_stride}" if record.clip_stride else None,
        record.timed_region if record.fps is not None else None,
        record.device,
        f"commit {record.git_commit[:8]}" if record.git_commit else None,
        *caveats(record),
    ]
    if record.dataset != "synthetic" and record.split != published_split:
        parts.append(f"not the published split, {published_split}")
    return ", ".join(part for part in parts if part)


def _annotations(record: Record) -> str | None:
    digest = record.annotations_sha256
    return f"annotations {digest[:8]}" if digest else None


def _pixels(resolution: int | str | None) -> str | None:
    return f"short side {resolution}" if isinstance(resolution, int) else resolution


def _count(number: int | None, noun: str) -> str | None:
    return None if number is None else f"{number} {noun}{'' if number == 1 else 's'}"
