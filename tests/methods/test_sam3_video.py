"""SAM 3 Video against transformers' own loop, and where it departs from it on purpose."""

import json

import numpy as np
import pytest
import torch

import fill
from extras import skip_without_extra
from methods import build_method
from paths import GOLDEN
from vis_bench.masks.rle import decode
from vis_bench.video_method import VideoInfo

ARRAYS = np.load(GOLDEN / "sam3_video_tiny.npz")
FILE = json.loads((GOLDEN / "sam3_video_tiny.json").read_text())
CASES = FILE["cases"]
AS_TRANSFORMERS = {"pairing": "transformers", "nms": False}
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def needs_transformers():
    skip_without_extra("sam3_video")


def fill_weights(model):
    """The golden's weights."""
    state = {key: fill.tensor(key, tuple(t.shape)) for key, t in model.state_dict().items()}
    state = {key: torch.from_numpy(np.asarray(value)) for key, value in state.items()}
    for key, how, number in FILE["weight_overrides"]:
        state[key] = state[key] + number if how == "plus" else state[key] * number
    model.load_state_dict(state)
    return model.eval()


def loaded(name, case=None, **options):
    case = case or CASES[name]
    names = [prompt.replace(" ", "_") for prompt in case["prompts"]]
    options = {"mode": case["mode"], "config": case["config"], **options}
    method = build_method("sam3_video", num_classes=len(names), **options)
    fill_weights(method.model)
    method.take_categories(names)
    method.prepare_for_inference()
    return method


def frames_of(case):
    return fill.frames(case["num_frames"], case["height"], case["width"], case["seed"])


def predicted(method, case, frames=None):
    """Category, score and masks of each object."""
    frames = frames_of(case) if frames is None else frames
    video = VideoInfo(1, "golden", case["height"], case["width"], len(frames))
    with torch.inference_mode():
        tracks = list(method.predict_video(frames, video, lambda name: None))
    return {t.track_id: (t.category, t.score, list(t.masks)) for t in tracks}


def assert_equal(found, other):
    assert found.keys() == other.keys()
    for number, (category, score, masks) in found.items():
        assert (category, score) == other[number][:2]
        for one, two in zip(masks, other[number][2], strict=True):
            assert (one is None) == (two is None)
            assert one is None or np.array_equal(one, two)


@pytest.fixture(scope="module")
def as_transformers():
    return {name: predicted(loaded(name, **AS_TRANSFORMERS), CASES[name]) for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_golden_tracks(name, as_transformers):
    case, found = CASES[name], as_transformers[name]
    assert [*found] == [track["id"] for track in case["tracks"]]
    for track in case["tracks"]:
        category, score, masks = found[track["id"]]
        assert category == track["prompt"]
        assert score == pytest.approx(track["score"], abs=1e-6)
        assert [t for t, mask in enumerate(masks) if mask is not None] == track["frames"]
    for frame in case["frames"]:
        for number, rle in zip(frame["object_ids"], frame["masks"], strict=True):
            mask = found[number][2][frame["frame"]]
            assert (mask != decode(rle)).sum() <= 2, (frame["frame"], number)


@pytest.fixture(scope="module")
def outputs():
    """Raw outputs of each frame of the case `video`, and the masks and scores tracked in it."""
    skip_without_extra("sam3_video")
    case, found = CASES["video"], {}
    for pairing in ("correct", "transformers"):
        method, tracked = loaded("video", nms=False, pairing=pairing), []
        spy_on_tracker(method.model, tracked)
        video = VideoInfo(1, "golden", case["height"], case["width"], case["num_frames"])
        with torch.inference_mode():
            steps = [output for output, *_ in method._outputs(frames_of(case), video)]
        found[pairing] = list(zip(steps, tracked, case["events"], strict=True))
    return found


def spy_on_tracker(model, tracked):
    propagate = model.run_tracker_propagation

    def spy(inference_session, frame_idx, reverse):
        masks_NHW, scores_N = propagate(inference_session, frame_idx, reverse)
        rows = zip(masks_NHW.clone(), scores_N.sigmoid().flatten().tolist(), strict=True)
        tracked.append(dict(zip(inference_session.obj_ids, rows, strict=True)))
        return masks_NHW, scores_N

    model.run_tracker_propagation = spy


@pytest.mark.parametrize("pairing", ["correct", "transformers"])
def test_masks_and_scores_are_of_the_object_that_was_tracked(outputs, pairing):
    """By transformers 5.23.0 later objects get an earlier one's where one is removed."""
    wrong_masks, wrong_scores, listed = set(), set(), set()
    for output, tracked, event in outputs[pairing]:
        t = output.frame_idx
        listed |= {(t, n) for n in event["masks_of_another_object"]}
        listed -= {(t, n) for n in event["reconditioned"]}  # whose masks are the detections'
        for number in output.object_ids:
            score = output.obj_id_to_tracker_score[number]
            own = tracked[number][1] if number in tracked else output.obj_id_to_score[number]
            if score != own:
                wrong_scores.add((t, number))
            if number in tracked and number not in event["reconditioned"]:
                mask_HW, own_HW = output.obj_id_to_mask[number][0], tracked[number][0]
                # The rules may have emptied it since.
                if not torch.equal(mask_HW, own_HW) and (mask_HW > 0).any():
                    wrong_masks.add((t, number))
    assert len(listed) == 4
    assert wrong_masks == (listed if pairing == "transformers" else set())
    assert bool(wrong_scores) == (pairing == "transformers")
    frames_with_removals = {t for t, e in enumerate(CASES["video"]["events"]) if e["removed"]}
    assert {t for t, _ in wrong_scores} <= frames_with_removals


def test_frames_without_a_removal_are_those_of_transformers(outputs):
    for one, other in zip(outputs["correct"], outputs["transformers"], strict=True):
        (output, _, event), (theirs, *_) = one, other
        assert output.object_ids == theirs.object_ids
        if not event["removed"]:
            assert output.obj_id_to_tracker_score == theirs.obj_id_to_tracker_score
            for number, mask_1HW in output.obj_id_to_mask.items():
                assert torch.equal(mask_1HW, theirs.obj_id_to_mask[number])


def brute_force_nms(masks_NHW, scores_N, threshold):
    """Best first; a mask is kept if its IoU with every kept one is at most the threshold."""
    kept = []
    for n in sorted(range(len(scores_N)), key=lambda n: (-float(scores_N[n]), n)):
        ious = [
            float((masks_NHW[n] & masks_NHW[k]).sum() / (masks_NHW[n] | masks_NHW[k]).sum())
            for k in kept
        ]
        if all(iou <= threshold for iou in ious):
            kept.append(n)
    return sorted(kept)


def test_nms_is_the_greedy_one():
    from methods.sam3_video.rules import mask_nms

    generator = torch.Generator().manual_seed(0)
    for threshold in (0.1, 0.3, 0.5):
        blocks_N144 = torch.rand(14, 1, 4, 4, generator=generator)
        masks_NHW = (
            torch.nn.functional.interpolate(blocks_N144, scale_factor=3)[:, 0] > 0.5
        ).clone()
        masks_NHW[3] = masks_NHW[2]
        scores_N = torch.rand(14, generator=generator)
        scores_N[3] = scores_N[2]  # the earlier of equal ones stays
        kept_N = mask_nms(masks_NHW, scores_N, threshold)
        assert kept_N.nonzero().flatten().tolist() == brute_force_nms(
            masks_NHW, scores_N, threshold
        )
        assert not kept_N.all()
    assert mask_nms(torch.zeros(0, 4, 4, dtype=torch.bool), torch.zeros(0), 0.1).tolist() == []


def test_nms_leaves_no_overlapping_detections():
    case = CASES["stream"]
    method = loaded("stream")
    found = []
    detect = method.model.run_detection

    def spy(*args, **kwargs):
        found.append(detect(*args, **kwargs))
        return found[-1]

    method.model.run_detection = spy
    predicted(method, case, frames_of(case)[:2])
    expected = []
    for t, by_prompt in enumerate(found):
        for prompt, detections in by_prompt.items():
            probs_N = ARRAYS["stream/det_probs"][t, prompt]
            expected.append((probs_N > case["config"]["score_threshold_detection"]).sum())
            masks_NHW = detections["mask"] > 0
            assert brute_force_nms(masks_NHW, detections["scores"], 0.1) == [*range(len(masks_NHW))]
    assert sum(len(d["scores"]) for one in found for d in one.values()) < sum(expected)


@pytest.mark.parametrize(("name", "num_frames"), [("video", 19), ("stream", 4)])
def test_memory_given_back_changes_nothing(name, num_frames):
    """The frames go there and back, past the reach of the tracker's memory."""
    case = CASES[name]
    frames = np.concatenate([frames_of(case), frames_of(case)[::-1]] * 2)[:num_frames]
    found, kept = (
        predicted(loaded(name, prune=prune, rules={"max_num_objects": 3}), case, frames)
        for prune in (True, False)
    )
    assert found
    assert_equal(found, kept)
