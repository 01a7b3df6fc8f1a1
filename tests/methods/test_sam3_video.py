"""SAM 3 Video against transformers' own loop, and where it departs from it on purpose."""

import json
import re
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image

import fill
from extras import skip_without_extra
from methods import build_method
from methods.sam3_video.model import Sam3
from methods.sam3_video.prompts import byte_tokenizer
from paths import CONFIGS, GOLDEN
from record_example import example_record
from run_case import QUIET, jobs_of
from vis_bench.contract import check_contract
from vis_bench.data.datasets import load_dataset
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import WeightsFile, load_weights
from vis_bench.inference.preprocess import resize_frame, to_input
from vis_bench.masks.rle import decode
from vis_bench.measures.speed.table import speed_table
from vis_bench.record.store import RecordStore
from vis_bench.runs.config import cell_digest, load_cells
from vis_bench.runs.harness import run_jobs
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


def named(name):
    return [prompt.replace(" ", "_") for prompt in CASES[name]["prompts"]]


def loaded(name, **options):
    options = {"mode": CASES[name]["mode"], "config": CASES[name]["config"], **options}
    method = build_method("sam3_video", num_classes=len(named(name)), **options)
    fill_weights(method.model)
    method.take_categories(named(name))
    method.prepare_for_inference()
    return method


def frames_of(case):
    return fill.frames(case["num_frames"], case["height"], case["width"], case["seed"])


def predicted(method, case, frames=None, asked=None):
    """Category, score and masks of each object."""
    frames = frames_of(case) if frames is None else frames
    if method.online:
        return streamed(method, case, frames, asked)
    video = VideoInfo(1, "golden", case["height"], case["width"], len(frames), asked)
    with torch.inference_mode():
        tracks = list(method.predict_video(frames, video, lambda name: None))
    return {t.track_id: (t.category, t.score, list(t.masks)) for t in tracks}


def streamed(method, case, frames, asked=None, clip_length=1):
    """As `predicted`, of clips."""
    method.begin_video(case["height"], case["width"], asked)
    found, state = {}, None
    side = (method.resolved_options["image_size"],) * 2
    for start in range(0, len(frames), clip_length):
        resized = [resize_frame(frame, side) for frame in frames[start : start + clip_length]]
        with torch.inference_mode():
            features = method.encode_frames(to_input(resized, method.input_format, CPU))
            prediction, state = method.predict_next(features, state)
        assert prediction.binary
        rows = prediction.class_probs_NK, prediction.mask_logits_NTHW.numpy()
        for number, probs_K, masks_THW in zip(prediction.track_ids_N, *rows, strict=True):
            assert (probs_K > 0).sum() == 1
            score, category = (value.item() for value in probs_K.max(0))
            *held, masks = found.setdefault(number, (category, score, [None] * len(frames)))
            assert held == [category, score]
            masks[start : start + len(masks_THW)] = [m if m.any() else None for m in masks_THW]
    return dict(sorted(found.items()))


def assert_equal(found, other):
    assert found.keys() == other.keys()
    for number, (category, score, masks) in found.items():
        assert (category, score) == other[number][:2]
        for one, two in zip(masks, other[number][2], strict=True):
            assert (one is None) == (two is None)
            assert one is None or np.array_equal(one, two)


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
            assert (mask != decode(rle)).sum() <= 2, (frame["frame"], number)


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
    skip_without_extra("sam3_video")
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


def spied(model, name):
    """The list to which each call of a model's step will add what it returns."""
    found, step = [], getattr(model, name)

    def spy(*args, **kwargs):
        found.append(step(*args, **kwargs))
        return found[-1]

    setattr(model, name, spy)
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


@pytest.mark.parametrize("name", CASES)
def test_golden_tokens(name):
    method = mini()
    method.take_categories(named(name))
    assert torch.equal(method.prompts.ids_PS, torch.from_numpy(ARRAYS[f"{name}/input_ids"]))


def test_only_the_categories_that_a_video_asks_for_are_prompted():
    """Prompts do not see each other: each gets the tracks of a session of its own."""
    case = CASES["video"]
    method = loaded("video", nms=False, rules={"max_num_objects": 10_000})
    detections = spied(method.model, "run_detection")
    alone = predicted(method, case, frames_of(case)[:3], asked=[2])
    assert {len(found) for found in detections} == {1}
    together = predicted(method, case, frames_of(case)[:3])
    own = [track for track in together.values() if track[0] == 2]
    assert {category for category, *_ in alone.values()} == {2}
    assert len(own) == len(alone) < len(together)
    for (_, score, masks), (_, other, others) in zip(alone.values(), own, strict=True):
        assert score == pytest.approx(other, abs=1e-5)
        for one, two in zip(masks, others, strict=True):
            assert (one is None) == (two is None)
            assert one is None or (one != two).sum() <= 2
    assert predicted(method, case, asked=[]) == {}


def test_annotations_say_which_categories_a_video_asks_for(tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    Image.new("RGB", (8, 6)).save(frames / "0.png")
    video = {"width": 8, "height": 6, "length": 1, "file_names": ["0.png"]}
    pairs = [(1, 7), (1, 9), (1, 9)]
    content = {
        "videos": [{"id": number, **video} for number in (1, 2)],
        "categories": [{"id": number, "name": f"a thing {number}"} for number in (9, 7, 8)],
        "annotations": [],
        "video_np_pairs": [{"video_id": v, "category_id": c} for v, c in pairs],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    dataset = load_dataset("mine", "val", annotations=path, frames=frames)
    assert [video.asked for video in dataset.videos] == [{7, 9}, set()]
    del content["video_np_pairs"]
    path.write_text(json.dumps(content))
    dataset = load_dataset("mine", "val", annotations=path, frames=frames)
    assert [video.asked for video in dataset.videos] == [None, None]


NAMES = ["giant_panda", "Dog", "cat"]


def mini(device="meta", **options):
    """Without values where none are computed."""
    with torch.device(device):
        return build_method("sam3_video", num_classes=len(NAMES), variant="mini", **options)


def phrases_with(**options):
    method = mini(**options)
    method.take_categories(NAMES)
    return list(method._prompts.phrases), method.digested["prompts"]


def test_phrases(tmp_path):
    path = tmp_path / "phrases.json"
    path.write_text(json.dumps({"Dog": "small dog"}))
    plain, digest = phrases_with()
    assert plain == ["giant panda", "Dog", "cat"]
    from_file, other = phrases_with(phrases=str(path))
    assert from_file == ["giant panda", "small dog", "cat"]
    assert phrases_with(phrases={"Dog": "small dog"}) == (from_file, other)
    assert digest != other
    assert "phrases" in mini().place_options


@pytest.mark.parametrize(
    ("phrases", "message"),
    [
        ({"cow": "cow"}, "a phrase for 'cow', which is no category's name"),
        ({"Dog": "cat"}, "categories Dog and cat have the same phrase, 'cat'"),
        ({"Dog": "a" * 31}, "of category Dog has 33 tokens; expected at most 32"),
        ({"Dog": " "}, "expected an object, class name -> phrase"),
        ("nothing.json", "nothing.json"),
    ],
)
def test_phrases_that_cannot_prompt_are_refused(phrases, message):
    with pytest.raises(InputError, match=re.escape(message)):
        phrases_with(phrases=phrases)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "images"}, "mode is 'images'; expected one of: video, stream"),
        ({"pairing": "none"}, "pairing is 'none'; expected one of: correct, transformers"),
        ({"nms": 1}, "nms is 1; expected true or false"),
        ({"num_prompts": 4}, "num_prompts is 4; expected a whole number from 1 to 3"),
        ({"rules": {"nms": 0.1}}, "rules has 'nms'; expected one of: assoc_iou_thresh"),
        ({"rules": {"hotstart_dup_thresh": 20}}, "hotstart_dup_thresh (20) must be <="),
        ({"image_size": 100}, "image_size is 100; expected a multiple of 14"),
        ({"config": {"widths": 3}}, "config has 'widths'; expected one of: assoc_iou_thresh"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        mini(**options)


def test_another_size_of_the_input():
    method = mini("cpu", image_size=140)
    method.take_categories(NAMES)
    assert (
        predicted(method, {"height": 60, "width": 80}, np.zeros((2, 140, 140, 3), np.uint8)) == {}
    )
    assert method.resolved_options["image_size"] == 140
    method.check_resolution(140)
    with pytest.raises(InputError, match="resolution is 112; expected 140"):
        method.check_resolution(112)


@pytest.fixture(scope="module")
def golden():
    skip_without_extra("sam3_video")
    return loaded("video")


@pytest.fixture(scope="module")
def folder(golden, tmp_path_factory):
    """The golden's model of the case `video`, as transformers saves it."""
    path = tmp_path_factory.mktemp("model")
    golden.model.save_pretrained(path)
    byte_tokenizer(512, 513).save_pretrained(path)
    return path


def test_a_folder_of_hugging_faces_form_decides_sizes_and_thresholds(folder, golden):
    weights = WeightsFile.at(folder / "model.safetensors")
    method = build_method("sam3_video", num_classes=3, weights_config=weights.config)
    load_weights(method, weights)
    method.take_categories(["cat", "truck", "hand_bag"])
    state, wanted = method.state_dict(), golden.state_dict()
    assert state.keys() == wanted.keys()
    assert all(torch.equal(state[key], wanted[key]) for key in state)
    assert method.resolved_options["rules"] == golden.resolved_options["rules"]
    assert method.resolved_options["rules"]["max_num_objects"] == 8
    assert method.digested == golden.digested


def test_folders_that_do_not_fit_are_refused(folder, golden, tmp_path):
    weights = WeightsFile.at(folder / "model.safetensors")
    with pytest.raises(InputError, match=r"states config \{.*\}, but options\.config is"):
        build_method(
            "sam3_video",
            num_classes=3,
            weights_config=weights.config,
            config={"low_res_mask_size": 32},
        )
    (tmp_path / "model.safetensors").symlink_to(weights.path)
    with pytest.raises(InputError, match="has no tokenizer beside its weights"):
        load_weights(golden, WeightsFile.at(tmp_path / "model.safetensors"))
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_type": "videomt"}))
    with pytest.raises(InputError, match="model_type 'videomt'; expected 'sam3_video'"):
        build_method("sam3_video", num_classes=3, weights_config=config)


def test_a_run(folder, tmp_path):
    """The record names rules and prompts; FLOPs are refused."""
    text = (
        f"method: sam3_video\nweights: {folder}\nresolution: 140\nclip_length: whole\n"
        "dataset: {name: synthetic, split: val}\nmeasure: [accuracy, flops]\n"
        "options: {num_prompts: 2, nms: false}\n"
    )
    (job,) = jobs_of(tmp_path, text, limit=1)
    video = job.videos[0]
    short = replace(video, frames=video.frames[:2])
    job = replace(job, videos=[short], ground_truth=job.dataset.ground_truth([short]))
    outcome = run_jobs([job], RecordStore(tmp_path / "out"), QUIET)
    (record,) = outcome.records
    assert record.resolved_options["num_prompts"] == 2
    assert record.resolved_options["kernels"] is False
    assert record.resolved_options["rules"]["score_threshold_detection"] == 0.15
    assert [*record.failures] == ["flops"]
    assert "depends on the objects" in record.failures["flops"]
    assert record.gflops_per_frame is None
    assert record.predictions is not None


def test_prompts_objects_nms_and_kernels_tell_cells_and_rows_apart(tmp_path):
    """Speed by the number of prompts is a config; only `kernels: true` asks for that package."""
    (tmp_path / "c.yaml").write_text(
        "base: sam3_video_ytvis2019\nmeasure: [speed]\n"
        "cells: [{options: {nms: false}}, {options: {kernels: true}}, {}]\n"
    )
    cells = [
        cell
        for path in (CONFIGS / "sam3_video_prompts.yaml", tmp_path / "c.yaml")
        for cell in load_cells(path)
    ]
    assert [cell.options.get("num_prompts") for cell in cells][:5] == [1, 5, 10, 20, 40]
    assert len({cell_digest(cell, Sam3.place_options) for cell in cells}) == len(cells) == 10
    records = [
        example_record(
            method="sam3_video", options=cell.options, clip_length="whole", fps=1.0,
            timed_region="model+tracker",
        )
        for cell in cells
    ]  # fmt: skip
    names = [row[0].text for row in speed_table(records).rows]
    assert len({*names}) == len(cells)
    assert [name.split(", ")[1] for name in names[:2]] == ["1 prompt", "5 prompts"]
    assert [name.split(", ")[2] for name in names[5:7]] == ["1 object at most", "5 objects at most"]


def test_other_phrases_are_another_cell(tmp_path):
    text = (
        "method: sam3_video\nresolution: 112\nmeasure: [speed]\ndataset: {name: synthetic}\n"
        "cells:\n- options: {variant: mini}\n"
        "- options: {variant: mini, phrases: {dotted_box: box}}\n"
    )
    assert len({job.digest for job in jobs_of(tmp_path, text, limit=1)}) == 2


def test_a_stream_has_streaming_ap_and_latency_per_frame(tmp_path):
    """Each video is prompted with the categories that are asked for in it alone."""
    text = (
        "method: sam3_video\nresolution: 112\nclip_length: 1\n"
        "options: {variant: mini, mode: stream, nms: false, rules: {max_num_objects: 2, "
        "score_threshold_detection: 0.01, new_det_thresh: 0.01}}\n"
        "dataset: {name: synthetic, split: val}\nmeasure: [accuracy, streaming, speed, flops]\n"
        "streaming: {rates: [6], delays: [frame, inf], repetitions: 1, processes: 1}\n"
        "speed: {regions: [model, model+tracker], videos: 1, warmup: 0, repetitions: 1, "
        "seconds: 0}\n"
    )
    (job,) = jobs_of(tmp_path, text, limit=1)
    (video,) = job.videos
    video = replace(video, frames=video.frames[:3], asked=frozenset([job.dataset.category_ids[1]]))
    job = replace(job, videos=[video], ground_truth=job.dataset.ground_truth([video]))
    outcome = run_jobs([job], RecordStore(tmp_path / "out"), QUIET)
    (record,) = outcome.records
    assert [*record.failures] == ["flops"]
    (path,) = (tmp_path / "out").rglob(record.predictions)
    assert {track["category_id"] for track in json.loads(path.read_text())} == video.asked
    in_time, in_the_end = record.streaming
    assert in_the_end.ap == record.ap is not None
    assert in_time.frame_latency_ms_p50 > 0
    assert record.latency_ms_p50 > 0
    assert not record.untimed_regions


def test_compiled_code_that_cannot_be_loaded_is_refused():
    if find_spec("kernels"):
        pytest.skip("the package kernels is installed, whose code a hub has")
    with pytest.raises(InputError, match="could not load its cv-utils kernel"):
        mini(kernels=True).prepare_for_inference()
