"""How well a plane separates foreground from background in an encoder's features.

A linear probe is fitted to the cells of the encoder's maps in training videos, and judged on held
out ones by the area under its ROC curve: 0.5 for features that say nothing, 1 for features that a
plane separates.

    python -m methods.training.separability ms_sts_mini_synthetic --weights FILE [--against FILE]

Of SeqFormer and MS-STS, whose maps have strides 8, 16, 32 and 64. A cell is foreground where
instances cover more than half of it, background where they cover less than a tenth (or another
share), and left out in between.

Shape letters: T frames, S cells of all levels, C channels, N cells that count, V videos.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from methods import build_method
from methods.layers.feature_levels import FeatureLevels, flatten_maps
from methods.seqformer.model import STRIDES, SeqFormer
from methods.training.linear_probe import fit_probe
from vis_bench.commands.arguments import Parser
from vis_bench.data.synthetic import CLASSES, VideoKey, render, scene_of
from vis_bench.errors import InputError
from vis_bench.evaluation.area_under_roc import OrderedPairs
from vis_bench.evaluation.bootstrap import NUM_RESAMPLES, draw_videos, percentile_interval
from vis_bench.inference.preprocess import input_size, resize_frame, to_input
from vis_bench.progress import Advance, Bars, silent
from vis_bench.records.caveats import count
from vis_bench.runs.bundled import find_config
from vis_bench.runs.config import Cell, load_cells
from vis_bench.runs.load_method import find_weights, load_method
from vis_bench.tables.grid import ABSENT, Column, Grid, Page, grid_of
from vis_bench.tables.text import render as render_table

FOREGROUND_ABOVE = 0.5
BACKGROUND_BELOW = 0.1
ALL_LEVELS = "all"


@dataclass(frozen=True)
class Cells:
    """The cells of several videos.

    `features_NC` float32; `foreground_N` bool; `level_N` counts the strides from 0, `video_N` the
    videos.
    """

    features_NC: np.ndarray
    foreground_N: np.ndarray
    level_N: np.ndarray
    video_N: np.ndarray

    def of_level(self, level: int | None) -> Cells:
        """Those of one level, or all."""
        if level is None:
            return self
        chosen = self.level_N == level
        return Cells(*(part[chosen] for part in vars(self).values()))


@dataclass(frozen=True)
class LevelSeparability:
    """The area under the ROC curve on one level, or on `all` with one probe for all levels.

    `stride` in pixels. `low` and `high` are the ends of the 95 % interval (bootstrap over the held
    out videos). All three are None where training or held-out videos lack foreground or background.
    """

    stride: int | str
    foreground: int
    background: int
    auc: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class LevelGain:
    """How much larger an area is than with other weights, and the ends of its 95 % interval, for
    which both are judged on the same resamples.
    """

    stride: int | str
    gain: float | None
    low: float | None
    high: float | None


def held_out_pairs(train: Cells, held_out: Cells, num_videos: int) -> list[OrderedPairs | None]:
    """The ordered pairs of held-out cells on each level, and last on all levels together.

    None where a level lacks foreground or background.

    Args:
        train: what the probes are fitted to.
        held_out: cells of other videos.
        num_videos: how many videos the latter are of.
    """
    pairs = []
    for level in (*range(len(STRIDES)), None):
        here, there = train.of_level(level), held_out.of_level(level)
        if not (_has_both(here) and _has_both(there)):
            pairs.append(None)
            continue
        scores_N = fit_probe(here.features_NC, here.foreground_N).scores(there.features_NC)
        pairs.append(OrderedPairs.of(scores_N, there.foreground_N, there.video_N, num_videos))
    return pairs


def judge(
    pairs: Sequence[OrderedPairs | None], held_out: Cells, counts_BV: np.ndarray
) -> list[LevelSeparability]:
    """Each level's area and its interval.

    Args:
        pairs: of `held_out_pairs`.
        counts_BV: how many times each video counts in each resample.
    """
    rows = []
    for place, found in enumerate(pairs):
        level = place if place < len(STRIDES) else None
        foreground_N = held_out.of_level(level).foreground_N
        counts = int(foreground_N.sum()), int((~foreground_N).sum())
        interval = None if found is None else percentile_interval(found.areas(counts_BV))
        auc = None if found is None else found.area()
        rows.append(LevelSeparability(_stride(place), *counts, auc, *(interval or (None, None))))
    return rows


def gains(
    pairs: Sequence[OrderedPairs | None],
    others: Sequence[OrderedPairs | None],
    counts_BV: np.ndarray,
) -> list[LevelGain]:
    """Each level's area minus that of other features of the same cells."""
    rows = []
    for place, (one, other) in enumerate(zip(pairs, others, strict=True)):
        if one is None or other is None:
            rows.append(LevelGain(_stride(place), None, None, None))
            continue
        interval = percentile_interval(one.areas(counts_BV) - other.areas(counts_BV))
        ends = interval or (None, None)
        rows.append(LevelGain(_stride(place), one.area() - other.area(), *ends))
    return rows


@torch.inference_mode()
def cells_of(
    method: SeqFormer, resolution: int | str, keys: Sequence[VideoKey], frames: int,
    background_below: float = BACKGROUND_BELOW, advance: Advance = silent,
) -> Cells:  # fmt: skip
    """The cells of one clip of each video.

    Args:
        method: ready for inference, on the CPU.
        resolution: the short side in pixels, or `native`.
        keys: the videos.
        frames: T, evenly spread over the video; all of a shorter one.
        background_below: how much of a cell instances cover at most where it is background.
        advance: called after each video.
    """
    parts = []
    for video, key in enumerate(keys):
        scene = scene_of(key)
        times = np.linspace(0, scene.length - 1, min(frames, scene.length)).round().astype(int)
        drawn = [render(scene, int(t)) for t in times]
        images, owners = zip(*drawn, strict=True)
        size_HW = input_size(*owners[0].shape, resolution, method.input_format)
        resized = [resize_frame(image, size_HW) for image in images]
        encoded = method.encode_clip(method.encode_frames(to_input(resized, method.input_format)))
        covers_TS = cover_of_cells(torch.from_numpy(np.stack(owners)), size_HW)
        parts.append(_chosen(encoded.maps["memory"], covers_TS, size_HW, video, background_below))
        advance()
    return Cells(*(np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])))


def cover_of_cells(owners_THW: Tensor, size_HW: tuple[int, int]) -> Tensor:
    """How much of each cell instances cover, 0..1: (T, S), levels one after the other.

    Args:
        owners_THW: 0 for background, at the video's size; the maps span the same frame.
        size_HW: of the network's input, in pixels.
    """
    shown_T1HW = (owners_THW > 0).float()[:, None]
    shapes_L2 = FeatureLevels.of_frame(size_HW, STRIDES).shapes_L2
    return flatten_maps([F.interpolate(shown_T1HW, s, mode="area") for s in shapes_L2])[..., 0]


def _chosen(
    memory_TSC: Tensor, covers_TS: Tensor, size_HW: tuple[int, int], video: int,
    background_below: float,
) -> Cells:  # fmt: skip
    """The cells of a clip that are clearly one or the other."""
    shapes_L2 = FeatureLevels.of_frame(size_HW, STRIDES).shapes_L2
    level_S = torch.cat([torch.full((h * w,), n) for n, (h, w) in enumerate(shapes_L2)])
    foreground_TS = covers_TS > FOREGROUND_ABOVE
    clear_TS = foreground_TS | (covers_TS < background_below)
    level_N = level_S.expand_as(clear_TS)[clear_TS]
    return Cells(
        memory_TSC[clear_TS].float().numpy(), foreground_TS[clear_TS].numpy(), level_N.numpy(),
        np.full(len(level_N), video),
    )  # fmt: skip


def _has_both(cells: Cells) -> bool:
    return bool(cells.foreground_N.any() and not cells.foreground_N.all())


def _stride(place: int) -> int | str:
    return STRIDES[place] if place < len(STRIDES) else ALL_LEVELS


def measure(
    cell: Cell, weights: Path | None, *, videos: int, held_out: int, frames: int,
    background_below: float, bars: Bars,
) -> tuple[list[OrderedPairs | None], Cells]:  # fmt: skip
    """A method's ordered pairs on held-out videos, and the cells there.

    Args:
        cell: names the method, its options, its weights and the resolution.
        weights: a file in place of the cell's.
        videos: of the synthetic training split, for the probes.
        held_out: of the synthetic validation split, for the areas.
        frames: of each video.
        background_below: see `cells_of`.

    Raises:
        InputError: for a method without SeqFormer's encoder, and weights that are missing or do not
            fit.
    """
    file = find_weights(cell, weights)
    method = load_method(build_method, cell, len(CLASSES), file, torch.device("cpu"))
    if not isinstance(method, SeqFormer):
        raise InputError(
            f"method {cell.method} has no deformable encoder; expected seqformer or ms_sts"
        )
    found = []
    for split, number in (("train", videos), ("val", held_out)):
        keys = [VideoKey(split, index) for index in range(number)]
        with bars.bar(f"encoding {split} videos", number) as advance:
            found.append(cells_of(method, cell.resolution, keys, frames, background_below, advance))
    return held_out_pairs(*found, held_out), found[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table of areas; exit code 2 with one sentence for wrong input."""
    try:
        options = _parser().parse_args(arguments)
        sys.stdout.write(_report(options))
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _report(options: argparse.Namespace) -> str:
    for name in ("videos", "held_out", "frames"):
        if getattr(options, name) < 1:
            shown = f"--{name.replace('_', '-')} is {getattr(options, name)}"
            raise InputError(f"{shown}; expected a whole number from 1 up")
    if not 0 < options.background_below <= FOREGROUND_ABOVE:
        raise InputError(
            f"--background-below is {options.background_below:g}; expected a number above 0, up to "
            f"{FOREGROUND_ABOVE}"
        )
    cell = load_cells(find_config(options.config), options.overrides)[0]
    names = ("videos", "held_out", "frames", "background_below")
    sizes = {name: getattr(options, name) for name in names}
    pairs, cells = measure(cell, options.weights, **sizes, bars=Bars())
    counts_BV = draw_videos(options.held_out, NUM_RESAMPLES, seed=0)
    areas = judge(pairs, cells, counts_BV)
    more: list[LevelGain] = []
    if options.against is not None:
        others, _ = measure(cell, options.against, **sizes, bars=Bars())
        more = gains(pairs, others, counts_BV)
    if options.json:
        shown = {"areas": [asdict(row) for row in areas], "gains": [asdict(row) for row in more]}
        return json.dumps(shown, indent=1) + "\n"
    return render_table(Page("", (_grid(areas, more),), {}, (_remark(options),)))


def _grid(areas: Sequence[LevelSeparability], more: Sequence[LevelGain]) -> Grid:
    columns = [*map(Column, ("Stride", "Foreground", "Background", "AUC", "Low", "High"))]
    columns += [Column(title, "Gain") for title in ("", "low", "high")] if more else []
    rows = []
    for place, area in enumerate(areas):
        texts = [str(area.stride), str(area.foreground), str(area.background)]
        texts += [_digits(value) for value in (area.auc, area.low, area.high)]
        if more:
            gain = more[place]
            texts += [_digits(value, "+") for value in (gain.gain, gain.low, gain.high)]
        rows.append(texts)
    return grid_of(columns, rows)


def _digits(value: float | None, sign: str = "") -> str:
    return ABSENT if value is None else f"{value:{sign}.4f}"


def _remark(options: argparse.Namespace) -> str:
    return (
        "Area under the ROC curve of a linear probe, foreground against background, fitted to "
        f"{count(options.videos, 'training video')} and judged on "
        f"{count(options.held_out, 'held-out video')}, {count(options.frames, 'frame')} each; "
        "95 % intervals (bootstrap over videos)."
    )


def _parser() -> Parser:
    parser = Parser(
        prog="python -m methods.training.separability",
        description="how well a plane separates foreground from background in encoder features",
    )
    parser.add_argument("config", metavar="CONFIG", help="a run config; its first cell counts")
    parser.add_argument("--weights", metavar="FILE", type=Path, help="in place of the config's")
    parser.add_argument(
        "--against", metavar="FILE", type=Path, help="other weights, to show the gain over them"
    )
    parser.add_argument(
        "--set", metavar="KEY=VALUE", dest="overrides", action="append", default=[],
        help="a setting over the config's; may be given again",
    )  # fmt: skip
    for name, default, text in (
        ("--videos", 60, "training videos for the probe"),
        ("--held-out", 24, "validation videos for the area"),
        ("--frames", 5, "frames of each video"),
    ):
        parser.add_argument(
            name, metavar="N", type=int, default=default, help=f"{text} (default: {default})"
        )
    parser.add_argument(
        "--background-below", metavar="X", type=float, default=BACKGROUND_BELOW,
        help="cells covered less than this are background; with 0.5 those at the edges of "
        f"instances count too (default: {BACKGROUND_BELOW})",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
