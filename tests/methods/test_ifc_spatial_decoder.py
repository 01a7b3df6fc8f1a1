"""IFC's spatial decoder, merged and multiplied by hand."""

import pytest
import torch
from torch.nn import functional as F

from methods.ifc.spatial_decoder import SpatialDecoder


@pytest.mark.parametrize("sizes", [((5, 7), (3, 4), (2, 2)), ((1, 1), (1, 1), (1, 1))])
def test_spatial_decoder_merges_top_down(sizes):
    decoder = SpatialDecoder(32, 3, 5)
    fine, middle, coarse = (torch.randn(2, 32, *size) for size in sizes)
    maps = decoder.norm_32(decoder.conv_32(coarse))
    steps = ((middle, decoder.conv_16, decoder.norm_16), (fine, decoder.conv_8, decoder.norm_8))
    for level, conv, norm in steps:
        rows, columns = level.shape[-2:]
        repeated = maps.repeat_interleave(2, 2).repeat_interleave(2, 3)[..., :rows, :columns]
        maps = norm(conv(level + repeated))
    wanted = F.relu(decoder.pointwise(F.relu(decoder.depthwise(F.relu(maps)))))
    torch.testing.assert_close(decoder(coarse, middle, fine), wanted)


def test_spatial_decoder_masks_are_products_with_the_query():
    decoder = SpatialDecoder(32, 3, 5)
    features, queries = torch.randn(2, 32, 3, 4), torch.randn(5, 32)
    masks = decoder.masks(features, queries)
    weights = decoder.mask_weights(queries)
    wanted = (weights[3] * features[1, :, 2, 0]).sum()
    torch.testing.assert_close(masks[3, 1, 2, 0], wanted)
    assert masks.shape == (5, 2, 3, 4)
