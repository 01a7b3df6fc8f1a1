"""Reading ahead: order, bounds, errors, and no thread left behind."""

import gc
import threading
from contextlib import closing

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vis_bench.data.frames import ImageFiles, LazyFrames
from vis_bench.inference.prefetch import decoding_threads, read_ahead

PATIENCE = 10  # seconds; reached only by a test that fails


def numbered(t):
    return np.full((1, 1, 3), t, np.uint8)


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 9))
def test_all_frames_in_order(length, depth, count):
    frames = [int(f[0, 0, 0]) for f in read_ahead(LazyFrames(length, numbered), depth, count)]
    assert frames == list(range(length))
    assert not threads()


def test_no_more_than_the_depth_wait():
    loaded = []
    full = threading.Event()

    def load(t):
        loaded.append(t)
        if t == 3:
            full.set()
        return numbered(t)

    with closing(read_ahead(LazyFrames(100, load), depth=3)) as frames:
        next(frames)
        assert full.wait(PATIENCE)
        for taken in range(2, 22):
            next(frames)
            assert len(loaded) <= taken + 3


def test_several_threads_decode_at_once_and_no_more_than_the_depth_wait():
    together = threading.Barrier(3)
    loaded = []

    def load(t):
        loaded.append(t)
        if t < 3:
            together.wait(PATIENCE)  # raises unless three frames are decoded at the same time
        return numbered(t)

    with closing(read_ahead(LazyFrames(30, load), depth=5, threads=3)) as frames:
        for taken in range(1, 21):
            assert int(next(frames)[0, 0, 0]) == taken - 1
            assert max(loaded) < taken + 5
    assert not threads()


def test_only_image_files_are_decoded_by_several_threads_and_only_for_a_gpu(tmp_path):
    files, gpu = ImageFiles([tmp_path / "0.jpg"], "a video", (4, 6)), torch.device("cuda")
    assert decoding_threads(files, torch.device("cpu")) == 1
    assert decoding_threads(LazyFrames(3, numbered), gpu) == 1
    assert 1 <= decoding_threads(files, gpu) <= 8


@pytest.mark.parametrize("count", [1, 4])
def test_an_error_comes_at_its_frame_and_not_before(count):
    def load(t):
        if t == 2:
            raise RuntimeError("broken frame 2")
        return numbered(t)

    frames = read_ahead(LazyFrames(5, load), depth=8, threads=count)
    assert [int(next(frames)[0, 0, 0]) for _ in range(2)] == [0, 1]
    with pytest.raises(RuntimeError, match="broken frame 2"):
        next(frames)
    assert not threads()
    assert list(frames) == []


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("depth", [1, 3, 64])
def test_stopping_early_ends_the_thread(depth, count):
    frames = read_ahead(LazyFrames(50, numbered), depth, count)
    next(frames)
    frames.close()
    assert not threads()


def test_a_dropped_iterator_ends_its_thread():
    frames = read_ahead(LazyFrames(50, numbered), 2)
    next(frames)
    del frames
    gc.collect()
    assert not threads()


def test_nothing_starts_before_the_first_frame_is_asked_for():
    loaded = []
    frames = read_ahead(LazyFrames(5, lambda t: loaded.append(t) or numbered(t)))
    assert not threads()
    frames.close()
    assert loaded == []


def test_the_depth_is_checked_at_once():
    with pytest.raises(ValueError, match="depth is 0"):
        read_ahead([numbered(0)], 0)
    with pytest.raises(ValueError, match="threads is 0"):
        read_ahead([numbered(0)], threads=0)


def test_lazy_frames_are_a_sequence():
    frames = LazyFrames(6, numbered)
    assert len(frames) == 6
    assert int(frames[-1][0, 0, 0]) == 5
    assert [int(f[0, 0, 0]) for f in frames[1:6:2]] == [1, 3, 5]
    assert [int(f[0, 0, 0]) for f in reversed(frames[:2])] == [1, 0]
    assert [int(f[0, 0, 0]) for f in frames[4:][::-1]] == [5, 4]


@pytest.mark.parametrize("index", [6, -7])
def test_lazy_frames_beyond_the_ends(index):
    with pytest.raises(IndexError):
        LazyFrames(6, numbered)[index]
