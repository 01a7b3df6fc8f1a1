"""`figure strip`: several methods on frames of one video, below the ground truth."""

from __future__ import annotations

import argparse

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import count, figure_file, finite
from vis_bench.commands.output import print_json, print_line
from vis_bench.files import check_writable, write_atomically

DESCRIPTION = "frames of one video with the masks of several methods, a row each"
CONFIGS = ["ifc_mini_synthetic", "seqformer_mini_synthetic", "ms_sts_mini_synthetic"]


def add_arguments(options: Options) -> None:
    """The configs, the video, and how much of it is drawn."""
    options.argument(
        "configs", "CONFIG", "YAML files or names of bundled configs, or NAME=CONFIG to call a row "
        f"NAME (default: {' '.join(CONFIGS)})", str, nargs="*", default=CONFIGS,
    )  # fmt: skip
    options.required("--output", "FILE", "picture file to write: .png, .svg or .pdf", figure_file)
    options.value("--video", "NAME", "name or id of the video", str, unless_given="the first one")
    options.value(
        "--videos-from", "PATH", "a folder of frames, a folder of such folders, or a video file, "
        "instead of the configs' data set",
    )  # fmt: skip
    options.value("--frames", "N", "frames that are drawn, evenly spread", count, default=4)
    options.value("--min-score", "S", "leave out tracks with a lower score", finite, default=0.3)
    options.value(
        "--device", "cpu|cuda", "where to run", str, unless_given="a GPU where there is one"
    )
    options.overrides()
    options.data_root()


def run(options: argparse.Namespace) -> None:
    """Predicts the video with each method in turn, and draws."""
    from methods import build_method
    from vis_bench.progress import Bars
    from vis_bench.records.environment import pick_device
    from vis_bench.runs.video_subject import VideoSource, load_subjects, predict_each
    from vis_bench.show.charts import picture_format
    from vis_bench.show.figures.method_strip import draw_method_strip
    from vis_bench.show.figures.page import encode_page

    source = VideoSource(options.video, options.videos_from, options.data_root)
    subjects = load_subjects(
        build_method, options.configs, options.overrides, pick_device(options.device), source
    )
    check_writable(options.output)
    first = next(iter(subjects.values()))
    total = len(subjects) * first.video.length
    with Bars(options.json).bar(f"predict {first.video.name}", total) as advance:
        results = predict_each(subjects, advance)
    picture = draw_method_strip(
        first.video, results, first.ground_truth([first.video]), first.categories,
        columns=options.frames, min_score=options.min_score,
    )  # fmt: skip
    write_atomically(options.output, encode_page(picture, picture_format(options.output)))
    if options.json:
        facts = {"video": first.video.name, "rows": list(results)}
        print_json({"written": [str(options.output)], **facts})
    else:
        print_line(f"written: {options.output}")
