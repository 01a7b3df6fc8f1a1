"""Which backend runs, what happens where one cannot, and how libraries are built and kept."""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from pathlib import Path
from typing import get_args

import pytest
import torch

from cuda_ops import build, compiled_with, resolve_backend
from cuda_ops.build import BuildError, Compilation, build_library, cxx_compilations, load_library
from cuda_ops.ms_deform_attn import backend_names, backends, cpu
from cuda_ops.ms_deform_attn.backends import AUTO, backend_module
from deformable_cases import CASES, make_inputs
from vis_bench.runs.config import Cell

CPU = torch.device("cpu")
CACHES = (backends._fastest, backends._why_unavailable_once, backends._warn_once, cpu._library)


@pytest.fixture
def undecided():
    """Nothing is built, loaded or chosen yet, and nothing found out in the test is kept."""
    for cached in CACHES:
        cached.cache_clear()
    yield
    for cached in CACHES:
        cached.cache_clear()


def test_auto_is_the_cpu_backend_here(undecided):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve_backend("cpu", torch.float32) == "cpu"
        assert resolve_backend("cpu", torch.bfloat16) == "cpu"
        assert resolve_backend(CPU, torch.float64) == "cpu"


def test_the_choice_is_made_once(undecided, monkeypatch):
    asked = []
    monkeypatch.setattr(backends, "self_test_failure", lambda *args: asked.append(args))
    for _ in range(3):
        resolve_backend("cpu")
    assert len(asked) == 1


def test_auto_takes_the_fastest(undecided, monkeypatch):
    slow = backend_module("cpu")
    monkeypatch.setattr(
        backends,
        "self_test_seconds",
        lambda backend, device, dtype: 2.0 if backend is slow else 1.0,
    )
    assert resolve_backend("cpu") == "reference"


def test_a_named_backend_is_taken_as_named():
    assert resolve_backend("cpu", torch.float32, "reference") == "reference"
    with pytest.raises(ValueError, match=r"'triton' is not available for .* on cpu"):
        resolve_backend("cpu", torch.float32, "triton")
    with pytest.raises(ValueError, match="must be one of auto, reference, cpu, cuda, triton"):
        resolve_backend("cpu", torch.float32, "fast")


def test_devices_without_kernels_get_the_reference(undecided):
    assert resolve_backend("meta") == "reference"


@pytest.mark.parametrize(
    ("compiler", "reason"), [("no-such-compiler", "no-such-compiler"), ("false", "does not work")]
)
def test_without_a_compiler_the_reference_serves_and_one_warning_says_why(
    undecided, monkeypatch, compiler, reason
):
    monkeypatch.setenv("CXX", compiler)
    inputs = make_inputs(CASES["odd"]).to("cpu", torch.float32, torch.float32)
    with pytest.warns(RuntimeWarning, match=reason) as caught:
        outputs = [inputs.results("auto")[0] for _ in range(3)]
    assert len(caught) == 1
    assert "runs on backend 'reference', without cpu" in str(caught[0].message)
    assert resolve_backend("cpu", torch.float32) == "reference"
    assert torch.equal(outputs[0], inputs.results("reference")[0])
    with pytest.raises(ValueError, match=reason):
        resolve_backend("cpu", torch.float32, "cpu")


def test_a_cache_that_cannot_be_written_is_reported(undecided, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CUDA_OPS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(RuntimeWarning, match="cannot be written"):
        assert resolve_backend("cpu") == "reference"


def slightly_off(*gradients):
    first, second, *others = gradients
    return first, second * (1 + 1e-4), *others


def crash(result):
    raise RuntimeError("no kernel image for this device")


@pytest.mark.parametrize(
    ("function", "change", "reason"),
    [
        ("forward", lambda output: output * (1 + 1e-4), "self-test failed: the .* is off by"),
        ("backward", lambda gradients: slightly_off(*gradients), "self-test failed: the .* is off"),
        ("forward", crash, "no kernel image for this device"),
    ],
)
def test_a_wrong_or_failing_backend_does_not_pass_its_self_test(
    undecided, monkeypatch, function, change, reason
):
    right = getattr(cpu, function)
    monkeypatch.setattr(cpu, function, lambda *arguments: change(right(*arguments)))
    with pytest.warns(RuntimeWarning, match=reason) as caught:
        assert resolve_backend("cpu") == "reference"
    assert len(caught) == 1


def test_a_config_may_name_exactly_these_backends():
    """The harness does not import the kernels, so its config lists their backends itself."""
    named = Cell.model_fields["kernel_backend"].annotation
    assert get_args(named) == (AUTO, *backend_names())


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_OPS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "source").mkdir()
    path = tmp_path / "source" / "tiny.cpp"
    path.write_text('extern "C" int seven() { return 7; }\n')
    return path


def test_a_library_is_built_once(source, monkeypatch):
    compilation = cxx_compilations()[0]
    path = build_library("tiny", source, compilation)
    assert path.is_file()
    monkeypatch.setattr(build, "run_compiler", lambda command: pytest.fail("compiled again"))
    assert build_library("tiny", source, compilation) == path


def one_by_one(*steps):
    def damage(path):
        for step in steps:
            step(path)

    return damage


def checksum_anew(path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".sha256").write_text(digest)


def put_elsewhere(path):
    path.symlink_to(path.rename(path.with_name("elsewhere.so")))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: os.truncate(path, path.stat().st_size // 2),
        one_by_one(lambda path: path.write_bytes(b"no library"), checksum_anew),
        lambda path: path.with_suffix(".sha256").unlink(),
        lambda path: path.chmod(0o620),
        put_elsewhere,
    ],
    ids=["empty", "cut off", "not loadable", "no checksum", "others can write", "symbolic link"],
)
def test_a_library_that_is_not_whole_is_built_again_with_the_same_flags(source, damage):
    compilation = cxx_compilations()[0]
    path = build_library("tiny", source, compilation)
    size = path.stat().st_size
    damage(path)
    assert load_library("tiny", source, compilation).seven() == 7
    assert (path.lstat().st_size, path.is_symlink()) == (size, False)
    assert [file.stat().st_mode & 0o777 for file in (path.parent, path)] == [0o700, 0o600]


def foreign(cache, monkeypatch):
    cache.mkdir(mode=0o700)
    monkeypatch.setattr(build.os, "getuid", lambda: os.geteuid() + 1)


def writable(cache, monkeypatch):
    cache.mkdir()
    cache.chmod(0o770)


def linked(cache, monkeypatch):
    (cache.parent / "other").mkdir(mode=0o700)
    cache.symlink_to(cache.parent / "other")


@pytest.mark.parametrize("door", [foreign, writable, linked])
def test_a_cache_that_others_could_write_is_not_used(source, monkeypatch, door):
    cache = build.cache_folder()
    door(cache, monkeypatch)
    with pytest.warns(RuntimeWarning, match=str(cache)):
        library = load_library("tiny", source, cxx_compilations()[0])
    assert library.seven() == 7
    assert list(cache.iterdir()) == []


def compiler(tmp_path, monkeypatch, script):
    path = tmp_path / "compiler"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    monkeypatch.setenv("CXX", str(path))


def test_a_compiler_that_hangs_is_stopped(tmp_path, monkeypatch):
    compiler(tmp_path, monkeypatch, "sleep 100")
    monkeypatch.setattr(build, "MOST_SECONDS", 0.2)
    with pytest.raises(BuildError, match="compiler was stopped"):
        cxx_compilations()


def test_a_compilers_output_may_be_any_bytes(tmp_path, monkeypatch):
    compiler(tmp_path, monkeypatch, r"printf 'error: \377\n' >&2; exit 1")
    with pytest.raises(BuildError, match="error: \ufffd"):
        build.run_compiler([str(tmp_path / "compiler")])


def test_the_flags_of_the_loaded_library_are_known(undecided, tmp_path, monkeypatch):
    assert "-fopenmp" in compiled_with("cpu", backend="cpu").split()
    assert compiled_with("cpu", backend="reference") is None
    for cached in CACHES:
        cached.cache_clear()
    compiler(tmp_path, monkeypatch, 'case "$*" in *-fopenmp*) exit 1;; esac; exec g++ "$@"')
    monkeypatch.setenv("CUDA_OPS_CACHE", str(tmp_path / "cache"))
    without = compiled_with("cpu", backend="cpu").split()
    assert "-fopenmp" not in without
    assert without[0] == "compiler"


def test_whatever_makes_a_library_different_makes_its_name_different(source):
    first = cxx_compilations()[0]
    paths = {build_library("tiny", source, first)}
    paths.add(build_library("tiny", source, Compilation((*first.command, "-g"), first.identity)))
    other_processor = first.identity.replace("__AVX512F__", "__AVX9000__") + "#define X\n"
    paths.add(build_library("tiny", source, Compilation(first.command, other_processor)))
    (source.parent / "tiny.h").write_text("// a header that it may include\n")
    paths.add(build_library("tiny", source, first))
    source.write_text(source.read_text().replace("7", "8"))
    paths.add(build_library("tiny", source, first))
    assert len(paths) == 5


def test_the_identity_holds_compiler_and_processor():
    native, *_, plain = cxx_compilations()
    assert "-march=native" in native.command or "-mcpu=native" in native.command
    assert "__VERSION__" in native.identity
    assert native.identity != plain.identity


def test_builders_at_the_same_time_do_not_meet(source):
    compilation = cxx_compilations()[-1]
    paths: list[Path] = []
    builders = [
        threading.Thread(target=lambda: paths.append(build_library("tiny", source, compilation)))
        for _ in range(4)
    ]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert len(paths) == 4
    assert len(set(paths)) == 1
    assert {*paths[0].parent.iterdir()} == {paths[0], paths[0].with_suffix(".sha256")}


def test_a_failed_build_leaves_nothing_and_gives_the_first_error(source):
    source.write_text("this is no C++\n")
    with pytest.raises(BuildError, match="error") as caught:
        build_library("tiny", source, cxx_compilations()[0])
    assert "\n" not in str(caught.value)
    assert list((source.parent.parent / "cache").iterdir()) == []


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_OPS_CACHE", str(tmp_path / "chosen"))
    assert build.cache_folder() == tmp_path / "chosen"
    monkeypatch.delenv("CUDA_OPS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert build.cache_folder() == tmp_path / "xdg" / "vis-bench" / "cuda_ops"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert build.cache_folder() == tmp_path / ".cache" / "vis-bench" / "cuda_ops"


def test_no_cuda_compiler_is_an_error_that_says_so(monkeypatch):
    for name in ("NVCC", "CUDA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BuildError, match="no CUDA compiler was found"):
        build.cuda_compilation((9, 0))
