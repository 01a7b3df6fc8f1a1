"""Parameters counted both ways: the learnable ones, and every number of the official checkpoint."""

import math

import pytest
import torch

from methods import build_method
from official_weights import OFFICIAL, build_on_meta, keys

# wjf5203/SeqFormer's README, in millions; ResNeXt-101's 112.7 there are neither count (107.4).
PUBLISHED = {"seqformer_r50": 49.3, "seqformer_r101": 68.4, "seqformer_swin_l": 220.0}


@pytest.mark.parametrize("name", OFFICIAL)
def test_checkpoint_entries_are_those_of_the_official_file(name):
    method = build_on_meta(name)
    assert method.num_checkpoint_entries == sum(math.prod(shape) for shape in keys(name).values())
    if name in PUBLISHED:
        assert round(method.num_checkpoint_entries / 1e6, 1) == PUBLISHED[name]


def test_seqformers_learnable_parameters_are_fewer():
    method = build_on_meta("seqformer_r50")
    assert round(method.num_params / 1e6, 1) == 48.4
    norms = sum(buffer.numel() for buffer in method.buffers())
    box_heads = sum(p.numel() for p in method.decoder.box_heads.parameters())
    assert method.num_params + norms + box_heads == method.num_checkpoint_entries


@pytest.mark.parametrize("name", ["ifc", "seqformer", "ms_sts"])
def test_preparing_changes_neither_count(name):
    with torch.device("meta"):
        method = build_method(name, num_classes=3, variant="mini")
        before = method.num_params, method.num_checkpoint_entries
        method.prepare_for_inference()
    assert (method.num_params, method.num_checkpoint_entries) == before


def test_a_method_without_a_checkpoint_has_no_entries():
    method = build_method("color_key", num_classes=3)
    assert method.num_params == 0
    assert method.num_checkpoint_entries is None
