"""Masks encoded from the places where they change, against pycocotools on the whole masks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from stand_in_device import OnDevice, StandInDevice
from vis_bench.inference import encode as mask_encoding
from vis_bench.inference.encode import encode_by_changes, encode_each, encode_filled
from vis_bench.masks.rle import encode_masks

NONE = st.just(np.zeros((0, 3, 4), bool))
MASKS = hnp.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)))


def official(masks_NHW):
    return [
        (n, {"size": list(mask.shape), "counts": rle["counts"].decode()})
        for n, mask in enumerate(masks_NHW)
        for rle in [coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))]
        if mask.any()
    ]


@given(MASKS)
def test_codes_are_those_of_pycocotools(masks_NHW):
    assert encode_by_changes(torch.from_numpy(masks_NHW)) == official(masks_NHW)


@given(MASKS | NONE, st.sampled_from([0, 1 << 17]), st.sampled_from([0.0, 0.02, 1.0]))
def test_both_ways_of_a_cpu_give_the_same_codes(masks_NHW, few, noisy):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mask_encoding, "FEW_PIXELS", few)
        patch.setattr(mask_encoding, "NOISY_SHARE", noisy)
        assert encode_filled(torch.from_numpy(masks_NHW)) == official(masks_NHW)


def test_noise_is_encoded_pixel_by_pixel_and_blobs_by_their_changes(monkeypatch):
    taken = []
    for name in ("encode_masks", "encode_changes"):
        real = getattr(mask_encoding, name)
        monkeypatch.setattr(
            mask_encoding, name, lambda *a, n=name, f=real: (taken.append(n), f(*a))[1]
        )
    noise, blob = torch.rand(2, 300, 400) > 0.5, torch.zeros(2, 300, 400, dtype=torch.bool)
    blob[0, 100:200, 50:90] = True
    for masks in (noise, blob, blob[:, :50, :50]):
        assert encode_filled(masks) == official(masks.numpy())
    assert taken == ["encode_masks", "encode_changes", "encode_masks"]


@given(MASKS | NONE)
def test_each_mask_has_a_code_empty_ones_too(masks_NHW):
    assert encode_each(torch.from_numpy(masks_NHW)) == encode_masks(masks_NHW)


@given(MASKS, st.integers(0, 3))
@settings(deadline=None)
def test_blobs_of_any_layout_in_memory(masks_NHW, turns):
    masks_NHW = np.rot90(np.cumsum(masks_NHW, 1) % 2 == 1, turns, (1, 2))
    as_it_lies = torch.from_numpy(masks_NHW.copy()).mT.contiguous().mT
    assert encode_by_changes(as_it_lies) == official(masks_NHW)


@pytest.mark.parametrize("masks", [[[1]], [[0]], [[1, 1], [1, 1]], [[0, 1], [1, 0]], [[0, 1]]])
def test_the_smallest_masks(masks):
    masks_1HW = np.array([masks], bool)
    assert encode_by_changes(torch.from_numpy(masks_1HW)) == official(masks_1HW)


@given(MASKS)
@settings(deadline=None, max_examples=20)
def test_only_places_leave_a_device(masks_NHW):
    with StandInDevice() as device:
        found = encode_filled(OnDevice(torch.from_numpy(masks_NHW)))
    assert found == official(masks_NHW)
    assert device.waits == ["aten.nonzero", "copy to the host"]


@pytest.mark.gpu
@given(MASKS)
@settings(deadline=None, max_examples=20)
def test_codes_on_a_gpu_are_those_of_pycocotools(masks_NHW):
    assert encode_filled(torch.from_numpy(masks_NHW).cuda()) == official(masks_NHW)
