"""Frames decoded ahead of time, in the background."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress

import numpy as np

DEPTH = 16


class _Failure:
    """Carries an exception from the decoding thread to the reader."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def read_ahead(
    frames: Sequence[np.ndarray], depth: int = DEPTH
) -> Generator[np.ndarray, None, None]:
    """Yields the frames in order while a thread decodes up to `depth` of them ahead.

    The thread starts with the first frame asked for and ends when the last one is decoded, when a
    frame fails, or when the generator is closed (or dropped) early. At most `depth` + 1 decoded
    frames wait at any time.

    Raises:
        ValueError: for a depth below 1.
        Exception: whatever decoding a frame raised, at that frame's turn.
    """
    if depth < 1:
        raise ValueError(f"depth is {depth}; expected at least 1")
    return _frames_from_thread(frames, depth)


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
