"""The lines of docs/exported.md: sessions of ONNX Runtime answer as the network does."""

import re

import pytest
import torch

from paths import ROOT
from vis_bench.runs.config import load_cells

PAGE = ROOT / "docs" / "exported.md"
SIZES = "((192, 192), (192, 256), (192, 341), (256, 192))"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sessions of one size, as the page's lines export them."""
    place = tmp_path_factory.mktemp("exported")
    export = python_blocks()[0]
    assert SIZES in export
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        names: dict = {}
        exec(compile(export.replace(SIZES, "((192, 341),)"), "export.py", "exec"), names)
    return place, names["ifc"]


def python_blocks():
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.extra("onnx", "onnxruntime", "onnxscript")
def test_sessions_answer_as_the_network(folder, monkeypatch):
    place, ifc = folder
    monkeypatch.chdir(place)
    names: dict = {}
    exec(compile(python_blocks()[1], "onnx_ifc.py", "exec"), names)
    torch.manual_seed(0)
    frames_T3HW = torch.randn(20, 3, 192, 341)
    with torch.inference_mode():
        expected = ifc.predict_clip(ifc.encode_frames(frames_T3HW))
        plain, small = (
            (method := names["build"](num_classes=6, suffix=suffix)).predict_clip(
                method.encode_frames(frames_T3HW)
            )
            for suffix in ("", "_int8")
        )
    assert len(expected.class_probs_NK)
    torch.testing.assert_close(plain.class_probs_NK, expected.class_probs_NK, atol=1e-5, rtol=0)
    torch.testing.assert_close(plain.mask_logits_NTHW, expected.mask_logits_NTHW, atol=2e-3, rtol=0)
    assert small.mask_logits_NTHW.shape[1:] == expected.mask_logits_NTHW.shape[1:]


def test_the_config_is_one(tmp_path):
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "onnx.yaml").write_text(text)
    [cell] = load_cells(tmp_path / "onnx.yaml")
    assert (cell.method, cell.options) == ("onnx_ifc", {"suffix": ""})
