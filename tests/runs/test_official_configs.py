"""The configs of SeqFormer and IFC say what they measure, how, and what was published."""

import pytest
import torch

from methods import build_method
from paths import CONFIGS
from vis_bench.method import ImageRule
from vis_bench.runs.config import load_cells

BACKBONES = {"seqformer": ["r50", "r101", "x101", "swin_l"], "ifc": ["r50", "r101"]}
NAMES = [
    f"{method}_{backbone}_{dataset}"
    for method, backbones in BACKBONES.items()
    for backbone in backbones
    for dataset in ("ytvis2019", "ytvis2021")
]


@pytest.mark.parametrize("name", NAMES)
def test_config_is_what_its_name_says(name):
    (cell,) = load_cells(CONFIGS / f"{name}.yaml")
    assert f"{cell.method}_{cell.options['backbone']}_{cell.dataset.name}" == name
    assert cell.measure == ("accuracy", "speed", "flops")
    assert cell.resolution == 360
    with torch.device("meta"):
        method = build_method(cell.method, num_classes=40, **cell.options)
    assert method.backbone_name == cell.options["backbone"]


@pytest.mark.parametrize("name", ["ifc_r50_coco", "ifc_r50_without_memory_coco"])
def test_configs_of_images_are_those_of_the_authors(name):
    (cell,) = load_cells(CONFIGS / f"{name}.yaml")
    assert (cell.dataset.name, cell.clip_length, cell.resolution) == ("coco", 1, 800)
    assert cell.measure == ("accuracy", "speed", "flops")
    with torch.device("meta"):
        method = build_method(cell.method, num_classes=80, **cell.options)
    assert isinstance(method.tracking_rule, ImageRule)
    assert method.input_format.max_long_side == 1333
    assert method.resolved_options["memory_tokens"] == (0 if "without" in name else 8)
    text = (CONFIGS / f"{name}.yaml").read_text()
    assert f"vis-bench run {name} --data-root DATA --weights W" in text
    assert "# Published on COCO val" in text


@pytest.mark.parametrize("name", NAMES)
def test_config_opens_with_paper_command_and_published_numbers(name):
    text = (CONFIGS / f"{name}.yaml").read_text()
    opening = text.split("\nmethod:")[0]
    assert all(line.startswith("#") for line in opening.splitlines())
    assert "arXiv 2" in opening
    assert f"vis-bench run {name} --data-root DATA --weights W" in opening
    assert "# Published on val" in opening
