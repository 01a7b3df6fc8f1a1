"""The page of clip lengths: AP of every cell, where it is hard, and where objects return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from page_text import GENERATED, fold_of, section
from returning import Sweep, returning_page
from vis_bench.metrics.half_samples import ap_samples
from vis_bench.metrics.matching import Matches, num_holding
from vis_bench.metrics.scores import difference_of
from vis_bench.record.metrics import AP, LEVELS, PARTS
from vis_bench.record.schema import Record
from vis_bench.show.leaderboard import best_cells
from vis_bench.show.measured import measured_page, speed_remarks
from vis_bench.table.labels import CLIP, cell_columns, cell_names
from vis_bench.table.model import Column, Page, Table
from vis_bench.table.number_format import figure, interval_notes, points, range_text

TITLE = "AP by clip length"
HARD_TITLE = "AP where it is hard"
_HARD_TEXT = (
    "The best cell of each method and backbone. Lightly, moderately and heavily occluded objects "
    "are those of OVIS:\nwhat counts is the more hidden half of an object's frames. Returning "
    "objects are seen again after frames in which they are not.\nObjects of other levels are "
    "ignored, while predictions that match nothing count at every level.\n"
)
_RETURNING_TEXT = (
    "Returning objects are seen again after frames in which they are not; staying objects are all "
    "others.\nCounted by objects, those of the other kind are ignored, while tracks that match "
    "nothing count, fragments of the\nother kind too. Counted by videos, AP is that of the videos "
    "with a returning object and of those without,\nwhich share nothing: the sentences and the "
    "chart are about these.\n"
)
# Metrics that some records have beside AP: of short and of long videos, and of levels.
_HARD = (*(metric for metric in PARTS if metric.title.startswith("AP ")), *LEVELS)


def clip_lengths_text(
    records: Sequence[Record],
    hard: Page | None,
    sweeps: Sequence[Sweep],
    pictures: tuple[str, str],
) -> str:
    """The page.

    Args:
        records: of no ablation.
        hard: as `hard_page`.
        pictures: Markdown of the charts of all cells and of the sweeps.
    """
    measured = measured_page(records)
    measured = replace(
        measured,
        title=TITLE,
        findings=tuple(clip_findings(records)),
        remarks=(*measured.remarks, *speed_remarks(records)),
    )
    parts = [GENERATED, section(measured, pictures[0], level=1, fold=fold_of(measured))]
    if hard:
        parts.append(section(hard, _HARD_TEXT))
    if sweeps:
        page = returning_page(sweeps)
        *gains, by_clip = page.tables
        parts.append(
            section(replace(page, tables=(gains[-1],)), f"{_RETURNING_TEXT}\n{pictures[1]}")
        )
        rest = Page("", (*gains[:-1], by_clip))
        parts.append(section(rest, fold="Counted by objects, and AP of each cell"))
    return "\n".join(parts)


def clip_findings(records: Sequence[Record]) -> list[str]:
    """A sentence on the clips with which each method has its highest AP."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if record.ap is not None and record.clip_length is not None:
            found.setdefault(record.method, []).append(record)
    swept = [own for own in found.values() if len({r.clip_length for r in own}) > 1]
    best = sorted(
        (max(own, key=lambda r: r.ap or 0.0) for own in swept), key=lambda r: -(r.ap or 0)
    )
    names = cell_names(best, leave_out=(*CLIP, "device"))
    parts = []
    for name, record in zip(names, best, strict=True):
        whole = record.clip_length == "whole"
        clip = "whole videos" if whole else f"clips of {record.clip_length}"
        ends = range_text(record.ap_low, record.ap_high)
        parts.append(f"{name} {AP.text(record.ap or 0)}{f' ({ends})' if ends else ''} on {clip}")
    return [f"Highest AP (95 %): {', '.join(parts)}."] if parts else []


def hard_page(
    records: Sequence[Record], matches_of: Callable[[Record], Matches | None]
) -> Page | None:
    """AP of hidden and of returning objects and of long videos, and what hiding costs; columns
    without values are left out, and None stands for no rows.

    Args:
        matches_of: as `PairedAP.matches`.
    """
    rows = best_cells([r for r in records if any(m.of(r) is not None for m in _HARD)])
    if not rows:
        return None
    metrics = [AP, *(metric for metric in _HARD if any(metric.of(r) is not None for r in rows))]
    values = [(Column(metric.title), [figure(row, metric) for row in rows]) for metric in metrics]
    table = Table.of_columns([*cell_columns(rows), *values])
    lost = {n: text for n, row in enumerate(rows) if (text := _lost(row, matches_of(row)))}
    names = cell_names(rows, leave_out=(*CLIP, "device", "backbone", "resolution"))
    parts = [f"{names[n]} {text}" for n, text in lost.items()]
    found = f"From lightly to heavily occluded objects AP falls (95 %): {', '.join(parts)}."
    notes = interval_notes(rows[n].num_videos for n in lost)
    return Page(HARD_TITLE, (table,), {}, notes, (found,) if parts else ())


def _lost(record: Record, matches: Matches | None) -> str:
    """AP of lightly occluded objects minus that of heavily occluded ones; empty where unknown or
    where there is next to none to lose.
    """
    if matches is None or not {"so", "ho"} <= set(matches.levels) or (record.ap_so or 0) < 0.01:
        return ""
    light_S, heavy_S = (ap_samples(matches, level=level) for level in ("so", "ho"))
    held = min(num_holding(matches.categories, matches.ranges.index(x)) for x in ("so", "ho"))
    lost = difference_of(heavy_S, light_S, record.num_videos or 0, held)
    ends = range_text(lost.low, lost.high)
    return f"by {points(lost.difference)}" + (f" ({ends})" if ends else "")
