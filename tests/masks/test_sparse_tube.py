"""A sparse tube reads like the list that it stands for, and stores only the masks."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vis_bench.masks.tubes import SparseTube

masks = st.one_of(st.none(), st.builds(lambda n: {"size": [1, 1], "counts": str(n)}, st.integers()))


@given(st.lists(masks, max_size=12), st.integers(-15, 15), st.integers(-15, 15))
def test_reads_like_the_list(dense, start, stop):
    tube = SparseTube(len(dense), {t: mask for t, mask in enumerate(dense) if mask is not None})
    assert len(tube) == len(dense)
    assert list(tube) == dense
    assert tube == dense
    assert tube == tuple(dense)
    assert tube != [*dense, None]
    assert tube[start:stop] == dense[start:stop]
    assert tube.num_masks == sum(mask is not None for mask in dense)
    assert pickle.loads(pickle.dumps(tube)) == tube
    for frame in range(-len(dense), len(dense)):
        assert tube[frame] == dense[frame]
    for frame in (len(dense), -len(dense) - 1):
        with pytest.raises(IndexError):
            tube[frame]


def test_what_differs_is_not_equal():
    mask = {"size": [1, 1], "counts": "01"}
    tube = SparseTube(3, {1: mask})
    assert tube != SparseTube(4, {1: mask})
    assert tube != SparseTube(3, {2: mask})
    assert tube != [None, None, None]
    assert tube != "abc"


@pytest.mark.parametrize("frame", [-1, 3])
def test_a_mask_outside_the_video_is_refused(frame):
    with pytest.raises(ValueError, match=rf"a mask of frame {frame} in a video of 3 frames"):
        SparseTube(3, {frame: {"size": [1, 1], "counts": "01"}})
