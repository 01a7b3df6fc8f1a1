"""Clips for training: videos of the synthetic split, clips drawn from them, and their targets.

The batch of a step depends on the seed and the step alone, so a resumed training goes on exactly
as one that was never interrupted.

Shape letters: N instances, T frames, H and W rows and columns, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from methods.training.config import TrainConfig
from vis_bench.data.synthetic import VideoKey, render, scene_of
from vis_bench.inference.preprocess import input_size, normalize_
from vis_bench.method import InputFormat
from vis_bench.progress import Advance, silent

MASK_STRIDE = 4


class Drawn(NamedTuple):
    """A video, and the instance that each pixel shows; about 1.3 MB.

    `frames_THW3` is uint8 RGB. `owners_THW` is uint8: 0 for background, k + 1 for instance k, whose
    class, from 0, is `labels[k]`.
    """

    frames_THW3: np.ndarray
    owners_THW: np.ndarray
    labels: list[int]


def draw_videos(seed: int, videos: int, advance: Advance = silent) -> list[Drawn]:
    """The first videos of the endless synthetic training split of that seed."""
    drawn = []
    for index in range(videos):
        scene = scene_of(VideoKey("train", index, seed=seed))
        frames, owners = zip(*(render(scene, t) for t in range(scene.length)), strict=True)
        labels = [item.category_id - 1 for item in scene.instances]
        drawn.append(Drawn(np.stack(frames), np.stack(owners), labels))
        advance()
    return drawn


@dataclass(frozen=True)
class ClipTargets:
    """The instances of one clip.

    `labels_N` count classes from 0. `masks_NTHW` is the share, 0..1, of each cell of a grid of
    stride 4 that an instance covers. `boxes_NT4` are cx, cy, w, h in 0..1 around the visible
    pixels; where `visible_NT` is False they are 0.
    """

    labels_N: Tensor
    masks_NTHW: Tensor
    boxes_NT4: Tensor
    visible_NT: Tensor

    def __len__(self) -> int:
        return self.labels_N.shape[0]

    def semantic_TKHW(self, num_classes: int, size_HW: Sequence[int]) -> Tensor:
        """Share of each cell that each class covers, and last the background: (T, K + 1, H, W)."""
        frames, height, width = self.masks_NTHW.shape[1:]
        cover = self.masks_NTHW.new_zeros(num_classes, frames, height, width)
        cover.index_add_(0, self.labels_N, self.masks_NTHW)
        rest = (1 - cover.sum(0, keepdim=True)).clamp(min=0)
        return F.interpolate(torch.cat([cover, rest]).transpose(0, 1), tuple(size_HW), mode="area")


def make_targets(owners_THW: Tensor, labels: list[int], size_HW: tuple[int, int]) -> ClipTargets:
    """Targets of a clip whose frames are resized to `size_HW` for the network.

    Args:
        owners_THW: uint8; 0 for background, k + 1 where a pixel shows instance k.
        labels: the class of each instance, from 0. Instances that no frame shows are left out.
    """
    numbers = torch.arange(1, len(labels) + 1, dtype=owners_THW.dtype)
    masks_NTHW = owners_THW[None] == numbers[:, None, None, None]
    kept = masks_NTHW.flatten(1).any(1)
    masks_NTHW = masks_NTHW[kept]
    grid_HW = tuple(-(-side // MASK_STRIDE) for side in size_HW)
    return ClipTargets(
        torch.tensor(labels, dtype=torch.int64)[kept],
        F.interpolate(masks_NTHW.float(), grid_HW, mode="area"),
        boxes_around(masks_NTHW),
        masks_NTHW.flatten(2).any(2),
    )


def boxes_around(masks_NTHW: Tensor) -> Tensor:
    """Boxes (N, T, 4), cx, cy, w, h in 0..1, around the pixels of each mask; 0 for empty masks."""
    height, width = masks_NTHW.shape[-2:]
    top, bottom = _extent(masks_NTHW.any(-1))
    left, right = _extent(masks_NTHW.any(-2))
    visible = masks_NTHW.flatten(2).any(2)
    box = torch.stack([left + right, top + bottom, 2 * (right - left), 2 * (bottom - top)], -1)
    scale = torch.tensor([width, height, width, height]) * 2
    return torch.where(visible[..., None], box / scale, 0.0)


def _extent(filled: Tensor) -> tuple[Tensor, Tensor]:
    """First and one past the last filled place along the last dimension."""
    places = torch.arange(filled.shape[-1])
    first = torch.where(filled, places, filled.shape[-1]).amin(-1)
    last = torch.where(filled, places + 1, 0).amax(-1)
    return first, last


class Batch(NamedTuple):
    """B clips of T frames: the network's input (B * T, 3, H, W) and each clip's targets."""

    frames_N3HW: Tensor
    targets: list[ClipTargets]


class ClipSampler:
    """Draws batches; all clips of one share size, length and resolution.

    Args:
        videos: to draw from.
        stage: gives `seed`, `clips` per batch, `clip_frames` (one of them per batch) at gaps of up
            to `max_gap`, `resolutions` (one per batch; the short side) and `crop`.
        form: the method's input.
    """

    def __init__(self, videos: Sequence[Drawn], stage: TrainConfig, form: InputFormat) -> None:
        by_size: dict[tuple[int, ...], list[Drawn]] = {}
        for video in videos:
            by_size.setdefault(video.owners_THW.shape[1:], []).append(video)
        self._groups = [by_size[size] for size in sorted(by_size)]
        self._shares = np.array([len(group) for group in self._groups], dtype=np.float64)
        self._stage = stage
        self._form = form

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        draw = np.random.Generator(np.random.PCG64([self._stage.seed, step]))
        group = self._groups[draw.choice(len(self._groups), p=self._shares / self._shares.sum())]
        frames = int(draw.choice(self._stage.clip_frames))
        resolution = int(draw.choice(self._stage.resolutions))
        turned = bool(draw.integers(2))
        clips = [
            self._clip(draw, group[int(draw.integers(len(group)))], frames, resolution, turned)
            for _ in range(self._stage.clips)
        ]
        inputs, targets = zip(*clips, strict=True)
        frames_N3HW = torch.cat(inputs).contiguous(memory_format=torch.channels_last)
        return Batch(frames_N3HW, list(targets))

    def _clip(
        self, draw: np.random.Generator, video: Drawn, frames: int, resolution: int, turned: bool
    ) -> tuple[Tensor, ClipTargets]:
        chosen = choose_frames(draw, len(video.owners_THW), frames, self._stage.max_gap)
        images = torch.from_numpy(video.frames_THW3[chosen]).permute(0, 3, 1, 2)
        owners = torch.from_numpy(video.owners_THW[chosen])
        # Mirrors, transposes and swaps colors: every class stays what it is under all of them.
        flipped = [axis for axis in (-2, -1) if draw.integers(2)]
        images = images.flip(flipped)[:, torch.from_numpy(draw.permutation(3))]
        owners = owners.flip(flipped)
        if turned:
            images, owners = images.transpose(-1, -2), owners.transpose(-1, -2)
        if self._stage.crop is not None:
            side = max(1, self._stage.crop * min(owners.shape[1:]) // resolution)
            rows, columns = choose_window(draw, owners, side)
            images, owners = images[:, :, rows, columns], owners[:, rows, columns]
            resolution = self._stage.crop
        size_HW = input_size(*owners.shape[1:], resolution, self._form)
        # With antialiasing, as Pillow's bilinear filter.
        resized = F.interpolate(
            images.float(), size_HW, mode="bilinear", align_corners=False, antialias=True
        )
        return normalize_(resized, self._form), make_targets(owners, video.labels, size_HW)


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
