"""SAM 3 Video against transformers' own loop, and where it departs from it on purpose."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from methods.sam3_video.frame_masks import masks_of_frame
from sam3_case import (
    ARRAYS,
    CASES,
    assert_equal,
    fill_weights,
    frames_of,
    loaded,
    predicted,
    spied,
    streamed,
)
from vis_bench.contract import check_contract
from vis_bench.masks.rle import decode

pytestmark = pytest.mark.extra("transformers")

AS_TRANSFORMERS = {"pairing": "transformers", "nms": False}


@pytest.fixture(scope="module")
def as_transformers(run_by_pairing):
    streamed_tracks = predicted(loaded("stream", **AS_TRANSFORMERS), CASES["stream"])
    return {"video": run_by_pairing["transformers"][0], "stream": streamed_tracks}


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
            # On other processors logits near 0 may change sides; below, what is equal to the bit.
            assert (mask != decode(rle)).sum() <= 2, (frame["frame"], number)


@pytest.mark.parametrize("name", CASES)
def test_masks_of_the_golden_logits(name):
    case, low_res = CASES[name], iter(torch.from_numpy(ARRAYS[f"{name}/low_res_masks"]))
    for frame in case["frames"]:
        numbers = frame["object_ids"]
        output = SimpleNamespace(
            obj_id_to_mask={number: next(low_res)[None] for number in numbers},
            obj_id_to_tracker_score=dict(zip(numbers, frame["tracker_scores"], strict=True)),
            suppressed_obj_ids=None,
        )
        prompts = dict(zip(numbers, frame["prompts"], strict=True))
        masks = masks_of_frame(output, (), prompts, (case["height"], case["width"]))
        assert [*masks] == numbers
        for mask_HW, rle in zip(masks.values(), frame["masks"], strict=True):
            assert np.array_equal(mask_HW, decode(rle))
    assert next(low_res, None) is None


def outputs_of_transformers(name):
    """Of each frame, by transformers' own loop, which keeps all that it holds."""
    from transformers import Sam3VideoConfig, Sam3VideoModel
    from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession

    case, devices = CASES[name], ("inference_device", "inference_state_device")
    model = fill_weights(Sam3VideoModel(Sam3VideoConfig(**case["config"])))
    resized = torch.from_numpy(ARRAYS[f"{name}/resized"]).permute(0, 3, 1, 2)
    pixels_T3SS = (resized / 255 - 0.5) / 0.5
    session = Sam3VideoInferenceSession(
        video=pixels_T3SS if name == "video" else None,
        video_height=case["height"],
        video_width=case["width"],
        dtype=torch.float32,
        video_storage_device="cpu",
        **dict.fromkeys(devices, "cpu"),
    )
    ids_PS = torch.from_numpy(ARRAYS[f"{name}/input_ids"])
    for prompt, ids_S in zip(case["prompts"], ids_PS, strict=True):
        number = session.add_prompt(prompt)
        length = int((ids_S == ids_S.max()).int().argmax()) + 1
        session.prompt_input_ids[number] = ids_S[None]
        session.prompt_attention_masks[number] = (torch.arange(len(ids_S)) < length).long()[None]
    outputs = spied(model, "forward")
    with torch.inference_mode():
        if name == "video":
            list(model.propagate_in_video_iterator(session))
        else:
            for frame_3SS in pixels_T3SS:
                model(inference_session=session, frame=frame_3SS)
    return outputs


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_transformers_on_this_machine_to_the_bit(name):
    method = loaded(name, **AS_TRANSFORMERS)
    found = spied(method.model, "forward")
    predicted(method, CASES[name])
    masks = 0
    for output, theirs in zip(found, outputs_of_transformers(name), strict=True):
        assert output.frame_idx == theirs.frame_idx
        assert output.obj_id_to_score == theirs.obj_id_to_score
        assert output.obj_id_to_tracker_score == theirs.obj_id_to_tracker_score
        assert {*(output.suppressed_obj_ids or ())} == {*(theirs.suppressed_obj_ids or ())}
        assert output.obj_id_to_mask.keys() == theirs.obj_id_to_mask.keys()
        for number, mask_1HW in output.obj_id_to_mask.items():
            assert torch.equal(mask_1HW, theirs.obj_id_to_mask[number])
            masks += 1
    assert masks >= sum(len(frame["object_ids"]) for frame in CASES[name]["frames"])


def test_a_stream_of_clips_gives_the_tracks_of_one_of_frames(as_transformers):
    case = CASES["stream"]
    method = loaded("stream", **AS_TRANSFORMERS)
    found = streamed(method, case, frames_of(case), clip_length=3)
    assert len(found) == len(case["tracks"])
    assert_equal(found, as_transformers["stream"])


def test_the_contract_of_a_stream():
    method = loaded("stream", **AS_TRANSFORMERS, rules={"max_num_objects": 2})
    method.begin_video(60, 80, asked=[1])
    first = method.predict_clip(method.encode_frames(torch.zeros(1, 3, 60, 80)))
    assert first.mask_logits_NTHW.shape[1:] == (1, 60, 80)
    steps = spied(method, "predict_step")
    check_contract(method, 2, ((60, 80),))
    assert sum(map(len, steps)) > len(steps)


@pytest.fixture(scope="module")
def run_by_pairing():
    """Tracks of the case `video`; its frames' raw outputs, and the masks and scores tracked."""
    case, found = CASES["video"], {}
    for pairing in ("correct", "transformers"):
        method, tracked = loaded("video", nms=False, pairing=pairing), []
        spy_on_tracker(method.model, tracked)
        steps = spied(method.model, "forward")
        tracks = predicted(method, case)
        found[pairing] = tracks, list(zip(steps, tracked, case["events"], strict=True))
    return found


@pytest.fixture(scope="module")
def outputs(run_by_pairing):
    return {pairing: rows for pairing, (_, rows) in run_by_pairing.items()}


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
    found = spied(method.model, "run_detection")
    predicted(method, case, frames_of(case)[:2])
    expected = []
    for t, by_prompt in enumerate(found):
        for prompt, detections in by_prompt.items():
            probs_N = ARRAYS["stream/det_probs"][t, prompt]
            expected.append((probs_N > case["config"]["score_threshold_detection"]).sum())
            masks_NHW = detections["mask"] > 0
            assert brute_force_nms(masks_NHW, detections["scores"], 0.1) == [*range(len(masks_NHW))]
    assert sum(len(d["scores"]) for one in found for d in one.values()) < sum(expected)


def test_compiled_code_that_is_there_runs_only_where_it_is_asked_for(monkeypatch):
    """AP does not depend on whether the package `kernels` is installed."""
    from transformers.models.sam3_video import modeling_sam3_video as modeling

    calls = []

    class Fetched:
        """Stands in for what that package fetches."""

        def generic_nms(self, ious_NN, probs_N, *arguments, **options):
            calls.append("nms")
            return torch.arange(len(probs_N))

        def cc_2d(self, *arguments, **options):
            calls.append("components")
            raise RuntimeError

    case = {**CASES["stream"], "num_frames": 2}
    without = predicted(loaded("stream"), case)
    monkeypatch.setattr(modeling, "cv_utils_kernel", Fetched())
    assert_equal(predicted(loaded("stream"), case), without)
    assert not calls
    predicted(loaded("stream", nms=False, kernels=True), case)
    assert {*calls} == {"nms", "components"}
    calls.clear()
    predicted(loaded("stream", kernels=True), case)
    assert {*calls} == {"components"}


@pytest.mark.parametrize(("mode", "num_frames"), [("video", 18), ("stream", 4)])
def test_memory_given_back_changes_nothing(mode, num_frames):
    """The frames go there and back, past the reach of the tracker's memory."""
    case, rules = CASES["stream"], {"max_num_objects": 2}
    frames = np.concatenate([frames_of(case), frames_of(case)[::-1]] * 2)[:num_frames]
    found, kept = (
        predicted(loaded("stream", mode=mode, prune=prune, rules=rules), case, frames, asked=[1])
        for prune in (True, False)
    )
    assert found
    assert_equal(found, kept)
