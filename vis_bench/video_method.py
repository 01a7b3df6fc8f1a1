"""The interface of a method that gets a whole video: other people's code, unported."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.hosted_method import HostedMethod
from vis_bench.method import ClipPrediction, FrameFeatures


@dataclass(frozen=True)
class VideoInfo:
    """The video that a `VideoMethod` gets; height and width are the original's, in pixels.

    `asked`: columns of the categories that the data set asks for in this video; None for all.
    """

    id: int
    name: str
    height: int
    width: int
    num_frames: int
    asked: Sequence[int] | None = None

    @classmethod
    def of(cls, video: Video, category_ids: Sequence[int]) -> VideoInfo:
        """Facts of a video of a data set; `category_ids`: the category id of each column."""
        asked = video.asked
        columns = (
            None if asked is None else [n for n, key in enumerate(category_ids) if key in asked]
        )
        return cls(video.id, video.name, video.height, video.width, video.length, columns)


@dataclass(frozen=True)
class TrackPrediction:
    """One track of a whole video.

    `category`: column of the data set's categories, from 0. `score`: any finite number, by which
    tracks are ranked. `masks`: a boolean array or tensor (height, width) at the video's original
    size per frame, or None where the track is absent. `track_id`: an object's number, which its
    tracks under other categories share.
    """

    category: int
    score: float
    masks: Sequence[np.ndarray | Tensor | None] | np.ndarray | Tensor
    track_id: int | None = None


Frames = Sequence[np.ndarray] | np.ndarray
# Stages of `predict_video`. Time in `transfer` is spent on handing frames to another process and
# waiting for it, and counts nowhere.
TRANSFER = "transfer"
VIDEO_STAGES = ("preprocess", "encode", "predict", "track", TRANSFER)


class Mark(Protocol):
    """Begins one of `VIDEO_STAGES`, and ends the one that runs.

    With `seconds`, time that another process measured is added to the stage instead, and the stage
    that runs goes on.
    """

    def __call__(self, name: str, seconds: float | None = None, /) -> None: ...


class VideoMethod(HostedMethod):
    """A method that gets a whole video and yields its tracks: other people's code, unported.

    There are no clips, so that a config's `clip_length` is `whole`; region `model` is not timed,
    nothing is compiled, and multiply-adds are counted while the nominal video is predicted:
    `not_counted` is the reason where they cannot be. Of `input_format` only the size counts.
    """

    whole_video = True

    def count_elsewhere(self, frames: Frames, video: VideoInfo) -> Mapping[str, Any] | None:
        """Multiply-adds of a video whose operators run in another process.

        Returns:
            The fields of a `MacCount`; None where they run in this process, which counts them.
        """
        return None

    @abstractmethod
    def predict_video(
        self, frames: Frames, video: VideoInfo, mark: Mark
    ) -> Iterable[TrackPrediction]:
        """Yield the tracks of one video, one at a time: each is encoded before the next is made.

        Args:
            frames: T frames (H, W, 3) of uint8 RGB on the host, resized to the configured short
                side and not normalized. They are decoded when they are read, ahead of time where
                they are read in order; `np.stack(frames)` holds all of them.
            video: its identity and original size, which is the size of the masks.
            mark: `mark(name)` ends the current stage and begins another of `VIDEO_STAGES`, for the
                record; the first is `predict`. Optional.
        """

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Refuse: there are no features that clips could share."""
        raise InputError(f"method {self.registered_name} predicts whole videos; it has no steps")

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """Refuse: there are no clips."""
        raise InputError(f"method {self.registered_name} predicts whole videos; it has no clips")
