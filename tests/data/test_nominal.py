"""The made-up videos: of the size that papers time, the same on every machine."""

import numpy as np
import pytest

from vis_bench.data.datasets import load_dataset
from vis_bench.errors import InputError


def test_videos_of_36_frames_of_720_by_1280():
    dataset = load_dataset("nominal", "val")
    assert {(v.length, v.height, v.width) for v in dataset.videos} == {(36, 720, 1280)}
    assert len(dataset.videos) >= 2
    frame = dataset.videos[0].frames[0]
    assert (frame.shape, frame.dtype) == ((720, 1280, 3), np.uint8)
    assert list(dataset.categories) == list(range(1, 41))


def test_a_short_video_goes_backwards_from_its_end():
    source = load_dataset("synthetic", "val").videos[0]
    assert (source.height, source.width, source.length) == (108, 192, 25)
    video = load_dataset("nominal", "val").videos[0]
    np.testing.assert_array_equal(video.frames[25], video.frames[24])
    np.testing.assert_array_equal(video.frames[35], video.frames[14])
    assert (video.frames[23] != video.frames[24]).any()
    small = source.frames[3].mean((0, 1))
    np.testing.assert_allclose(video.frames[3].mean((0, 1)), small, atol=0.5)


def test_they_have_no_annotations():
    dataset = load_dataset("nominal", "val")
    assert not dataset.has_annotations
    assert len(dataset.annotations_sha256) == 64
    with pytest.raises(InputError, match="unknown split 'train'; expected val"):
        load_dataset("nominal", "train")
    with pytest.raises(InputError, match="plain is true for nominal"):
        load_dataset("nominal", "val", plain=True)
