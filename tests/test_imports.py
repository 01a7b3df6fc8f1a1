"""Which package may import which."""

import ast
import sys

import pytest

from paths import ROOT

OWN = {"vis_bench", "methods", "cuda_ops", "run_bench"}
METHOD_FILES = [p.stem for p in (ROOT / "methods").glob("*.py") if p.stem != "__init__"]


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(package):
    return sorted((ROOT / package).rglob("*.py"))


def own_packages(path):
    return {name.split(".")[0] for name in imported_modules(path)} & OWN


@pytest.mark.parametrize("path", sources("vis_bench"), ids=lambda p: p.name)
def test_vis_bench_imports_no_method_and_no_kernel(path):
    allowed = {"vis_bench", "methods", "cuda_ops"} if path.name == "cli.py" else {"vis_bench"}
    assert own_packages(path) <= allowed


@pytest.mark.parametrize("path", sources("cuda_ops"), ids=lambda p: p.name)
def test_cuda_ops_stands_alone(path):
    assert own_packages(path) <= {"cuda_ops"}
    third_party = {name.split(".")[0] for name in imported_modules(path)} - OWN
    assert third_party - set(sys.stdlib_module_names) <= {"torch", "triton"}


@pytest.mark.parametrize("path", sources("methods"), ids=lambda p: p.name)
def test_methods_do_not_import_each_other(path):
    for name in imported_modules(path):
        parts = name.split(".")
        assert parts[0] != "run_bench"
        assert not (parts[0] == "methods" and len(parts) > 1 and parts[1] in METHOD_FILES), name


def test_there_is_something_to_check():
    assert len(sources("vis_bench")) > 10
    assert "color_key" in METHOD_FILES
