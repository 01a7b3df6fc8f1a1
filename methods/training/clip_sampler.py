"""Clips for training: which frames of which video, and how they are varied.

The batch of a step depends on the seed and the step alone, so a resumed training goes on exactly
as one that was never interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from methods.training.targets import ClipTargets, make_targets
from methods.training.video_pool import PooledVideo
from vis_bench.inference.preprocess import input_size, normalize_
from vis_bench.method import InputFormat


@dataclass(frozen=True)
class Batch:
    """B clips of T frames: the network's input (B * T, 3, H, W) and each clip's targets."""

    frames_N3HW: Tensor
    targets: list[ClipTargets]


@dataclass(frozen=True)
class SamplingPlan:
    """How clips are drawn.

    `clips` per batch, each of one of `clip_frames` frames that lie up to `max_gap` frames apart.
    `resolutions` are the short sides in pixels, one per batch. With `crop`, a clip is a square of
    that many pixels of the resized frames, with an instance in it.
    """

    seed: int
    clips: int
    clip_frames: Sequence[int]
    max_gap: int
    resolutions: Sequence[int]
    crop: int | None = None


class ClipSampler:
    """Draws batches; all clips of one share size, length and resolution.

    Args:
        pool: videos by frame size.
        plan: see `SamplingPlan`.
        form: how the method wants its frames.
    """

    def __init__(
        self, pool: Mapping[tuple[int, int], Sequence[PooledVideo]], plan: SamplingPlan,
        form: InputFormat,
    ) -> None:  # fmt: skip
        self._groups = [pool[size] for size in sorted(pool)]
        self._shares = np.array([len(group) for group in self._groups], dtype=np.float64)
        self._plan = plan
        self._form = form

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        draw = np.random.Generator(np.random.PCG64([self._plan.seed, step]))
        group = self._groups[draw.choice(len(self._groups), p=self._shares / self._shares.sum())]
        frames = int(draw.choice(self._plan.clip_frames))
        resolution = int(draw.choice(self._plan.resolutions))
        turned = bool(draw.integers(2))
        clips = [
            self._clip(draw, group[int(draw.integers(len(group)))], frames, resolution, turned)
            for _ in range(self._plan.clips)
        ]
        inputs, targets = zip(*clips, strict=True)
        frames_N3HW = torch.cat(inputs).contiguous(memory_format=torch.channels_last)
        return Batch(frames_N3HW, list(targets))

    def _clip(
        self, draw: np.random.Generator, video: PooledVideo, frames: int, resolution: int,
        turned: bool,
    ) -> tuple[Tensor, ClipTargets]:  # fmt: skip
        chosen = choose_frames(draw, len(video), frames, self._plan.max_gap)
        images = torch.from_numpy(video.frames_THW3[chosen]).permute(0, 3, 1, 2)
        owners = torch.from_numpy(video.owners_THW[chosen])
        images, owners = _vary(draw, images, owners, turned)
        if self._plan.crop is not None:
            side = max(1, self._plan.crop * min(owners.shape[1:]) // resolution)
            window = choose_window(draw, owners, side)
            images, owners, resolution = images[:, :, *window], owners[:, *window], self._plan.crop
        size_HW = input_size(*owners.shape[1:], resolution, self._form)
        targets = make_targets(owners, list(video.labels), size_HW)
        return _normalized(images, size_HW, self._form), targets


def choose_frames(draw: np.random.Generator, length: int, frames: int, max_gap: int) -> np.ndarray:
    """Indices of `frames` frames at equal gaps of up to `max_gap`, forwards or backwards in time.

    Gaps shrink where the video is too short; a video shorter than the clip repeats its last frame.
    """
    widest = max(1, min(max_gap, (length - 1) // max(1, frames - 1)))
    gap = int(draw.integers(1, widest + 1))
    start = int(draw.integers(max(1, length - gap * (frames - 1))))
    chosen = np.minimum(start + gap * np.arange(frames), length - 1)
    return chosen[::-1].copy() if draw.integers(2) else chosen


def choose_window(draw: np.random.Generator, owners_THW: Tensor, side: int) -> tuple[slice, slice]:
    """Rows and columns of a square window of at most `side` pixels.

    A visible pixel of an instance is in its middle half, as far as the frame's edge allows.
    """
    height, width = owners_THW.shape[1:]
    side = min(side, height, width)
    places = owners_THW[0].nonzero()
    if len(places):
        y, x = places[int(draw.integers(len(places)))].tolist()
    else:
        y, x = int(draw.integers(height)), int(draw.integers(width))
    shifts = draw.integers(side // 4, side - side // 4, size=2).tolist()
    top = min(max(y - shifts[0], 0), height - side)
    left = min(max(x - shifts[1], 0), width - side)
    return slice(top, top + side), slice(left, left + side)


def _vary(
    draw: np.random.Generator, images_T3HW: Tensor, owners_THW: Tensor, turned: bool
) -> tuple[Tensor, Tensor]:
    """Mirrors, transposes and swaps colors: every class stays what it is under all of them."""
    flipped = [axis for axis in (-2, -1) if draw.integers(2)]
    images_T3HW = images_T3HW.flip(flipped)[:, torch.from_numpy(draw.permutation(3))]
    owners_THW = owners_THW.flip(flipped)
    if turned:
        return images_T3HW.transpose(-1, -2), owners_THW.transpose(-1, -2)
    return images_T3HW, owners_THW


def _normalized(images_T3HW: Tensor, size_HW: tuple[int, int], form: InputFormat) -> Tensor:
    """Network input; resized with antialiasing, which is what Pillow's bilinear filter does."""
    resized = F.interpolate(
        images_T3HW.float(), size_HW, mode="bilinear", align_corners=False, antialias=True
    )
    return normalize_(resized, form)
