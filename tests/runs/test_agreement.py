"""The command that holds faster arithmetic against float32."""

import json

import numpy as np
import pytest
import torch

from vis_bench.cli import main
from vis_bench.errors import InputError
from vis_bench.metrics.agreement import TrackAgreement
from vis_bench.runs import agreement as module
from vis_bench.runs.agreement import Agreement, default_settings, parse_setting

COMMAND = ["agreement", "--configs", "ifc_mini_synthetic", "--limit", "1", "--device", "cpu"]


def of(ious, same=True):
    return TrackAgreement(same, np.array(ious, float))


def row(*videos, ap=0.5, reference_ap=0.5):
    return Agreement("ifc", "bfloat16", ap, reference_ap, videos)


def test_limits():
    assert row(of([1, 0.991]), of([])).problems() == []
    assert row(of([1]), ap=0.4971).problems() == []
    assert "AP moved by -0.40 points" in row(of([1]), ap=0.496).problems()[0]
    assert "AP moved by +0.40 points" in row(of([1]), ap=0.504).problems()[0]
    assert "mean IoU of 0.9899" in row(of([1]), of([0.9698, 1])).problems()[0]
    assert row(of([1]), of([0.98, 1])).problems() == []
    assert "classes differ in 1 of 2 videos" in row(of([1]), of([1], same=False)).problems()[0]


def test_figures():
    found = row(of([1, 0.9]), of([]), of([0.8]))
    assert (found.least_iou, found.mean_iou) == (0.8, pytest.approx(0.9))
    assert row(of([])).least_iou is None


def test_settings():
    exact = {"precision": "float32", "tf32": False, "compile": "none"}
    assert parse_setting("tf32") == {**exact, "tf32": True}
    assert parse_setting("bfloat16+cuda_graphs") == {
        "precision": "bfloat16", "tf32": False, "compile": "cuda_graphs",
    }  # fmt: skip
    for text in ("bf16", "", "bfloat16+float16", "compile+cuda_graphs", "tf32+tf32"):
        with pytest.raises(InputError, match="is not one of bfloat16, float16, tf32, compile"):
            parse_setting(text)
    assert default_settings(torch.device("cpu")) == ["bfloat16"]
    for setting in default_settings(torch.device("cuda")):
        parse_setting(setting)


def test_bfloat16_on_a_cpu(capsys):
    assert main([*COMMAND, "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert (found["method"], found["setting"], found["num_videos"]) == ("ifc", "bfloat16", 1)
    assert found["num_sure_tracks"] >= 1
    assert 0.99 <= found["least_iou"] < 1, "bfloat16 moves some pixel, and few"


def test_a_difference_is_named_and_ends_with_1(capsys, monkeypatch):
    real = module.infer

    def without_the_best(job, method, videos, advance):
        found = real(job, method, videos, advance)
        exact = job.cell.precision == "float32"
        return {key: own if exact else own[1:] for key, own in found.items()}

    monkeypatch.setattr(module, "infer", without_the_best)
    assert main(COMMAND) == 1
    output = capsys.readouterr()
    assert "classes differ in 1 of 1 videos" in output.err
    assert "0 of 1" in output.out


def test_what_the_device_lacks_is_refused_before_anything_runs(capsys, monkeypatch):
    monkeypatch.setattr(module, "infer", lambda *arguments: pytest.fail("inferred"))
    assert main([*COMMAND, "--settings", "bfloat16,tf32"]) == 2
    assert "tf32 is true, which only a GPU has" in capsys.readouterr().err
    assert main([*COMMAND, "--settings", "cuda_graphs"]) == 2
    assert "compile is cuda_graphs, which only a GPU has" in capsys.readouterr().err


@pytest.mark.gpu
def test_on_a_gpu(capsys):
    assert main(["agreement", "--device", "cuda"]) == 0, capsys.readouterr().err
