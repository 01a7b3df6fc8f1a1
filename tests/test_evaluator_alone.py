"""The package without extras: what evaluates works, and what needs more says what to install.

Runs in any environment: packages of extras are hidden from the process that is tested.
"""

import json
import subprocess
import sys

import pytest

from paths import GOLDEN, ROOT

EXTRAS = "torch", "matplotlib", "pandas", "safetensors", "pynvml", "triton", "ray", "transformers"
HIDDEN = """
import importlib.abc, json, sys

class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hide())
sys.argv[0] = "vis-bench"
"""
RUN = """
from vis_bench.cli import main
for words in json.loads(sys.stdin.read()):
    code = main(words)
    sys.stdout.flush()
    print("exit code", code, words[0], file=sys.stderr, flush=True)
"""
NUMPY = """
import numpy as np, vis_bench

found = []
for form in (list, np.asarray):
    evaluator = vis_bench.Evaluator(sys.stdin.readline().strip(), tracking_threshold=0.5)
    for video in evaluator.videos:
        masks = np.zeros((1, video.length, video.height, video.width), bool)
        masks[:, :, : video.height // 2] = True
        evaluator.add(video.id, scores=[0.9], category_ids=[1], masks=form(masks))
    found.append(evaluator.compute().flat())
assert found[0] == found[1] and found[0]["vis/ap"] >= 0, found
assert not {"torch", "pandas", "matplotlib"} & set(sys.modules)
"""
GT, RESULTS = (str(GOLDEN / f"eval_dense.{part}.json") for part in ("gt", "preds"))


def without_extras(code, given, folder):
    words = [sys.executable, "-c", HIDDEN.format(hidden=set(EXTRAS)) + code]
    return subprocess.run(words, input=given, capture_output=True, text=True, cwd=folder)


def codes_of(done):
    lines = [line.split() for line in done.stderr.splitlines() if line.startswith("exit code")]
    return [(name, int(code)) for _, _, code, name in lines]


def test_what_evaluates_needs_no_extra(tmp_path):
    (tmp_path / "groups.yaml").write_text("first: [1]\n")
    own, records = ["--annotations", GT], str(ROOT / "results")
    clips = f"{records}/clip_lengths/records"
    page = str(tmp_path / "page.html")
    commands = [
        ["eval", *own, "--predictions", RESULTS, "--tracking", "--boundary", "--groups",
         "groups.yaml", "--record", "Net", "--dataset", "mine", "--output", "records"],
        ["compare", *own, RESULTS, RESULTS, "--format", "csv"],
        ["check", "--baseline", "records", "--current", "records"],
        ["history", "records"],
        ["table", "measured", "--records", clips, "--format", "csv"],
        ["table", "comparison"],
        ["table", "sweep", "--records", clips, "--rows", "clip_length", "--columns", "method",
         "--value", "ap", "--where", "method=ifc"],
        ["leaderboard", "--records", clips, "--format", "html"],
        ["report", RESULTS, *own, "--output", page],
        ["validate", GT],
        ["convert", GT, "coco.json", "--to", "coco"],
        ["split", GT, "parts"],
        ["submit", RESULTS, *own, "submission.zip"],
        ["list", "tables"],
    ]  # fmt: skip
    done = without_extras(RUN, json.dumps(commands), tmp_path)
    codes = codes_of(done)
    assert [name for name, _ in codes] == [words[0] for words in commands], done.stderr
    assert [name for name, code in codes if code] == [], done.stderr
    assert "vis-bench[plots]" in (tmp_path / "page.html").read_text()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["demo"], "models"),
        (["run", "ifc_mini_synthetic", "--limit", "1"], "models"),
        (["predict", "ifc_mini_synthetic", "--frames", ".", "--output", "a.json"], "models"),
        (["flops", "ifc_mini_synthetic"], "models"),
        (["profile-kernels"], "models"),
        (["leaderboard", "--records", str(ROOT / "results"), "--picture", "a.svg"], "plots"),
    ],
)
def test_the_others_say_what_to_install(words, extra, tmp_path):
    done = without_extras(RUN, json.dumps([words]), tmp_path)
    assert codes_of(done) == [(words[0], 2)], done.stderr
    assert f"pip install 'vis-bench[{extra}]'" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_the_evaluator_takes_arrays_and_lists(tmp_path):
    done = without_extras(NUMPY, f"{GT}\n{GT}\n", tmp_path)
    assert done.returncode == 0, done.stderr
