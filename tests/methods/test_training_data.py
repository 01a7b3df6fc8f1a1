"""Training clips: targets against brute force, sampling, and the videos they come from."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.training.config import TrainConfig
from methods.training.data import (
    ClipSampler,
    boxes_around,
    choose_frames,
    choose_window,
    draw_videos,
    make_targets,
)
from vis_bench.data.synthetic import generate
from vis_bench.method import InputFormat

PLAN = TrainConfig(
    method="ifc",
    steps=1,
    learning_rate=1,
    clip_norm=1,
    seed=3,
    clips=2,
    clip_frames=(2, 3),
    max_gap=4,
    resolutions=(64, 96),
)


@pytest.fixture(scope="module")
def videos():
    return draw_videos(seed=0, videos=6)


def owners_THW():
    """Two frames of 8 x 12; instance 1 in both, instance 2 in the second, instance 3 never."""
    owners = torch.zeros(2, 8, 12, dtype=torch.uint8)
    owners[0, 2:6, 4:8] = 1
    owners[1, 0:4, 0:4] = 1
    owners[1, 7, 11] = 2
    return owners


def test_targets_by_hand():
    targets = make_targets(owners_THW(), [5, 0, 2], (8, 12))
    assert targets.labels_N.tolist() == [5, 0]
    assert targets.visible_NT.tolist() == [[True, True], [False, True]]
    first, second = targets.boxes_NT4.tolist()
    assert first[0] == pytest.approx([6 / 12, 4 / 8, 4 / 12, 4 / 8])
    assert first[1] == pytest.approx([2 / 12, 2 / 8, 4 / 12, 4 / 8])
    assert second == [pytest.approx([0] * 4), pytest.approx([11.5 / 12, 7.5 / 8, 1 / 12, 1 / 8])]
    # cells of 4 x 4 pixels
    assert targets.masks_NTHW[0, 0].tolist() == [[0, 0.5, 0], [0, 0.5, 0]]
    assert targets.masks_NTHW[0, 1].tolist() == [[1, 0, 0], [0, 0, 0]]
    assert targets.masks_NTHW[1, 1, 1, 2].item() == pytest.approx(1 / 16)


def test_targets_do_not_depend_on_the_networks_resolution_but_for_the_grid():
    small, large = (make_targets(owners_THW(), [5, 0, 2], size) for size in ((8, 12), (16, 24)))
    torch.testing.assert_close(small.boxes_NT4, large.boxes_NT4)
    pooled = torch.nn.functional.avg_pool2d(large.masks_NTHW, 2)
    torch.testing.assert_close(pooled, small.masks_NTHW)


def test_semantic_shares_fill_every_cell():
    shares = make_targets(owners_THW(), [1, 1, 2], (8, 12)).semantic_TKHW(3, (2, 3))
    torch.testing.assert_close(shares.sum(1), torch.ones(2, 2, 3))
    # both instances are of class 1; the last channel is background
    assert shares[1, 1].flatten().tolist() == [1, 0, 0, 0, 0, pytest.approx(1 / 16)]
    assert shares[0, 3, 0, 1].item() == 0.5


@given(st.data())
def test_boxes_around_any_mask(data):
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    flags = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = torch.tensor(flags).reshape(1, 1, height, width)
    box = boxes_around(mask)[0, 0].tolist()
    places = mask[0, 0].nonzero()
    if not len(places):
        assert box == [0, 0, 0, 0]
        return
    (top, left), (bottom, right) = places.amin(0).tolist(), places.amax(0).tolist()
    wanted = [(left + right + 1) / 2 / width, (top + bottom + 1) / 2 / height]
    wanted += [(right + 1 - left) / width, (bottom + 1 - top) / height]
    assert box == pytest.approx(wanted)


@given(st.integers(0, 99), st.integers(1, 40), st.integers(1, 8), st.integers(1, 9))
def test_chosen_frames_lie_in_the_video_at_equal_gaps(seed, length, frames, max_gap):
    chosen = choose_frames(np.random.default_rng(seed), length, frames, max_gap)
    assert len(chosen) == frames
    assert min(chosen) >= 0
    assert max(chosen) < length
    gaps = np.diff(chosen)
    if length >= frames:
        assert len(set(gaps.tolist())) <= 1
        assert all(1 <= abs(gap) <= max_gap for gap in gaps)


def test_videos_are_those_of_the_training_split(videos):
    split = generate("train", num_videos=6)
    video = videos[4]
    frames = np.stack([split.videos[4].frames[t] for t in range(split.videos[4].length)])
    assert np.array_equal(video.frames_THW3, frames)
    areas = [a["areas"] for a in split.annotations()["annotations"] if a["video_id"] == 5]
    kept = [k for k in range(1, len(video.labels) + 1) if (video.owners_THW == k).any()]
    for owner, wanted in zip(kept, areas, strict=True):
        drawn = (video.owners_THW == owner).sum((1, 2)).tolist()
        assert drawn == [area or 0 for area in wanted]
    assert len(videos) == 6


def test_a_batch_depends_on_seed_and_step_alone(videos):
    one, other = (ClipSampler(videos, PLAN, InputFormat()) for _ in range(2))
    for step in (5, 0, 1):
        one.batch(step)
    again, first = one.batch(2), other.batch(2)
    assert torch.equal(again.frames_N3HW, first.frames_N3HW)
    assert torch.equal(again.targets[1].masks_NTHW, first.targets[1].masks_NTHW)
    assert not torch.equal(one.batch(3).frames_N3HW[0], first.frames_N3HW[0])


def test_batches_share_one_size_and_fit_their_targets(videos):
    sampler = ClipSampler(videos, PLAN, InputFormat())
    for step in range(12):
        batch = sampler.batch(step)
        frames = batch.frames_N3HW.shape[0] // PLAN.clips
        assert frames in PLAN.clip_frames
        assert min(batch.frames_N3HW.shape[-2:]) in PLAN.resolutions
        for targets in batch.targets:
            assert targets.masks_NTHW.shape[1] == frames
            assert targets.masks_NTHW.shape[-2] == -(-batch.frames_N3HW.shape[-2] // 4)
            assert targets.visible_NT.any(1).all()


def test_frames_and_masks_are_turned_together(videos):
    """Whatever the variation: where a mask is, the frame differs from where it is not."""
    video = videos[1]
    flat = np.where(video.owners_THW[..., None] == 1, 255, 0).astype(np.uint8).repeat(3, -1)
    only = [video._replace(frames_THW3=flat)]
    sampler = ClipSampler(only, PLAN, InputFormat(mean=(0, 0, 0), std=(1, 1, 1)))
    for step in range(6):
        batch = sampler.batch(step)
        bright = torch.nn.functional.interpolate(
            batch.frames_N3HW[:, :1], batch.targets[0].masks_NTHW.shape[-2:], mode="area"
        )[: len(batch.frames_N3HW) // 2, 0]
        covers = batch.targets[0].masks_NTHW
        assert min((bright - cover).abs().mean() for cover in covers) < 0.02


@given(st.integers(0, 99), st.integers(1, 12), st.integers(1, 12), st.integers(1, 14))
def test_windows_are_square_and_hold_an_instance(seed, height, width, side):
    owners = torch.zeros(1, height, width, dtype=torch.uint8)
    owners[0, seed % height, (7 * seed) % width] = 1
    rows, columns = choose_window(np.random.default_rng(seed), owners, side)
    window = owners[0, rows, columns]
    assert window.shape == (min(side, height, width),) * 2
    assert window.sum() == 1
