"""`figure sampling-points`: where the decoder's deformable attention reads, layer by layer."""

from __future__ import annotations

import argparse

from vis_bench.commands import recording
from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import count, layers

DESCRIPTION = "the points that the decoder's deformable attention reads, by layer and frame"
CONFIG, NUM_FRAMES = "seqformer_mini_synthetic", 4


def add_arguments(options: Options) -> None:
    """What all figures of attention take, and which layers and tracks."""
    recording.add_arguments(options, CONFIG, NUM_FRAMES)
    options.value(
        "--layers", "N,...", "decoder layers: numbers from 1, first, second, last", layers,
        default="first,second,last",
    )  # fmt: skip
    options.value("--tracks", "N", "tracks that are drawn, best score first", count, default=3)


def run(options: argparse.Namespace) -> None:
    """Predicts the video and draws."""
    from vis_bench.show.figures.sampling_points import draw_sampling_points
    from vis_bench.show.overlay.rows import shown_tracks
    from vis_bench.show.overlay.strip import strip_frames

    subject = recording.load(options, "decoder")
    numbers = recording.layer_numbers(options.layers, subject.num_layers)
    recorded = recording.record(options, subject)
    shown = shown_tracks(
        recorded, subject.ground_truth([recorded.video]), subject.categories,
        options.tracks,
    )  # fmt: skip
    frames = strip_frames(recorded.video.length, options.frames)
    page = draw_sampling_points(recorded, shown, numbers, frames)
    facts = {
        "video": recorded.video.name,
        "layers": [number + 1 for number in numbers],
        "frames": frames,
        "tracks": [track.title for track in shown],
    }
    recording.write_picture(options, page)
    recording.say(options, facts)
