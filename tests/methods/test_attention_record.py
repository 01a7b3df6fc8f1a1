"""What methods say about their attention: equal to the official values, and free unless asked."""

from collections import defaultdict

import numpy as np
import pytest
import torch

from methods import build_method
from methods.layers.maps import sine_position_encoding
from methods.layers.transformer import MultiHeadAttention
from official_weights import expected, loaded, network_input, video
from paths import GOLDEN
from vis_bench.attention import RecordsAttention
from vis_bench.contract import check_recording
from vis_bench.data.synthetic import generate
from vis_bench.data.video import Video
from vis_bench.inference.attention import record_video
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.inference.preprocess import input_size, resize_frame, to_input

FRAMES = torch.randn(3, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def mini(name, **options):
    torch.manual_seed(0)
    method = build_method(name, num_classes=3, variant="mini", **options).eval()
    for key, parameter in method.named_parameters():  # the decoder's own start is alike everywhere
        if key.endswith(("sampling_offsets.weight", "attention_weights.weight")):
            torch.nn.init.normal_(parameter, std=0.1)
    return method


@pytest.fixture(scope="module")
def official():
    """What is recorded of the golden's run: of all queries, and of the video's tracks."""
    with pytest.warns(UserWarning, match="36 tensors differ"):
        method = loaded("seqformer_r50")
    method.prepare_for_inference()
    spec = expected("seqformer_r50")[1]["frames"]
    record = defaultdict(list)
    with torch.inference_mode():
        method.decode(method.encode_and_record(network_input(spec)), record=record)
    plan = InferencePlan("whole", 1, "native", torch.device("cpu"))
    recorded = record_video(method, video(spec), plan, range(1, 41))
    return record, recorded, dict(np.load(GOLDEN / "seqformer_r50_attention.npz"))


def difference(tensor, array):
    assert tuple(tensor.shape) == array.shape
    return float((tensor - torch.from_numpy(array)).abs().max())


def test_seqformer_reads_where_the_official_code_does(official):
    record, _, golden = official
    locations = torch.stack([x[:, golden["queries"]] for x in record["locations"]])
    weights = torch.stack([x[:, golden["queries"]] for x in record["weights"]])
    assert difference(locations, golden["sampling_locations"]) < 1e-4
    assert difference(weights, golden["attention_weights"]) < 1e-4
    assert difference(torch.stack(record["time_weights"]), golden["temporal_weights"]) < 1e-4
    frames_differ_by = np.ptp(golden["temporal_weights"], axis=1).max()
    assert frames_differ_by > 100 * 1e-4


def test_a_videos_arrays_are_those_of_its_tracks(official):
    _, recorded, golden = official
    arrays = recorded.arrays()
    queries = arrays["queries_Q"]
    assert queries[arrays["track_instances_D"]].tolist() == golden["track_queries"].tolist()
    assert arrays["track_categories_D"].tolist() == golden["track_categories"].tolist()
    np.testing.assert_allclose(arrays["track_scores_D"], golden["track_scores"], atol=1e-5)
    rows = [golden["queries"].tolist().index(query) for query in queries.tolist()]
    for name, wanted in {
        "sampling_locations_LTQMKP2": golden["sampling_locations"][:, :, rows],
        "attention_weights_LTQMKP": golden["attention_weights"][:, :, rows],
        "time_weights_LTQ": golden["temporal_weights"][:, :, queries],
    }.items():
        assert arrays[name].shape == wanted.shape
        np.testing.assert_allclose(arrays[name], wanted, rtol=0, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("name", "options", "layers"),
    [
        ("seqformer", {}, {"decoder": 3}),
        ("ms_sts", {}, {"decoder": 3}),
        ("ifc", {}, {"memory": 2}),
        ("ifc", {"communication": "full"}, {}),
    ],
)
def test_methods_keep_the_contract_of_recording(name, options, layers):
    method = mini(name, **options)
    assert isinstance(method, RecordsAttention)
    assert method.recorded_layers == layers
    check_recording(method, FRAMES)


def test_what_breaks_the_contract_is_named():
    class Forgetful(type(mini("ifc"))):
        recorded_layers = {"memory": 3}

    method = mini("ifc")
    method.__class__ = Forgetful
    with pytest.raises(AssertionError, match=r"recorded_layers is \{'memory': 3\}"):
        check_recording(method, FRAMES)


@pytest.mark.parametrize("memory", ["decomposed", "unified"])
@torch.inference_mode()
def test_memory_tokens_say_what_they_attend_to(memory):
    """Against PyTorch's attention on what enters each Encode-Receive layer, step by step."""
    method = mini("ifc", memory=memory)
    encoder, width = method.encoder, 64
    _, attention = method.predict_and_record(method.encode_and_record(FRAMES))
    weights = attention.memory_weights_LTMBhw
    assert weights.shape == (2, 3, 4, 8, 2, 3)
    assert method.recorded_layers == {"memory": 2}
    locations = 2 * 3
    frame_position = sine_position_encoding((2, 3), width, offset=0.0, like=FRAMES).flatten(0, 1)
    position = torch.cat([frame_position, encoder.memory_position_MC])
    tokens = method.token_projection(method.backbone(FRAMES)[-1]).flatten(2).transpose(1, 2)
    memory_tokens = encoder.memory_tokens_MC.expand(3, -1, -1)
    for index, layer in enumerate(encoder.encode_receive_layers):
        entering = torch.cat([tokens, memory_tokens], 1)
        theirs = torch.nn.MultiheadAttention(width, 4, batch_first=True)
        theirs.load_state_dict(layer.self_attention.state_dict())
        placed = entering + position
        _, wanted = theirs(placed, placed, entering, average_attn_weights=False)
        wanted = wanted[:, :, locations:, :locations].unflatten(-1, (2, 3))
        torch.testing.assert_close(weights[index], wanted, atol=1e-6, rtol=1e-4)
        left = layer(entering, position)
        tokens = left[:, :locations]
        memory_tokens = encoder._communicate(index, left[:, locations:])
    assert float(weights.sum((-1, -2)).max()) < 1


@torch.inference_mode()
def test_features_of_chunks_are_recorded_as_those_of_the_whole_clip():
    method = mini("ifc")
    whole = method.encode_and_record(FRAMES)
    joined = method.encode_and_record(FRAMES[:1]).followed_by(method.encode_and_record(FRAMES[1:]))
    one, other = (method.predict_and_record(f)[1].memory_weights_LTMBhw for f in (whole, joined))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_nothing_more_is_computed_unless_asked_for(monkeypatch):
    def refuse(*_):
        raise AssertionError("weights were computed")

    method = mini("ifc")
    monkeypatch.setattr(MultiHeadAttention, "weights", refuse)
    features = method.encode_frames(FRAMES)
    assert set(features.maps) == {"tokens", "lateral_16", "lateral_8"}
    method.predict_clip(features)
    with pytest.raises(AssertionError, match="weights were computed"):
        method.encode_and_record(FRAMES)


@pytest.mark.parametrize("name", ["seqformer", "ifc"])
def test_a_recorded_video_has_the_tracks_that_inference_gives(name):
    method = mini(name)
    method.prepare_for_inference()
    plan = InferencePlan("whole", 1, 64, torch.device("cpu"))
    drawn = generate("val").videos[5]
    clip = Video(7, "start", drawn.height, drawn.width, list(drawn.frames[:10]))
    tracks = track_video(method, clip, plan, [2, 5, 9])
    recorded = record_video(method, clip, plan, [2, 5, 9])
    assert recorded.tracks == tracks
    size_HW = input_size(clip.height, clip.width, 64, method.input_format)
    frames = to_input([resize_frame(f, size_HW) for f in clip.frames], method.input_format)
    with torch.inference_mode():
        probs_NK = method(frames).class_probs_NK
    assert len(recorded.instances) == len(tracks) > 0
    for track, instance in zip(recorded.tracks, recorded.instances, strict=True):
        column = [2, 5, 9].index(track.category_id)
        assert track.score == pytest.approx(float(probs_NK[instance, column]), abs=1e-6)
