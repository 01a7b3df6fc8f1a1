"""What the figures of attention share: what they take, and how they predict their video."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vis_bench.commands.arguments import CONFIG, Options
from vis_bench.commands.arguments.values import arrays_file, count, figure_file
from vis_bench.commands.output import print_json, print_line, print_text
from vis_bench.errors import InputError
from vis_bench.files import check_writable, write_atomically

if TYPE_CHECKING:
    from vis_bench.inference.attention import AttentionPart
    from vis_bench.inference.recorded_video import RecordedVideo
    from vis_bench.runs.recorded_subject import RecordedSubject
    from vis_bench.show.figures.page import FigurePage


def add_arguments(options: Options, config: str, num_frames: int) -> None:
    """CONFIG, the video, and the files to write.

    Args:
        config: the bundled config that is used where none is given.
        num_frames: how many frames are drawn unless --frames says it.
    """
    options.config(f"{CONFIG} (default: {config})", nargs="?", default=config)
    options.required("--output", "FILE", "picture file to write: .png, .svg or .pdf", figure_file)
    options.value(
        "--video", "NAME", "name or id of the video, which is predicted as one clip", str,
        unless_given="the first one",
    )  # fmt: skip
    options.value(
        "--videos-from", "PATH", "a folder of frames, a folder of such folders, or a video file, "
        "instead of the config's data set",
    )  # fmt: skip
    options.value(
        "--frames", "N", "frames that are drawn, evenly spread", count, default=num_frames
    )
    options.value("--data", "F.npz", "also write what was recorded, as arrays", arrays_file)
    options.subject(without_weights="an error where it names none")
    options.data_root()


def load(options: argparse.Namespace, part: AttentionPart) -> RecordedSubject:
    """The method and the videos that the arguments name."""
    from methods import build_method, methods_recording
    from vis_bench.records.environment import pick_device
    from vis_bench.runs.recorded_subject import recording
    from vis_bench.runs.video_subject import VideoSource, load_subject

    source = VideoSource(options.video, options.videos_from, options.data_root)
    subject = load_subject(
        build_method, options.config, options.overrides, pick_device(options.device), source,
        options.weights,
    )  # fmt: skip
    return recording(subject, part, methods_recording)


def record(options: argparse.Namespace, subject: RecordedSubject) -> RecordedVideo:
    """Predicts the video, and writes the arrays where they are asked for.

    Raises:
        InputError: for a file that cannot be written, before anything is predicted.
    """
    from vis_bench.progress import Bars

    for path in (options.output, options.data):
        if path is not None:
            check_writable(path)
    video = subject.video
    with Bars(options.json).bar(f"predict {video.name}", video.length) as advance:
        recorded = subject.record(video, advance)
    if options.data is not None:
        import numpy as np

        content = io.BytesIO()
        arrays: dict[str, Any] = dict(recorded.arrays())
        np.savez_compressed(content, **arrays)
        write_atomically(options.data, content.getvalue())
    return recorded


def layer_numbers(names: Sequence[str | int], num_layers: int) -> list[int]:
    """Layers from 0, each once, in the order of the names.

    Raises:
        InputError: for a layer that is not there.
    """
    words = {"first": 1, "second": min(2, num_layers), "last": num_layers}
    numbers = [words[name] if isinstance(name, str) else name for name in names]
    for number in numbers:
        if number > num_layers:
            raise InputError(
                f"there is no layer {number}; expected 1 to {num_layers}, first, second or last"
            )
    return [number - 1 for number in dict.fromkeys(numbers)]


def write_picture(options: argparse.Namespace, page: FigurePage) -> None:
    """Writes --output."""
    from vis_bench.show.charts import picture_format

    write_atomically(options.output, page.encoded(picture_format(options.output)))


def say(options: argparse.Namespace, facts: dict[str, Any], text: str = "") -> None:
    """Says what was written, and before it `text`; or, as JSON, what was written and `facts`."""
    files = [str(path) for path in (options.output, options.data) if path is not None]
    if options.json:
        print_json({"written": files, **facts})
    else:
        if text:
            print_text(text)
        print_line(f"written: {', '.join(files)}")
