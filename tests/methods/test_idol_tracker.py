"""IDOL's rules behind the network against the authors' code on made outputs, and their bounds."""

import json

import numpy as np
import pytest
import torch

from methods.idol.tracker import (
    DROPPED,
    FORGOTTEN_AFTER,
    Detected,
    follow,
    kept_masks,
    mask_iou,
    memory_embeddings,
    selected_queries,
    similarity,
)
from paths import GOLDEN
from vis_bench.inference.preprocess import masks_to_video
from vis_bench.masks.rle import decode
from vis_bench.method import Padding

FACTS = json.loads((GOLDEN / "idol_tracker.json").read_text())
ARRAYS = {
    name: torch.from_numpy(array) for name, array in np.load(GOLDEN / "idol_tracker.npz").items()
}
PROBS_TQK = ARRAYS["pred_logits"].sigmoid()
MASKS_TQHW = ARRAYS["pred_masks"][:, :, 0].float() / 100


def steps(run):
    """Of each frame: queries after either suppression, and what the tracker does with them."""
    memory = None
    for t in range(len(PROBS_TQK)):
        boxed_N = selected_queries(PROBS_TQK[t], ARRAYS["pred_boxes"][t])
        kept_N = boxed_N[kept_masks(MASKS_TQHW[t, boxed_N], run["nms_pre"])]
        found = Detected(PROBS_TQK[t, kept_N], ARRAYS["pred_inst_embed"][t, kept_N])
        tracks, memory = follow(found, memory, run["add_new_score"])
        yield t, boxed_N.tolist(), kept_N.tolist(), tracks, memory


@pytest.mark.parametrize("name", FACTS["runs"])
def test_golden_frames(name):
    run = FACTS["runs"][name]
    for t, boxed, kept, tracks, _ in steps(run):
        wanted = run["per_frame"][t]
        assert boxed == wanted["after_box_nms"]
        assert kept == wanted["after_mask_nms"]
        assert tracks.identities_N.tolist() == [max(number, DROPPED) for number in wanted["ids"]]


@pytest.mark.parametrize("name", FACTS["runs"])
def test_golden_tracks(name):
    """Scores, classes, frames and masks of the tracks that are left at the end, in their order."""
    run = FACTS["runs"][name]
    probs, queries = {}, {}
    for t, _, kept, tracks, _ in steps(run):
        for row, track in enumerate(tracks.tracks_N.tolist()):
            if track != DROPPED:
                probs[track] = tracks.class_probs_NK[row]
                queries.setdefault(track, {})[t] = kept[row]
        for track in tracks.withdrawn:
            del probs[track]
    found = [
        (track, column, score)
        for track, probs_K in sorted(probs.items())
        for column, score in enumerate(probs_K.tolist())
        if score > 0.05
    ]
    wanted = run["predictions"]
    assert [column for _, column, _ in found] == [p["label"] for p in wanted]
    assert [score for _, _, score in found] == pytest.approx([p["score"] for p in wanted], abs=1e-6)
    padding = Padding(tuple(FACTS["resized"]), (80, 112), "nearest")
    for (track, _, _), prediction in zip(found, wanted, strict=True):
        golden = run["tracks"][str(prediction["track"])]
        assert {str(t): q for t, q in queries[track].items()} == golden["frames_to_query"]
        for t, query in queries[track].items():
            logits = MASKS_TQHW[t, query][None, None]
            mask = masks_to_video(logits, *FACTS["original_size"], padding)[0, 0]
            assert np.array_equal(mask.numpy(), decode(golden["segmentations"][t]).astype(bool))


@pytest.mark.parametrize("name", FACTS["runs"])
def test_the_golden_covers_withdrawals_and_returns(name):
    run, numbers = FACTS["runs"][name], {}
    withdrawn = []
    for t, _, _, tracks, _ in steps(run):
        withdrawn += [t] * len(tracks.withdrawn)
        for identity, track in zip(
            tracks.identities_N.tolist(), tracks.tracks_N.tolist(), strict=True
        ):
            numbers.setdefault(identity, set()).add(track)
    assert withdrawn == [t for t, _ in run["dropped"]]
    came_back = sorted(i for i, tracks in numbers.items() if i != DROPPED and len(tracks) > 1)
    assert came_back
    assert min(withdrawn) >= 9


def test_golden_memory():
    for name in FACTS["runs"]:
        memories = {}
        for t, _, kept, _, memory in steps(FACTS["runs"][name]):
            memories[t + 1] = memory
            if f"{name}_memory_embeds_{t}" in ARRAYS:
                wanted = ARRAYS[f"{name}_memory_embeds_{t}"]
                torch.testing.assert_close(memory_embeddings(memories[t]), wanted)
                found = similarity(ARRAYS["pred_inst_embed"][t, kept], memories[t])
                torch.testing.assert_close(found, ARRAYS[f"{name}_match_scores_{t}"])


def test_overlaps_of_masks_and_their_ties():
    masks = torch.zeros(5, 8, 8)
    masks[2, :, :4] = masks[3] = 1  # a half and the whole: exactly 0.5
    masks[4, 0, 0] = 1
    logits = masks - 0.5
    for i, one in enumerate(masks.bool()):
        for j, other in enumerate(masks.bool()):
            union = (one | other).sum().item()
            wanted = (one & other).sum().item() / union if union else 1
            assert mask_iou(logits)[i, j].item() == pytest.approx(wanted, abs=1e-6)
    # Empty masks are equal; the pair at the threshold stays, since the comparison is strict.
    assert kept_masks(logits, 0.5).tolist() == [True, False, True, True, True]


def test_one_query_is_selected_where_none_is_good_enough():
    probs, boxes = torch.full((4, 3), 0.01), torch.rand(4, 4)
    probs[2, 1] = 0.05
    assert selected_queries(probs, boxes).tolist() == [2]
    probs[[0, 3], 0] = torch.tensor([0.11, 0.12])
    assert selected_queries(probs, boxes).tolist() == [3, 0]


def test_the_state_is_bounded_over_600_frames():
    """Four detections of other looks in every frame: it holds those of the last ten frames."""
    generator = torch.Generator().manual_seed(0)
    memory, sizes, last = None, [], -1
    per_identity = 4 * (3 * 16 + 3 + 5) + 8 * 5
    for _ in range(600):
        found = Detected(
            torch.rand(4, 5, generator=generator) / 2 + 0.5,
            30 * torch.randn(4, 16, generator=generator),
        )
        tracks, memory = follow(found, memory, 0.2)
        last = max(last, *tracks.tracks_N.tolist())
        sizes.append(sum(tensor.nbytes for tensor in memory.values()))
    assert last > 600
    assert max(sizes) <= 4 * FORGOTTEN_AFTER * per_identity + 8 * 3


def test_following_changes_neither_the_detections_nor_the_memory_it_was_given():
    found = Detected(torch.rand(3, 5), torch.randn(3, 8))
    _, memory = follow(found, None, 0.2)
    before = {name: tensor.clone() for name, tensor in memory.items()}
    probs, embeddings = found.class_probs_NK.clone(), found.embeddings_NC.clone()
    follow(found, memory, 0.2)
    assert all(torch.equal(memory[name], tensor) for name, tensor in before.items())
    assert torch.equal(found.class_probs_NK, probs)
    assert torch.equal(found.embeddings_NC, embeddings)
