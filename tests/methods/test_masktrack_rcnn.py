"""MaskTrack R-CNN against MMDetection: whole videos, the detector's steps, the tracker alone."""

import numpy as np
import pytest
import torch

from masktrack_rcnn_golden import Golden, mask, overlaps
from methods import build_method
from methods.masktrack_rcnn import tracker
from official_weights import build_on_meta, expected, filled_state
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import WeightsFile, load_weights
from vis_bench.inference.clips import clip_windows
from vis_bench.inference.compiled import compiled
from vis_bench.measures.flops.video import ShapeCounter

CASES = ["a", "b"]
CATEGORIES = range(1, 41)


@pytest.fixture(scope="module", params=CASES)
def golden(request):
    return Golden(request.param)


@pytest.mark.parametrize("length", [1, "whole"])
def test_tracks_are_those_of_mmdetection(golden, length):
    tracks = golden.tracks(length)
    wanted = sorted(golden.facts["predictions"], key=lambda prediction: -prediction["score"])
    assert [t.category_id for t in tracks] == [p["category_id"] for p in wanted]
    np.testing.assert_allclose([t.score for t in tracks], [p["score"] for p in wanted], atol=1e-4)
    ious = overlaps(tracks, wanted, golden.size_HW)
    assert ious.mean() >= 0.999
    assert ious.min() >= 0.99


def test_every_frame_has_the_detections_and_identities_of_mmdetection(golden):
    with torch.inference_mode():
        features = golden.method.encode_frames(golden.network_input())
    maps, state = features.maps, None
    (height, width), resized_HW = golden.size_HW, features.frame_size_HW
    scale_4 = torch.tensor([width / resized_HW[1], height / resized_HW[0]] * 2)
    for t, wanted in enumerate(golden.facts["per_frame"]):
        found = maps["scores"][t] > 0
        boxes_N4 = maps["boxes"][t][found] * scale_4
        frame = tracker.Detections(
            boxes_N4, *(maps[name][t][found] for name in ("scores", "labels", "embeddings"))
        )
        np.testing.assert_allclose(frame.scores_N, wanted["scores"], atol=1e-4)
        np.testing.assert_allclose(boxes_N4, wanted["boxes"], atol=1e-3)
        assert frame.labels_N.tolist() == wanted["labels"]
        state = state or tracker.start(frame, 40)
        assert state["ids_M"].tolist() == wanted["memory_ids"]
        if f"match_scores_{t}" in golden.arrays:
            scores = tracker.match_scores(frame, state)
            np.testing.assert_allclose(scores, golden.arrays[f"match_scores_{t}"], atol=1e-3)
        if f"mask_logits_{t}" in golden.arrays:
            logits = golden.arrays[f"mask_logits_{t}"]
            with torch.inference_mode():
                found_logits = golden.method.masks(features, t, torch.arange(len(logits)))
            np.testing.assert_allclose(found_logits, logits, atol=1e-3)
        state, identities_N, _ = tracker.step(frame, state)
        assert identities_N.tolist() == wanted["ids"]


def test_pyramid_and_proposals_are_those_of_mmdetection(golden):
    frames_T3HW, arrays = golden.network_input(0, 2), golden.arrays
    with torch.inference_mode():
        levels = golden.method.levels(frames_T3HW)
        boxes_TR4, kept_TR = golden.method.proposal_head(levels, frames_T3HW.shape[-2:])
    every = (1, 1, 1, 4, 4)
    for level, step in enumerate(every):
        if f"fpn_0_{level}" in arrays:
            wanted = arrays[f"fpn_0_{level}"]
            found = levels[level][0, :: 8 if level < 2 else step][: len(wanted)]
            np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)
    for t in range(2):
        boxes, wanted = boxes_TR4[t][kept_TR[t]], arrays[f"rpn_boxes_{t}"]
        assert len(boxes) == len(wanted)
        # Scores that are nearly equal may change places.
        nearest = torch.cdist(wanted, boxes, p=torch.inf).amin(1)
        assert nearest.max() <= 1e-2


def made_frames():
    arrays, facts = expected("masktrack_rcnn_tracker")
    for t in range(facts["frames"]):
        rows = arrays["frame"] == t
        yield (
            t,
            tracker.Detections(
                arrays["boxes"][rows],
                arrays["scores"][rows],
                arrays["labels"][rows].long(),
                arrays["embeds"][rows],
            ),
        )


def test_the_tracker_alone():
    """Identities that leave for 19, 20 and more frames, twins, doubles, and an empty frame."""
    arrays, facts = expected("masktrack_rcnn_tracker")
    num_classes, state, last = int(arrays["labels"].max()) + 1, None, {}
    present = {}
    for t, frame in made_frames():
        wanted = facts["per_frame"][t]
        state = state or tracker.start(frame, num_classes)
        if wanted["ids"]:  # the golden lists no memory beside a frame without detections
            assert state["ids_M"].tolist() == wanted["memory_ids"]
        if f"match_scores_{t}" in arrays:
            scores = tracker.match_scores(frame, state)
            np.testing.assert_allclose(scores, arrays[f"match_scores_{t}"], atol=1e-4)
        state, identities_N, seen = tracker.step(frame, state)
        assert identities_N.tolist() == wanted["ids"]
        assert state["ids_M"].tolist() == wanted["alive_after"]
        for number, row, probs_K in zip(*(x.tolist() for x in seen_tensors(seen)), strict=True):
            last[number] = probs_K
            present.setdefault(number, {})[t] = frame.boxes_N4[row].tolist()
    predictions = {prediction["track"]: prediction for prediction in facts["predictions"]}
    assert sorted(last) == sorted(predictions)
    for number, probs_K in last.items():
        wanted = predictions[number]
        assert np.argmax(probs_K) + 1 == wanted["category_id"]
        assert np.count_nonzero(probs_K) == 1
        assert max(probs_K) == pytest.approx(wanted["score"], abs=1e-5)
        assert list(present[number]) == wanted["present"]
        for t, box in present[number].items():
            x0, y0, x1, y1 = (round(value) for value in box)
            filled = np.zeros(facts["size"], bool)
            filled[y0:y1, x0:x1] = True
            assert np.array_equal(mask(wanted["segmentations"][t], facts["size"]), filled)


def seen_tensors(seen):
    return seen.ids_S, seen.rows_S, seen.class_probs_SK


def plain_step(frame, t, memory, born):
    """The rule of a frame as loops over its detections."""
    identities, owners = [], {}
    scores = []
    for n in range(len(frame.scores_N)):
        logits = [0.0] + [float(frame.embeddings_NC[n] @ m["embedding"]) for m in memory.values()]
        soft = np.exp(np.array(logits) - max(logits))
        row = np.log(soft / soft.sum()) + np.log(float(frame.scores_N[n]))
        row[0] += 10
        for column, one in enumerate(memory.values(), 1):
            a, b = frame.boxes_N4[n].numpy(), one["box"]
            sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
            areas = sum(np.prod(x[2:] - x[:2]) for x in (a, b))
            row[column] += 2 * np.prod(sides) / (areas - np.prod(sides))
            row[column] += 10 * (int(frame.labels_N[n]) == one["label"])
        scores.append(row)
    names, best = list(memory), dict.fromkeys(memory, -1e6)
    for n, row in enumerate(scores):
        column = int(np.argmax(row))
        if column == 0:
            identities.append(born)
            owners[born] = n
            born += 1
        elif row[column] > best[names[column - 1]]:
            best[names[column - 1]] = row[column]
            identities.append(names[column - 1])
            owners[names[column - 1]] = n
        else:
            identities.append(-1)
    for number, n in owners.items():
        memory[number] = {
            "embedding": frame.embeddings_NC[n],
            "box": frame.boxes_N4[n].numpy(),
            "label": int(frame.labels_N[n]),
            "seen": t,
        }
    if identities:
        for number in [number for number, m in memory.items() if t - m["seen"] >= 20]:
            del memory[number]
    return identities, born


def made_frame(random, places):
    """Detections near some of the places, several near one, with labels that are often wrong."""
    count = int(random.integers(0, 12))
    chosen = random.integers(0, len(places), count)
    corner = places[chosen] + random.normal(0, 2, (count, 2))
    boxes = np.concatenate([corner, corner + random.uniform(5, 30, (count, 2))], 1)
    embeddings = np.eye(9)[chosen] * 3 + random.normal(0, 1, (count, 9))
    scores = np.sort(random.uniform(0.01, 1, count))[::-1].copy()
    labels = np.where(random.random(count) < 0.8, chosen % 4, random.integers(0, 4, count))
    tensors = (torch.tensor(x, dtype=torch.float32) for x in (boxes, scores))
    return tracker.Detections(*tensors, torch.tensor(labels), torch.tensor(embeddings).float())


@pytest.mark.parametrize("seed", range(4))
def test_the_tracker_against_loops(seed):
    random = np.random.default_rng(seed)
    places = random.uniform(0, 200, (9, 2))
    memory, born, state = {}, 0, None
    for t in range(40):
        frame = made_frame(random, places[: 3 if 5 < t < 32 else 9])
        state = state or tracker.start(frame, 4)
        wanted, born = plain_step(frame, t, memory, born)
        state, identities_N, _ = tracker.step(frame, state)
        assert identities_N.tolist() == wanted
        assert state["ids_M"].tolist() == list(memory)
        assert int(state["born"]) == born


def test_the_state_does_not_grow_over_600_frames():
    state, sizes = None, []
    count = 10  # all of them strangers: they touch nothing, and their embeddings are zeros
    for t in range(600):
        left_N1 = 10.0 * (t * count + torch.arange(count))[:, None]
        boxes_N4 = torch.cat([left_N1, left_N1 * 0, left_N1 + 5, left_N1 * 0 + 5], 1)
        labels_N = torch.arange(count)
        frame = tracker.Detections(boxes_N4, 1 / (2.0 + labels_N), labels_N, torch.zeros(count, 8))
        state = state or tracker.start(frame, 40)
        state, _, _ = tracker.step(frame, state)
        sizes.append(sum(tensor.numel() for tensor in state.values()))
    assert int(state["born"]) == 600 * count
    assert len(state["ids_M"]) == 20 * count
    assert set(sizes[19:]) == {sizes[19]}


def test_a_file_of_mmdetection_is_read_and_a_missing_key_named(tmp_path):
    state = filled_state("masktrack_rcnn_r50")
    path = tmp_path / "masktrack.pth"
    torch.save({"meta": {"CLASSES": ("person",)}, "state_dict": state}, path)
    method = build_on_meta("masktrack_rcnn_r50")
    load_weights(method, WeightsFile.at(path))
    weight = method.track_head.second.weight
    assert torch.equal(weight, state["track_head.embed_head.fcs.1.weight"])
    del state["track_head.embed_head.fcs.1.bias"]
    torch.save({"state_dict": state}, path)
    with pytest.raises(InputError, match=r"missing keys \(1\): track_head.second.bias"):
        load_weights(build_on_meta("masktrack_rcnn_r50"), WeightsFile.at(path))


def test_a_frame_without_detections_has_no_tracks():
    method = build_method("masktrack_rcnn", num_classes=3, backbone="mini")
    with torch.no_grad():
        method.box_head.classes.bias[-1] = 99.0
    method.prepare_for_inference()
    with torch.inference_mode():
        features = method.encode_frames(torch.zeros(2, 3, 40, 50))
        prediction, state = method.predict_next(features, None)
    assert len(prediction) == 0
    assert prediction.mask_logits_NTHW.shape == (0, 2, 28, 28)
    assert int(state["frame"]) == 2


def test_half_precision_keeps_most_of_the_best_track():
    golden = Golden("a")
    best, wanted = golden.tracks(1, precision="bfloat16")[0], golden.facts["predictions"][0]
    assert best.category_id == wanted["category_id"]
    assert best.score == pytest.approx(wanted["score"], abs=0.1)
    assert overlaps([best], [wanted], golden.size_HW).mean() >= 0.8


@pytest.mark.slow
@torch.inference_mode()
def test_compiling_changes_no_answer_beyond_rounding():
    method = build_method("masktrack_rcnn", num_classes=3, backbone="mini")
    method.prepare_for_inference()
    other = compiled(method, "default")
    for count in (3, 1):
        frames = torch.randn(count, 3, 64, 96, generator=torch.Generator().manual_seed(count))
        one = method.predict_next(method.encode_frames(frames), None)[0]
        two = other.predict_next(other.encode_frames(frames), None)[0]
        assert list(one.track_ids_N) == list(two.track_ids_N)
        torch.testing.assert_close(one.class_probs_NK, two.class_probs_NK, rtol=0, atol=1e-4)
        torch.testing.assert_close(one.mask_logits_NTHW, two.mask_logits_NTHW, rtol=1e-3, atol=1e-2)


def closed_form(height, width, detections):
    """Multiply-adds of one frame from the sizes of the layers, by part."""
    rows, columns = (-(-side // 32) * 32 for side in (height, width))
    places = [-(-rows // s) * -(-columns // s) for s in (4, 8, 16, 32, 64)]
    pyramid = sum(n * 256 * c for n, c in zip(places, (256, 512, 1024, 2048), strict=False))
    pyramid += sum(places[:4]) * 256 * 256 * 9 + sum(n * 256 for n in places[:3])
    return {
        "pyramid": pyramid,
        "proposal_head": sum(places) * 256 * (256 * 9 + 3 + 12),
        "box_head": 200 * (256 * 49 * 1024 + 1024 * 1024 + 1024 * (41 + 160)),
        "mask_head": detections * 196 * 256 * (4 * 256 * 9 + 4 * 256 + 4),
        "track_head": detections * (256 * 49 * 1024 + 1024 * 1024),
    }


def test_multiply_adds_follow_from_the_layers_and_no_cut_changes_them():
    counter = ShapeCounter(build_on_meta("masktrack_rcnn_r50"))
    count = counter.count_video((360, 640), clip_windows(3, 1, 1))
    for part, macs in closed_form(360, 640, detections=100).items():
        assert count.all.within(part) == 3 * macs, part
    assert "aten.nonzero" in count.all.assumed_ops
    whole = counter.count_video((360, 640), clip_windows(3, "whole", 1))
    assert whole.all.total == count.all.total
