"""Training videos of the synthetic split, drawn once and kept in memory as bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.data.synthetic import VideoKey, render, scene_of
from vis_bench.progress import Advance, silent


@dataclass(frozen=True)
class PooledVideo:
    """A video, and the instance that each pixel shows.

    `index` counts the videos of the split. `frames_THW3` is uint8 RGB. `owners_THW` is uint8: 0 for
    background, k + 1 for instance k, whose class, from 0, is `labels[k]`.
    """

    index: int
    frames_THW3: np.ndarray
    owners_THW: np.ndarray
    labels: Sequence[int]

    @property
    def size_HW(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self.owners_THW.shape[1], self.owners_THW.shape[2]

    def __len__(self) -> int:
        return len(self.owners_THW)


# Videos by the size of their frames.
Pool = dict[tuple[int, int], list[PooledVideo]]


def draw_video(seed: int, index: int) -> PooledVideo:
    """Video `index` of the endless synthetic training split of that seed."""
    scene = scene_of(VideoKey("train", index, seed=seed))
    drawn = [render(scene, t) for t in range(scene.length)]
    frames, owners = zip(*drawn, strict=True)
    labels = [item.category_id - 1 for item in scene.instances]
    return PooledVideo(index, np.stack(frames), np.stack(owners), labels)


def draw_pool(seed: int, videos: int, advance: Advance = silent) -> Pool:
    """The first `videos` training videos by frame size, so that batches can share one size.

    About 1.3 MB each.
    """
    pool: Pool = {}
    for index in range(videos):
        video = draw_video(seed, index)
        pool.setdefault(video.size_HW, []).append(video)
        advance()
    return pool


def first_videos(pool: Pool, videos: int) -> Pool:
    """The part of a pool that a pool of fewer videos would be."""
    return _part(pool, lambda video: video.index < videos)


def videos_from(pool: Pool, first: int) -> Pool:
    """The rest of a pool."""
    return _part(pool, lambda video: video.index >= first)


def _part(pool: Pool, chosen: Callable[[PooledVideo], bool]) -> Pool:
    parts = {size: [video for video in group if chosen(video)] for size, group in pool.items()}
    return {size: part for size, part in parts.items() if part}
