"""`figure time-weights`: how much each frame weighs, and what absent frames weigh on average."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vis_bench.commands import recording
from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import count, layer

if TYPE_CHECKING:
    from vis_bench.inference.recorded_video import RecordedVideo
    from vis_bench.metrics.time_weights import AbsentFrames
    from vis_bench.runs.recorded_subject import RecordedSubject

DESCRIPTION = (
    "the weight of each frame in each instance, and over all videos the mean weight of frames "
    "without the object"
)
CONFIG, NUM_FRAMES = "seqformer_mini_synthetic", 6


def add_arguments(options: Options) -> None:
    """What all figures of attention take, which layer and tracks, and how many videos count."""
    recording.add_arguments(options, CONFIG, NUM_FRAMES)
    options.value(
        "--layer", "N", "decoder layer that is drawn: a number from 1, first, second, last", layer,
        default="last",
    )  # fmt: skip
    options.value("--tracks", "N", "tracks that are drawn, best score first", count, default=3)
    options.value(
        "--limit", "N", "take the mean weights over the first N videos only", count,
        unless_given="all",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Predicts the video and draws it; then predicts the other videos for the mean weights."""
    from vis_bench.metrics.time_weights import as_json
    from vis_bench.show.figures.time_weights import draw_time_weights
    from vis_bench.show.overlay.rows import shown_tracks
    from vis_bench.show.overlay.strip import strip_frames

    subject = recording.load(options, "decoder")
    [number] = recording.layer_numbers([options.layer], subject.num_layers)
    recorded = recording.record(options, subject)
    shown = shown_tracks(
        recorded, subject.ground_truth([recorded.video]), subject.categories,
        options.tracks,
    )  # fmt: skip
    frames = strip_frames(recorded.video.length, options.frames)
    page = draw_time_weights(recorded, shown, number, frames)
    recording.write_picture(options, page)
    compared = _compare(options, subject, recorded)
    facts = {
        "video": recorded.video.name,
        "layer": number + 1,
        "frames": frames,
        "tracks": [track.title for track in shown],
        "absent_frames": None if compared is None else as_json(compared),
    }
    recording.say(options, facts, _text(compared))


def _compare(
    options: argparse.Namespace, subject: RecordedSubject, known: RecordedVideo
) -> AbsentFrames | None:
    """The mean weights over the videos; None without annotations."""
    from vis_bench.progress import Bars
    from vis_bench.runs.weights_over_time import compare_over_videos

    videos = subject.videos[: options.limit]
    truth = subject.ground_truth(videos)
    if truth is None:
        return None
    with Bars(options.json).bar("weights", sum(video.length for video in videos)) as advance:
        return compare_over_videos(subject, videos, truth, known, advance)


def _text(compared: AbsentFrames | None) -> str:
    from vis_bench.show.time_weights import time_weights_text

    if compared is None:
        return "no annotations, so no mean weights of frames without the object\n"
    return time_weights_text(compared)
