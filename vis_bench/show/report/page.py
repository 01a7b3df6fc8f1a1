"""The page: everything gathered, put into the templates, one file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from vis_bench.data.categories import dataset_title
from vis_bench.metrics.analyse import Analysis, analyse
from vis_bench.metrics.tracking.protocol import SCORE_THRESHOLD
from vis_bench.progress import Bars
from vis_bench.records.ranking import count
from vis_bench.runs.sources import Sources
from vis_bench.show.overlay.tracks import check_fit
from vis_bench.show.report import costs, plots
from vis_bench.show.report.facts import machine_facts, measured_facts, subjects_of
from vis_bench.show.report.metrics import (
    KINDS,
    cards,
    category_table,
    contradictions,
    error_table,
    metrics_table,
)
from vis_bench.show.report.player import HEIGHT
from vis_bench.show.report.videos import (
    ShownVideos,
    VideoPlan,
    chosen_groups,
    show_videos,
    video_table,
)
from vis_bench.text import one_line

_TEMPLATES = Path(__file__).parent / "templates"
MEGABYTE = 10**6


@dataclass(frozen=True)
class ReportPlan:
    """What a report shows.

    Attributes:
        num_videos: at most so many have pictures.
        side: long side of a picture, in pixels.
        min_score: tracks with lower scores are not drawn.
        num_resamples, seed: of the bootstrap.
        max_megabytes: how large the page may be.
    """

    num_videos: int = 8
    side: int = 360
    min_score: float = 0.3
    num_resamples: int = 1000
    seed: int = 0
    max_megabytes: float = 20.0


@dataclass(frozen=True)
class Report:
    """The page, and what it shows.

    Attributes:
        page: the file.
        shown: names of videos with pictures; `left_out` of those that had no room.
        warnings: sentences that stand on the page too.
    """

    page: bytes
    shown: Sequence[str]
    left_out: Sequence[str]
    warnings: Sequence[str]


def make_report(inputs: Sources, plan: ReportPlan, bars: Bars, command: str = "") -> Report:
    """Evaluates, resamples, draws, and writes the page.

    Args:
        command: how the report was made, for its last line.

    Raises:
        InputError: for results that do not belong to the annotations or to the frames.
    """
    check_fit(inputs)
    samples = _samples(inputs, plan, bars)
    groups = chosen_groups(samples, plan.num_videos)
    context = _context(inputs, samples, plan, command)
    environment = _environment()
    most = int(plan.max_megabytes * MEGABYTE)
    with bars.bar("draw", sum(len(group.places) for group in groups)) as advance:
        video_plan = VideoPlan(plan.side, plan.min_score, most)
        shown = show_videos(inputs, samples, groups, video_plan, advance)
    page = _render(environment, context, inputs, samples, shown)
    while len(page) > most and shown.num_shown:
        shown = shown.without(shown.least_telling())
        page = _render(environment, context, inputs, samples, shown)
    names = [video.name for _, videos in shown.groups for video in videos]
    return Report(page, names, shown.too_large, [*context["warnings"], *shown.warnings])


def _samples(inputs: Sources, plan: ReportPlan, bars: Bars) -> list[Analysis]:
    steps = len(inputs.sides) * len(inputs.truth.categories)
    with bars.bar("resampling", steps) as advance:
        found = []
        for side in inputs.sides:
            threshold = None if side.record is None else side.record.tracking_score_threshold
            found.append(
                analyse(
                    inputs.truth,
                    side.results,
                    tracking_threshold=SCORE_THRESHOLD if threshold is None else threshold,
                    num_resamples=plan.num_resamples,
                    seed=plan.seed,
                    advance=advance,
                )
            )
    return found


def _context(
    inputs: Sources, samples: Sequence[Analysis], plan: ReportPlan, command: str
) -> dict[str, Any]:
    """What the templates need but for the videos."""
    records, truth = [side.record for side in inputs.sides], inputs.truth
    warnings = [w for side in samples for w in side.evaluation.warnings]
    bars = costs.stage_bars(records)
    cost_tables = (costs.stage_table(records), costs.size_table(records))
    return {
        "is_pair": len(inputs.sides) == 2,
        "subjects": subjects_of(inputs.sides),
        "data": _data(inputs),
        "cards": cards(samples),
        "metrics": metrics_table(samples),
        "categories": category_table(samples),
        "errors": error_table(samples),
        "error_kinds": KINDS,
        "cost_tables": [table for table in cost_tables if table is not None],
        "speeds": costs.speed_table(records),
        "cost_remarks": costs.cost_remarks(records),
        "measured": measured_facts(records, truth),
        "machine": machine_facts(records),
        "charts": {
            "pr": plots.precision_recall(samples),
            "iou": plots.ap_over_iou(samples),
            "lost": plots.lost_ap(samples),
            "stages": plots.stage_costs(bars) if bars else None,
        },
        "warnings": list(dict.fromkeys([*contradictions(samples, records), *warnings])),
        "plan": plan,
        "thresholds": sorted({side.evaluation.tracking.score_threshold for side in samples
                              if side.evaluation.tracking is not None}),
        "has_frames": inputs.has_frames,
        "command": command,
    }  # fmt: skip


def _data(inputs: Sources) -> str:
    """The data set, where a record says it, and how much of it."""
    truth = inputs.truth
    amount = f"{count(len(truth.videos), 'video')}, {count(len(truth.objects), 'object')}"
    records = [side.record for side in inputs.sides if side.record is not None]
    known = [f"{dataset_title(record.dataset)} {record.split}: " for record in records]
    return "".join(known[:1]) + amount


def _render(
    environment: Environment,
    context: Mapping[str, Any],
    inputs: Sources,
    samples: Sequence[Analysis],
    shown: ShownVideos,
) -> bytes:
    style, script = (_own_file(name) for name in ("style.css", "script.js"))
    anchors = {video.id: f"video-{video.id}" for _, videos in shown.groups for video in videos}
    page = environment.get_template("page.html.jinja").render(
        **context,
        style=Markup(style),
        script=Markup(script),
        script_digest=_digest(script),
        shown=shown,
        frame_warnings=shown.warnings,
        videos=video_table(inputs, samples, anchors),
        num_videos=len(inputs.truth.videos),
        timeline_height=HEIGHT,
    )
    return page.encode()


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_printable,
    )  # fmt: skip


def _printable(value: object) -> object:
    """A text from data without what does not print; names of files may not even be UTF-8."""
    return one_line(value) if type(value) is str else value


def _own_file(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """What the page's security policy knows its one script by."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
