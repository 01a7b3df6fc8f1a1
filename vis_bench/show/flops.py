"""Multiply-adds of a cell by module, and of many cells by clip length."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from vis_bench.data.nominal import NUM_FRAMES
from vis_bench.errors import InputError
from vis_bench.hosted_method import HostedMethod
from vis_bench.inference.loop import InferencePlan
from vis_bench.inference.whole_video import check_whole_video
from vis_bench.measures.flops.counter import CONVENTION, CONVENTION_TEXT, GIGA
from vis_bench.measures.flops.run import counting_flops
from vis_bench.measures.flops.values import count_nominal_on_values
from vis_bench.measures.flops.video import NominalCost, ShapeCounter, count_nominal
from vis_bench.progress import Advance, silent
from vis_bench.record.metrics import GFLOPS_PER_CLIP, GFLOPS_PER_FRAME, GMACS_NOTE
from vis_bench.record.names import backbone_title, method_title, option_words
from vis_bench.runs.build import BuildMethod, GuardedMethod, Recipe
from vis_bench.runs.config import Cell, DatasetConfig
from vis_bench.runs.sources import config_categories
from vis_bench.table import Part, as_markdown, render
from vis_bench.table.model import ABSENT, Column, Page, Table
from vis_bench.table.number_format import percent, plain
from vis_bench.table.to_markdown import escape_markdown
from vis_bench.text import count, listed, one_line
from vis_bench.video_method import VideoMethod


@dataclass(frozen=True)
class FlopsReport:
    """Cost of one cell for the nominal video."""

    cell: Cell
    backbone: str
    reconstruction: bool
    cost: NominalCost

    @property
    def label(self) -> str:
        """The method's name, marked where the authors' own code was never published."""
        return (self.cell.label or method_title(self.cell.method)) + (
            " (reconstruction)" if self.reconstruction else ""
        )

    def as_json(self) -> dict[str, Any]:
        """Plain types; counts in multiply-adds, in units of 1e9 where named so."""
        clip, video, tree = self.cost.clip, self.cost.video, self.cost.tree
        return {
            "method": self.cell.method,
            "options": self.cell.options,
            "backbone": self.backbone,
            "reconstruction": self.reconstruction,
            "height": self.cost.size_HW[0],
            "width": self.cost.size_HW[1],
            "clip_length": clip.num_frames,
            "clip_stride": self.cell.stride,
            "num_frames": video.num_frames,
            "num_clips": video.num_clips,
            "num_params": tree.num_params,
            "flop_convention": CONVENTION,
            "gflops_per_clip": clip.all.total / GIGA,
            "gflops_per_frame": video.per_frame / GIGA,
            "macs_by_operator": dict(sorted(video.all.by_op().items())),
            "uncounted_ops": sorted(video.all.zero_ops),
            "upper_bound_ops": sorted(video.all.assumed_ops),
            "excluded": ["tracker"],
            "tree_columns": [
                "encode_frames, per frame",
                "predict_clip, per clip",
                "per source frame",
            ],
            "tree": tree.as_json(),
        }

    def as_text(self, depth: int = 2) -> str:
        """The parts as Markdown."""
        return as_markdown(self.parts(depth)).removesuffix("\n")

    def parts(self, depth: int = 2) -> list[Part]:
        """A table of the modules down to `depth` levels, and totals."""
        titles = "Params (M)", "Per frame", "Per clip", "Per source frame", "Share"
        columns = [Column("Module", numeric=False), *map(Column, titles)]
        legend = (
            "Per frame: encode_frames. Per clip: predict_clip. Per source frame: both, shared out."
        )
        table = Page("", (Table.of(columns, self._rows(depth)),), {}, (legend,))
        return [self._title(), table, self._totals()]

    def _rows(self, depth: int) -> Iterable[list[str]]:
        tree = self.cost.tree
        for level, node in tree.walk(depth):
            share = node.macs[-1] / tree.macs[-1] if tree.macs[-1] else 0.0
            figures = [f"{node.num_params / 1e6:.2f}", *(f"{m / GIGA:.3f}" for m in node.macs)]
            if any(float(figure) for figure in figures):
                yield [level * "\u00b7 " + node.name, *figures, percent(share, 1)]

    def _title(self) -> str:
        height, width = self.cost.size_HW
        length, stride = self.cost.clip.num_frames, self.cell.stride
        clips = f"clips of {length} frames" + ("" if stride is None else f" at stride {stride}")
        return (
            f"{self.label}, {self.backbone}: frames of {height}x{width}, {clips}, in a "
            f"video of {self.cost.video.num_frames} frames; in G = 1e9 multiply-adds"
        )

    def _totals(self) -> str:
        video = self.cost.video
        clip, frame = self.cost.clip.all.total / GIGA, video.per_frame / GIGA
        lines = [
            f"one clip by itself: {GFLOPS_PER_CLIP.text(clip)} GMACs",
            f"per source frame:   {GFLOPS_PER_FRAME.text(frame)} GMACs; "
            f"{count(video.num_frames, 'frame')} encoded once, "
            f"{count(video.num_clips, 'clip')} predicted",
            GMACS_NOTE,
            f"convention {CONVENTION}: {CONVENTION_TEXT}",
            "the tracker and the run-length coding are not counted",
            f"seen and counted 0: {', '.join(sorted(video.all.zero_ops)) or 'none'}",
        ]
        if video.all.assumed_ops:
            ops = ", ".join(sorted(video.all.assumed_ops))
            lines.append(f"upper bound: {ops} assumed to select everything they are asked about")
        return "\n".join(lines) + "\n"


def report_flops(
    build_method: BuildMethod, cells: Iterable[Cell], advance: Advance = silent
) -> Iterator[FlopsReport]:
    """Count each cell for the nominal video, without data or memory; a `VideoMethod` predicts it.

    The head has the classes of the cell's data set, which need not be on disk. Nor need the
    weights, but a config.json beside them decides the options that it states.
    """
    counters: dict[str, tuple[GuardedMethod, ShapeCounter]] = {}
    settings = {"method", "options", "weights", "kernel_backend", "dataset"}
    for cell in cells:
        key = cell.model_dump_json(include=settings)
        if key not in counters:
            loaded = Recipe.without_data(build_method, cell).on_meta()
            with loaded.calling() as method:
                counters[key] = loaded, ShapeCounter(method)
        loaded, counter = counters[key]
        with loaded.calling(), counting_flops(cell.method):
            report = _report(cell, counter, len(config_categories(cell.dataset)))
        yield report
        advance()


def _report(cell: Cell, counter: ShapeCounter, num_classes: int) -> FlopsReport:
    method = counter.method
    device = torch.device("cpu" if method.whole_video else "meta")
    plan = InferencePlan(cell.clip_length, cell.clip_stride, cell.resolution, device)
    if isinstance(method, VideoMethod):
        check_whole_video(cell.method, cell.clip_length)
        cost = count_nominal_on_values(method, plan, num_classes, cell.method)
    elif isinstance(method, HostedMethod):
        raise InputError(method.not_counted or "")
    else:
        cost = count_nominal(counter, plan, cell.method)
    return FlopsReport(cell, method.backbone_name, method.reconstruction, cost)


def overview(reports: Iterable[FlopsReport], command: str) -> str:
    """Tabulate G multiply-adds by clip length, of a clip by itself and per source frame.

    Markdown that opens with what is found, and folds the tables, which have a row per method,
    options, stride and size of frame; names `command` as its origin.
    """
    head, *sentences, clip, frame = overview_parts(reports, escape_markdown)
    assert isinstance(head, Page)
    assert isinstance(clip, Page)
    assert isinstance(frame, Page)
    return "\n".join(
        [
            f"<!-- Generated by `{_in_comment(command)}`; edits are overwritten. -->\n",
            f"# {head.title}\n",
            render(replace(head, title="")),
            *(f"{sentence}\n" for sentence in sentences),
            *map(_folded, (frame, clip)),
        ]
    )


def _folded(page: Page) -> str:
    """A heading, and its tables behind a line that opens them."""
    remarks = "".join(f"{remark}\n\n" for remark in page.remarks)
    tables = render(replace(page, title="", remarks=()))
    rows = count(sum(len(table.rows) for table in page.tables), "row")
    details = f"<details>\n<summary>All {rows}</summary>\n\n{tables}\n</details>\n"
    return f"## {page.title}\n\n{remarks}{details}"


def overview_parts(
    reports: Iterable[FlopsReport], escape: Callable[[str], str] = str
) -> list[Part]:
    """The title with what is found, sentences, and a page for each kind of count.

    Args:
        escape: applied to names in sentences.
    """
    reports = list(reports)
    per_clip = tuple(_by_clip_length(reports, lambda report: report.cost.clip.all.total))
    per_frame = tuple(_by_clip_length(reports, lambda report: report.cost.video.per_frame))
    encoded = (
        "Every frame is encoded once, and predicted as often as clips hold it: once where one clip "
        f"holds all {NUM_FRAMES}."
    )
    return [
        Page("Multiply-adds of every method (G)", (), findings=tuple(_findings(reports))),
        f"Convention {CONVENTION}: {CONVENTION_TEXT}. Twice these figures are FLOPs where a "
        "multiply-add counts two. The tracker and the run-length coding are not counted.",
        *_bound_note(reports, escape),
        Page("One clip of T frames by itself", per_clip),
        Page(f"Per source frame of a video of {NUM_FRAMES} frames", per_frame, {}, (encoded,)),
    ]


def _findings(reports: Sequence[FlopsReport]) -> Iterator[str]:
    """Costs per source frame of the methods that share a backbone, size and clip length, the
    cheapest first, where most do; then what overlapping clips cost them.
    """
    shown, length, (backbone, (height, width)) = _most_alike(reports)
    if len(shown) < 2:
        return
    ordered = sorted(shown.items(), key=lambda row: row[1][length])
    texts = ", ".join(f"{name} {_giga(costs[length])}" for name, costs in ordered)
    where = f"{height}x{width}, with {backbone_title(backbone)} and T={length}"
    yield f"Per frame of {where}: {texts} G multiply-adds."
    dearest = [(name, max(costs, key=costs.__getitem__), costs) for name, costs in ordered]
    times = [(name, longest, costs[longest] / costs[length]) for name, longest, costs in dearest]
    more = ", ".join(f"{name} {x:.1f} (T={n})" for name, n, x in times if x >= 1.05)
    if more:
        strides = listed(sorted({plain(report.cell.clip_stride) for report in reports}))
        yield f"Clips at stride {strides} overlap, which multiplies that by up to: {more}."


def _most_alike(
    reports: Sequence[FlopsReport],
) -> tuple[dict[str, dict[int, float]], int, tuple[str, tuple[int, int]]]:
    """Most methods that have a cost at one clip length, backbone and size: costs per source frame
    by clip length, by method; that length; and those two.
    """
    found: dict[tuple[str, tuple[int, int]], dict[str, dict[int, float]]] = {}
    for report in reports:
        methods = found.setdefault((report.backbone, report.cost.size_HW), defaultdict(dict))
        length = report.cost.clip.num_frames
        methods[report.label].setdefault(length, report.cost.video.per_frame)
    alike = [
        ({name: costs for name, costs in methods.items() if costs.get(length)}, length, key)
        for key, methods in found.items()
        for length in sorted({n for costs in methods.values() for n in costs})
    ]
    return max(alike, key=lambda row: len(row[0]))


def _in_comment(text: str) -> str:
    """The text on one line, unable to end an HTML comment."""
    return one_line(text).replace(">", "&gt;")


def _bound_note(reports: list[FlopsReport], escape: Callable[[str], str]) -> list[str]:
    bounded = sorted({r.cell.method for r in reports if r.cost.video.all.assumed_ops})
    if not bounded:
        return []
    names = escape(", ".join(map(method_title, bounded)))
    return [
        f"Upper bounds ({names}): how many queries a method keeps depends on the "
        "frames, so masks are counted for as many as it may keep."
    ]


def _by_clip_length(
    reports: Iterable[FlopsReport], macs: Callable[[FlopsReport], float]
) -> Iterator[Table]:
    """A table for each size of frames."""
    sizes: dict[str, dict[tuple[str, ...], dict[str, str]]] = defaultdict(dict)
    for report in reports:
        height, width = report.cost.size_HW
        labels = {
            "Method": report.label,
            "Backbone": backbone_title(report.backbone),
            "Options": _options(report) or ABSENT,
            "Params (M)": f"{report.cost.tree.num_params / 1e6:.2f}",
            "Stride": plain(report.cell.clip_stride),
        }
        row = sizes[f"{height}x{width}"].setdefault(tuple(labels.values()), labels)
        row[f"T={report.cost.clip.num_frames}"] = _giga(macs(report))
    for size, rows in sizes.items():
        table = Table.from_dicts(rows.values())
        columns = [replace(c, **_LAYOUT.get(c.title, {})) for c in table.columns]
        yield replace(table, columns=tuple(columns), data=f"frames of {size}")


_LAYOUT: Mapping[str, Mapping[str, Any]] = {
    "Backbone": {"joined": ", ", "numeric": False},
    "Options": {"joined": ", ", "numeric": False},
    "Stride": {"context": "clip stride {}", "weight": 1},
}


def _options(report: FlopsReport) -> str:
    """Options beside the backbone and a variant of its name, in words."""
    options = {k: v for k, v in report.cell.options.items() if v != report.backbone}
    return ", ".join(option_words(k, v) for k, v in sorted(options.items()) if k != "backbone")


def _giga(macs: float) -> str:
    """G multiply-adds with three digits, or whole ones where there are more."""
    value = macs / GIGA
    digits = 2 if value < 1 else max(0, 2 - math.floor(math.log10(value)))
    return f"{value:.{digits}f}"


def count_module(
    build_method: BuildMethod,
    method: str,
    options: Mapping[str, Any],
    dataset: str,
    module: str,
    clips: Sequence[tuple[int, int, int]],
    advance: Advance,
) -> list[float]:
    """Count G multiply-adds of one module of a method, for one clip of each size.

    Args:
        dataset: the data set whose classes the head has.
        clips: frames, height and width.
    """
    config = DatasetConfig(name=dataset)
    cell = Cell(method=method, options=dict(options), dataset=config)
    counts = []
    with Recipe.without_data(build_method, cell).on_meta().calling() as on_meta:
        counter = ShapeCounter(on_meta)
        for length, height, width in clips:
            counts.append(counter.count_clip((height, width), length).all.within(module) / GIGA)
            advance()
    return counts
