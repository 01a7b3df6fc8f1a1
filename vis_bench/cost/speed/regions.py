"""The three regions that speed is timed over: where each starts, and where it ends.

`model`: from frames on the device to clip outputs. `model+tracker`: on to tracks with their
run-length codes. `end_to_end`: from files on disk to a results JSON on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vis_bench.data.frames import ImageFiles, write_frame
from vis_bench.data.results_file import write_results
from vis_bench.data.video import Video
from vis_bench.inference.loop import (
    DecodedFrames,
    InferencePlan,
    StoredFrames,
    predict_clips,
    track_clips,
    track_video,
    tracker_for,
)
from vis_bench.inference.preprocess import input_size
from vis_bench.inference.stages import NO_STAGES, Stages
from vis_bench.method import VISMethod

# What is timed of one video; calls the second argument when a clip is done.
RegionRun = Callable[[Stages, Callable[[], None]], None]


@dataclass(frozen=True)
class Workload:
    """What is timed: a method, prepared for inference on `plan.device`, and how it is used.

    `category_ids`: the category id of each column of the class probabilities.
    """

    method: VISMethod
    plan: InferencePlan
    category_ids: Sequence[int]

    def inference(self) -> AbstractContextManager:
        """What every call of the method runs in."""
        stack = ExitStack()
        stack.enter_context(torch.inference_mode())
        stack.enter_context(self.plan.arithmetic())
        return stack


def model_region(work: Workload, video: Video, folder: Path) -> RegionRun:
    """Frames on the device to clip outputs; decoding and preprocessing happen before."""
    frames_T3HW, clips = _frames_on_device(work, video), work.plan.clips(video.length)

    def run(stages: Stages, after_clip: Callable[[], None]) -> None:
        with work.inference():
            for _ in predict_clips(work.method, StoredFrames(frames_T3HW), clips, stages):
                after_clip()

    return run


def model_and_tracker_region(work: Workload, video: Video, folder: Path) -> RegionRun:
    """Frames on the device to tracks; decoding and preprocessing happen before."""
    frames_T3HW, clips = _frames_on_device(work, video), work.plan.clips(video.length)

    def run(stages: Stages, after_clip: Callable[[], None]) -> None:
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        tracker = tracker_for(work.method, video, size_HW)
        with work.inference():
            inputs = StoredFrames(frames_T3HW)
            num_classes = len(work.category_ids)
            track_clips(work.method, inputs, clips, tracker, stages, after_clip, num_classes)
            with stages.time("rle"):
                tracker.tracks(video.id, work.category_ids)

    return run


def end_to_end_region(work: Workload, video: Video, folder: Path) -> RegionRun:
    """Files on disk to a results JSON in `folder`; frames are decoded ahead in the background."""

    def run(stages: Stages, after_clip: Callable[[], None]) -> None:
        tracks = track_video(work.method, video, work.plan, work.category_ids, stages, after_clip)
        write_results(tracks, folder / "results.json")

    return run


REGION_RUNS: dict[str, Callable[[Workload, Video, Path], RegionRun]] = {
    "model": model_region,
    "model+tracker": model_and_tracker_region,
    "end_to_end": end_to_end_region,
}


def videos_on_disk(videos: Iterable[Video], folder: Path) -> list[Video]:
    """The videos with their frames in files; those drawn in memory are written as JPEG first."""
    return [
        video if isinstance(video.frames, ImageFiles) else _written(video, folder / f"{number}")
        for number, video in enumerate(videos)
    ]


def _written(video: Video, folder: Path) -> Video:
    files = [folder / f"{t:05d}.jpg" for t in range(video.length)]
    for path, frame_HW3 in zip(files, video.frames, strict=True):
        write_frame(path, frame_HW3, "jpg")
    frames = ImageFiles(files, video.name, (video.height, video.width))
    return Video(video.id, video.name, video.height, video.width, frames)


def _frames_on_device(work: Workload, video: Video) -> Tensor:
    form, plan = work.method.input_format, work.plan
    size_HW = input_size(video.height, video.width, plan.resolution, form)
    inputs = DecodedFrames(iter(video.frames), size_HW, form, plan.device, NO_STAGES)
    frames_T3HW = torch.empty(video.length, 3, *size_HW, device=plan.device)
    for frame_3HW in frames_T3HW:
        frame_3HW.copy_(inputs.take(1)[0])
    return frames_T3HW
