"""What the command line says about itself: each command and option, the version, its own name."""

import importlib.metadata
import json
import subprocess
import sys

import pytest

from paths import GOLDEN, ROOT
from vis_bench import commands
from vis_bench.cli import build_parser, find_commands, main

NAMES = list(find_commands())


def subparser(name):
    (action,) = (a for a in build_parser("vis-bench", [name])._actions if a.dest == "command")
    return action.choices[name]


def test_every_file_is_a_command():
    files = {path.stem for path in (ROOT / "vis_bench" / "commands").glob("[!_]*.py")}
    assert {name.replace("-", "_") for name in NAMES} == files
    assert {"run", "profile-kernels", "configs"} <= set(NAMES)


def test_adding_a_command_is_adding_a_file(tmp_path, monkeypatch, capsys):
    (tmp_path / "say_hello.py").write_text(
        'DESCRIPTION = "greet"\n'
        "def add_arguments(options):\n"
        '    options.value("--name", "NAME", "whom to greet", str, default="you")\n'
        "def run(options):\n"
        '    print("hello", options.name)\n'
        "    return 3\n"
    )
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    assert main(["say-hello", "--name", "all"]) == 3
    assert capsys.readouterr().out == "hello all\n"
    sys.modules.pop("vis_bench.commands.say_hello")


@pytest.mark.parametrize("name", NAMES)
def test_help_says_every_default(name, capsys):
    assert main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: vis-bench {name} ")
    assert find_commands()[name].DESCRIPTION in " ".join(printed.split())
    assert "--json" in printed
    for action in subparser(name)._actions:
        if action.option_strings and action.nargs != 0:
            assert "(required)" in action.help if action.required else "(default: " in action.help


@pytest.mark.parametrize("name", NAMES)
def test_help_says_whether_output_is_a_file_or_a_folder(name):
    for action in subparser(name)._actions:
        if "--output" in action.option_strings:
            assert (action.metavar, "file" in action.help or "JSON" in action.help) in {
                ("FILE", True), ("DIR", False),
            }  # fmt: skip
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
    assert capsys.readouterr().out == f"vis-bench {importlib.metadata.version('vis-bench')}\n"


def test_configs_are_listed_with_what_they_are(capsys):
    assert main(["configs", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    (demo,) = (row["Description"] for row in rows if row["Config"] == "demo")
    assert demo.startswith("The demo: the bundled mini models")
    assert main(["configs"]) == 0
    assert "| train/ifc_mini_synthetic " in capsys.readouterr().out


TRUTH = str(GOLDEN / "eval_quirks.gt.json")
LIGHT = {
    "help": ["--help"],
    "run help": ["run", "--help"],
    "train help": ["train", "--help"],
    "configs": ["configs"],
    "eval": ["eval", "--annotations", TRUTH, "--predictions",
             str(GOLDEN / "eval_quirks.preds.json")],
    "validate": ["validate", TRUTH],
}  # fmt: skip


@pytest.mark.parametrize("arguments", LIGHT.values(), ids=LIGHT)
def test_what_needs_no_torch_does_not_wait_for_it(arguments):
    code = (
        "import sys; from vis_bench.cli import main\n"
        "main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout
