"""Wrong input ends with one sentence that names it, and exit code 2, before anything is written."""

import pytest

from paths import GOLDEN
from vis_bench.cli import main

CONFIG = """
method: color_key
dataset: {name: synthetic, split: val, plain: true}
resolution: native
clip_length: [whole, 10]
"""
PREDICT = "predict c.yaml --set clip_length=whole --output o --frames"
DRAW = "draw r.json --frames . --output o"
POINTS = "figure sampling-points --output x.png"
WRONG = {
    "runn": "runn",
    "list --fast": "--fast",
    "list nothing": "nothing",
    "list --jsn": "--json",
    "leaderboard --pictur=x.svg --colums=ap": "--columns",
    "figure strip a --output x.png --colunm=3in": "--column",
    "eval --annotations a.json": "--predictions",
    "run none.yaml": "none.yaml",
    "run c.yaml --limit 0": "'0'",
    "run c.yaml --limit 1 --output=": "--output: ''",
    "run c.yaml --device tpu": "'tpu'",
    "run c.yaml --device cuda:99": "cuda:99",
    "run c.yaml --set method=nope": "'nope'",
    "run c.yaml --set options.x=1": "'x'",
    "run c.yaml --device cpu --set method=seqformer --set kernel_backend=cuda": "'cuda'",
    "run c.yaml --weights w.pth": "w.pth",
    "run c.yaml --set dataset={name:\u00a0ytvis2019}": "ytvis2019",
    "run c.yaml --limit 1 --output c.yaml": "c.yaml is a file",
    "predict c.yaml --frames . --output o": "2 cells",
    f"{PREDICT} nowhere": "nowhere",
    "table nope": "nope",
    "table compraison": "(did you mean comparison?); expected a YAML file or one of: measured, fps",
    "table none.yaml": "table none.yaml does not exist",
    "table measured --records nowhere": "nowhere",
    "table measured --output folder": "folder is a folder",
    "eval --annotations a.json --predictions b.json": "a.json",
    "eval --annotations a --predictions b --score-threshold nan": "'nan'",
    "eval --annotations a --predictions b --score-threshold 2.0": "'2.0'",
    "eval --annotations= --predictions b": "--annotations: ''",
    "validate a.json": "a.json",
    "submit a.json b.zip": "a.json",
    "compare a b --seed -1": "'-1'",
    f"compare a b --seed {2**63}": "from 0 to",
    "compare a b --resamples 1e11": "'1e11'",
    f"compare a b --resamples {'9' * 5000}": "from 1 to 100000",
    "report a --resamples 0": "from 1 to 100000",
    "report a --side 20000": "from 1 to 16383",
    "report a --max-size 0": "'0'",
    "report a --min-score nan": "'nan'",
    "synth d --seed \u0663": "from 0 to",
    f"{DRAW} --columns 1000000000": "from 1 to 1000",
    f"{DRAW} --side 1000000": "from 1 to 16383",
    f"{DRAW} --fps 0": "from 1 to 1000",
    "profile-kernels --trace t.json": "--config",
    "figure no-figure": "'no-figure'",
    f"{POINTS} --video val_0003": "val_0003",
    f"{POINTS} --layers 7": "layer 7",
    f"{POINTS} --layers third": "'third'",
    "figure time-weights --output x.png --layer 1,2": "'1,2'",
    "figure sampling-points --output x.gif": "x.gif",
    f"{POINTS} --data x.csv": "x.csv",
    f"{POINTS} --set weights=null": "no weights",
    "figure sampling-points clip_lengths --output x.png": "16 cells",
    "figure sampling-points ifc_mini_synthetic --output x.png": "ms_sts, seqformer",
    "figure memory-tokens seqformer_mini_synthetic --output x.png": "ifc",
    "figure memory-tokens seqformer_r50_ytvis2019 --output x.png": "--data-root",
    "figure strip a=ifc_mini_synthetic a=ifc_mini_synthetic --output x.png": "called a",
    f"figure failure-cases {GOLDEN}/eval_quirks.preds.json --output x.png": "val_00001",
    "figure failure-cases r.json --frames . --output x.png": "--annotations",
    "figure failure-cases r.json --kinds blur --output x.png": "'blur'",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_input_is_one_sentence_and_exit_code_2(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert main([word.replace("\u00a0", " ") for word in words.split(" ") if word]) == 2
    printed = capsys.readouterr()
    assert WRONG[words] in printed.err
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("error: ")
    assert printed.out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_the_largest_seed_makes_a_data_set(tmp_path, capsys):
    seed = str(2**63 - 1)
    assert (
        main(["synth", str(tmp_path), "--plain", "--videos", "1", "--split", "val", "--seed", seed])
        == 0
    )
    assert f"seed: {seed}" in capsys.readouterr().out
