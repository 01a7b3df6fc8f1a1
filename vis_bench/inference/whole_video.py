"""One video through a `VideoMethod`: from frames on the host to run-length codes, by track."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from math import prod
from typing import overload

import numpy as np
import torch
from torch import Tensor

from vis_bench.contract import checked_tracks
from vis_bench.data.results_file import Track
from vis_bench.data.video import Video
from vis_bench.errors import InputError, reason
from vis_bench.inference.encode import encode_filled, masks_at_once
from vis_bench.inference.prefetch import read_ahead
from vis_bench.inference.preprocess import resize_frame
from vis_bench.inference.stages import StageMarks
from vis_bench.masks.rle import RLE
from vis_bench.masks.tubes import SparseTube
from vis_bench.method import TrackingRule, VISMethod
from vis_bench.video_method import Frames, TrackPrediction, VideoInfo, VideoMethod

NO_MODEL_REGION = "the method predicts whole videos; masks and tracks are not apart"


def check_whole_video(
    name: str, clip_length: int | str, compile_mode: str = "none", regions: Sequence[str] = ()
) -> None:
    """Refuse settings that a `VideoMethod` cannot have.

    Args:
        name: of the method.
        clip_length, compile_mode, regions: the config's.
    """
    problem = None
    if clip_length != "whole":
        problem = f"clip_length is {clip_length}", "whole"
    elif compile_mode != "none":
        problem = f"compile is {compile_mode}", "none"
    elif [*regions] == ["model"]:
        problem = "speed.regions is [model]", "model+tracker or end_to_end"
    if problem is not None:
        raise InputError(f"{problem[0]}, but {name} predicts whole videos; expected {problem[1]}")


@dataclass(frozen=True, eq=False)
class HostFrames(Sequence[np.ndarray]):
    """A video's frames as bytes on the host, resized, each decoded when it is read.

    Going through them in order decodes ahead in the background.

    Args:
        frames: uint8 RGB (H, W, 3).
        size_HW: of the resized frames, in pixels.
        library: whose filter resizes, as in the input format.
        threads: that decode; see `prefetch.decoding_threads`.
        marks: charge the stages `decode` and `preprocess`.
    """

    frames: Sequence[np.ndarray]
    size_HW: tuple[int, int]
    library: str
    threads: int
    marks: StageMarks

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> HostFrames: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | HostFrames:
        if isinstance(index, slice):
            return replace(self, frames=self.frames[index])
        return self._resized(lambda: self.frames[index])

    def __iter__(self) -> Iterator[np.ndarray]:
        with closing(read_ahead(self.frames, threads=self.threads)) as ahead:
            for _ in range(len(self)):
                yield self._resized(lambda: next(ahead))

    def _resized(self, decode: Callable[[], np.ndarray]) -> np.ndarray:
        with self.marks.inside("decode"):
            frame_HW3 = decode()
        with self.marks.inside("preprocess"):
            return resize_frame(frame_HW3, self.size_HW, self.library)


def whole_video_tracks(
    method: VideoMethod,
    frames: Frames,
    video: Video,
    category_ids: Sequence[int],
    marks: StageMarks,
) -> list[Track]:
    """The tracks of one video, best score first; each one's masks are encoded before the next.

    Args:
        frames: uint8 RGB (H, W, 3) at the size of the network's input.
        category_ids: the category id of each column.
        marks: are running; the method's own, and `rle` around the encoding.

    Raises:
        InputError: where the method fails or breaks the contract, with the video and the track.
    """
    info = VideoInfo.of(video, category_ids)
    tracks: list[Track] = []
    number = 0
    rule = method.tracking_rule
    keep_empty = isinstance(rule, TrackingRule) and rule.keep_empty
    try:
        predicted = method.predict_video(frames, info, marks.mark)
        for track in checked_tracks(method, predicted, info, len(category_ids)):
            with marks.inside("rle"):
                masks = encode_track(track)
            if masks or keep_empty:
                tube = SparseTube(video.length, masks)
                category_id = category_ids[track.category]
                tracks.append(Track(video.id, category_id, float(track.score), tube))
            number += 1
            del track  # its masks, before the next ones are made
    except (Exception, SystemExit) as error:  # a method's own code may raise anything
        raise failed(method, error, info, f"track {number}") from error
    return sorted(tracks, key=lambda track: -track.score)


def failed(
    method: VISMethod, error: BaseException, video: VideoInfo | None, part: str
) -> InputError:
    """A failure of a method's code, or a breach of its contract, with the part of the video."""
    known = isinstance(error, InputError)
    why = str(error) if known else f"method {method.registered_name} failed, {reason(error)}"
    place = "" if video is None else f"video {video.name} (id {video.id}), "
    return InputError(f"{why}, in {place}{part}")


def encode_track(track: TrackPrediction) -> dict[int, RLE]:
    """The masks of a checked track that are not empty, by frame."""
    present = [t for t, mask in enumerate(track.masks) if mask is not None]
    masks: dict[int, RLE] = {}
    if not present:
        return masks
    first = track.masks[present[0]]
    assert first is not None, "it is present"
    like = first if isinstance(first, Tensor) else torch.empty(0)
    step = masks_at_once(like, prod(first.shape))
    for start in range(0, len(present), step):
        frames = present[start : start + step]
        masks_PHW = _stacked([track.masks[t] for t in frames])
        masks |= {frames[place]: rle for place, rle in encode_filled(masks_PHW)}
    return masks


def _stacked(masks: list) -> Tensor:
    if isinstance(masks[0], Tensor):
        return torch.stack(masks)
    return torch.from_numpy(np.stack(masks))
