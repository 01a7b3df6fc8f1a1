"""Clip windows against their definition, for every small video."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.clips import Clip, check_clip_limit, clip_windows


@given(st.integers(1, 60), st.integers(1, 40), st.data())
def test_windows_cover_every_frame_once_started(num_frames, length, data):
    stride = data.draw(st.integers(1, length))
    clips = clip_windows(num_frames, length, stride)
    assert set().union(*(range(c.start, c.stop) for c in clips)) == set(range(num_frames))
    assert all(len(c) == min(length, num_frames) for c in clips)
    starts = [c.start for c in clips]
    assert starts == sorted(set(starts))
    assert all(start % stride == 0 for start in starts[:-1])
    assert clips[-1].stop == num_frames


@pytest.mark.parametrize(
    ("num_frames", "length", "stride", "starts"),
    [(8, 5, 1, [0, 1, 2, 3]), (8, 5, 3, [0, 3]), (9, 5, 3, [0, 3, 4]), (4, 5, 1, [0]),
     (5, 5, 5, [0]), (10, 5, 5, [0, 5])],
)  # fmt: skip
def test_windows_by_hand(num_frames, length, stride, starts):
    assert [c.start for c in clip_windows(num_frames, length, stride)] == starts


def test_whole_is_one_clip():
    assert clip_windows(37, "whole", 1) == [Clip(0, 37)]


@pytest.mark.parametrize(
    ("length", "stride", "words"),
    [(0, 1, "clip_length is 0"), (-3, 1, "clip_length is -3"), (5, 0, "clip_stride is 0"),
     (5, 6, "clip_stride 6 is above clip_length 5")],
)  # fmt: skip
def test_plans_that_lose_frames_are_refused(length, stride, words):
    with pytest.raises(InputError, match=words):
        clip_windows(30, length, stride)


@pytest.mark.parametrize(
    ("most", "clip_length", "named"),
    [(4, 5, "clip_length is 5"), (6, "whole", "video v has 7 frames")],
)
def test_clips_that_a_method_cannot_take_are_refused(most, clip_length, named):
    videos = [Video(1, "v", 90, 160, [None] * 7)]
    with pytest.raises(InputError, match=named):
        check_clip_limit("m", most, clip_length, videos)
    check_clip_limit("m", 7, clip_length, videos)
