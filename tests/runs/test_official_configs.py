"""The configs of SeqFormer, IFC and IDOL say what they measure, how, and what was published."""

from itertools import takewhile

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


def cell_and_opening(name):
    """The config's cell and the comment that it opens with."""
    path = CONFIGS / f"{name}.yaml"
    (cell,) = load_cells(path)
    assert cell.measure == ("accuracy", "speed", "flops")
    lines = path.read_text().splitlines()
    opening = "\n".join(takewhile(lambda line: line.startswith("#"), lines))
    assert f"vis-bench run {name} --data-root DATA --weights W" in opening
    return cell, opening


def built(cell, num_classes):
    with torch.device("meta"):
        return build_method(cell.method, num_classes=num_classes, **cell.options)


@pytest.mark.parametrize("name", NAMES)
def test_config_is_what_its_name_says(name):
    cell, opening = cell_and_opening(name)
    assert f"{cell.method}_{cell.options['backbone']}_{cell.dataset.name}" == name
    assert cell.resolution == 360
    assert built(cell, 40).backbone_name == cell.options["backbone"]
    assert "arXiv 2" in opening
    assert "# Published on val" in opening


IDOL = [
    f"idol_{backbone}_{dataset}"
    for backbone in ("r50", "r101", "swin_l")
    for dataset in ("ytvis2019", "ytvis2021", "ovis")
    if (backbone, dataset) != ("r101", "ovis")
]


@pytest.mark.parametrize("name", IDOL)
def test_configs_of_idol_have_the_settings_of_their_data_set(name):
    cell, opening = cell_and_opening(name)
    of_ovis = cell.dataset.name == "ovis"
    backbone = cell.options["variant"].removesuffix("_ovis")
    assert f"idol_{backbone}_{cell.dataset.name}" == name
    assert (cell.clip_length, cell.resolution) == (1, 720 if of_ovis else 480)
    assert cell.weights_trained_on == (f"{cell.dataset.name}/train",)
    method = built(cell, 25 if of_ovis else 40)
    assert method.backbone_name == backbone
    assert (method.mask_iou, method.new_score) == ((0.3, 0.3) if of_ovis else (0.5, 0.2))
    assert "arXiv 2207.10661" in opening
    assert "# Published on val" in opening


@pytest.mark.parametrize("name", ["ifc_r50_coco", "ifc_r50_without_memory_coco"])
def test_configs_of_images_are_those_of_the_authors(name):
    cell, opening = cell_and_opening(name)
    assert (cell.dataset.name, cell.clip_length, cell.resolution) == ("coco", 1, 800)
    method = built(cell, 80)
    assert isinstance(method.tracking_rule, ImageRule)
    assert method.input_format.max_long_side == 1333
    assert method.resolved_options["memory_tokens"] == (0 if "without" in name else 8)
    assert "# Published on COCO val" in opening
