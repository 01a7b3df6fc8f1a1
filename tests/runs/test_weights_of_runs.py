"""Weights that a run or a config names: a key of a file with several, and odd names of files."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from paths import ROOT
from run_case import bare, jobs_of
from vis_bench.errors import InputError
from vis_bench.runs.config import Cell
from vis_bench.runs.harness import describe
from vis_bench.runs.weights import find_weights

CONFIG = """
method: ifc
options: {variant: mini}
dataset: {name: synthetic, split: val}
clip_length: 5
resolution: 96
measure: flops
"""


def test_a_key_of_a_weights_file_is_said_recorded_and_tells_cells_apart(tmp_path):
    raw = load_file(ROOT / "methods" / "weights" / "ifc_mini.safetensors")
    torch.save(
        {"model": raw, "model_ema": {k: v * 1.5 for k, v in raw.items()}}, tmp_path / "w.pth"
    )
    said, jobs = [], {}
    for name in ("w.pth", "w.pth:model", "w.pth:model_ema"):
        [jobs[name]] = jobs_of(tmp_path, CONFIG, weights=tmp_path / name, say=said.append)
    assert [str(tmp_path / "w.pth:model_ema") in line for line in said] == [True]
    assert len({job.digest for job in jobs.values()}) == 3
    methods = {name: job.load_method() for name, job in jobs.items()}
    sources = {n: describe(job, methods[n]).weights_source for n, job in jobs.items()}
    assert sources == {"w.pth": "w.pth:model", **{n: n for n in list(jobs)[1:]}}
    states = [bare(method).state_dict() for method in methods.values()]
    key = next(iter(states[0]))
    values = [state[key] for state in states]
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("w.pth", ("w.pth", None)), ("w.pth:ema", ("w.pth", "ema")), ("a:b", ("a:b", None)),
        ("a:b:ema", ("a:b", "ema")), ("w.pth:x.pth", None), ("nowhere:ema", None), ("C:w", None),
    ],
)  # fmt: skip
def test_a_colon_belongs_to_the_name_of_a_file_that_is_there(tmp_path, monkeypatch, name, found):
    monkeypatch.chdir(tmp_path)
    for path in ("w.pth", "a:b"):
        (tmp_path / path).touch()
    cell = Cell.model_validate({"method": "ifc", "dataset": {"name": "synthetic"}, "weights": name})
    if found is None:
        with pytest.raises(InputError, match=name):
            find_weights(cell, None)
        return
    weights = find_weights(cell, None)
    assert (str(weights.path), weights.part) == found
    assert find_weights(cell, Path(name)) == weights
