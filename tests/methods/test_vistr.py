"""VisTR: equal to the official code for clips and videos, shorter and longer ones included."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import build_method
from methods.vistr.masks import DeformableConv2d
from methods.vistr.model import WIDTH, vote
from official_weights import (
    expected,
    filled_state,
    network_input,
    override,
    relative_error,
    space_time_iou,
    video,
)
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.clips import Clip
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.measures.flops.video import ShapeCounter

NUM_CLASSES = 5
SMALL = {"backbone": "mini", "hidden": 64, "encoder_layers": 1, "decoder_layers": 1}


def small(num_frames=4, **options):
    torch.manual_seed(0)
    method = build_method(
        "vistr", num_classes=NUM_CLASSES, num_frames=num_frames, **(SMALL | options)
    )
    method.prepare_for_inference()
    return method


def frames_of(count, height=33, width=47):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(count))


def plan(length, stride=1, resolution="native"):
    return InferencePlan(length, stride, resolution, torch.device("cpu"))


def official(name, other_overrides=None):
    """The method with a golden's weights, `other_overrides` applied; its arrays and facts."""
    arrays, facts = expected(name)
    num_frames = facts["num_frames"]
    state = filled_state("vistr_r50")
    queries = state["vistr.query_embed.weight"]
    state["vistr.query_embed.weight"] = queries[: 10 * num_frames].clone()
    override(state, facts["weight_overrides"] | (other_overrides or {}))
    with torch.device("meta"):
        method = build_method("vistr", num_classes=40, num_frames=num_frames)
    method.load_state_dict(state, assign=True)
    return method.eval(), arrays, facts


@pytest.fixture(scope="module")
def six_frames():
    """The golden of six frames, and its features before the method is prepared and after."""
    method, arrays, facts = official("vistr_r50_t6")
    clip = network_input(facts["frames"])
    with torch.inference_mode():
        raw = method.encode_frames(clip)
        method.prepare_for_inference()
        return method, arrays, facts, {"as built": raw, "prepared": method.encode_frames(clip)}


@pytest.mark.parametrize("state", ["as built", "prepared"])
@torch.inference_mode()
def test_golden_clip(six_frames, state):
    method, arrays, _, features = six_frames
    filled = method.fill(features[state])
    memory_TSC = method.encode_clip(filled)
    content_TNC = method.decode(memory_TSC, filled.frame_size_HW)
    attention = method.attention_maps(content_TNC, memory_TSC).unflatten(-1, (3, 4))
    sizes = {
        "decoder_hs": content_TNC.flatten(0, 1),
        "pred_logits": method.class_head(content_TNC).flatten(0, 1),
        "attention_maps": attention[:, ::3],
        "pred_masks": method.masks(content_TNC, memory_TSC, filled).transpose(0, 1),
    }
    for name, tensor in sizes.items():
        assert relative_error(tensor, arrays[name]) < 1e-3, name
    torch.testing.assert_close(
        sizes["pred_logits"].softmax(-1), arrays["pred_logits"].softmax(-1), rtol=0, atol=1e-4
    )
    boxes_NT4 = method.predict_clip(features[state], boxes=True).boxes_NT4
    boxes_QX = boxes_NT4.transpose(0, 1).flatten(0, 1)
    torch.testing.assert_close(boxes_QX, arrays["pred_boxes"], rtol=0, atol=1e-4)


def test_golden_size(six_frames):
    method, _, facts, _ = six_frames
    assert method.num_params == facts["params"]


def assert_predictions(tracks, wanted):
    """The official script's predictions, which stand in another order and may lack masks."""
    wanted = sorted(wanted, key=lambda prediction: -prediction["score"])
    assert len(tracks) == len(wanted)
    for track, prediction in zip(tracks, wanted, strict=True):
        assert track.category_id == prediction["category_id"]
        assert track.score == pytest.approx(prediction["score"], abs=1e-4)
        if "segmentations" not in prediction:
            continue
        pairs = list(zip(track.segmentations, prediction["segmentations"], strict=True))
        for ours, theirs in pairs:
            # Where theirs is null ours is; where theirs is an empty mask ours is null.
            assert theirs is not None or ours is None
        held = [pair for pair in pairs if pair[1] is not None]
        assert space_time_iou(*zip(*held, strict=True)) >= 0.999


def test_golden_video(six_frames):
    method, _, facts, _ = six_frames
    tracks = track_video(method, video(facts["frames"]), plan(6), range(1, 41))
    assert_predictions(tracks, facts["predictions"])
    nulls = sum(mask is None for p in facts["predictions"] for mask in p["segmentations"])
    assert nulls > 0


@pytest.mark.parametrize("place", [0, 1, 5], ids=["4 frames", "2 frames", "resized to 300"])
def test_golden_cases(six_frames, place):
    method, _, facts, _ = six_frames
    case = facts["more_cases"][place]
    resolution = case.get("resize_short_side", "native")
    tracks = track_video(method, video(case["frames"]), plan(6, 1, resolution), range(1, 41))
    assert_predictions(tracks, case["predictions"])


def test_golden_window_of_a_longer_video(six_frames):
    method, _, facts, _ = six_frames
    case = facts["more_cases"][3]
    start, stop = case["window"]
    whole = video(case["frames"])
    window = Video(1, "window", whole.height, whole.width, whole.frames[start:stop])
    assert_predictions(track_video(method, window, plan(6), range(1, 41)), case["predictions"])


def test_golden_where_instances_are_empty():
    case = expected("vistr_r50_t6")[1]["more_cases"][4]
    method, _, _ = official("vistr_r50_t6", case["extra_overrides"])
    tracks = track_video(method, video(case["frames"]), plan(6), range(1, 41))
    assert case["kept_instances"] == 6
    assert_predictions(tracks, case["predictions"])


def test_golden_of_thirty_six_frames():
    method, _, facts = official("vistr_r50")
    method.prepare_for_inference()
    tracks = track_video(method, video(facts["frames"]), plan(36), range(1, 41))
    assert_predictions(tracks, facts["predictions"])
    assert method.num_params == facts["params"]


def test_longer_videos_are_cut_and_joined(six_frames):
    """Eight frames in two clips of six: the instances of the first go on in the second."""
    method, _, facts, _ = six_frames
    tracks = track_video(method, video(facts["frames"] | {"t": 8}), plan(6, 2), range(1, 41))
    across = [
        track for track in tracks if any(track.segmentations[:2]) and any(track.segmentations[6:])
    ]
    assert len(across) >= 5


METHOD = small()


def test_clips_longer_than_the_queries_are_refused():
    with pytest.raises(InputError, match="a clip of 5 frames; expected at most 4"), torch.no_grad():
        METHOD(frames_of(5))


def probabilities(*rows):
    return torch.tensor(rows)[:, None]


def test_frames_vote_and_the_lowest_column_wins_a_tie():
    tied = probabilities([0.1, 0.2, 0.6, 0.0], [0.1, 0.5, 0.2, 0.0])
    assert vote(tied)[0][0].tolist() == pytest.approx([0.55, 0, 0])
    twice = probabilities([0.1, 0.2, 0.3, 0.0], [0.1, 0.9, 0.2, 0.0], [0.1, 0.0, 0.3, 0.0])
    assert vote(twice)[0][0].tolist() == pytest.approx([0, 0.5, 0])


def test_an_instance_whose_absence_wins_has_no_category():
    absent = probabilities([0.6, 0.2, 0.1], [0.6, 0.2, 0.1], [0.1, 0.8, 0.1])
    assert vote(absent)[0].tolist() == [[0, 0]]


def test_an_instance_is_absent_from_frames_without_probability():
    faint = probabilities([0.0, 0.0009, 0.0], [0.0, 0.0, 0.001])
    assert vote(faint)[1].tolist() == [[False, True]]


def test_flops_are_those_of_the_parts():
    """The transformer always sees 36 frames; the backbone sees the video's own."""
    with torch.device("meta"):
        method = build_method("vistr", num_classes=40)
        method.prepare_for_inference()
    counter = ShapeCounter(method)
    short = counter.count_video((300, 533), [Clip(0, 5)])
    full = counter.count_video((300, 533), [Clip(0, 36)])
    assert short.predict.total == pytest.approx(full.predict.total, rel=1e-4)
    assert full.encode.total * 5 == short.encode.total * 36
    # By hand, in multiply-adds of 1e9: backbone, lateral 1x1 convolutions, token projection.
    projection = 36 * 10 * 17 * 2048 * WIDTH / 1e9
    assert full.encode.total / 1e9 == pytest.approx(485 + 14 + projection, rel=0.01)
    # Encoder, decoder, the two parts of the first convolution, the next three, offsets and
    # deformable convolution, 3-D convolutions.
    parts = 252 + 27 + 10 + 42 + 39 + 38 + 41 + 56
    assert full.predict.total / 1e9 == pytest.approx(parts, rel=0.015)


def convolve_by_hand(layer, maps, offsets):
    """The sum over taps and input channels of bilinearly read values, one by one."""
    outputs, _, kernel, _ = layer.weight.shape
    count, _, height, width = maps.shape
    half = kernel // 2
    result = torch.zeros(count, outputs, height, width, dtype=maps.dtype)
    for n in range(count):
        for row in range(height):
            for column in range(width):
                for tap in range(kernel * kernel):
                    down, right = offsets[n, 2 * tap : 2 * tap + 2, row, column].tolist()
                    y = row + tap // kernel - half + down
                    x = column + tap % kernel - half + right
                    weight_OC = layer.weight[:, :, tap // kernel, tap % kernel]
                    result[n, :, row, column] += weight_OC @ read(maps[n], y, x)
    return result


def read(map_CHW, y, x):
    """The value between the four neighbors of a point, which are zero outside of the map."""
    total = torch.zeros(len(map_CHW), dtype=map_CHW.dtype)
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < map_CHW.shape[1] and 0 <= column < map_CHW.shape[2]:
                total += (1 - abs(y - row)) * (1 - abs(x - column)) * map_CHW[:, row, column]
    return total


def convolution_case(count, height, width, kernel, reach):
    layer = DeformableConv2d(3, 2, kernel).double()
    maps = torch.randn(count, 3, height, width, dtype=torch.float64)
    offsets = reach * torch.randn(count, 2 * kernel * kernel, height, width, dtype=torch.float64)
    return layer, maps, offsets


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 2),
    st.integers(1, 5),
    st.integers(1, 5),
    st.sampled_from([1, 3]),
    st.floats(0, 4),
    st.integers(0, 99),
)
def test_deformable_convolution_is_its_definition(count, height, width, kernel, reach, seed):
    torch.manual_seed(seed)
    layer, maps, offsets = convolution_case(count, height, width, kernel, reach)
    with torch.no_grad():
        wanted = convolve_by_hand(layer, maps, offsets.float().double())
        torch.testing.assert_close(layer(maps, offsets), wanted, rtol=1e-4, atol=1e-4)
