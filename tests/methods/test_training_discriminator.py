"""MS-STS's discriminator: which side its losses move, and what it can learn from."""

import pytest
import torch
from torch.nn import functional as F

from methods.training.ms_sts_criterion import (
    JUDGED_FRAMES,
    Discriminator,
    entropy,
    judge,
    misplaced,
    patch_cover,
    share_above_0,
)


def test_discriminator_terms_move_the_sides_they_should():
    torch.manual_seed(0)
    discriminator = Discriminator(8, 2, inner=4, hidden=4)
    frames = torch.randn(2, 3, 64, 64)
    maps = [torch.randn(2, 8, side, side, requires_grad=True) for side in (8, 4)]
    logits = torch.randn(3, 2, 16, 16, requires_grad=True)
    wanted = (torch.rand(3, 2, 16, 16) > 0.5).float()
    judgement = judge(discriminator, frames, maps, logits.sigmoid(), wanted)
    judgement.fooling.backward()
    assert all(p.grad is None for p in discriminator.parameters())
    assert logits.grad.abs().sum() > 0
    assert all(level.grad.abs().sum() > 0 for level in maps)
    of_logits, of_maps = logits.grad.clone(), [level.grad.clone() for level in maps]
    judgement.judging.backward()
    assert torch.equal(logits.grad, of_logits)
    for level, before in zip(maps, of_maps, strict=True):
        assert not torch.equal(level.grad, before)
    assert all(p.grad.abs().sum() > 0 for p in discriminator.parameters())


def test_discriminator_judges_long_clips_in_frames_at_equal_distances():
    torch.manual_seed(0)
    discriminator = Discriminator(8, 1, inner=4, hidden=4)
    clip = torch.randn(14, 3, 64, 64), torch.randn(14, 8, 8, 8), torch.rand(3, 14, 16, 16)
    frames, maps, predicted = clip
    wanted = (predicted > 0.5).float()
    found = judge(discriminator, frames, [maps], predicted, wanted)
    seen = slice(0, 14, 3)
    alone = judge(discriminator, frames[seen], [maps[seen]], predicted[:, seen], wanted[:, seen])
    assert torch.equal(torch.stack(found), torch.stack(alone))
    assert len(range(14)[seen]) <= JUDGED_FRAMES


def squares_anywhere(instances, frames, side):
    """Masks (M, T, H, W) of a square each, which may leave on one side and come back on another."""
    square = torch.zeros(side, side)
    square[: side // 4, : side // 4] = 1
    by = torch.randint(side, (instances * frames, 2)).tolist()
    return torch.stack([square.roll(shift, (0, 1)) for shift in by]).unflatten(0, (instances, -1))


@pytest.mark.parametrize("shown", [True, False], ids=["in the features", "nowhere"])
def test_discriminator_needs_features_to_find_masks_in_the_wrong_place(shown):
    """A mask moved elsewhere is as good a mask, so only features that show instances tell."""
    torch.manual_seed(0)
    discriminator = Discriminator(1, 1, inner=4, hidden=8)
    optimizer = torch.optim.Adam(discriminator.parameters(), 1e-2)
    frames = torch.zeros(4, 3, 128, 128)
    losses = []
    for _ in range(80):
        wanted = squares_anywhere(2, 4, 32)
        maps = [F.max_pool2d(wanted.amax(0), 2)[:, None] * float(shown)]
        judgement = judge(discriminator, frames, maps, misplaced(wanted), wanted)
        optimizer.zero_grad()
        judgement.judging.backward()
        optimizer.step()
        losses.append(float(judgement.judging.detach()))
    assert (sum(losses[-10:]) / 10 < 0.5) == shown


def test_misplaced_masks_are_the_same_masks_elsewhere():
    masks = (torch.rand(3, 2, 20, 40) > 0.8).float()
    moved = misplaced(masks)
    assert torch.equal(moved.sum((-2, -1)), masks.sum((-2, -1)))
    assert torch.equal(moved, misplaced(masks))
    assert all(
        (m != w).any() for m, w in zip(moved.flatten(0, 1), masks.flatten(0, 1), strict=True)
    )
    point = torch.zeros(40, 1, 21, 41)
    point[..., 10, 20] = 1
    places = misplaced(point).nonzero()[:, 2:] - torch.tensor([10, 20])
    assert (places.abs() <= torch.tensor([5, 10])).all()
    assert len(set(map(tuple, places.tolist()))) == 40


def test_discriminator_weighs_patches_by_what_they_show():
    """A patch without an instance changes nothing, and one that shows half of one counts half."""
    masks = torch.zeros(1, 1, 16, 16)
    masks[..., :4, :4], masks[..., :4, 4:6] = 1, 1
    cover = patch_cover(masks, torch.Size((4, 4)))
    expected = torch.zeros(1, 1, 4, 4)
    expected[..., 0, 0], expected[..., 0, 1] = 1, 0.5
    assert torch.equal(cover, expected)
    logits = torch.full((1, 1, 4, 4), 100.0)
    logits[..., 0, 0], logits[..., 0, 1] = 2.0, -2.0
    found = entropy(logits, 1.0, cover)
    softplus = torch.nn.functional.softplus
    assert found == pytest.approx(
        float(softplus(torch.tensor(-2.0)) + softplus(torch.tensor(2.0)) / 2) / 1.5, rel=1e-6
    )
    assert share_above_0(logits, cover) == 1
    assert share_above_0(-logits, cover) == 0


def test_discriminator_has_nothing_to_judge_without_instances():
    nothing = torch.zeros(0, 2, 16, 16)
    found = judge(
        Discriminator(4, 1), torch.zeros(2, 3, 64, 64), [torch.zeros(2, 4, 8, 8)], nothing, nothing
    )
    assert [float(part) for part in found] == [0, 0, 0]
