"""What training loops write into weights files: objects beside the tensors, wrappers, two sets."""

import argparse
import collections
import datetime
import gzip
import io
import json
import pickle
import re
import struct
import types
import uuid
from decimal import Decimal
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path, PureWindowsPath
from string import Template

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_bytes

from methods import build_method
from vis_bench.data.categories import CATEGORIES
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import Loaded, WeightsFile, load_weights, read_state
from vis_bench.runs.config import Cell, DatasetConfig
from vis_bench.runs.weights import find_weights, weights_remarks

SIZES = {"backbone": "mini", "width": 32, "hidden": 32, "num_queries": 12}
SMALL = {"seqformer": {**SIZES, "encoder_layers": 1, "decoder_layers": 2}, "ifc": SIZES}


def small(name):
    return build_method(name, num_classes=3, **SMALL[name])


def refusal(method, path):
    with pytest.raises(InputError) as error:
        load_weights(method, WeightsFile.at(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def beside_of_mmengine():
    if not find_spec("mmengine"):
        return {}
    from mmengine.config import ConfigDict
    from mmengine.logging import MessageHub

    hub = MessageHub(name="of a test")
    hub.update_scalar("train/loss", 0.5)
    return {"message hub": hub.state_dict(), "history": hub.get_scalar("train/loss"),
            "config": ConfigDict(model={"depth": 50})}  # fmt: skip


def beside():
    """What training loops save beside the weights, by a name."""
    counts = collections.defaultdict(int, {"person": np.int64(3)})
    nested = collections.OrderedDict(best=np.float32(0.4), last=[np.bool_(True), np.array([1.5])])
    when = datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC)
    return {
        "number": np.float64(0.41), "array": np.arange(6).reshape(2, 3), "nested": nested,
        "text array": np.array(["a", "bc"]), "object array": np.array([None, "x"], dtype=object),
        "dtype": np.dtype("float32"), "kind": np.float16, "path": Path("out/run"),
        "windows path": PureWindowsPath("C:/out"), "counts": counts, "when": when,
        "day and time": [when.date(), when.time(), datetime.timedelta(3)],
        "namespace": argparse.Namespace(lr=2e-4, out=Path("x"), seed=np.int64(1)),
        "deque": collections.deque([1, 2]), **beside_of_mmengine(),
        "counter": collections.Counter("abca"), "set": {1, frozenset({2})}, "complex": 1j,
        "random": np.random.RandomState(3).get_state(), "generator": np.random.default_rng(3),
        "decimal": [Decimal("0.1"), Fraction(1, 3), uuid.UUID(int=3), range(3), slice(2)],
        "simple": types.SimpleNamespace(a=np.zeros(2)), "keyed": {Path("a"): np.int64(2)},
    }  # fmt: skip


BESIDE = sorted(beside())


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", BESIDE)
def test_what_training_loops_save_beside_the_weights(tmp_path, name, zipped):
    source, path = small("ifc"), tmp_path / "w.pth"
    content = {"best": beside()[name], "model": source.state_dict(), "meta": {name: beside()[name]}}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    allowed = set(torch.serialization.get_safe_globals())
    method = small("ifc")
    load_weights(method, WeightsFile.at(path))
    assert torch.equal(method.query_embedding.weight, source.query_embedding.weight)
    assert set(torch.serialization.get_safe_globals()) == allowed


@pytest.mark.parametrize("zipped", [True, False])
def test_an_object_of_another_class_is_named_with_the_way_out(tmp_path, zipped):
    content = {"model": small("ifc").state_dict(), "hook": Template("x")}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    message = refusal(small("ifc"), tmp_path / "w.pth")
    for words in ("class string.Template", "weights_only=False", "torch.save("):
        assert words in message


def named(state, prefix):
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.", "model.module.",
     "model._orig_mod.module.", "module.module.", "net.", "student."],
)  # fmt: skip
@pytest.mark.parametrize("on_meta", [False, True])
def test_a_wrappers_prefix_is_taken_off_and_said(tmp_path, prefix, on_meta):
    source = small("seqformer")
    state = named(source.state_dict(), prefix)  # under a key as Lightning's or DeepSpeed's
    torch.save({"module" if on_meta else "state_dict": state, "step": 3}, tmp_path / "w.pth")
    with torch.device("meta" if on_meta else "cpu"):
        method = small("seqformer")
    load_weights(method, WeightsFile.at(tmp_path / "w.pth"))
    assert torch.equal(method.query_embedding.weight, source.query_embedding.weight)
    (remark,) = method.loaded.remarks
    assert f"{tmp_path / 'w.pth'}: {prefix} is taken off" in remark or "_orig_mod" in prefix
    key = next(iter(source.state_dict()))
    state = {**named(source.state_dict(), prefix), key: torch.zeros(1)}
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    refusal(small("seqformer"), tmp_path / "w.pth")  # not before all


@pytest.mark.parametrize(
    "wrapper", ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module._orig_mod."]
)
def test_parts_that_were_wrapped_load(tmp_path, wrapper):
    state = {
        re.sub(r"^(backbone|decoder)\.", rf"\1.{wrapper}", key): value
        for key, value in small("ifc").state_dict().items()
    }
    torch.save(state, tmp_path / "w.pth")
    method = small("ifc")
    load_weights(method, WeightsFile.at(tmp_path / "w.pth"))
    assert wrapper.partition(".")[0] in method.loaded.remarks[0]


@pytest.mark.parametrize("beside", ["criterion.empty_weight", "val_ap.total"])
def test_weights_beside_those_of_a_loss_say_how_to_take_them(tmp_path, beside):
    state = {**named(small("ifc").state_dict(), "net."), beside: torch.ones(4)}
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    assert f"fits with --weights {tmp_path / 'w.pth'}:net" in refusal(
        small("ifc"), tmp_path / "w.pth"
    )
    load_weights(small("ifc"), WeightsFile.at(tmp_path / "w.pth", "net"))


# The file's content by its raw and averaged weights; which is taken, and what takes which.
TWO_SETS = {
    "torchvision": (lambda r, a: {"model": r, "model_ema": {"n_averaged": torch.tensor(3),
                                                            **named(a, "module.")}},
                    "model", {"model_ema": "averaged", "model": "raw"}),
    "timm": (lambda r, a: {"state_dict": r, "state_dict_ema": a}, "state_dict",
             {"state_dict_ema": "averaged"}),
    "mmengine": (lambda r, a: {"state_dict": r, "meta": {}, "ema_state_dict": {
        "steps": torch.tensor(3), **named(a, "module.")}}, "state_dict",
                 {"ema_state_dict": "averaged"}),
    "ema_pytorch": (lambda r, a: {"model": r, "ema": {
        **named(r, "online_model."), **named(a, "ema_model."), "initted": torch.tensor(True)}},
        "model", {"ema": "averaged"}),
    "students": (lambda r, a: {"state_dict": {**named(r, "student."), **named(a, "teacher.")}},
                 None, {"teacher": "averaged", "student": "raw"}),
    "rt-detr": (lambda r, a: {"model": r, "ema": {"module": a, "updates": 3}}, "model",
                {"ema": "averaged"}),
    "dino": (lambda r, a: {"teacher": a, "student": r}, "student", {"teacher": "averaged"}),
    "basicsr": (lambda r, a: {"params": r, "params_ema": a}, "params", {"params_ema": "averaged"}),
    "best": (lambda r, a: {"model": r, "best_model": a}, "model", {"best_model": "averaged"}),
    "averaged alone": (lambda r, a: {"epoch": 3, "ema": a}, "ema", {}),
    "by prefix": (lambda r, a: {"state_dict": {**named(r, "model."), **named(a, "model_ema.")}},
                  None, {"model_ema": "averaged", "model": "raw"}),
}  # fmt: skip


@pytest.mark.parametrize("form", TWO_SETS)
def test_of_raw_and_averaged_weights_the_taken_ones_are_named(tmp_path, form):
    content, taken, ways = TWO_SETS[form]
    method, path = small("ifc"), tmp_path / "w.pth"
    raw = {key: value.clone() for key, value in method.state_dict().items()}
    averaged = {key: value * 1.5 for key, value in raw.items()}
    torch.save(content(raw, averaged), path)
    for part, kind in {None: "averaged" if taken == "ema" else "raw", **ways}.items():
        method = small("ifc")
        load_weights(method, WeightsFile.at(path, part))
        wanted = {"raw": raw, "averaged": averaged}[kind]
        assert all(torch.equal(v, wanted[k]) for k, v in method.state_dict().items())
        assert method.loaded.part == (part or taken)
        if part is None:
            assert str(path) in method.loaded.remarks[0]
            assert (taken or next(iter(ways))) in method.loaded.remarks[0]
    with pytest.raises(InputError, match="'other'"):
        load_weights(small("ifc"), WeightsFile.at(path, "other"))


def saved(save, content, **options):
    buffer = io.BytesIO()
    save(content, buffer, **options)
    return buffer.getvalue()


FORMATS = {
    "safetensors": (save_bytes, None),
    "zip": (lambda state: saved(torch.save, state), None),
    "old": (lambda state: saved(torch.save, state, _use_new_zipfile_serialization=False), None),
    "script": (lambda state: saved(torch.jit.save, torch.jit.script(torch.nn.ReLU())),
               "TorchScript"),
    "LFS": (lambda state: b"version https://git-lfs.github.com/spec/v1\noid", "LFS"),
    "HTML": (lambda state: b"\n<!DOCTYPE html><html>Sign in</html>", "HTML"),
    "JSON": (lambda state: b'{"error": "no such file"}', "JSON"),
    "gzip": (lambda state: gzip.compress(b"x" * 99), "gzip"),
    "npz": (lambda state: saved(lambda x, file: np.savez(file, x), 0), "zip archive without"),
    "HDF5": (lambda state: b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
    "msgpack": (lambda state: b"\x85\xa6params\x81" + bytes(99), "no file of PyTorch"),
    "YAML": (lambda state: b"model:\n  depth: 50\n", "no file of PyTorch"),
    "pickle": (lambda state: pickle.dumps({"epoch": 3}, 2), "is a pickle"),
    "export": (lambda state: saved(torch.export.save, torch.export.export(
        torch.nn.Linear(2, 2), (torch.ones(1, 2),))), "without PyTorch's data.pkl"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("ending", ["pth", "pt", "bin", "ckpt", "pkl", "safetensors"])
def test_files_are_recognized_by_their_first_bytes(tmp_path, form, ending):
    make, words = FORMATS[form]
    source, path = small("ifc"), tmp_path / f"w.{ending}"
    path.write_bytes(make(source.state_dict()))
    if words is None:
        method = small("ifc")
        load_weights(method, WeightsFile.at(path))
        assert torch.equal(method.query_embedding.weight, source.query_embedding.weight)
        return
    message = refusal(small("ifc"), path)
    assert words in message
    assert "download it again" not in message
    assert "damaged" not in message


@pytest.mark.parametrize(
    ("name", "words"),
    [("model.safetensors.index.json", "in several files"), ("__0_0.distcp", "dcp_to_torch")],
)
def test_weights_in_several_files_say_so(tmp_path, name, words):
    (tmp_path / name).write_bytes(saved(torch.save, {}) * 2)
    message = refusal(small("ifc"), tmp_path / name)
    assert words in message
    assert "damaged" not in message
    with pytest.raises(InputError, match=words):
        find_weights(Cell(method="ifc", dataset=DatasetConfig(name="synthetic")), tmp_path)


@pytest.mark.parametrize("length", [0x80, 0x4B50, 0x1F88])
def test_safetensors_whose_length_looks_like_another_format(tmp_path, length):
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    content = struct.pack("<Q", length) + header.ljust(length) + struct.pack("<f", 2.5)
    for ending in ("safetensors", "pth"):
        (tmp_path / f"w.{ending}").write_bytes(content)
        assert read_state(tmp_path / f"w.{ending}")["a"].tolist() == [2.5]


OTHER_OPTIONS = {
    "vistr": ({"num_frames": 3}, {"backbone": "mini", "num_frames": 6, "hidden": 32}),
    "seqformer": ({"num_queries": 20}, SMALL["seqformer"]),
    "ifc": ({"num_queries": 24}, SIZES),
    "ifc, layers": ({"encoder_layers": 2}, SIZES),
    "ifc, hidden": ({"hidden": 64}, SIZES),
    "ifc, tokens": ({"memory_tokens": 2}, {**SIZES, "memory_tokens": 4}),
}


@pytest.mark.parametrize("name", OTHER_OPTIONS)
def test_weights_that_fit_with_another_option_name_it(tmp_path, name):
    other, options = OTHER_OPTIONS[name]
    (option, value), name = next(iter(other.items())), name.split(",")[0]
    path = tmp_path / "w.pth"
    torch.save(build_method(name, num_classes=3, **(options | other)).state_dict(), path)

    def rebuild(changed):
        with torch.device("meta"):
            return build_method(name, num_classes=3, **(options | changed))

    with pytest.raises(InputError, match=f"fits with --set options.{option}={value}$"):
        load_weights(build_method(name, num_classes=3, **options), WeightsFile.at(path), 3, rebuild)


@pytest.mark.parametrize(
    ("name", "num_classes", "rows", "words"),
    [
        ("vistr", 40, 41, "these 40 classes and 1 more"), ("vistr", 40, 43, "knows 41 classes"),
        ("ifc", 40, 42, "knows 41 classes"), ("vistr", 80, 91, "COCO's ids"),
        ("ifc", 80, 92, "COCO's ids"), ("ifc", 80, 91, "COCO's ids"),
    ],
)  # fmt: skip
def test_other_numbers_of_rows_are_explained(tmp_path, name, num_classes, rows, words):
    options = SIZES if name == "ifc" else OTHER_OPTIONS["vistr"][1]
    method = build_method(name, num_classes=num_classes, **options)
    columns = rows - num_classes
    other = build_method(name, num_classes=rows - (2 if name == "vistr" else 1), **options)
    torch.save(other.state_dict(), tmp_path / "w.pth")
    assert columns
    with pytest.raises(InputError, match=words):
        load_weights(method, WeightsFile.at(tmp_path / "w.pth"), num_classes)


@pytest.mark.parametrize(
    "where",
    [
        lambda names: {"meta": {"CLASSES": tuple(names)}},
        lambda names: {"meta": {"dataset_meta": {"classes": list(names)}}},
        lambda names: {"dataset_meta": {"classes": list(names)}},
        lambda names: {"names": dict(enumerate(names))},
        lambda names: {"class_names": list(names)},
        lambda names: {"categories": [{"id": n, "name": name} for n, name in enumerate(names)]},
        lambda names: {"hyper_parameters": {"id2label": {str(n): x for n, x in enumerate(names)}}},
    ],
)
def test_names_of_classes_in_a_file_are_read(tmp_path, where):
    method, names = small("ifc"), ["cup", "plate", "fork"]
    torch.save({**where(names), "state_dict": method.state_dict()}, tmp_path / "w.pth")
    load_weights(method, WeightsFile.at(tmp_path / "w.pth"))
    assert method.loaded.class_names == names
    cell = Cell.model_validate({"method": "ifc", "dataset": {"name": "synthetic"}})
    for categories, said in (
        (["Cup", "plate", "fork"], 0), (["plate", "cup", "fork"], 1), (["a", "b", "c"], 1),
    ):  # fmt: skip
        assert len(weights_remarks(method, cell, categories, tmp_path)) == said


def test_the_config_tells_on_which_classes_its_weights_were_trained():
    method = small("ifc")
    method.loaded = Loaded(None, (), None)
    given = {"method": "ifc", "dataset": {"name": "synthetic"}, "weights": "w.pth"}
    cell = Cell.model_validate({**given, "weights_trained_on": ["synthetic/train"]})
    own, own_cell = ["cup", "plate", "fork", "bowl", "pan", "knife"], Cell.model_validate(given)
    (remark,) = weights_remarks(method, cell, own, None)
    assert "'striped_star'" in remark
    assert "'cup'" in remark
    assert weights_remarks(method, cell, [*CATEGORIES["synthetic"].values()], None) == []
    assert weights_remarks(method, cell, own, Path("own.pth")) == []
    assert weights_remarks(method, own_cell, own, None) == []
