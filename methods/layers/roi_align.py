"""RoIAlign (He et al., 2017, section 3) on the maps of a feature pyramid (Lin et al., 2017).

Each box reads the level that fits its size. Its cells average bilinear samples on a grid that
adapts to their size: ceil(box side / cells) samples per cell and axis, half-pixel aligned, as in
mmcv's and torchvision's operators with `sampling_ratio=0, aligned=True`. The samples form a product
grid, so that a cell is a weighted sum of few places, each weight a row's times a column's.

Shape letters: N boxes, P cells along a side, S places of all maps together, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import register_flop_formula

# Boxes of this size (square root of the area) and more read the second level (eq. 1 with k0 = 4).
FINEST_SCALE = 56
# The boxes of a level are below twice the size at which it begins, which is 14 places.
PLACES_OF_LARGEST = 28
BILINEAR_MACS = 4


class Pyramid:
    """Maps of several frames that boxes are read from.

    Args:
        maps_LTCHW: maps (T, C, H / stride, W / stride) of each level, the finest first.
        strides_L: pixels between places of each level; each twice the one before.
    """

    def __init__(self, maps_LTCHW: Sequence[Tensor], strides_L: Sequence[int]) -> None:
        places = [maps.permute(0, 2, 3, 1).flatten(0, 2) for maps in maps_LTCHW]
        self.places_SC = torch.cat(places).float()
        self.sizes_3L = [side for maps in maps_LTCHW for side in (len(maps), *maps.shape[2:])]
        self.strides_L = [*strides_L]

    @torch.compiler.disable
    def roi_align(self, boxes_N4: Tensor, frames_N: Tensor, cells: int) -> Tensor:
        """Features (N, C, cells, cells) of boxes, float32, channels last in memory.

        Args:
            boxes_N4: corners x0, y0, x1, y1 in pixels, finite; N may be 0.
            frames_N: the frame of each box, int64.
            cells: along each side.
        """
        pooled_XC = _roi_align(
            self.places_SC, self.sizes_3L, self.strides_L, boxes_N4, frames_N, cells
        )
        return pooled_XC.unflatten(0, (len(boxes_N4), cells, cells)).permute(0, 3, 1, 2)


@torch.library.custom_op("methods::roi_align", mutates_args=())
def _roi_align(
    places_SC: Tensor,
    sizes_3L: Sequence[int],
    strides_L: Sequence[int],
    boxes_N4: Tensor,
    frames_N: Tensor,
    cells: int,
) -> Tensor:
    device = boxes_N4.device
    frames_L, rows_L, columns_L = torch.tensor(sizes_3L, device=device).view(-1, 3).unbind(1)
    ends_L = (frames_L * rows_L * columns_L).cumsum(0)
    level_N = _levels(boxes_N4, len(strides_L))
    rows_N, columns_N = rows_L[level_N], columns_L[level_N]
    starts_N = (ends_L - frames_L * rows_L * columns_L)[level_N] + frames_N * rows_N * columns_N

    places_N4 = boxes_N4 / torch.tensor(strides_L, device=device)[level_N, None] - 0.5
    first_y_NP, count_y_NP, weights_y = _along_axis(places_N4[:, 1::2], rows_N, cells)
    first_x_NP, count_x_NP, weights_x = _along_axis(places_N4[:, 0::2], columns_N, cells)

    # One bag of places for each cell: a rectangle of rows and columns.
    count_X = (count_y_NP[:, :, None] * count_x_NP[:, None, :]).flatten()
    corner_NPP = starts_N[:, None, None] + (
        first_y_NP[:, :, None] * columns_N[:, None, None] + first_x_NP[:, None, :]
    )
    bags_X = torch.arange(len(count_X), device=device)
    lines_y_X = bags_X // cells  # of the tables of weights: a box and a row, a box and a column
    lines_x_X = bags_X // cells**2 * cells + bags_X % cells
    ends_X = count_X.cumsum(0)
    bag_S = bags_X.repeat_interleave(count_X)
    inside_S = torch.arange(len(bag_S), device=device) - (ends_X - count_X)[bag_S]
    width_S = count_x_NP.flatten()[lines_x_X][bag_S]
    row_S = inside_S // width_S
    column_S = inside_S - row_S * width_S
    place_S = corner_NPP.flatten()[bag_S] + column_S
    place_S += row_S * columns_N.repeat_interleave(cells**2)[bag_S]
    weight_S = weights_y.flatten()[lines_y_X[bag_S] * weights_y.shape[1] + row_S]
    weight_S *= weights_x.flatten()[lines_x_X[bag_S] * weights_x.shape[1] + column_S]
    return F.embedding_bag(
        place_S, places_SC, ends_X - count_X, mode="sum", per_sample_weights=weight_S
    )


def _levels(boxes_N4: Tensor, count: int) -> Tensor:
    size_N = (boxes_N4[:, 2:] - boxes_N4[:, :2]).prod(1).sqrt()
    return (size_N / FINEST_SCALE + 1e-6).log2().floor().clamp(0, count - 1).long()


def _along_axis(ends_N2: Tensor, limit_N: Tensor, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """The places along one axis that each cell of a box reads, and their weights.

    Args:
        ends_N2: where boxes begin and end, in places; 0 is the center of the first one.
        limit_N: number of places.

    Returns:
        The first place (N, P), the number of places (N, P), and weights (N * P, most places).
    """
    low_N1, size_N1 = ends_N2[:, :1], ends_N2[:, 1:] - ends_N2[:, :1]
    samples_N1 = (size_N1 / cells).ceil()
    number_N11 = samples_N1[..., None].clamp(min=1)
    most = int(number_N11.max()) if len(ends_N2) else 1
    sample_G = torch.arange(most, device=ends_N2.device)
    start_NP1 = (low_N1 + torch.arange(cells, device=ends_N2.device) * size_N1 / cells)[..., None]
    sample_NPG = start_NP1 + (sample_G + 0.5) * (size_N1[..., None] / cells) / number_N11
    limit_N11 = limit_N[:, None, None]
    # Samples beyond a place around the map are zeros, nearer ones read its border.
    counts_NPG = (sample_NPG >= -1) & (sample_NPG <= limit_N11) & (sample_G < samples_N1[..., None])
    sample_NPG = sample_NPG.clamp(min=0).minimum(limit_N11 - 1)
    first_NP = sample_NPG[..., 0].floor().long()
    last_N1G = (number_N11.long() - 1).expand(-1, cells, -1)
    last_NP = sample_NPG.gather(2, last_N1G)[..., 0].floor().long()
    count_NP = (last_NP + 2).minimum(limit_N[:, None]) - first_NP
    reach = int(count_NP.max()) if len(ends_N2) else 1
    offset_NPG = sample_NPG - first_NP[..., None]
    weights_NPK = torch.stack(
        [((1 - (offset_NPG - k).abs()).clamp(min=0) * counts_NPG).sum(-1) for k in range(reach)], -1
    )
    return first_NP, count_NP, (weights_NPK / number_N11).flatten(0, 1)


@_roi_align.register_fake
def _fake(
    places_SC: Tensor,
    sizes_3L: object,
    strides_L: object,
    boxes_N4: Tensor,
    frames_N: object,
    cells: int,
) -> Tensor:
    return places_SC.new_empty(len(boxes_N4) * cells**2, places_SC.shape[1])


# The number of samples follows from values; this is a square box's, the largest of its level.
# PyTorch's counter counts a multiply-add as two operations.
@register_flop_formula(torch.ops.methods.roi_align)
def _flop(
    places_SC: Sequence[int],
    sizes_3L: object,
    strides_L: object,
    boxes_N4: Sequence[int],
    frames_N: object,
    cells: int,
    *args: object,
    out_shape: object = None,
    **kwargs: object,
) -> int:
    samples = (PLACES_OF_LARGEST // cells) ** 2
    return 2 * boxes_N4[0] * cells**2 * places_SC[1] * samples * BILINEAR_MACS
