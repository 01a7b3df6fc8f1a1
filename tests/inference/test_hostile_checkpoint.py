"""Weights files that mean harm or are broken: each ends in one sentence, and no code runs."""

import os
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from methods import build_method
from methods.training.trainable import load_initial_weights
from vis_bench.cli import main
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import WeightsFile, load_weights, read_state

SIZES = {"backbone": "mini", "width": 32, "heads": 4, "hidden": 32, "num_queries": 6}


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return build_method("ifc", num_classes=3, **SIZES).state_dict()


@pytest.fixture(params=["cpu", "meta", "initial_weights"])
def load(request):
    """Loads a file as a run does, as its check does, and as training does."""
    with torch.device("meta" if request.param == "meta" else "cpu"):
        method = build_method("ifc", num_classes=3, **SIZES)
    if request.param == "initial_weights":
        return lambda path: load_initial_weights(method, path)
    return lambda path: load_weights(method, WeightsFile.at(path))


def refusal(call, path):
    with pytest.raises(InputError) as error:
        call(path)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 700
    return message


@pytest.mark.parametrize(
    ("value", "ending"),
    [(float("nan"), "pth"), (float("inf"), "safetensors"), (-float("inf"), "pth")],
)
def test_weights_that_are_not_numbers_name_the_first_key(load, state, tmp_path, value, ending):
    broken = {key: tensor.clone() for key, tensor in state.items()}
    first, second = list(broken)[4], list(broken)[9]
    for key in (first, second):
        broken[key].view(-1)[-1] = value
    path = tmp_path / f"w.{ending}"
    torch.save(broken, path) if ending == "pth" else save_file(broken, path)
    in_file = min(first, second) if ending == "safetensors" else first
    assert f"has NaN or infinity in {in_file}; expected finite" in refusal(load, path)


def test_weights_whose_sum_overflows_are_finite_all_the_same(state, tmp_path):
    large = {key: torch.full_like(tensor, 3e38) for key, tensor in state.items()}
    torch.save(large, tmp_path / "w.pth")
    load_weights(build_method("ifc", num_classes=3, **SIZES), WeightsFile.at(tmp_path / "w.pth"))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.complex64])
def test_numbers_of_another_kind_are_not_cast(load, state, tmp_path, dtype):
    key = list(state)[5]
    torch.save({**state, key: state[key].to(dtype)}, tmp_path / "w.pth")
    message = refusal(load, tmp_path / "w.pth")
    assert f"has {dtype} for {key}; expected floating-point weights" in message


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_eight_bits_without_their_scales_are_refused(load, state, tmp_path, dtype):
    key = list(state)[5]
    torch.save({**state, key: state[key].to(dtype)}, tmp_path / "w.pth")
    assert f"has {dtype} for {key}" in refusal(load, tmp_path / "w.pth")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read(state, tmp_path, dtype):
    torch.save({key: tensor.to(dtype) for key, tensor in state.items()}, tmp_path / "w.pth")
    load_weights(build_method("ifc", num_classes=3, **SIZES), WeightsFile.at(tmp_path / "w.pth"))


@pytest.mark.parametrize("kind", ["sparse", "meta", "quantized"])
def test_tensors_that_are_not_dense_are_refused(load, state, tmp_path, kind):
    key = next(key for key, tensor in state.items() if tensor.ndim == 2)
    odd = {
        "sparse": lambda t: t.to_sparse(),
        "meta": lambda t: t.to("meta"),
        "quantized": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
    }[kind](state[key])
    torch.save({**state, key: odd}, tmp_path / "w.pth")
    message = refusal(load, tmp_path / "w.pth")
    assert f"for {key}; expected a dense tensor" in message or kind == "quantized"


@pytest.mark.parametrize("key", [3, None, b"weight"])
def test_keys_that_are_not_text_are_refused(load, state, tmp_path, key):
    torch.save({**state, key: torch.zeros(2)}, tmp_path / "w.pth")
    assert f"holds the key {key!r}; expected names" in refusal(load, tmp_path / "w.pth")


BROKEN_PICKLES = {
    "nothing on the stack": b"\x80\x02.",
    "half a float": b"\x80\x02G\x00.",
    "half a length": b"\x80\x02X\xff",
    "a memo that is not there": b"\x80\x02h\x05.",
    "a mark that is not there": b"\x80\x02t.",
    "text that is not utf-8": b"\x80\x02X\x02\x00\x00\x00\xff\xfe.",
    "items of a number": b"\x80\x02K\x01K\x02K\x03s.",
    "an unhashable key": b"\x80\x02}]K\x01s.",
    "an opcode of none": b"\x80\x02\xee.",
    "a number of nothing": b"\x80\x02I\n.",
    "a list inside of itself": b"\x80\x02]q\x00h\x00a.",
}


@pytest.mark.parametrize("kind", BROKEN_PICKLES)
@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_of_any_kind_of_damage_end_in_a_sentence(tmp_path, kind, zipped):
    path = tmp_path / "w.pth"
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in {"data.pkl": BROKEN_PICKLES[kind], "version": b"3\n"}.items():
                archive.writestr(f"archive/{name}", content)
    else:
        path.write_bytes(BROKEN_PICKLES[kind])
    refusal(read_state, path)


def test_code_in_a_file_does_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (type(tmp_path).touch, (tmp_path / "harm",))

    for content in (Harm(), {"model": {"a": Harm()}}, {"a": torch.zeros(1), "b": Harm()}):
        torch.save(content, tmp_path / "w.pth")
        refusal(read_state, tmp_path / "w.pth")
        (tmp_path / "w.pth").write_bytes(pickle.dumps(content))
        refusal(read_state, tmp_path / "w.pth")
    assert not (tmp_path / "harm").exists()


def test_what_is_not_a_regular_file_is_not_read(tmp_path, capsys):
    os.mkfifo(tmp_path / "w.pth")
    for path in (tmp_path / "w.pth", tmp_path, type(tmp_path)("/dev/zero")):
        assert "is not a regular file; expected" in refusal(read_state, path)
        assert main(["run", "ifc_mini_synthetic", "--weights", str(path)]) == 2
        what = "a folder without" if path.is_dir() else "not a regular file"
        assert f"weights file {path} is {what}" in capsys.readouterr().err


def test_an_archive_that_unpacks_to_more_than_it_holds_is_refused(state, tmp_path):
    path, plain = tmp_path / "w.pth", tmp_path / "plain.pth"
    torch.save({"weight": torch.zeros(1 << 18)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for entry in source.infolist():
            out.writestr(entry.filename, source.read(entry))
    assert "it would unpack to" in refusal(read_state, path)
