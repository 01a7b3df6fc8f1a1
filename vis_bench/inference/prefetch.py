"""Frames decoded ahead of time, in the background."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from vis_bench.data.frames import ImageFiles

DEPTH = 16
DECODING_THREADS = 8


def read_ahead(
    frames: Sequence[np.ndarray], depth: int = DEPTH, threads: int = 1
) -> Generator[np.ndarray, None, None]:
    """Yield the frames in order while threads decode up to `depth` of them ahead.

    The threads start with the first frame asked for and end after the last one, when a frame fails,
    or when the generator is closed (or dropped) early. At most `depth` decoded frames wait.

    Args:
        threads: more than one only for frames that can be decoded in any order, several at once.

    Raises:
        Exception: the one that decoding a frame raised, at that frame's turn.
    """
    if depth < 1:
        raise ValueError(f"depth is {depth}; expected at least 1")
    if threads < 1:
        raise ValueError(f"threads is {threads}; expected at least 1")
    return _frames_from_pool(frames, depth, threads)


def decoding_threads(frames: Sequence[np.ndarray], device: torch.device) -> int:
    """The number of threads that decode for inference on a device.

    A GPU leaves the processor free, so that image files are decoded by up to `DECODING_THREADS`; on
    a CPU they would take its time from the network. A video file is decoded in order.
    """
    if device.type != "cuda" or not isinstance(frames, ImageFiles):
        return 1
    return min(DECODING_THREADS, os.cpu_count() or 1)


def _frames_from_pool(
    frames: Sequence[np.ndarray], depth: int, threads: int
) -> Generator[np.ndarray, None, None]:
    pool = ThreadPoolExecutor(min(threads, depth), "read-ahead")
    waiting: deque[Future[np.ndarray]] = deque()
    try:
        for t in range(len(frames)):
            waiting.append(pool.submit(frames.__getitem__, t))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
