"""One video through a method: the loop that is timed.

Every frame is encoded once, however many clips hold it; features live only while a later clip
still needs them. An online method sees every frame once; its state goes from clip to clip.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vis_bench.contract import check_clip, check_features, check_next, check_values
from vis_bench.data.frames import LazyFrames
from vis_bench.data.results_file import Track
from vis_bench.data.video import Video
from vis_bench.hosted_method import HostedMethod
from vis_bench.inference.clips import Clip, ClipLength, clip_windows, without_overlap
from vis_bench.inference.compiled import tf32_set
from vis_bench.inference.image_instances import ImageInstances
from vis_bench.inference.prefetch import decoding_threads, read_ahead
from vis_bench.inference.preprocess import input_size, resize_frame, to_input
from vis_bench.inference.stages import NO_STAGES, StageMarks, Stages
from vis_bench.inference.tracker import ClipTracker, NamedTracker, Output, PublishedMasks
from vis_bench.inference.whole_video import (
    HostFrames,
    check_whole_video,
    failed,
    whole_video_tracks,
)
from vis_bench.method import ClipPrediction, FrameFeatures, ImageRule, InputFormat, State, VISMethod
from vis_bench.video_method import VideoInfo, VideoMethod

# Frames encoded in one call at most; bounds the memory of whole-video clips.
ENCODE_FRAMES = 8


@dataclass(frozen=True)
class InferencePlan:
    """Clips, resolution, device and precision of an inference.

    `resolution` is the short side in pixels, or "native" for no resizing. `precision` is
    float32, bfloat16 or float16; the latter two run under autocast. `tf32` lets a GPU round the
    factors of float32 products.
    """

    clip_length: ClipLength
    clip_stride: int
    resolution: int | str
    device: torch.device
    precision: str = "float32"
    tf32: bool = False

    def clips(self, num_frames: int) -> list[Clip]:
        """The clips of a video with that many frames."""
        return clip_windows(num_frames, self.clip_length, self.clip_stride)

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """The context of every call of the method: autocast, and TF32 on or off."""
        reduced = self.precision != "float32"
        dtype = getattr(torch, self.precision) if reduced else None
        switches = tf32_set(self.tf32) if self.device.type == "cuda" else nullcontext()
        with switches, torch.autocast(self.device.type, dtype=dtype, enabled=reduced):
            yield


class FrameInputs(Protocol):
    """A video's network inputs, taken in order."""

    def take(self, num_frames: int) -> Tensor:
        """The next frames (T, 3, H, W), normalized, on the device."""


class StoredFrames:
    """Frames that are already on the device, as regions `model` and `model+tracker` start from."""

    def __init__(self, frames_T3HW: Tensor) -> None:
        self._frames_T3HW = frames_T3HW
        self._next = 0

    def take(self, num_frames: int) -> Tensor:
        """See `FrameInputs`."""
        start, self._next = self._next, self._next + num_frames
        return self._frames_T3HW[start : self._next]


@dataclass(frozen=True)
class DecodedFrames:
    """Frames decoded ahead in the background, then resized and normalized."""

    frames: Iterator
    size_HW: tuple[int, int]
    form: InputFormat
    device: torch.device
    stages: Stages

    def take(self, num_frames: int) -> Tensor:
        """See `FrameInputs`."""
        with self.stages.time("decode"):
            images = [next(self.frames) for _ in range(num_frames)]
        with self.stages.time("preprocess"):
            resized = [resize_frame(image, self.size_HW, self.form.library) for image in images]
            return to_input(resized, self.form, self.device)


def predict_clips(
    method: VISMethod,
    inputs: FrameInputs,
    clips: Sequence[Clip],
    stages: Stages = NO_STAGES,
    video: VideoInfo | None = None,
) -> Iterator[tuple[Clip, ClipPrediction]]:
    """Predict each clip in order, encoding every frame once.

    For an online method, the frames that it has seen are cut from each clip, and its state is
    handed from one call to the next.

    Args:
        method: prepared for inference, on the device of the inputs.
        inputs: the frames of the clips, taken in order.
        clips: as `clip_windows` gives them, or some of them.
        stages: times `encode` and `predict`.
        video: whose original size and categories a `HostedMethod` needs.
    """
    if video is not None and isinstance(method, HostedMethod):
        method.begin_video(video.height, video.width, video.asked)
    held: FrameFeatures | None = None
    held_start = held_stop = 0
    state: State | None = None
    for clip in without_overlap(clips) if method.online else clips:
        if held is not None:
            held = (
                held.frames(clip.start - held_start, len(held)) if clip.start < held_stop else None
            )
        held_start, held_stop = clip.start, max(held_stop, clip.start)
        while held_stop < clip.stop:
            frames_T3HW = inputs.take(min(ENCODE_FRAMES, clip.stop - held_stop))
            with stages.time("encode"):
                new = method.encode_frames(frames_T3HW)
                check_features(method, new, len(frames_T3HW), held)
                held = new if held is None else held.followed_by(new)
            held_stop += len(new)
        assert held is not None
        with _predicting(method, stages):
            prediction, state = check_next(method, method.predict_next(held, state))
            check_clip(method, prediction, len(clip))
        yield clip, prediction


@contextmanager
def _predicting(method: VISMethod, stages: Stages) -> Iterator[None]:
    """Stage `predict`; of a model in another process that process's own seconds count instead."""
    if not isinstance(method, HostedMethod) or not method.in_another_process:
        with stages.time("predict"):
            yield
        return
    with stages.transfer():
        yield
    for name, seconds in method.take_seconds().items():
        stages.add(name, seconds)


class Tracker(Protocol):
    """Joins the clips of one video, given in order, into tracks."""

    def update(self, clip: Clip, prediction: ClipPrediction) -> None:
        """Add the next clip."""

    def close_frames(self, stop: int) -> None:
        """Finish the frames before `stop`, which no later clip holds."""

    def tracks(self, video_id: int, category_ids: Sequence[int]) -> list[Track]:
        """All tracks, best score first."""

    def outputs(self) -> list[Output]:
        """The (track, class) pairs that are on show when the last clip is done."""

    def published(
        self, frames: range, chosen: Collection[int] | None = None
    ) -> Iterator[PublishedMasks]:
        """Masks of frames of the last clip as known now, before any of them is closed.

        Args:
            frames: in the clip.
            chosen: the tracks, as `outputs` numbers them; all unless given.
        """


def tracker_for(method: VISMethod, video: Video, input_size_HW: tuple[int, int]) -> Tracker:
    """The tracker of one video, by the method's rule and kind.

    Args:
        input_size_HW: the size of the network's input in pixels.
    """
    rule, size_HW = method.tracking_rule, (video.height, video.width)
    if isinstance(rule, ImageRule):
        return ImageInstances(rule, video.length, size_HW, input_size_HW)
    kind = NamedTracker if method.online else ClipTracker
    return kind(rule, video.length, *size_HW)


def no_mark() -> None:
    """Do nothing: the default of `after_clip`."""


# Called with the tracker and the clip that it was given, while all frames of the clip are open.
Publish = Callable[[Tracker, Clip], None]


def no_publication(tracker: Tracker, clip: Clip) -> None:
    """Do nothing: the default of `publish`."""


def track_clips(
    method: VISMethod,
    inputs: FrameInputs,
    clips: Sequence[Clip],
    tracker: Tracker,
    stages: Stages = NO_STAGES,
    after_clip: Callable[[], None] = no_mark,
    num_classes: int | None = None,
    video: VideoInfo | None = None,
    publish: Publish = no_publication,
) -> None:
    """Predict the clips and join them in the tracker, closing frames as early as possible.

    `publish` is called when a clip is in the tracker, `after_clip` when its last frames are closed,
    too. `num_classes` is checked where it is given, and `video` named in errors.

    Raises:
        InputError: for a clip that fails, with the video, the clip's number and its frames.
    """
    later_starts = [*(clip.start for clip in clips[1:]), clips[-1].stop]
    predictions = predict_clips(method, inputs, clips, stages, video)
    for number, next_start in enumerate(later_starts, 1):
        try:
            clip, prediction = next(predictions)
            with stages.time("track"):
                tracker.update(clip, check_values(method, prediction, num_classes))
            publish(tracker, clip)
            with stages.time("rle"):
                tracker.close_frames(next_start)
        except (Exception, SystemExit) as error:  # a method's own code may raise anything
            planned = clips[number - 1]
            part = f"clip {number} of {len(clips)}, frames {planned.start} to {planned.stop - 1}"
            raise failed(method, error, video, part) from error
        after_clip()


@torch.inference_mode()
def track_video(
    method: VISMethod,
    video: Video,
    plan: InferencePlan,
    category_ids: Sequence[int],
    stages: Stages = NO_STAGES,
    after_clip: Callable[[], None] = no_mark,
    publish: Publish = no_publication,
    clips: Sequence[Clip] | None = None,
) -> list[Track]:
    """The tracks of one video, from its files (or arrays) to run-length codes.

    Args:
        method: prepared for inference, on `plan.device`.
        video: decoded on demand, ahead of time in the background.
        plan: clips, resolution, device and precision.
        category_ids: the category id of each column of the class probabilities.
        stages: times decode, preprocess, encode, predict, track and rle.
        after_clip: called when a clip is done.
        publish: called when a clip is tracked; not for a `VideoMethod`, which has no clips.
        clips: some of the plan's clips, in order; all unless given. Frames between them are not
            read.

    Raises:
        InputError: for a frame that cannot be read, or a prediction that breaks the contract.
    """
    size_HW = input_size(video.height, video.width, plan.resolution, method.input_format)
    threads = decoding_threads(video.frames, plan.device)
    if isinstance(method, VideoMethod):
        check_whole_video(method.registered_name, plan.clip_length)
        with plan.arithmetic(), StageMarks(stages) as marks:
            host = HostFrames(video.frames, size_HW, method.input_format.library, threads, marks)
            tracks = whole_video_tracks(method, host, video, category_ids, marks)
        after_clip()
        return tracks
    source = video.frames
    if clips is None:
        clips = plan.clips(video.length)
    else:
        held = [t for clip in without_overlap(clips) for t in range(clip.start, clip.stop)]
        source = LazyFrames(len(held), lambda place: video.frames[held[place]])
    tracker = tracker_for(method, video, size_HW)
    with closing(read_ahead(source, threads=threads)) as frames, plan.arithmetic():
        inputs = DecodedFrames(frames, size_HW, method.input_format, plan.device, stages)
        info = VideoInfo.of(video, category_ids)
        track_clips(
            method, inputs, clips, tracker, stages, after_clip, len(category_ids), info, publish
        )
    with stages.time("rle"):
        return tracker.tracks(video.id, category_ids)
