"""Frames decoded ahead of time, in the background."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import torch

from vis_bench.data.frames import ImageFiles

DEPTH = 16
DECODING_THREADS = 8


class _Failure:
    """Carries an exception from the decoding thread to the reader."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def read_ahead(
    frames: Sequence[np.ndarray], depth: int = DEPTH, threads: int = 1
) -> Generator[np.ndarray, None, None]:
    """Yield the frames in order while threads decode up to `depth` of them ahead.

    The threads start with the first frame asked for and end when the last one is decoded, when a
    frame fails, or when the generator is closed (or dropped) early. At most `depth` + 1 decoded
    frames wait at any time.

    Args:
        threads: more than one only for frames that can be decoded in any order, several at once.

    Raises:
        Exception: the one that decoding a frame raised, at that frame's turn.
    """
    if depth < 1:
        raise ValueError(f"depth is {depth}; expected at least 1")
    if threads < 1:
        raise ValueError(f"threads is {threads}; expected at least 1")
    if threads > 1:
        return _frames_from_pool(frames, depth, threads)
    return _frames_from_thread(frames, depth)


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
        for t in range(len(frames) + depth):
            if len(waiting) == depth or t >= len(frames):
                if not waiting:
                    break
                yield waiting.popleft().result()
            if t < len(frames):
                waiting.append(pool.submit(frames.__getitem__, t))
    finally:
        pool.shutdown(cancel_futures=True)


def _frames_from_thread(
    frames: Sequence[np.ndarray], depth: int
) -> Generator[np.ndarray, None, None]:
    ready: queue.Queue[np.ndarray | _Failure] = queue.Queue(depth)
    gone = threading.Event()
    thread = threading.Thread(
        target=_decode, args=(frames, ready, gone), name="read-ahead", daemon=True
    )
    thread.start()
    try:
        for _ in range(len(frames)):
            frame = ready.get()
            if isinstance(frame, _Failure):
                raise frame.error
            yield frame
    finally:
        gone.set()
        _drain(ready)  # the thread may be waiting for room; after this it finds some, and ends
        thread.join()


def _decode(
    frames: Sequence[np.ndarray],
    ready: queue.Queue[np.ndarray | _Failure],
    gone: threading.Event,
) -> None:
    try:
        for t in range(len(frames)):
            if gone.is_set():
                return
            ready.put(frames[t])
    except BaseException as error:
        ready.put(_Failure(error))


def _drain(ready: queue.Queue[np.ndarray | _Failure]) -> None:
    with suppress(queue.Empty):
        while True:
            ready.get_nowait()
