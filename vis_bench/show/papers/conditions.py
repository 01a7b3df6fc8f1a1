"""What a measurement was made on, in one line, and whether a paper's figures are of the same."""

from __future__ import annotations

from vis_bench.data.categories import dataset_title, unit
from vis_bench.records.names import arithmetic_name
from vis_bench.records.ranking import caveats, count, is_comparable
from vis_bench.records.schema import Record
from vis_bench.show.papers.spec import PaperTable
from vis_bench.show.published import published_figures


def describe_conditions(record: Record, table: PaperTable | None = None) -> str:
    """Data, split, videos, resolution, precision, device and commit, with every reservation.

    Args:
        table: whose published figures the record stands beside; None where it stands alone.
    """
    parts = [
        f"{dataset_title(record.dataset)} {record.split}",
        None if record.num_videos is None else count(record.num_videos, unit(record.dataset)),
        _annotations(record),
        _pixels(record.resolution),
        None if record.precision is None else arithmetic_name(record),
        f"clip stride {record.clip_stride}" if record.clip_stride else None,
        record.timed_region if record.fps is not None else None,
        "timed as the authors say" if record.speed_protocol == "paper" else None,
        "FPS timed beside other workers" if record.timed_alone is False else None,
        record.device,
        f"commit {record.git_commit[:8]}" if record.git_commit else None,
        *caveats(record),
        None if table is None else _other_videos(record, table),
    ]
    return ", ".join(part for part in parts if part)


def fits_published(record: Record, table: PaperTable) -> bool:
    """Whether a difference between the record's and the table's figures says something: the same
    videos, trained weights, and none of the videos seen in training.
    """
    return is_comparable(record) and _other_videos(record, table) is None


def _other_videos(record: Record, table: PaperTable) -> str | None:
    """How the videos differ from those of the published figures, in words.

    The mini models' figures on other data are compared with each other, not with the paper's.
    """
    if record.dataset != table.dataset:
        return None
    if record.split != table.split:
        return f"not the published split, {table.split}"
    published = published_figures()["num_videos"].get(table.dataset, {}).get(table.split)
    if None in (published, record.num_videos) or published == record.num_videos:
        return None
    return f"not the {published} {unit(record.dataset)}s of the published split"


def _annotations(record: Record) -> str | None:
    digest = record.annotations_sha256
    return f"annotations {digest[:8]}" if digest else None


def _pixels(resolution: int | str | None) -> str | None:
    return f"short side {resolution}" if isinstance(resolution, int) else resolution
