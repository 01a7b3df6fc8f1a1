"""On a GPU the official networks say what the goldens say, compiled or not."""

import pytest
import torch

from official_weights import expected, loaded, space_time_iou, video
from vis_bench.inference.compiled import compiled
from vis_bench.inference.loop import InferencePlan, track_video

NUM_BEST = 10
CLIPS = {"ifc_r50": (5, 1), "seqformer_r50": ("whole", 1)}


def best(name, mode, **arithmetic):
    """Classes, scores and masks of the ten best tracks on the golden's frames."""
    method = loaded(name).to("cuda")
    method.prepare_for_inference()
    facts = expected(name)[1]
    plan = InferencePlan(*CLIPS[name], "native", torch.device("cuda"), **arithmetic)
    tracks = track_video(compiled(method, mode), video(facts["frames"]), plan, range(1, 41))
    return facts, tracks[:NUM_BEST]


def wanted(facts):
    """The ten best predictions of the official code: (category id, score, masks)."""
    if "predictions" in facts:
        return [
            (p["category_id"], p["score"], p["segmentations"])
            for p in facts["predictions"][:NUM_BEST]
        ]
    top = facts["video_predictions_by_stride"]["1"]["top"][:NUM_BEST]
    return [(p["label"] + 1, p["score"], p["segmentations"]) for p in top]


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:36 tensors differ")
@pytest.mark.parametrize("mode", ["none", "default", "cuda_graphs"])
@pytest.mark.parametrize("name", CLIPS)
def test_float32_on_a_gpu_is_the_golden(name, mode):
    facts, tracks = best(name, mode)
    for track, (category, score, masks) in zip(tracks, wanted(facts), strict=True):
        assert track.category_id == category
        assert track.score == pytest.approx(score, abs=1e-3)
        assert space_time_iou(track.segmentations, masks) >= 0.99


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:36 tensors differ")
@pytest.mark.parametrize("arithmetic", [{"tf32": True}, {"precision": "bfloat16"}], ids=str)
@pytest.mark.parametrize("name", CLIPS)
def test_faster_arithmetic_on_a_gpu_keeps_classes_and_masks_of_the_golden(name, arithmetic):
    facts, tracks = best(name, "none", **arithmetic)
    found, answers = wanted(facts), [(t.category_id, t.segmentations) for t in tracks]
    assert sorted(c for c, _ in answers) == sorted(c for c, _, _ in found)
    for category, _, masks in found:
        same = [space_time_iou(mine, masks) for c, mine in answers if c == category]
        assert max(same) >= 0.99


def test_the_goldens_are_read_as_the_cpu_reads_them():
    for name in CLIPS:
        found = wanted(expected(name)[1])
        scores = [score for _, score, _ in found]
        assert len(found) == NUM_BEST
        assert scores == sorted(scores, reverse=True)
