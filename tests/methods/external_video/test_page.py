"""The configs of docs/other_code.md are read, and their options accepted."""

import re

import pytest

from methods import build_method
from methods.external_video.driver import PRESETS
from paths import ROOT
from vis_bench.runs.config import load_cells

PAGE = (ROOT / "docs" / "other_code.md").read_text(encoding="utf-8")
CONFIGS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_the_configs_that_it_promises():
    assert {*PRESETS} == {preset for preset in PRESETS if f"`{preset}`" in PAGE}
    assert len(CONFIGS) == 4


@pytest.mark.parametrize("text", CONFIGS)
def test_a_config_of_the_page_is_read(text, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    [cell] = load_cells(path)
    options = {**cell.options, "project_path": str(tmp_path)}
    options.pop("python")
    method = build_method(cell.method, num_classes=40, **options)
    assert method.backbone_name == cell.options.get("backbone", "none")
    assert cell.clip_length == (1 if cell.options.get("online") else "whole")
