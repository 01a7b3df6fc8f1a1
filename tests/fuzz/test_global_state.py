"""Plug-ins that change the settings of the process: the other cells of the run are right."""

import json
import os

from paths import ROOT
from plug_in_site import install, vis_bench_process

METHOD = """
import os, random, torch
from methods.color_key import ColorKey

class Rude(ColorKey):
    def encode_frames(self, frames_T3HW):
        features = super().encode_frames(frames_T3HW)
        {rudeness}
        return features

def build(num_classes, **options):
    return Rude(num_classes)
"""
CONFIG = """
method: rude
dataset: {name: synthetic, plain: true}
resolution: native
clip_length: [10, 20]
clip_stride: 5
measure: [accuracy]
"""
ALL_AT_ONCE = "; ".join(
    ["torch.set_default_dtype(torch.float64)", "torch.set_num_threads(3)", "os.chdir('/')",
     "torch.manual_seed(7)", "random.seed(7)", "torch.use_deterministic_algorithms(True)"]
)  # fmt: skip


def run(folder, rudeness, monkeypatch):
    """The end of a run of two cells, and its records by clip length."""
    module = METHOD.format(rudeness=rudeness)
    install(folder / "site", "rude==1", {"rude_module.py": module}, rude="rude_module:build")
    (folder / "c.yaml").write_text(CONFIG)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # The command starts in the checkout, so that the folder is relative to it.
    output = os.path.relpath(folder / "out", ROOT)
    done = vis_bench_process(folder / "site", "run", folder / "c.yaml", "--limit", 1,
                             "--device", "cpu", "--output", output)  # fmt: skip
    paths = [p for p in (folder / "out").glob("*.json") if not p.name.endswith(".results.json")]
    records = [json.loads(path.read_text()) for path in paths]
    return done, {record["clip_length"]: record for record in records}


def test_settings_that_a_plug_in_changes_are_put_back(tmp_path, monkeypatch):
    (tmp_path / "polite").mkdir()
    (tmp_path / "rude").mkdir()
    _, expected = run(tmp_path / "polite", "pass", monkeypatch)
    done, records = run(tmp_path / "rude", ALL_AT_ONCE, monkeypatch)
    assert done.returncode == 0, done.stderr
    assert set(records) == {10, 20}
    for length, record in records.items():
        assert record["ap"] == expected[length]["ap"]
        assert record["num_threads"] == expected[length]["num_threads"]


def test_a_default_device_does_not_reach_the_next_cell(tmp_path, monkeypatch):
    once = "Rude.done = Rude.__dict__.get('done') or torch.set_default_device('meta') or True"
    done, records = run(tmp_path, once, monkeypatch)
    assert done.returncode == 1
    assert "accuracy" in records[10]["failures"]
    assert not records[20]["failures"]
    assert records[20]["ap"] is not None
