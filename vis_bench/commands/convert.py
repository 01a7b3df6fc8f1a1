"""`convert SOURCE OUTPUT --to FORM`: annotations in another form."""

from __future__ import annotations

import argparse
import math
from typing import Any

from vis_bench.commands.options import Options
from vis_bench.commands.output import print_result, warn
from vis_bench.commands.values import frames_path, output_path
from vis_bench.data.convert import FORMS, RESULTS, convert
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.progress import Bars
from vis_bench.text import count, one_line


def add_arguments(options: Options) -> None:
    options.argument(
        "source",
        "SOURCE",
        "YouTube-VIS, COCO, SA-V or BURST annotations, a results file, a folder of indexed "
        "PNG masks, or of MOTS text",
    )
    options.argument("output", "OUTPUT", "file to write, or new folder (png, mots)", output_path)
    forms = *FORMS, RESULTS
    options.value("--to", "FORM", f"one of {', '.join(forms)}", str, choices=forms, required=True)
    options.value(
        "--annotations", "FILE", "annotations with the videos of the results to read or write"
    )
    options.value(
        "--frames",
        "DIR",
        "folder with a folder of frames for each video, whose file names are written",
        frames_path,
        unless_given="names of the source; for masks, names in .jpg",
    )
    options.min_score(None, f"{SCORE_THRESHOLD}; none for results, which AP ranks")


def run(options: argparse.Namespace) -> None:
    """Write the output, and print what its form does not hold."""
    warnings: list[str] = []
    least = -math.inf if options.to == RESULTS else SCORE_THRESHOLD
    videos, losses = convert(
        options.source,
        options.output,
        options.to,
        annotations=options.annotations,
        frames=options.frames,
        min_score=least if options.min_score is None else options.min_score,
        bars=Bars(),
        warn=warnings.append,
    )
    warn(warnings)
    written = f"wrote {options.output}: {count(videos, 'video')}"
    lines = [one_line(written), *(f"left out: {n} {phrase}" for phrase, n in losses.items())]
    document: dict[str, Any] = {
        "output": str(options.output),
        "videos": videos,
        "left_out": dict(losses),
    }
    document["warnings"] = warnings
    print_result(options, document, "\n".join(lines))
