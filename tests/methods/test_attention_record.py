"""What methods say about their attention: equal to the official values, and free unless asked."""

import numpy as np
import pytest
import torch

from methods import build_method
from methods.layers.attention import MultiHeadAttention
from methods.layers.position_encoding import sine_position_encoding
from methods.seqformer.decoder import DecoderRecord
from official_weights import expected, loaded, network_input
from paths import GOLDEN
from vis_bench.inference.attention import RecordsAttention

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
    """What the recording of the golden's run holds, of all queries and of the predictions'."""
    with pytest.warns(UserWarning, match="36 tensors differ"):
        method = loaded("seqformer_r50")
    method.prepare_for_inference()
    frames = network_input(expected("seqformer_r50")[1]["frames"])
    record = DecoderRecord()
    with torch.inference_mode():
        features = method.encode_and_record(frames)
        method.decode(features, record=record)
        _, attention = method.predict_and_record(features)
    arrays = dict(np.load(GOLDEN / "seqformer_r50_attention.npz"))
    return record, attention.decoder, arrays


def difference(tensor, array):
    assert tuple(tensor.shape) == array.shape
    return float((tensor - torch.from_numpy(array)).abs().max())


def test_seqformer_reads_where_the_official_code_does(official):
    record, _, golden = official
    locations = torch.stack([x[:, golden["queries"]] for x in record.sampling.locations])
    weights = torch.stack([x[:, golden["queries"]] for x in record.sampling.weights])
    assert difference(locations, golden["sampling_locations"]) < 1e-4
    assert difference(weights, golden["attention_weights"]) < 1e-4
    assert difference(torch.stack(record.time_weights), golden["temporal_weights"]) < 1e-4
    frames_differ_by = np.ptp(golden["temporal_weights"], axis=1).max()
    assert frames_differ_by > 100 * 1e-4


def test_the_first_layer_reads_the_same_in_every_frame(official):
    _, decoder, _ = official
    for array in (decoder.sampling_locations_LTQMKP2, decoder.attention_weights_LTQMKP):
        assert torch.equal(array[0, 0], array[0, 1])
        assert not torch.allclose(array[1, 0], array[1, 1], atol=1e-4)


def test_a_prediction_comes_with_the_attention_of_its_queries(official):
    _, decoder, golden = official
    assert set(decoder.queries_Q.tolist()) == set(golden["track_queries"].tolist())
    rows = [golden["queries"].tolist().index(query) for query in decoder.queries_Q.tolist()]
    assert (
        difference(decoder.sampling_locations_LTQMKP2, golden["sampling_locations"][:, :, rows])
        < 1e-4
    )
    assert (
        difference(decoder.attention_weights_LTQMKP, golden["attention_weights"][:, :, rows]) < 1e-4
    )
    queries = decoder.queries_Q.numpy()
    assert difference(decoder.time_weights_LTQ, golden["temporal_weights"][:, :, queries]) < 1e-4


@pytest.mark.parametrize("name", ["seqformer", "ms_sts", "ifc"])
@torch.inference_mode()
def test_recording_changes_no_prediction(name):
    method = mini(name)
    plain = method.predict_clip(method.encode_frames(FRAMES))
    recorded, _ = method.predict_and_record(method.encode_and_record(FRAMES))
    assert torch.equal(plain.class_probs_NK, recorded.class_probs_NK)
    assert torch.equal(plain.mask_logits_NTHW, recorded.mask_logits_NTHW)


@pytest.mark.parametrize("name", ["seqformer", "ms_sts"])
@torch.inference_mode()
def test_what_the_decoder_reads_sums_to_one(name):
    method = mini(name)
    assert isinstance(method, RecordsAttention)
    assert method.recorded_layers == {"decoder": 3}
    prediction, attention = method.predict_and_record(method.encode_and_record(FRAMES))
    decoder, count = attention.decoder, len(prediction)
    assert decoder.sampling_locations_LTQMKP2.shape == (3, 3, count, 4, 4, 2, 2)
    ones = torch.ones(3, 3, count, 4)
    torch.testing.assert_close(decoder.attention_weights_LTQMKP.sum((-1, -2)), ones)
    torch.testing.assert_close(decoder.time_weights_LTQ.sum(1), ones[:, 0, :, 0])


@torch.inference_mode()
def test_weights_of_attention_equal_pytorchs():
    """PyTorch's own module, with the same parameters, is asked for the weights of each head."""
    torch.manual_seed(0)
    ours = MultiHeadAttention(32, 4)
    torch.nn.init.normal_(ours.in_proj_bias)
    theirs = torch.nn.MultiheadAttention(32, 4, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    queries, keys = torch.randn(2, 5, 32), torch.randn(2, 7, 32)
    _, wanted = theirs(queries, keys, keys, need_weights=True, average_attn_weights=False)
    torch.testing.assert_close(ours.weights(queries, keys), wanted)


@pytest.mark.parametrize("memory", ["decomposed", "unified"])
@torch.inference_mode()
def test_memory_tokens_say_what_they_attend_to(memory):
    """Against PyTorch's attention on what enters each Encode-Receive layer, step by step."""
    method = mini("ifc", memory=memory)
    encoder, width = method.encoder, 64
    _, attention = method.predict_and_record(method.encode_and_record(FRAMES))
    weights = attention.memory.weights_LTMBhw
    assert weights.shape == (2, 3, 4, 8, 2, 3)
    assert method.recorded_layers == {"memory": 2}
    locations = 2 * 3
    frame_position = sine_position_encoding(2, 3, width, offset=0.0, like=FRAMES)
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
    one, other = (method.predict_and_record(f)[1].memory.weights_LTMBhw for f in (whole, joined))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_without_memory_tokens_there_is_nothing_to_record():
    method = mini("ifc", communication="full")
    assert method.recorded_layers == {}
    _, attention = method.predict_and_record(method.encode_and_record(FRAMES))
    assert attention.memory is None
    assert attention.decoder is None


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
