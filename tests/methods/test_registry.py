"""The registry of methods, their options, and a plug-in that is really installed."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch

from methods import build_method, method_names, method_options, method_variants, resolve_options
from methods.layers.option_checks import MAX_LAYERS, MAX_SIZE, check_sizes
from paths import ROOT
from vis_bench.cli import main
from vis_bench.errors import InputError


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("seqformr", {}, r"unknown method 'seqformr'.*color_key"),
        ("color_key", {"width": 4}, "color_key has no option 'width'; its options are: none"),
        ("color_key", {"variant": "mini"}, "color_key has no option 'variant'"),
        ("ifc", {"variant": "r18"}, "ifc has no variant 'r18'; expected one of: r50, r101"),
    ],
)
def test_an_unknown_name_lists_what_there_is(name, options, message):
    with pytest.raises(InputError, match=message):
        build_method(name, num_classes=3, **options)


@pytest.mark.parametrize("name", ["layers", "training", "weights", "__init__"])
def test_packages_beside_the_methods_are_not_methods(name):
    assert name not in method_names()


@pytest.mark.parametrize("name", ["ifc", "ms_sts", "seqformer", "vistr"])
def test_a_variant_is_its_options_spelled_out(name):
    for variant, options in method_variants(name).items():
        resolved = resolve_options(name, {"variant": variant})
        assert resolved == resolve_options(name, options)
        assert "variant" not in resolved
        with torch.device("meta"):
            method = build_method(name, num_classes=3, variant=variant)
        assert dict(method.resolved_options) == resolved
        assert method.backbone_name == resolved["backbone"] == variant


def test_given_options_go_before_the_variants_and_those_before_the_defaults():
    method = build_method("ifc", num_classes=3, variant="mini", num_queries=7)
    options = method.resolved_options
    assert (options["num_queries"], options["width"], options["memory_tokens"]) == (7, 64, 8)
    assert method.query_embedding.weight.shape == (7, 64)


COUNTS = [
    (method, option.name)
    for method in ("idol", "ifc", "ms_sts", "seqformer", "vistr")
    for option in method_options(method).values()
    if type(option.default) is int
]


@pytest.mark.parametrize(("method", "option"), COUNTS)
def test_options_that_count_are_whole_numbers_within_limits(method, option):
    least = 0 if option == "memory_tokens" else 1
    for value in (least - 1, 10**9, 2.0, True, "8", None, [8]):
        words = re.escape(f"{option} is {value!r}; expected a whole number from {least} to ")
        with pytest.raises(InputError, match=words):
            build_method(method, num_classes=3, **{option: value})


def test_the_limits_themselves_are_taken():
    check_sizes(width=MAX_SIZE, heads=1)
    check_sizes(MAX_LAYERS, encoder_layers=MAX_LAYERS)
    with pytest.raises(InputError, match="encoder_layers is 65"):
        check_sizes(MAX_LAYERS, encoder_layers=MAX_LAYERS + 1)


@pytest.mark.parametrize(
    ("setting", "words"),
    [("options.width=0", "width is 0"),
     ("options.width=48", "method ifc refuses its options"),
     ("options.heads=3", "width 64 is not a multiple of the 3"),
     ("options.backbone=[mini]", "backbone is ['mini']"),
     ("options.variant={}", "method ifc refuses its options"),
     ("options.name=x", "no option 'name'"),
     ("options.num_classes=3", "no option 'num_classes'"),
     ("resolution=100000", "resolution is 100000"),
     ("clip_length=1000000", "clip_length is 1000000")],
)  # fmt: skip
def test_wrong_options_end_in_a_sentence(setting, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["flops", "ifc_mini_synthetic", "--set", setting]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line


@pytest.fixture(scope="module")
def with_plugin(tmp_path_factory):
    """An environment in which tests/plugin is installed, as a user's pip would."""
    target = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source")
    for path in (ROOT / "tests/plugin").glob("*.*"):
        (source / path.name).write_bytes(path.read_bytes())
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-index",
            "--no-deps",
            "--no-build-isolation",
            "--target",
            target,
            source,
        ],
        check=True,
        capture_output=True,
    )
    return {**os.environ, "PYTHONPATH": str(target)}


def run(arguments, environment):
    return subprocess.run(
        [sys.executable, str(ROOT / "run_bench.py"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def test_installed_plugin_is_listed_with_its_options(with_plugin):
    listed = json.loads(run(["list", "methods", "--json"], with_plugin).stdout)["methods"]
    assert {"Method": "bright", "Origin": "plug-in", "Options": "threshold=1.0"} in listed


def test_installed_plugin_is_measured(with_plugin, tmp_path):
    config = tmp_path / "bright.yaml"
    config.write_text("method: bright\noptions: {threshold: 0.5}\ndataset: {name: synthetic}\n")
    done = run(
        [
            "run",
            str(config),
            "--limit",
            "1",
            "--output",
            str(tmp_path),
            "--json",
            "--set",
            "resolution=native",
        ],
        with_plugin,
    )
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)
    assert record["method"] == "bright"
    assert record["options"] == {"threshold": 0.5}
    assert record["ap"] is not None
