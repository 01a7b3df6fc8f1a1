"""The page of a report: everything it shows, rendered from the templates into one file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from vis_bench.charts import css_colors, draw_inline
from vis_bench.charts.looks import looks_of
from vis_bench.data.categories import dataset_title
from vis_bench.data.doubts import limit_remarks
from vis_bench.data.video import named_apart
from vis_bench.files import check_writable, write_atomically
from vis_bench.metrics.compare import warnings_of
from vis_bench.metrics.errors import VideoErrors, break_down_videos
from vis_bench.metrics.scores import DEFAULTS, Asked
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.progress import Bars
from vis_bench.record.schema import Record
from vis_bench.runs.sources import Sources, check_any_frame
from vis_bench.show.compare import analyses
from vis_bench.show.evaluation import empty_remarks
from vis_bench.show.overlay.strip import MARKS
from vis_bench.show.overlay.tracks import check_fit
from vis_bench.show.report import plots
from vis_bench.show.report.boundary import boundary_findings
from vis_bench.show.report.facts import (
    base_names,
    describe_sides,
    machine_facts,
    measured_facts,
    shared_by,
)
from vis_bench.show.report.measurements import not_measured, sections
from vis_bench.show.report.metrics import (
    KINDS,
    category_table,
    contradictions,
    error_table,
    group_table,
    hard_table,
    metrics_table,
)
from vis_bench.show.report.scores import (
    TrackScores,
    bin_table,
    confused,
    confusion_table,
    track_scores,
)
from vis_bench.show.report.sides import ENOUGH_OBJECTS, LETTERS, Sides, methods_of
from vis_bench.show.report.table import order_of
from vis_bench.show.report.verdict import care, title_of, verdict
from vis_bench.show.report.videos import (
    HEIGHT,
    MANY,
    by_change,
    by_interest,
    show_videos,
    video_map,
    video_table,
)
from vis_bench.table.number_format import approximate
from vis_bench.table.to_html import script_digest
from vis_bench.text import count, one_line

_TEMPLATES = Path(__file__).parent / "templates"
MEGABYTE = 10**6


@dataclass(frozen=True)
class ReportPlan:
    """Options of a report.

    Attributes:
        num_videos: most videos that can be opened; None for all.
        side: longest side of a frame, in pixels; no frame is enlarged.
        min_score: tracks with lower scores are not drawn.
        max_megabytes: largest size of the page.
        asked: what is evaluated beside AP; the threshold of tracking metrics is each record's.
    """

    num_videos: int | None = None
    side: int = 360
    min_score: float = SCORE_THRESHOLD
    max_megabytes: float = 15.0
    asked: Asked = DEFAULTS


@dataclass(frozen=True)
class Report:
    """The page, names of its videos that can be opened and of those without room, and warnings."""

    page: bytes
    shown: Sequence[str]
    left_out: Sequence[str]
    warnings: Sequence[str]


def write_report(
    inputs: Sources, plan: ReportPlan, bars: Bars, command: str, output: Path
) -> Report:
    """Check the annotations, the frames and the output, then make the page and write it.

    Args:
        command: as for `make_report`.
    """
    check_any_frame(inputs.videos)
    check_writable(output)
    report = make_report(inputs, plan, bars, command)
    write_atomically(output, report.page)
    return report


def make_report(inputs: Sources, plan: ReportPlan, bars: Bars, command: str) -> Report:
    """Evaluate, resample, draw, and write the page.

    Args:
        command: command line of the report, for its last line.
    """
    check_fit(inputs)
    inputs = replace(inputs, videos=named_apart(inputs.videos))
    sides = _analyse(inputs, plan, bars)
    order = by_interest(sides, plan.num_videos)
    context = _context(inputs, sides, plan, command, bars)
    scores = context["scores"]
    most = int(plan.max_megabytes * MEGABYTE)
    with bars.bar("draw", len(order)) as advance:
        shown, too_large, warnings = show_videos(
            inputs,
            sides,
            scores,
            order,
            side=plan.side,
            min_score=plan.min_score,
            num_bytes=most,
            advance=advance,
        )
    place = {inputs.truth.videos[v].id: rank for rank, v in enumerate(by_change(sides))}
    while True:
        ids = {own.video.id for own in shown}
        page = _render(
            context,
            shown=sorted(shown, key=lambda own: place[own.video.id]),
            ids=ids,
            opened=shown[0].video.id if shown else None,
            too_large=too_large,
            larger=_larger(plan, len(shown), len(too_large)),
            frame_warnings=warnings,
            marks={
                mark: text
                for mark, (*_, text) in MARKS.items()
                if any(mark in own.player.marks for own in shown)
            },
            video_map=video_map(sides, scores, ids),
            videos=video_table(sides, scores, ids),
            errors=error_table(sides, context["by_video"], ids),
        )
        if len(page) <= most or not shown:
            names = [own.video.name for own in shown]
            return Report(page, names, too_large, [*context["warnings"], *warnings])
        too_large.append(shown.pop().video.name)


def _larger(plan: ReportPlan, num_shown: int, num_left_out: int) -> int:
    """Return a size, in tens of megabytes, that has room for all videos."""
    tens = plan.max_megabytes / 10 * (1 + num_left_out / max(1, num_shown))
    return 10 * math.ceil(1.1 * tens)


def _analyse(inputs: Sources, plan: ReportPlan, bars: Bars) -> Sides:
    thresholds = [_tracking_threshold(side.record) for side in inputs.sides]
    asked = [replace(plan.asked, tracking_threshold=threshold) for threshold in thresholds]
    return Sides(list(analyses(inputs, bars, *asked)))


def _tracking_threshold(record: Record | None) -> float:
    known = None if record is None else record.tracking_score_threshold
    return SCORE_THRESHOLD if known is None else known


def _context(
    inputs: Sources, sides: Sides, plan: ReportPlan, command: str, progress: Bars
) -> dict[str, Any]:
    """Everything of the page but the videos, for the templates."""
    records, truth = [side.record for side in inputs.sides], inputs.truth
    names = [side.name for side in inputs.sides]
    evaluations = [own.evaluation for own in sides.samples]
    warnings = warnings_of(sides.samples)
    scores, by_video = _scores_and_errors(sides, progress)
    methods = methods_of(records)
    panels = plots.report_panels(sides, scores, methods)
    confusions = map(confusion_table, sides.samples, scores, sides.letters)
    thresholds = {own.tracking.score_threshold for own in evaluations if own.tracking is not None}
    return {
        "is_pair": sides.is_pair,
        "subjects": describe_sides(inputs.sides),
        "shared": shared_by(inputs.sides),
        "data": _data(inputs, evaluations[0].asked.max_tracks),
        "title": title_of(sides, names),
        "verdict": verdict(sides, records),
        "care": care(scores, names),
        "scores": scores,
        "by_video": by_video,
        "metrics": metrics_table(sides),
        "categories": category_table(sides),
        "hard": hard_table(sides),
        "few": any(own.is_few for own in sides.of_hard_objects()) and ENOUGH_OBJECTS,
        "boundary": boundary_findings(sides),
        "groups": group_table(sides),
        "empty_groups": empty_remarks(evaluations[0].per_group),
        "bins": bin_table(scores, sides.letters),
        "confusions": list(confusions),
        "confused": confused(scores, sides.letters),
        "is_confused": any(own.num_confused for own in scores),
        "error_kinds": KINDS,
        "sections": sections(records),
        "not_measured": not_measured(records),
        "measured": measured_facts(records, truth),
        "machine": machine_facts(records),
        "charts": {
            name: draw_inline([own], name, size=plots.SIZE, methods=methods)
            for name, own in panels.items()
        },
        "warnings": list(dict.fromkeys([*contradictions(sides, records), *warnings])),
        "plan": plan,
        "thresholds": sorted(thresholds),
        "has_frames": inputs.has_frames,
        "command": base_names(command),
        "num_videos": len(truth.videos),
        "approximate": approximate(len(truth.videos)),
        "timeline_height": HEIGHT,
        "are_many": len(truth.videos) >= MANY,
        **_resources(methods),
    }


def _scores_and_errors(
    sides: Sides, progress: Bars
) -> tuple[list[TrackScores], list[Sequence[VideoErrors]]]:
    scores: list[TrackScores] = []
    by_video: list[Sequence[VideoErrors]] = []
    with progress.bar("scores and errors", 2 * len(sides.samples)) as advance:
        for own in sides.samples:
            scores.append(track_scores(own))
            advance()
            by_video.append(break_down_videos(own.truth, own.results))
            advance()
    return scores, by_video


def _resources(methods: Sequence[str]) -> dict[str, str]:
    """The page's style and script, and the hash of the script for the Content-Security-Policy.

    Args:
        methods: of the sides, whose letters have their colors; that of a method's second side is
            hollow.
    """
    looks = looks_of([list(zip(methods, LETTERS, strict=False))]).values()
    letters = "".join(
        f".{letter} {{ --side: var(--chart-{look.color});"
        f" --fill: var(--{'side' if look.fill == 'full' else 'paper'});"
        f" --text: var(--{'paper' if look.fill == 'full' else 'side'}) }}\n"
        for letter, look in zip(LETTERS, looks, strict=False)
    )
    style, player, script = (
        (_TEMPLATES / name).read_text(encoding="utf-8")
        for name in ("style.css", "player.js", "script.js")
    )
    script = player + script
    return {
        "style": Markup(css_colors() + letters + style),
        "script": Markup(script),
        "script_digest": script_digest(script),
    }


def _data(inputs: Sources, max_tracks: int | None) -> str:
    """The data set, if a record names it, its size, and a limit of tracks that is not official."""
    truth = inputs.truth
    amount = f"{count(len(truth.videos), 'video')}, {count(len(truth.objects), 'object')}"
    records = [side.record for side in inputs.sides if side.record is not None]
    known = [f"{dataset_title(record.dataset)} {record.split}: " for record in records]
    return ". ".join(["".join(known[:1]) + amount, *limit_remarks(max_tracks)])


def _render(context: Mapping[str, Any], **more: Any) -> bytes:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.globals["order_of"] = order_of
    environment.filters["breaking"] = _breaking
    return environment.get_template("page.html.jinja").render(**context, **more).encode()


def _breaking(text: str) -> Markup:
    """A text whose lines may break behind underscores."""
    return escape(one_line(text)).replace("_", Markup("_<wbr>"))


def _printable(value: object) -> object:
    """Escape what does not print in a text from data; names of files may not even be UTF-8."""
    return one_line(value) if type(value) is str else value
