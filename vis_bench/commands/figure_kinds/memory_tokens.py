"""`figure memory-tokens`: what each of IFC's memory tokens attends to over a frame."""

from __future__ import annotations

import argparse

from vis_bench.commands import recording
from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import count, layer

DESCRIPTION = "what IFC's memory tokens attend to, as heat over a frame for each token"
CONFIG, NUM_FRAMES = "ifc_mini_synthetic", 1


def add_arguments(options: Options) -> None:
    """What all figures of attention take, and which layer and tracks."""
    recording.add_arguments(options, CONFIG, NUM_FRAMES)
    options.value(
        "--layer", "N", "encoder layer that is drawn: a number from 1, first, second, last", layer,
        default="last",
    )  # fmt: skip
    options.value("--tracks", "N", "tracks drawn on the prediction", count, default=5)


def run(options: argparse.Namespace) -> None:
    """Predicts the video and draws."""
    from vis_bench.show.figures.memory_tokens import draw_memory_tokens
    from vis_bench.show.overlay.rows import shown_tracks
    from vis_bench.show.overlay.strip import strip_frames

    subject = recording.load(options, "memory")
    [number] = recording.layer_numbers([options.layer], subject.num_layers)
    recorded = recording.record(options, subject)
    truth, categories = subject.ground_truth([recorded.video]), subject.categories
    shown = shown_tracks(recorded, truth, categories, options.tracks) if recorded.tracks else []
    frames = strip_frames(recorded.video.length, options.frames)
    page = draw_memory_tokens(recorded, [track.instance for track in shown], number, frames)
    facts = {"video": recorded.video.name, "layer": number + 1, "frames": frames}
    recording.write_picture(options, page)
    recording.say(options, facts)
