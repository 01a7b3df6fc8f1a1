"""The help of each command and option, the version, the lists of names; imports of torch."""

import importlib.metadata
import json
import subprocess
import sys
from argparse import ArgumentParser

import pytest
import torch

from cuda_ops.build import compiler_versions
from paths import GOLDEN, ROOT
from vis_bench.cli import COMMANDS, command_module, main
from vis_bench.commands.options import Options
from vis_bench.record.environment import describe_installation, package_version

SHARED = {"completion", "options", "values", "output", "version", "attention_figures"}


def actions(name):
    parser = ArgumentParser()
    command_module(name).add_arguments(Options(parser))
    return parser._actions


def test_every_file_is_a_command():
    files = {path.stem for path in (ROOT / "vis_bench" / "commands").glob("[!_]*.py")}
    assert {name.replace("-", "_") for name in COMMANDS} == files - SHARED
    assert set(COMMANDS) > {"run", "profile-kernels", "list"}


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_help_lists_every_command(arguments, capsys):
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    for name, line in COMMANDS.items():
        assert f"  {name:<17}{line}\n" in printed
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_every_default(name, capsys):
    assert main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: vis-bench {name} ")
    assert max(map(len, printed.splitlines())) <= 80
    assert printed.count("\n") <= 48
    assert COMMANDS[name] in " ".join(printed.split())
    assert "--json" in printed
    for action in actions(name):
        if action.option_strings and action.nargs != 0:
            assert "(required)" in action.help if action.required else "(default: " in action.help


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_whether_output_is_a_file_or_a_folder(name):
    for action in actions(name):
        if "--output" in action.option_strings:
            assert (action.metavar, "file" in action.help or "JSON" in action.help) in {
                ("FILE", True),
                ("DIR", False),
            }
            assert ("folder" in action.help) == (action.metavar == "DIR")


def test_the_program_is_called_what_was_typed(capsys):
    typed = [sys.executable, "run_bench.py", "run", "--limit", "0", "c.yaml"]
    done = subprocess.run(typed, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.endswith("(see: run_bench.py run --help)\n")
    assert main(["run", "--limit", "0", "c.yaml"]) == 2
    assert capsys.readouterr().err.endswith("(see: vis-bench run --help)\n")


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vis-bench {package_version()}\n"


def test_what_a_bug_report_names_is_json(capsys, monkeypatch):
    monkeypatch.setenv("CXX", f"{ROOT}/none")
    assert main(["--version", "--json"]) == 0
    printed = capsys.readouterr().out
    told = json.loads(printed)
    assert list(told) == [
        "vis_bench",
        "python",
        "platform",
        "masks",
        "packages",
        "extras",
        "devices",
        "driver",
        "cuda",
        "num_threads",
        "compilers",
    ]
    assert told["masks"] in ("compiled", "numpy")
    assert told["vis_bench"] == package_version()
    installed = {
        name: importlib.metadata.version(name) for name in ("torch", "numpy", "pycocotools")
    }
    assert told["extras"]["models"]["torch"] == installed.pop("torch")
    assert told["packages"].items() >= installed.items()
    assert not {"pytest", "ray", "torch", "matplotlib"} & told["packages"].keys()
    assert told["extras"].keys() == {"cluster", "models", "plots", "transformers", "video"}
    assert "ray" in told["extras"]["cluster"]
    assert all(isinstance(name, str) for name in told["devices"].values())
    assert "cpu" in told["devices"]
    assert told["num_threads"] >= 1
    assert told["compilers"]["c++"] is None
    assert str(ROOT) not in printed


def test_a_bug_report_names_every_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    devices = describe_installation()["devices"]
    assert list(devices.items())[1:] == [("cuda:0", "GPU 0"), ("cuda:1", "GPU 1")]


def test_compilers_are_named_by_their_versions(tmp_path, monkeypatch):
    printed = {"CXX": "cc (Made) 1.2\nCopyright", "NVCC": "nvcc: NVIDIA\nrelease 13.0, V1"}
    for variable, lines in printed.items():
        (tmp_path / variable).write_text(f"#!/bin/sh\necho '{lines}'\n")
        (tmp_path / variable).chmod(0o755)
        monkeypatch.setenv(variable, str(tmp_path / variable))
    assert compiler_versions() == {"c++": "cc (Made) 1.2", "cuda": "release 13.0, V1"}


def test_names_are_listed(capsys):
    assert main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert list(listed) == ["methods", "configs", "datasets", "tables", "figures"]
    names = {kind: [next(iter(row.values())) for row in rows] for kind, rows in listed.items()}
    assert "color_key" in names["methods"]
    assert {"demo", "train/ifc_mini_synthetic"} <= set(names["configs"])
    assert "ytvis2019" in names["datasets"]
    assert {"measured", "ifc-stride"} <= set(names["tables"])
    assert "sampling-points" in names["figures"]
    assert all(all(row.values()) for row in listed["configs"] + listed["tables"])
    assert main(["list", "figures"]) == 0
    printed = capsys.readouterr().out
    assert "| memory-tokens " in printed
    assert "ytvis2019" not in printed


TRUTH = str(GOLDEN / "eval_quirks.gt.json")
RESULTS = str(GOLDEN / "eval_quirks.preds.json")
WITHOUT_TORCH = {
    "help": ["--help"],
    "version": ["--version"],
    "eval": ["eval", "--annotations", TRUTH, "--predictions", RESULTS],
    "validate": ["validate", TRUTH],
    "compare": ["compare", RESULTS, RESULTS, "--annotations", TRUTH, "--resamples", "2"],
    "table": ["table", "comparison"],
    "leaderboard": ["leaderboard"],
    "history": ["history", "results"],
}  # fmt: skip


@pytest.mark.parametrize("arguments", WITHOUT_TORCH.values(), ids=WITHOUT_TORCH)
def test_commands_without_a_model_do_not_import_torch(arguments):
    code = (
        "import sys; from vis_bench.cli import main\n"
        "code = main(sys.argv[1:]); sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_no_help_imports_torch_or_scipy():
    code = (
        "import sys; from vis_bench.cli import main\n"
        "for name in sys.argv[1:]:\n"
        "    assert main([name, '--help']) == 0 and not {'torch', 'scipy'} & {*sys.modules}, name"
    )
    subprocess.run([sys.executable, "-c", code, *COMMANDS], cwd=ROOT, check=True)


def test_plain_eval_imports_no_heavy_library():
    code = (
        "import sys, vis_bench.commands.eval; "
        "heavy = {'torch', 'yaml', 'scipy', 'pydantic', 'pandas', 'matplotlib'}; "
        "sys.exit(str(heavy & sys.modules.keys() or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip() == ""
