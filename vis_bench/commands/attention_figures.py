"""Figures of what attention reads in one video: sampling points, time weights, memory tokens."""

from __future__ import annotations

import argparse
import io
from argparse import ArgumentTypeError
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vis_bench.charts import picture_format
from vis_bench.commands.options import CONFIG, FRAMES, Options
from vis_bench.commands.output import print_result
from vis_bench.commands.values import arrays_file, config_file, count, frames_path, picture_file
from vis_bench.errors import InputError
from vis_bench.files import check_writable, write_atomically
from vis_bench.progress import Bars
from vis_bench.record.environment import pick_device
from vis_bench.show.figures.page import FigurePage, PageStyle
from vis_bench.show.overlay.strip import strip_frames
from vis_bench.text import one_line

if TYPE_CHECKING:
    from vis_bench.attention import AttentionPart
    from vis_bench.inference.attention import RecordedVideo
    from vis_bench.metrics.time_weights import AbsentFrames
    from vis_bench.runs.predict import LoadedMethod
    from vis_bench.show.overlay.rows import ShownTrack

PICTURE = "picture file to write: .png, .svg or .pdf"
DATA_SET = "the config's data set"
LAYERS = "a number from 1, first, second, last"
LAYER_NAMES = ("first", "second", "last")


def add_sampling_points(options: Options) -> None:
    _add_arguments(options, "seqformer_mini_synthetic", num_frames=4, num_tracks=3)
    options.value(
        "--layers",
        "N,...",
        f"decoder layers, each {LAYERS}",
        _layers,
        default="first,second,last",
    )


def sampling_points(options: argparse.Namespace) -> None:
    """Draw the points that the decoder's deformable attention reads."""
    from vis_bench.show.figures.sampling_points import draw_sampling_points

    loaded, numbers, recorded, frames = _record(options, "decoder", options.layers)
    tracks = _tracks(options, loaded, recorded)
    _write_picture(
        options, draw_sampling_points(recorded, tracks, numbers, frames, _style(options))
    )
    layers = {"layers": [number + 1 for number in numbers]}
    titles = {"tracks": [track.title for track in tracks]}
    _print(options, {"video": recorded.video.name, **layers, "frames": frames, **titles})


def add_time_weights(options: Options) -> None:
    _add_arguments(options, "seqformer_mini_synthetic", num_frames=6, num_tracks=3)
    options.value("--layer", "N", f"decoder layer: {LAYERS}", _layer, default="last")
    options.value(
        "--limit",
        "N",
        "compute the mean weights over the first N videos only",
        count,
        unless_given="all",
    )


def time_weights(options: argparse.Namespace) -> None:
    """Draw each frame's weights; predict the other videos for the mean weights."""
    from vis_bench.metrics.time_weights import as_json
    from vis_bench.show.figures.time_weights import draw_time_weights, time_weights_text

    loaded, [number], recorded, frames = _record(options, "decoder", [options.layer])
    tracks = _tracks(options, loaded, recorded)
    _write_picture(options, draw_time_weights(recorded, tracks, number, frames, _style(options)))
    means = _mean_weights(options, loaded, recorded)
    facts = {
        "video": recorded.video.name,
        "layer": number + 1,
        "frames": frames,
        "tracks": [track.title for track in tracks],
        "absent_frames": None if means is None else as_json(means),
    }
    none = "no annotations, so no mean weights of frames without the object\n"
    _print(options, facts, none if means is None else time_weights_text(means))


def add_memory_tokens(options: Options) -> None:
    _add_arguments(options, "ifc_mini_synthetic", num_frames=1, num_tracks=5)
    options.value("--layer", "N", f"encoder layer: {LAYERS}", _layer, default="last")


def memory_tokens(options: argparse.Namespace) -> None:
    """Draw the attention of IFC's memory tokens."""
    from vis_bench.show.figures.memory_tokens import draw_memory_tokens

    loaded, [number], recorded, frames = _record(options, "memory", [options.layer])
    tracks = _tracks(options, loaded, recorded) if recorded.tracks else []
    instances = [track.instance for track in tracks]
    _write_picture(
        options, draw_memory_tokens(recorded, instances, number, frames, _style(options))
    )
    _print(options, {"video": recorded.video.name, "layer": number + 1, "frames": frames})


def _add_arguments(options: Options, config: str, num_frames: int, num_tracks: int) -> None:
    """Add what the three figures share, with the defaults of one."""
    options.argument(
        "config", "CONFIG", f"{CONFIG} (default: {config})", config_file, nargs="?", default=config
    )
    options.required("--output", "FILE", PICTURE, picture_file)
    options.column()
    options.flag("--dark", "draw on a dark ground, for a dark page")
    options.value(
        "--video",
        "NAME",
        "name or id of the video, which is predicted as one clip",
        str,
        unless_given="the first one",
    )
    options.value("--frames", "PATH", FRAMES, frames_path, unless_given=DATA_SET)
    options.value("--num-frames", "N", "frames to draw, evenly spread", count, default=num_frames)
    options.value("--tracks", "N", "tracks to draw, best score first", count, default=num_tracks)
    options.value("--data", "F.npz", "file to write the recorded arrays to", arrays_file)
    options.method(without_weights="an error if it names none")
    options.data_root()


def _record(
    options: argparse.Namespace, part: AttentionPart, layers: Sequence[str | int]
) -> tuple[LoadedMethod, list[int], RecordedVideo, list[int]]:
    """Predict the video, and write the arrays if asked to.

    Returns:
        The method with its videos, the layers from 0, what was recorded, the frames to draw.
    """
    from methods import build_method, methods_recording
    from vis_bench.runs.predict import load_for_figure

    loaded = load_for_figure(
        build_method,
        str(options.config),
        options.overrides,
        pick_device(options.device),
        weights=options.weights,
        **chosen_video(options),
    )
    num_layers = loaded.num_recorded_layers(part, methods_recording)
    numbers = _layer_numbers(layers, num_layers)
    for path in _outputs(options):
        check_writable(path)
    video = loaded.video
    with Bars(options.json).bar(f"predict {video.name}", video.length) as advance:
        recorded = loaded.record(video, advance)
    if options.data is not None:
        content = io.BytesIO()
        arrays: dict[str, Any] = dict(recorded.arrays())
        np.savez_compressed(content, **arrays)
        write_atomically(options.data, content.getvalue())
    return loaded, numbers, recorded, list(strip_frames(video.length, options.num_frames))


def chosen_video(options: argparse.Namespace) -> dict[str, Any]:
    """The options that name a video, as `load_for_figure` and `load_rows` take them."""
    return {"video": options.video, "frames": options.frames, "data_root": options.data_root}


def _tracks(
    options: argparse.Namespace, loaded: LoadedMethod, recorded: RecordedVideo
) -> list[ShownTrack]:
    from vis_bench.show.overlay.rows import shown_tracks

    truth = loaded.ground_truth([recorded.video])
    return shown_tracks(recorded, truth, loaded.categories, options.tracks)


def _mean_weights(
    options: argparse.Namespace, loaded: LoadedMethod, known: RecordedVideo
) -> AbsentFrames | None:
    """The mean weights over the videos; None without annotations."""
    from vis_bench.runs.predict import weights_of_absent_frames

    videos = loaded.videos[: options.limit]
    truth = loaded.ground_truth(videos)
    if truth is None:
        return None
    with Bars(options.json).bar("weights", sum(video.length for video in videos)) as advance:
        return weights_of_absent_frames(loaded, videos, truth, known, advance)


def _style(options: argparse.Namespace) -> PageStyle:
    return PageStyle.of_column(options.column, dark=options.dark)


def _write_picture(options: argparse.Namespace, page: FigurePage) -> None:
    write_atomically(options.output, page.encoded(picture_format(options.output)))


def _print(options: argparse.Namespace, facts: dict[str, Any], text: str = "") -> None:
    files = [str(path) for path in _outputs(options)]
    written = one_line(f"wrote {', '.join(files)}")
    print_result(options, {"written": files, **facts}, f"{text}{written}")


def _outputs(options: argparse.Namespace) -> list[Any]:
    return [path for path in (options.output, options.data) if path is not None]


def _layer(text: str) -> str | int:
    if text in LAYER_NAMES:
        return text
    if not (text.isdecimal() and text.isascii() and int(text)):
        raise ArgumentTypeError(
            f"{text!r} is not a layer; expected {', '.join(LAYER_NAMES)} or a number from 1 up"
        )
    return int(text)


def _layers(text: str) -> list[str | int]:
    return [_layer(name.strip()) for name in text.split(",")]


def _layer_numbers(names: Sequence[str | int], num_layers: int) -> list[int]:
    """Layers from 0, each once, in the order of the names."""
    words = {"first": 1, "second": min(2, num_layers), "last": num_layers}
    numbers = [words[name] if isinstance(name, str) else name for name in names]
    for number in numbers:
        if number > num_layers:
            raise InputError(
                f"there is no layer {number}; expected 1 to {num_layers}, first, second or last"
            )
    return [number - 1 for number in dict.fromkeys(numbers)]
