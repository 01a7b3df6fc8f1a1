"""Plug-ins through `run`, `flops` and `methods`: nothing that was measured is lost or blurred."""

import json
import os
import re
import subprocess

import pytest
from PIL import Image

from plug_in_site import BRIGHT, install, measure, vis_bench, vis_bench_process
from vis_bench.record.names import caveats
from vis_bench.record.store import parse_record

MASKS = 'features.maps["mean"][None] - self.threshold'
# What only works where tensors have values.
NEEDS_VALUES = {
    "numpy": (MASKS, 'torch.from_numpy(features.maps["mean"].cpu().numpy())[None]'),
    "item": (MASKS, 'features.maps["mean"][None] - features.maps["mean"].max().item()'),
    "built": ("self.threshold = threshold", "self.threshold = torch.ones(1).numpy().item()"),
    "prepared": ("self.threshold = threshold", "self.threshold = float(torch.ones(1))"),
}


def plug_in(site, name, old="", new="", version="1.0"):
    """Installs the example under another name, with one text replaced."""
    assert old in BRIGHT
    text = BRIGHT.replace(old, new) if old else BRIGHT
    install(
        site,
        f"example-{name}=={version}",
        {f"{name}_module.py": text},
        **{name: f"{name}_module:build"},
    )


@pytest.mark.parametrize("name", NEEDS_VALUES)
def test_a_method_that_cannot_be_counted_keeps_its_accuracy(tmp_path, name):
    site = tmp_path / "site"
    plug_in(site, name, *NEEDS_VALUES[name])
    done, (record,) = measure(site, name, tmp_path / "out")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert record["ap"] is not None
    assert record["gflops_per_frame"] is None
    assert list(record["failures"]) == ["flops"]
    assert f"method {name} cannot be" in record["failures"]["flops"]
    assert record["failures"]["flops"] in " ".join(done.stderr.split())
    assert f"**{name} T=" in done.stdout


def test_a_method_that_cannot_be_built_at_all_ends_in_a_sentence(tmp_path):
    plug_in(tmp_path / "site", "torn", "self.threshold = threshold", "raise KeyError('a file')")
    done, records = measure(tmp_path / "site", "torn", tmp_path / "out")
    assert (done.returncode, records) == (2, [])
    pattern = (
        r"error: method torn cannot be built, KeyError in torn_module.py:\d+: 'a file'; (.*)\n"
    )
    assert "--traceback" in re.fullmatch(pattern, done.stderr)[1]


# What fails below the plug-in's own line, and the plug-in's file below the search path.
BELOW = {
    "torch": ("torch.einsum('ab,bc->ac', torch.ones(2, 2), torch.ones(3, 3))", "own.py"),
    "module": ("torch.nn.Linear(3, 2)(torch.ones(4))", "own/__init__.py"),
    "stdlib": ("__import__('json').loads('{')", "own.py"),
    "library": ("__import__('PIL.Image').Image.new('no mode', (2, 2))", "own.py"),
    "installed": ("__import__('PIL.Image').Image.new('x', (2, 2))", "site-packages/own.py"),
    "its own import": ("__import__('torn')", "own/__init__.py"),
}


@pytest.mark.parametrize("name", BELOW)
@pytest.mark.parametrize("command", ["run", "predict"])
def test_a_failure_names_the_line_of_the_plug_in_and_the_option(tmp_path, name, command):
    failing, path = BELOW[name]
    text, site = BRIGHT.replace(MASKS, failing, 1), tmp_path / path.split("own")[0]
    line = next(n for n, row in enumerate(text.splitlines(), 1) if failing in row)
    install(site, "own==1", {path.removeprefix("site-packages/"): text}, own="own:build")
    config = tmp_path / "c.yaml"
    config.write_text(
        "method: own\ndataset: {name: synthetic, plain: true}\nclip_length: 2\nmeasure: accuracy\n"
    )
    (tmp_path / "frames").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "frames" / "0.png")
    given = {"run": ["--limit", 1], "predict": ["--frames", tmp_path / "frames"]}[command]
    for shown in ([], ["--traceback"]):
        to = tmp_path / f"{command}.json"
        done = vis_bench(site, command, config, *given, "--output", to, *shown)
        assert done.returncode == {"run": 1, "predict": 2}[command]
        assert f" in {path.removeprefix('site-packages/')}:{line}: " in done.stderr
        assert done.stderr.count("--traceback") == (0 if shown else 1)
        assert ("Traceback (most recent call last):" in done.stderr) == bool(shown)


@pytest.mark.parametrize("command", ["run", "predict"])
@pytest.mark.parametrize(
    ("masks", "said"), [(f"({MASKS}).sigmoid()", 1), (f"({MASKS} > 0).float()", 0), (MASKS, 0)]
)
def test_probabilities_in_the_place_of_logits_are_named(tmp_path, command, masks, said):
    plug_in(tmp_path, "soft", MASKS, masks)
    if command == "run":
        done, _ = measure(tmp_path, "soft", tmp_path / "out", measure="accuracy")
    else:
        (tmp_path / "c.yaml").write_text(
            "method: soft\ndataset: {name: synthetic}\nclip_length: 1\n"
        )
        Image.effect_noise((40, 30), 90).save(tmp_path / "0.png")
        given = ("--frames", tmp_path, "--output", tmp_path / "o.json", "--set", "resolution=30")
        done = vis_bench(tmp_path, "predict", tmp_path / "c.yaml", *given)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("nowhere below 0") == said


CHATTER = """
import ctypes, os, subprocess

def chat(place):
    print("print", place)
    os.write(1, b"write %s " % place.encode())
    ctypes.CDLL(None).printf(b"printf %s ", place.encode())
    subprocess.run(["echo", "echo", place])

chat("imported")
"""


@pytest.mark.skipif(os.name != "posix", reason="needs the C library by its POSIX name")
def test_what_a_plug_in_prints_stays_out_of_json(tmp_path):
    text = BRIGHT
    for line, talk in (
        ("import torch", CHATTER),
        ("        self.threshold =", "        chat('built')\n"),
        ("        return ClipPrediction(", "        chat('run')\n"),
    ):
        text = text.replace(line, talk + line, 1)
    install(tmp_path / "site", "chatty==1", {"chatty.py": text}, chatty="chatty:build")
    done, (record,) = measure(
        tmp_path / "site", "chatty", tmp_path / "out", "--json", command=vis_bench_process
    )
    assert done.returncode == 0, done.stderr
    assert [one["config_sha256"] for one in json.loads(done.stdout)] == [record["config_sha256"]]
    for how in ("print", "write", "printf", "echo"):
        for place in ("imported", "built", "run"):
            assert f"{how} {place}" in done.stderr
    to_stdout = vis_bench_process(
        tmp_path / "site", "flops", tmp_path / "chatty.yaml", "--json", "--output", "/dev/stdout"
    )
    assert '"gflops_per_frame"' in to_stdout.stdout


def test_a_broken_rule_fails_its_measurement_by_name(tmp_path):
    plug_in(tmp_path / "site", "loud", "probs_1K[0, 0] = 1.0", "probs_1K[0, 0] = 2.0")
    done, (record,) = measure(tmp_path / "site", "loud", tmp_path / "out")
    assert done.returncode == 1
    assert record["ap"] is None
    assert record["gflops_per_frame"] is not None
    assert list(record["failures"]) == ["accuracy"]
    assert record["failures"]["accuracy"].startswith(
        "method loud: predict_clip returned class_probs_NK from 0 to 2; "
        "expected probabilities in 0..1, in video "
    )


# What a plug-in may do while it works: the text that is replaced, by what, and what is said.
FAILING = {
    "raises": (MASKS, "{}['no such key']", "KeyError in raises_module.py:"),
    "leaves": (MASKS, "__import__('sys').exit(0)", "SystemExit in leaves_module.py:"),
    "returns": ("return ClipPrediction(", "return (", "predict_clip returned a tuple; expected a"),
    "prepares": (
        "self.threshold = threshold",
        "self.threshold = threshold\n        self.prepare_for_inference = None",
        "TypeError in build.py:",
    ),
}


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.parametrize("command", ["run", "predict", "profile-kernels"])
def test_a_plug_in_that_fails_is_named_in_a_sentence(tmp_path, name, command):
    old, new, words = FAILING[name]
    plug_in(tmp_path / "site", name, old, new)
    if command == "run":
        done, records = measure(tmp_path / "site", name, tmp_path / "out", measure="accuracy")
        said = " ".join([*(records[0]["failures"].values() if records else ()), done.stderr])
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert name in done.stderr
        assert words in said
        return
    config = tmp_path / "c.yaml"
    config.write_text(f"method: {name}\ndataset: {{name: synthetic}}\nclip_length: 2\n")
    (tmp_path / "frames").mkdir()
    for t in range(2):
        Image.new("RGB", (40, 30)).save(tmp_path / "frames" / f"{t}.png")
    files = {
        "predict": ["predict", config, "--frames", tmp_path / "frames", "--output"],
        "profile-kernels": ["profile-kernels", "--config", config, "--trace"],
    }
    done = vis_bench(
        tmp_path / "site",
        *files[command],
        tmp_path / "o.json",
        "--set",
        "resolution=30",
        "--device",
        "cpu",
    )
    if name == "returns" and command == "profile-kernels":
        assert done.returncode in (0, 2)  # nothing is done with what a traced method returns
        return
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: method {name}")
    assert words in line
    assert not (tmp_path / "o.json").exists()


@pytest.mark.parametrize("name", ["raises", "built"])
def test_a_run_tells_where_records_go_and_shows_tracebacks_on_request(tmp_path, name):
    old, new = (
        FAILING["raises"][:2]
        if name == "raises"
        else ("self.threshold = threshold", "raise KeyError('no such key')")
    )
    plug_in(tmp_path / "site", name, old, new)
    done, _ = measure(tmp_path / "site", name, tmp_path / "out", "--traceback", measure="accuracy")
    lines = done.stderr.splitlines()
    assert "Traceback (most recent call last):" in lines
    assert any(f"{name}_module.py" in line and "line" in line for line in lines)
    assert done.returncode == (1 if name == "raises" else 2)
    if name == "raises":
        assert "1 cell;" in lines[0]
        assert str(tmp_path / "out") in lines[0]


def test_a_plug_in_whose_function_hides_what_it_takes_is_named(tmp_path):
    install(
        tmp_path / "site",
        "opaque==1",
        {"opaque.py": "build = dict.fromkeys\n"},
        opaque="opaque:build",
        builtin="opaque:dict.__init__",
    )
    done = vis_bench(tmp_path / "site", "list", "methods", "--json")
    assert done.returncode == 0, done.stderr
    done, records = measure(tmp_path / "site", "builtin", tmp_path / "out", measure="flops")
    assert (done.returncode, records, done.stderr.count("\n")) == (2, [], 1)
    assert "method builtin" in done.stderr


def test_the_source_is_recorded_and_edited_code_is_measured_anew_into_the_same_record(tmp_path):
    site, out = tmp_path / "site", tmp_path / "out"
    package = {"shiny/__init__.py": "", "shiny/method.py": BRIGHT}
    install(site, "shiny-vis==2.1", package, shiny="shiny.method:build")
    first, (record,) = measure(site, "shiny", out)
    assert first.returncode == 0, first.stderr
    source = record["method_source"]
    assert (source["distribution"], source["version"]) == ("shiny-vis", "2.1")
    assert len(source["sha256"]) == 64

    again, records = measure(site, "shiny", out, "--resume")
    assert "measured before" in again.stderr
    assert records == [record]

    (site / "shiny" / "notes.txt").write_text("is not source")
    again, _ = measure(site, "shiny", out, "--resume")
    assert "measured before" in again.stderr

    (site / "shiny" / "method.py").write_text(BRIGHT + "# edited\n")
    edited, (anew,) = measure(site, "shiny", out, "--resume", command=vis_bench_process)
    assert "measured before" not in edited.stderr
    assert record["sources_sha256"][:12] in edited.stderr
    assert anew["config_sha256"] == record["config_sha256"]
    for key in ("method_source", "sources_sha256"):
        assert anew[key] != record[key]


def test_another_version_is_measured_anew(tmp_path):
    out = tmp_path / "out"
    for version in ("1.0", "1.1"):
        plug_in(tmp_path / version, "bright2", version=version)
        done, records = measure(tmp_path / version, "bright2", out, "--resume", measure="flops")
        assert "measured before" not in done.stderr
        assert [record["method_source"]["version"] for record in records] == [version]


def test_a_built_in_method_has_no_source_beside_the_commit(tmp_path):
    (tmp_path / "site").mkdir()
    _, (record,) = measure(tmp_path / "site", "color_key", tmp_path / "out", measure="flops")
    assert record["method_source"] is None


@pytest.mark.parametrize("says", [True, False])
def test_a_method_that_loads_its_own_weights_says_so(tmp_path, says):
    site = tmp_path / "site"
    learned = "self.weight = torch.nn.Parameter(torch.ones(3))\n        self.threshold = threshold"
    if says:
        learned += '\n        self.weights_source = "https://example.org/trained.pth"'
    plug_in(site, "learned", "self.threshold = threshold", learned)
    _, (record,) = measure(site, "learned", tmp_path / "out")
    assert record["weights_source"] == ("https://example.org/trained.pth" if says else "random")
    assert record["num_params"] == 3
    done = vis_bench(site, "leaderboard", "--records", tmp_path / "out")
    assert ("random weights" in done.stdout.split("Not ranked")[0]) == (not says), done.stdout


@pytest.mark.parametrize("edited", [False, True])
def test_a_plug_in_has_the_commit_of_its_checkout(tmp_path, edited):
    site, git = tmp_path / "site", ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    name = f"versioned{edited:d}"
    plug_in(site, name)
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *arguments], cwd=site, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=site, capture_output=True, text=True)
    if edited:
        with (site / f"{name}_module.py").open("a") as file:
            file.write("\n")
    _, (record,) = measure(site, name, tmp_path / "out", measure="accuracy")
    commit = head.stdout.strip() + ("-dirty" if edited else "")
    assert record["method_source"]["git_commit"] == commit
    assert record["git_commit"] != head.stdout.strip()
    described = parse_record({**record, "git_dirty": False}, "it")
    assert ("uncommitted changes" in caveats(described)) == edited
    done = vis_bench(site, "leaderboard", "--records", tmp_path / "out")
    assert (f"{commit[:8]} (dirty)" in done.stdout) == edited


def test_a_plug_in_of_an_environment_inside_a_checkout_has_no_commit_of_it(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    plug_in(tmp_path / "site", "untracked")
    _, (record,) = measure(tmp_path / "site", "untracked", tmp_path / "out", measure="accuracy")
    assert record["method_source"]["git_commit"] is None


@pytest.mark.parametrize("declared", [False, True])
def test_a_plug_in_declares_which_options_are_places(tmp_path, declared):
    site = tmp_path / "site"
    name = f"placed{declared:d}"
    line = '    """Thresholds the mean over the color channels."""'
    places = "    place_options = frozenset({'threshold'})" if declared else ""
    plug_in(site, name, line, f"{line}\n{places}\n")
    digests = set()
    for threshold in (0.5, 0.6):
        options = ["--set", f"options.threshold={threshold}"]
        _, (record,) = measure(site, name, tmp_path / str(threshold), *options)
        digests.add(record["config_sha256"])
    assert len(digests) == 2 - declared


def test_new_weights_in_a_plug_ins_package_are_measured_anew(tmp_path):
    site, out = tmp_path / "site", tmp_path / "out"
    files = {"packed/__init__.py": BRIGHT, "packed/weights/w.onnx": "1"}
    install(site, "example-packed==1.0", files, packed="packed:build")
    _, (record,) = measure(site, "packed", out, measure="accuracy")
    (site / "packed" / "weights" / "w.onnx").write_text("2")
    done, (again,) = measure(site, "packed", out, "--resume", measure="accuracy")
    assert "measured again" in done.stderr
    assert again["sources_sha256"] != record["sources_sha256"]
    assert again["method_source"]["sha256"] == record["method_source"]["sha256"]
    done, _ = measure(site, "packed", out, "--resume", measure="accuracy")
    assert "measured before" in done.stderr


def test_weights_that_are_no_parameters_have_an_unknown_number(tmp_path):
    site = tmp_path / "site"
    line = "self.threshold = threshold"
    plug_in(site, "onnx", line, f"{line}\n        self.weights_source = 'model.onnx'")
    done, (record,) = measure(site, "onnx", tmp_path / "out", measure="accuracy")
    assert record["num_params"] is None
    assert "0.00" not in done.stdout


BROKEN = {
    "missing": ("import nowhere_to_be_found\n", "No module named 'nowhere_to_be_found'"),
    "syntax": ("def build(:\n", "SyntaxError"),
    "leaves": ("raise SystemExit(3)\n", "SystemExit in leaves_module.py:1: 3"),
    "no_build": ("", "AttributeError"),
    "no_function": ("build = 3\n", "is of type int; expected a function"),
}


@pytest.fixture(scope="module")
def with_broken(tmp_path_factory):
    """A site with a plug-in that works and several that cannot be imported."""
    site = tmp_path_factory.mktemp("broken")
    plug_in(site, "works")
    for name, (text, _) in BROKEN.items():
        files = {f"{name}_module.py": text}
        install(site, f"broken-{name}==0.3", files, **{name: f"{name}_module:build"})
    return site


def test_broken_plug_ins_are_named_in_the_list_and_the_others_go_on(with_broken):
    done = vis_bench(with_broken, "list", "methods", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["Method"]: row for row in json.loads(done.stdout)["methods"]}
    for name, (_, why) in BROKEN.items():
        assert f"broken-{name} 0.3 ({name}_module:build)" in rows[name]["Problem"]
        assert why in rows[name]["Problem"]
    assert rows["works"]["Problem"] == rows["ifc"]["Problem"] == ""
    assert "threshold=1.0" in rows["works"]["Options"]
    assert "SyntaxError" in vis_bench(with_broken, "list", "methods").stdout


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plug_in_that_is_asked_for_gets_a_sentence(with_broken, tmp_path, name):
    done, records = measure(with_broken, name, tmp_path / "out", measure="flops")
    assert (done.returncode, records) == (2, [])
    (line,) = done.stderr.splitlines()
    assert f"broken-{name} 0.3" in line
    assert BROKEN[name][1] in line


def test_a_name_that_is_taken_is_refused_and_both_are_named(tmp_path):
    site = tmp_path / "site"
    for package in ("hides", "twin"):
        points = {"color_key": "it:build"} if package == "hides" else {}
        install(site, f"{package}==1", {"it.py": BRIGHT}, same="it:build", **points)
    for name, both in (
        ("color_key", ("built in (methods.color_key)", "plug-in hides 1 (it:build)")),
        ("same", ("plug-in hides 1 (it:build)", "plug-in twin 1 (it:build)")),
    ):
        done, records = measure(site, name, tmp_path / "out", measure="flops")
        assert (done.returncode, records) == (2, [])
        assert all(text in done.stderr for text in both)
        assert len(done.stderr.splitlines()) == 1
    rows = {
        r["Method"]: r
        for r in json.loads(vis_bench(site, "list", "methods", "--json").stdout)["methods"]
    }
    assert "hides" in rows["color_key"]["Problem"]
    assert "twin" in rows["same"]["Problem"]
    done, _ = measure(
        site, "ifc", tmp_path / "other", "--set", "options.variant=mini", measure="flops"
    )
    assert done.returncode == 0, done.stderr
