"""What multi-scale deformable attention costs in multiply-adds."""

from __future__ import annotations

from collections.abc import Sequence


def ms_deform_attn_macs(
    value_BSMD: Sequence[int], sampling_locations_BQMLP2: Sequence[int], *, backward: bool = False
) -> int:
    """Multiply-adds of one call from the shapes of its arguments.

    Five per sampled channel: four of the bilinear interpolation and one of the weighting, so
    5 * B * Q * M * L * P * D. The backward pass is counted as twice the forward one, the rule that
    also holds for matrix products and convolutions.
    """
    channels = value_BSMD[3]
    batch, queries, heads, levels, points, _ = sampling_locations_BQMLP2
    forward = 5 * batch * queries * heads * levels * points * channels
    return 2 * forward if backward else forward
