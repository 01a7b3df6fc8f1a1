"""Folders of weights with links and pipes, and small files that say they hold much.

The weights are loaded, or one sentence names the file. `test_readers` mutates their bytes.
"""

import io
import json
import os
import pickle
import struct
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save

from hostile_calls import call
from methods import build_method
from mutations import one_sentence
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import WeightsFile, folder_config, load_weights, weights_name

SIZES = {"backbone": "mini", "width": 32, "heads": 4, "hidden": 32, "num_queries": 6,
         "encoder_layers": 1, "decoder_layers": 1}  # fmt: skip


@pytest.fixture(scope="module")
def method():
    torch.manual_seed(0)
    return build_method("ifc", num_classes=6, **SIZES)


@pytest.fixture
def place(tmp_path, method):
    """Frames, a config, and the weights outside of the folder that is given."""
    (tmp_path / "frames").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "frames" / "0.png")
    config = {
        "method": "ifc",
        "options": SIZES,
        "dataset": {"name": "synthetic"},
        "clip_length": 1,
        "resolution": "native",
    }
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    (tmp_path / "whole.safetensors").write_bytes(save(method.state_dict()))
    (tmp_path / "folder").mkdir()
    return tmp_path


def predict(place, weights):
    return call(
        "predict",
        place / "c.yaml",
        "--frames",
        place / "frames",
        "--device",
        "cpu",
        "--output",
        place / "r.json",
        "--weights",
        weights,
    )


def index(path):
    names = {"a": "../../whole.safetensors", "b": "/etc/passwd", "c": "../whole.safetensors"}
    (path.parent / f"{path.name}.index.json").write_text(json.dumps({"weight_map": names}))


FOLDERS = {
    "link outside": (lambda path: path.symlink_to("../whole.safetensors"), 0),
    "absolute link": (lambda path: path.symlink_to(path.parents[1] / "whole.safetensors"), 0),
    "hard link": (lambda path: path.hardlink_to(path.parents[1] / "whole.safetensors"), 0),
    "chain": (lambda path: [(path.parent / "n").symlink_to("../whole.safetensors"),
                            path.symlink_to("n")], 0),
    "nothing": (lambda path: None, 2),
    "itself": (lambda path: path.symlink_to(path), 2),
    "circle": (lambda path: [path.symlink_to("n"), (path.parent / "n").symlink_to(path)], 2),
    "dangling": (lambda path: path.symlink_to("nowhere"), 2),
    "its folder": (lambda path: path.symlink_to("."), 2),
    "zeros": (lambda path: path.symlink_to("/dev/zero"), 2),
    "terminal": (lambda path: path.symlink_to("/dev/stdin"), 2),
    "other file": (lambda path: path.symlink_to("/etc/passwd"), 2),
    "memory": (lambda path: path.symlink_to("/proc/self/mem"), 2),
    "pipe": (os.mkfifo, 2),
    "link to a pipe": (lambda path: [os.mkfifo(path.parent / "n"), path.symlink_to("n")], 2),
    "folder": (lambda path: path.mkdir(), 2),
    "sparse": (lambda path: [path.touch(), os.truncate(path, 1 << 42)], 2),
    "index": (index, 2),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOLDERS)
@pytest.mark.parametrize("ending", ["", "model.safetensors", "model.pth"])
def test_links_and_pipes(place, kind, ending):
    """As a folder, as the safetensors in it, and with the ending of PyTorch."""
    make, expected = FOLDERS[kind]
    make(place / "folder" / (ending or "model.safetensors"))
    code, _, said = predict(place, place / "folder" / ending)
    assert (code, one_sentence(code, said)) == (expected, True), said
    assert str(place / "folder") in said or code == 0
    assert (place / "r.json").exists() == (code == 0)


@pytest.mark.parametrize("kind", ["itself", "zeros", "pipe", "folder", "dangling"])
def test_a_config_beside_the_weights_that_is_no_file(place, kind):
    (place / "folder" / "model.safetensors").hardlink_to(place / "whole.safetensors")
    FOLDERS[kind][0](place / "folder" / "config.json")
    code, _, said = predict(place, place / "folder")
    assert (code, one_sentence(code, said)) == (2, True), said
    assert str(place / "folder" / "config.json") in said


def test_links_of_a_cache_of_downloads(tmp_path):
    """The folder of links names the weights, and its config is found."""
    for name in ("model.safetensors", "config.json"):
        blob = tmp_path / "blobs" / f"sha of {name}"
        blob.parent.mkdir(exist_ok=True)
        blob.touch()
        link = tmp_path / "snapshots" / "version" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../../blobs/{blob.name}")
    file = tmp_path / "snapshots" / "version" / "model.safetensors"
    assert weights_name(file) == "version/model.safetensors"
    assert folder_config(file) == file.with_name("config.json")


def number(value):
    return pickle.dumps(value, protocol=2)[2:-1]


def one_tensor(size, stride, offset, stored, record):
    """A PyTorch file with a tensor whose pickle names any sizes; `record` bytes are stored."""
    text = lambda word: b"X" + struct.pack("<I", len(word)) + word  # noqa: E731
    listed = lambda values: b"(" + b"".join(map(number, values)) + b"t"  # noqa: E731
    storage = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu")
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + number(stored)
        + b"tQ"
        + number(offset)
        + listed(size)
        + listed(stride)
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )
    return archive(
        {
            "data.pkl": b"\x80\x02}" + text(b"weight") + tensor + b"s.",
            "byteorder": b"little",
            "data/0": bytes(record),
            "version": b"3\n",
        }
    )


def archive(files, times=1, compression=zipfile.ZIP_STORED):
    """`times`: how often the list of the archive names each file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as packed:
        for name, content in files.items():
            packed.writestr(f"archive/{name}", content)
        packed.filelist *= times
    return out.getvalue()


EXTENTS = st.one_of(st.integers(-2, 9), st.sampled_from([1 << 16, 1 << 31, 1 << 40, (1 << 63) - 1]))


@settings(deadline=None)
@given(
    st.lists(EXTENTS, max_size=3),
    st.lists(EXTENTS, max_size=3),
    EXTENTS,
    EXTENTS,
    st.sampled_from([0, 4, 16, 400]),
)
def test_a_tensor_that_says_it_is_large(
    tmp_path_factory, method, size, stride, offset, stored, record
):
    path = tmp_path_factory.getbasetemp() / "said.pth"
    path.write_bytes(one_tensor(size, stride, offset, stored, record))
    with pytest.raises(InputError) as raised:
        load_weights(method, WeightsFile.at(path))
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def safetensors_file(header, content=b"\0" * 64, length=None):
    packed = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(packed) if length is None else length) + packed + content


def entry(shape, start, stop, kind="F32"):
    return {"dtype": kind, "shape": shape, "data_offsets": [start, stop]}


BOMBS = {
    "zeros.pth": lambda: archive({"data.pkl": bytes(1 << 26)}, compression=zipfile.ZIP_DEFLATED),
    "twice.pth": lambda: archive({"data.pkl": bytes(1 << 12)}, times=1000),
    "deep.pth": lambda: archive({"data.pkl": b"\x80\x02" + b"]" * 10**6 + b"a" * 10**6}),
    "bytes.pth": lambda: archive({
        "data.pkl": b"\x80\x02c__builtin__\nbytearray\n(" + number(1 << 44) + b"tR.",
    }),
    "repeated.pth": lambda: one_tensor([1 << 20, 1 << 20], [0, 0], 0, 4, 16),
    "long.safetensors": lambda: safetensors_file({}, length=1 << 62),
    "overlap.safetensors": lambda: safetensors_file(
        {"a": entry([8], 0, 32), "b": entry([8], 16, 48), "c": entry([4], 48, 64)}
    ),
    "same.safetensors": lambda: safetensors_file({k: entry([16], 0, 64) for k in "ab"}),
    "hole.safetensors": lambda: safetensors_file({"a": entry([4], 0, 16), "b": entry([4], 48, 64)}),
    "beyond.safetensors": lambda: safetensors_file({"a": entry([1 << 40], 0, 1 << 42)}),
    "wraps.safetensors": lambda: safetensors_file({"a": entry([1 << 32, 1 << 32], 0, 64)}),
    "back.safetensors": lambda: safetensors_file({"a": entry([16], 64, 0)}),
    "negative.safetensors": lambda: safetensors_file({"a": entry([-16], 0, 64)}),
    "empty.safetensors": lambda: safetensors_file({"a": entry([0, 1 << 62], 0, 0)}, b""),
    "kind.safetensors": lambda: safetensors_file({"a": entry([64], 0, 64, "F8_E5M2")}),
    "deep.safetensors": lambda: safetensors_file(b'{"a":' * 10**5),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_says_it_holds_much(place, name):
    (place / name).write_bytes(BOMBS[name]())
    code, _, said = predict(place, place / name)
    assert (code, one_sentence(code, said)) == (2, True), said
    assert str(place / name) in said
    assert len(said) < 2000
