"""Weights files: the six official layouts, and what is said of files that do not fit."""

import argparse
import hashlib
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from methods import build_method
from official_weights import OFFICIAL, build_on_meta, keys
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import WeightsFile, file_sha256, load_weights, read_state

# Keys without a parameter or buffer of their own: the box heads' second name, the training loss's
# class weights, tables that follow from the window size, and counters of frozen norms.
WITHOUT_TENSOR = (
    "detr.transformer.decoder.bbox_embed.", "criterion.", "relative_position_index",
    "num_batches_tracked",
)  # fmt: skip
SIZES = {"backbone": "mini", "width": 32, "hidden": 32, "num_queries": 12}
SMALL = {"seqformer": {**SIZES, "encoder_layers": 1, "decoder_layers": 2}, "ifc": SIZES}


def small(name, **options):
    return build_method(name, num_classes=3, **(SMALL[name] | options))


def meta_state(name):
    return {key: torch.empty(shape, device="meta") for key, shape in keys(name).items()}


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "seqformer.pth"
    torch.save({"model": small("seqformer").state_dict(), "epoch": 3}, path)
    return path


def refusal(method, path):
    with pytest.raises(InputError) as error:
        load_weights(method, WeightsFile.at(path))
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", SMALL)
def test_weights_of_other_classes_are_told_by_their_number(name, tmp_path):
    path = tmp_path / "w.pth"
    torch.save(build_method(name, num_classes=6, **SMALL[name]).state_dict(), path)
    with pytest.raises(InputError, match=f"{path} knows 6 classes, but the data has 3 .*=null"):
        load_weights(small(name), WeightsFile.at(path), 3)
    torch.save(small(name, num_queries=24).state_dict(), path)
    with pytest.raises(InputError, match="tensors of another shape") as error:
        load_weights(small(name), WeightsFile.at(path), 3)
    assert "knows" not in str(error.value)


@pytest.mark.parametrize("name", OFFICIAL)
def test_every_official_key_is_used_and_none_is_left_over(name):
    method, state = build_on_meta(name), meta_state(name)
    result = method.load_state_dict(state, strict=True, assign=True)
    assert result.missing_keys == result.unexpected_keys == []
    held = {id(tensor) for tensor in method.state_dict(keep_vars=True).values()}
    used = [key for key in state if not any(part in key for part in WITHOUT_TENSOR)]
    assert len(used) == len(held)
    total = sum(t.numel() for t in method.state_dict().values())
    assert total == sum(state[key].numel() for key in used)


@pytest.mark.parametrize("name", OFFICIAL)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.95])
def test_no_official_key_is_optional_and_no_other_is_taken(name, place):
    state = meta_state(name)
    real = [key for key in state if not any(part in key for part in WITHOUT_TENSOR)]
    real = [key for key in real if "bbox_embed" not in key]
    key = real[int(place * len(real))]
    value = state.pop(key)
    result = build_on_meta(name).load_state_dict(state, strict=False, assign=True)
    assert len(result.missing_keys) == 1
    assert result.unexpected_keys == []
    odd = key.rsplit(".", 1)[0] + ".odd"
    result = build_on_meta(name).load_state_dict(
        state | {key: value, odd: value}, strict=False, assign=True
    )
    assert result.missing_keys == []
    assert len(result.unexpected_keys) == 1


@pytest.mark.parametrize("form", ["model.pth", "plain.pth", "flat.safetensors"])
@pytest.mark.parametrize("on_meta", [False, True])
def test_forms_of_a_file(tmp_path, form, on_meta):
    torch.manual_seed(0)
    source = small("ifc")
    path, state = tmp_path / form, source.state_dict()
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"model": state} if form == "model.pth" else state, path)
    with torch.device("meta" if on_meta else "cpu"):
        method = small("ifc")
    load_weights(method, WeightsFile.at(path))
    for name, tensor in method.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_training_state_beside_the_weights(tmp_path):
    """SeqFormer's authors save optimizer, schedule and command line in the same file."""
    source = small("seqformer")
    optimizer = torch.optim.AdamW(source.parameters())
    content = {
        "model": source.state_dict(),
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 5]).state_dict(),
        "epoch": 11,
        "args": argparse.Namespace(lr=2e-4, masks=True, dataset_file="jointcoco"),
    }
    torch.save(content, tmp_path / "r50.pth")
    method = small("seqformer")
    load_weights(method, WeightsFile.at(tmp_path / "r50.pth"))
    assert torch.equal(method.query_embedding.weight, source.query_embedding.weight)


def official_names(state):
    """The two names that the official files give a box head."""
    second = {k: v for k, v in state.items() if k.startswith("decoder.box_heads.")}
    rest = {k: v for k, v in state.items() if k not in second}
    second = {k.replace("decoder.box_heads.", "detr.bbox_embed."): v for k, v in second.items()}
    first = {
        k.replace("detr.bbox_embed.", "detr.transformer.decoder.bbox_embed."): v.clone()
        for k, v in second.items()
    }
    return rest, first, second


def test_box_heads_under_two_names(recwarn):
    source = small("seqformer")
    rest, first, second = official_names(source.state_dict())
    for state in (rest | first | second, rest | first, rest | second):
        method = small("seqformer")
        method.load_state_dict(state)
        wanted = second["detr.bbox_embed.1.layers.0.weight"]
        assert torch.equal(method.decoder.box_heads[1].layers[0].weight, wanted)
    assert not recwarn.list


def test_box_heads_that_differ_between_their_names():
    rest, first, second = official_names(small("seqformer").state_dict())
    first["detr.transformer.decoder.bbox_embed.0.layers.0.bias"] += 1
    method = small("seqformer")
    with pytest.warns(UserWarning, match="1 tensors differ between"):
        method.load_state_dict(rest | first | second)
    wanted = second["detr.bbox_embed.0.layers.0.bias"]
    assert torch.equal(method.decoder.box_heads[0].layers[0].bias, wanted)


def test_loading_leaves_the_file_and_its_tensors_alone(weights):
    before = file_sha256(weights)
    state = read_state(weights)
    names = list(state)
    small("seqformer").load_state_dict(state)
    assert list(state) == names
    assert file_sha256(weights) == before


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_file(tmp_path, weights, suffix, kept):
    path = tmp_path / f"cut{suffix}"
    if suffix == ".safetensors":
        save_file(read_state(weights), path)
    else:
        path.write_bytes(weights.read_bytes())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else kept])
    message = refusal(small("seqformer"), path)
    assert "download it again" in message or "looks like" in message or "is no" in message
    assert f"{path.stat().st_size} bytes" in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.pth", None, "does not exist"),
        ("weights.pth", b"<!DOCTYPE html><html>Virus scan warning</html>", "download page"),
        ("R-50.pkl", pickle.dumps({"model": {"a": hashlib.sha256}}), "encoding='latin1'"),
    ],
)
def test_a_file_that_holds_no_weights(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert words in refusal(small("ifc"), tmp_path / name)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "holds a list"),
        ({}, "holds a dict, not weights"),
        ({"model": {}}, "holds a dict, not weights"),
        ({"state": {"a": torch.zeros(1)}}, "holds state beside tensors"),
        ({"weight": torch.zeros(1), "lr": 0.1}, "holds lr beside tensors"),
        ({"model": {"weight": np.zeros(2), "bias": torch.zeros(1)}}, "NumPy arrays for weight;"),
    ],
)
def test_file_without_a_state_dict(tmp_path, content, words):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    assert words in refusal(small("ifc"), path)


FOREIGN = {
    "an IFC checkpoint": list(keys("ifc_r50")),
    "a SeqFormer checkpoint": list(keys("seqformer_r50")),
    "a SeqFormer checkpoint of the VNext repository": [
        *(key for key in keys("idol_r50") if ".backbone." in key),
        *(f"detr.{key}" for key in keys("seqformer_r50") if ".backbone." not in key),
    ],
    "Deformable DETR": [
        "transformer.encoder.layers.0.self_attn.sampling_offsets.weight",
        "class_embed.0.weight",
    ],
    "a DETR checkpoint": [
        "transformer.encoder.layers.0.self_attn.in_proj_weight",
        "class_embed.weight",
    ],
    "a detectron2 ResNet backbone": ["stem.conv1.weight", "res2.0.conv1.weight"],
    "a torchvision ResNet classifier": ["conv1.weight", "layer1.0.conv1.weight", "fc.weight"],
    "a VisTR checkpoint": list(keys("vistr_r50")),
    "a MaskTrack R-CNN checkpoint of MMDetection": list(keys("masktrack_rcnn_r50")),
    "a Swin backbone": ["layers.0.blocks.0.attn.relative_position_bias_table", "head.weight"],
    "weights of something else": ["encoder.weight"],
}


@pytest.mark.parametrize("words", FOREIGN)
def test_foreign_weights_are_named(tmp_path, words):
    path = tmp_path / "weights.pth"
    torch.save({"model": {key: torch.zeros(1) for key in FOREIGN[words]}}, path)
    method = small("seqformer" if "IFC" in words or "VNext" in words else "ifc")
    message = refusal(method, path)
    assert f"looks like {words}" in message
    assert f"does not fit {type(method).__name__} with backbone mini" in message
    assert "missing keys (" in message
    assert "unexpected keys (" in message


def test_other_number_of_classes(tmp_path, weights):
    other = build_method("seqformer", num_classes=5, **SMALL["seqformer"])
    message = refusal(other, weights)
    assert "tensors of another shape (4): class_heads.0.weight is [5, 32] instead of [7, 32]" in (
        message
    )
    assert message.endswith("and 1 more")


def test_all_differences_are_in_the_sentence(tmp_path):
    state = small("ifc").state_dict()
    del state["decoder.norm.bias"]
    state |= {"decoder.odd": torch.zeros(1), "decoder.norm.weight": torch.zeros(5)}
    torch.save(state, tmp_path / "weights.pth")
    assert refusal(small("ifc"), tmp_path / "weights.pth").endswith(
        "missing keys (1): decoder.norm.bias; unexpected keys (1): decoder.odd; "
        "tensors of another shape (1): decoder.norm.weight is [5] instead of [32]"
    )
