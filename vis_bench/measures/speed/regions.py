"""The three regions that speed is timed over, and one timed run of a region.

`model`: from frames on the device to clip outputs. `model+tracker`: on to tracks with their
run-length codes. `end_to_end`: from files on disk to a results JSON on disk. A `VideoMethod` has no
region `model`, and starts `model+tracker` from resized frames on the host.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
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
from vis_bench.inference.preprocess import input_size, resize_frame
from vis_bench.inference.stages import (
    NO_STAGES,
    StageClock,
    StageMarks,
    Stages,
)
from vis_bench.inference.whole_video import NO_MODEL_REGION, whole_video_tracks
from vis_bench.measures.speed.settings import OTHER, STAGE_NAMES
from vis_bench.method import VISMethod
from vis_bench.video_method import VideoInfo, VideoMethod

# The timed work of one video; calls the second argument when a clip is done.
RegionRun = Callable[[Stages, Callable[[], None]], None]
# Returns the time in seconds.
Clock = Callable[[], float]


@dataclass(frozen=True)
class Workload:
    """The timed method, prepared for inference on `plan.device`, and its use.

    `category_ids`: the category id of each column of the class probabilities.
    """

    method: VISMethod
    plan: InferencePlan
    category_ids: Sequence[int]

    def inference(self) -> AbstractContextManager:
        """The context of every call of the method."""
        stack = ExitStack()
        stack.enter_context(torch.inference_mode())
        stack.enter_context(self.plan.arithmetic())
        return stack


def model_region(work: Workload, video: Video, folder: Path) -> RegionRun:
    """Frames on the device to clip outputs; decoding and preprocessing happen before."""
    frames_T3HW, clips = _frames_on_device(work, video), work.plan.clips(video.length)
    info = VideoInfo.of(video, work.category_ids)

    def run(stages: Stages, after_clip: Callable[[], None]) -> None:
        with work.inference():
            for _ in predict_clips(work.method, StoredFrames(frames_T3HW), clips, stages, info):
                after_clip()

    return run


def model_and_tracker_region(work: Workload, video: Video, folder: Path) -> RegionRun:
    """Frames on the device to tracks; decoding and preprocessing happen before."""
    if isinstance(work.method, VideoMethod):
        return _whole_video_region(work.method, work, video)
    frames_T3HW, clips = _frames_on_device(work, video), work.plan.clips(video.length)
    info = VideoInfo.of(video, work.category_ids)

    def run(stages: Stages, after_clip: Callable[[], None]) -> None:
        size_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        tracker = tracker_for(work.method, video, size_HW)
        with work.inference():
            inputs = StoredFrames(frames_T3HW)
            num_classes = len(work.category_ids)
            track_clips(work.method, inputs, clips, tracker, stages, after_clip, num_classes, info)
            with stages.time("rle"):
                tracker.tracks(video.id, work.category_ids)

    return run


def _whole_video_region(method: VideoMethod, work: Workload, video: Video) -> RegionRun:
    size_HW = input_size(video.height, video.width, work.plan.resolution, method.input_format)
    library = method.input_format.library
    frames_THW3 = np.stack([resize_frame(frame, size_HW, library) for frame in video.frames])

    def run(stages: Stages, after_clip: Callable[[], None]) -> None:
        with work.inference(), StageMarks(stages) as marks:
            whole_video_tracks(method, frames_THW3, video, work.category_ids, marks)
        after_clip()

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


def untimed_regions(method: VISMethod, regions: Iterable[str]) -> dict[str, str]:
    """The reason for each of the regions that cannot be timed for a method."""
    return {name: NO_MODEL_REGION for name in regions if method.whole_video and name == "model"}


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
    shape = video.length, 3, *size_HW
    if form.as_bytes:
        frames_T3HW = torch.empty(shape, dtype=torch.uint8, memory_format=torch.channels_last)
    else:
        frames_T3HW = torch.empty(shape, device=plan.device)
    for frame_3HW in frames_T3HW:
        frame_3HW.copy_(inputs.take(1)[0])
    return frames_T3HW


@dataclass(frozen=True)
class VideoRun:
    """One timed run over one video, in seconds.

    `clip_seconds`: from one clip's result (or the start) to the next one's. `stage_seconds`: by
    stage, empty where stages were not timed; with `other`, the time between the stages, they add up
    to `seconds`.
    """

    seconds: float
    clip_seconds: Sequence[float]
    stage_seconds: Mapping[str, float]


class CpuMarks:
    """Moments at which clips are done, read from the clock."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self._clock = clock
        self._times: list[float] = []

    def mark(self) -> None:
        """Note this moment."""
        self._times.append(self._clock())

    def intervals(self) -> list[float]:
        """Seconds between successive marks."""
        return np.diff(self._times).tolist()


class CudaMarks:
    """The same as events queued behind the work so far, so that marking waits for nothing."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.current_stream(device)
        self._events: list[torch.cuda.Event] = []

    def mark(self) -> None:
        """Queue an event."""
        event = torch.cuda.Event(enable_timing=True)
        event.record(self._stream)
        self._events.append(event)

    def intervals(self) -> list[float]:
        """Seconds between successive marks; all marked work has to be finished."""
        pairs = zip(self._events, self._events[1:], strict=False)
        return [first.elapsed_time(second) / 1e3 for first, second in pairs]


def synchronizer(device: torch.device) -> Callable[[], None]:
    """A function that waits until the device has finished its queued work."""
    if device.type == "cuda":
        return partial(torch.cuda.synchronize, device)
    return lambda: None


def time_run(
    run: RegionRun, device: torch.device, *, by_stage: bool, clock: Clock = time.perf_counter
) -> VideoRun:
    """Run once and time it; the device is idle at both ends.

    Args:
        by_stage: times the stages, and waits for the device at the ends of each; on a GPU that
            keeps it from working ahead, so that the whole is slower than in use.
    """
    synchronize = synchronizer(device)
    stages = StageClock(synchronize, clock) if by_stage else Stages(clock)
    marks = CudaMarks(device) if device.type == "cuda" else CpuMarks(clock)
    elsewhere = [0.0]

    def after_clip() -> None:
        marks.mark()
        elsewhere.append(stages.elsewhere)

    synchronize()
    start = clock()
    marks.mark()
    run(stages, after_clip)
    synchronize()
    seconds = clock() - start + stages.elsewhere
    clip_seconds = (np.array(marks.intervals()) + np.diff(elsewhere)).tolist()
    stage_seconds = _with_other(stages.seconds, seconds) if isinstance(stages, StageClock) else {}
    return VideoRun(seconds, clip_seconds, stage_seconds)


def _with_other(stage_seconds: Mapping[str, float], seconds: float) -> dict[str, float]:
    stages = {name: stage_seconds[name] for name in STAGE_NAMES if name in stage_seconds}
    return {**stages, OTHER: seconds - sum(stages.values())}
