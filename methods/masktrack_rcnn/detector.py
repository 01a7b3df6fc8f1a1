"""Mask R-CNN with a feature pyramid: maps -> proposals -> detections with classes and masks.

Shape letters, beside those of `vis_bench.method`: A anchors of a level, R proposals, D detections,
N regions of all frames, C channels. Boxes are corners x0, y0, x1, y1 in pixels of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.boxes import apply_deltas, suppress_boxes
from methods.layers.maps import add_upsampled

WIDTH, HIDDEN = 256, 1024
# Of the pyramid's levels; the last one is for proposals alone.
STRIDES = (4, 8, 16, 32, 64)
# At stride s there are anchors of sides 8 s / sqrt(r) and 8 s sqrt(r), r = 1/2, 1, 2.
ANCHOR_SCALE, ANCHORS = 8, 3
# Proposals of a level, and of all levels; the overlap at which the worse one goes.
PROPOSALS, PROPOSAL_OVERLAP = 200, 0.7
DETECTIONS, DETECTION_OVERLAP, MIN_SCORE = 100, 0.5, 0.01
# Units of a detection's deltas: of its shifts, in sizes of the proposal, and of logs of sizes.
SHIFT_UNIT, SIZE_UNIT = 0.1, 0.2
# Regions that go through the mask branch at once; bounds the memory.
MASKS_AT_ONCE = 64


class FeaturePyramid(nn.Module):
    """Maps of the backbone's four stages -> maps of 256 channels at `STRIDES`."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(inputs, WIDTH, 1) for inputs in channels)
        self.outputs = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in channels)

    def forward(self, stages_4TCHW: Sequence[Tensor]) -> list[Tensor]:
        maps = [conv(stage) for conv, stage in zip(self.laterals, stages_4TCHW, strict=True)]
        for level in reversed(range(len(maps) - 1)):
            maps[level] = add_upsampled(maps[level], maps[level + 1])
        levels = [conv(level) for conv, level in zip(self.outputs, maps, strict=True)]
        return [*levels, levels[-1][..., ::2, ::2]]


class ProposalHead(nn.Module):
    """Region proposal network (Ren et al., 2015), shared by all levels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.scores = nn.Conv2d(WIDTH, ANCHORS, 1)
        self.deltas = nn.Conv2d(WIDTH, 4 * ANCHORS, 1)

    def forward(
        self, levels_LTCHW: Sequence[Tensor], frame_HW: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """The best boxes of each frame.

        Args:
            levels_LTCHW: maps at `STRIDES`.
            frame_HW: that boxes are clipped to; anchors beyond it, in the padding, take part.

        Returns:
            Boxes (T, R, 4), the best first, and which of them there are (T, R).
        """
        best = [
            self._best_of_level(maps_TCHW, stride, frame_HW)
            for maps_TCHW, stride in zip(levels_LTCHW, STRIDES, strict=True)
        ]
        scores_TLR, boxes_TLR4 = (torch.stack(tensors, 1) for tensors in zip(*best, strict=True))
        sides_TLR2 = boxes_TLR4[..., 2:] - boxes_TLR4[..., :2]
        kept_TLR = (scores_TLR >= 0) & (sides_TLR2 > 0).all(-1)
        kept_TLR = suppress_boxes(boxes_TLR4, kept_TLR, PROPOSAL_OVERLAP)
        scores_TX = scores_TLR.where(kept_TLR, -1).flatten(1)
        scores_TX, order_TX = scores_TX.sort(dim=1, descending=True, stable=True)
        order_TR1 = order_TX[:, :PROPOSALS, None].expand(-1, -1, 4)
        return boxes_TLR4.flatten(1, 2).gather(1, order_TR1), scores_TX[:, :PROPOSALS] >= 0

    def _best_of_level(
        self, maps_TCHW: Tensor, stride: int, frame_HW: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Scores (T, R) in descending order, -1 where there are fewer anchors, and boxes."""
        hidden_TCHW = F.relu(self.conv(maps_TCHW))
        scores_TA = self.scores(hidden_TCHW).permute(0, 2, 3, 1).flatten(1).float().sigmoid()
        deltas_TA4 = self.deltas(hidden_TCHW).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, 4))
        count = min(PROPOSALS, scores_TA.shape[1])
        scores_TR, index_TR = scores_TA.topk(count)
        deltas_TR4 = deltas_TA4.gather(1, index_TR[..., None].expand(-1, -1, 4))
        anchors_TR4 = _anchors(index_TR, maps_TCHW.shape[-1], stride)
        boxes_TR4 = apply_deltas(anchors_TR4, deltas_TR4, frame_HW)
        missing = PROPOSALS - count
        return F.pad(scores_TR, (0, missing), value=-1), F.pad(boxes_TR4, (0, 0, 0, missing))


def _anchors(index: Tensor, columns: int, stride: int) -> Tensor:
    """Boxes (..., 4) of anchors by their place in the order row, column, ratio."""
    place, ratio = index // ANCHORS, index % ANCHORS
    y, x = place // columns * stride, place % columns * stride
    root = ((ratio - 1) / 2).exp2()
    half_x, half_y = ANCHOR_SCALE * stride / 2 / root, ANCHOR_SCALE * stride / 2 * root
    return torch.stack([x - half_x, y - half_y, x + half_x, y + half_y], -1)


class RegionVector(nn.Module):
    """Features (N, C, 7, 7) of regions -> vectors (N, 1024), by two fully connected layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH * 7 * 7, HIDDEN)
        self.second = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, regions_NCHW: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(regions_NCHW.flatten(1)))))


class BoxHead(nn.Module):
    """Features of proposals -> class probabilities, and a box for each class."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.vector = RegionVector()
        self.classes = nn.Linear(HIDDEN, num_classes + 1)
        self.deltas = nn.Linear(HIDDEN, 4 * num_classes)

    def forward(self, regions_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (N, K), the background's left out, and deltas (N, K, 4)."""
        vectors_NC = self.vector(regions_NCHW)
        shifts_NK2, logs_NK2 = self.deltas(vectors_NC).float().unflatten(1, (-1, 4)).split(2, -1)
        deltas_NK4 = torch.cat([shifts_NK2 * SHIFT_UNIT, logs_NK2 * SIZE_UNIT], -1)
        return self.classes(vectors_NC).float().softmax(1)[:, :-1], deltas_NK4


def select_detections(
    probs_TRK: Tensor, boxes_TRK4: Tensor, kept_TR: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The best pairs of proposal and class of each frame, without those that better ones overlap.

    Args:
        probs_TRK: class probabilities.
        boxes_TRK4: each class's box.
        kept_TR: which proposals there are.

    Returns:
        Boxes (T, D, 4), scores (T, D) in descending order, 0 where there are fewer, labels (T, D).
    """
    scores_TKR = probs_TRK.where((probs_TRK > MIN_SCORE) & kept_TR[..., None], 0).transpose(1, 2)
    sorted_TKR, order_TKR = scores_TKR.sort(dim=-1, descending=True, stable=True)
    sorted_TKR4 = boxes_TRK4.transpose(1, 2).gather(2, order_TKR[..., None].expand(-1, -1, -1, 4))
    stays_TKR = suppress_boxes(sorted_TKR4, sorted_TKR > 0, DETECTION_OVERLAP)
    scores_TKR = scores_TKR.scatter(2, order_TKR, sorted_TKR.where(stays_TKR, 0))
    # Pairs in the order proposal, class, so that equal scores keep it.
    scores_TX = scores_TKR.transpose(1, 2).flatten(1)
    scores_TX, pair_TX = scores_TX.sort(dim=1, descending=True, stable=True)
    pair_TD = pair_TX[:, :DETECTIONS]
    boxes_TD4 = boxes_TRK4.flatten(1, 2).gather(1, pair_TD[..., None].expand(-1, -1, 4))
    return boxes_TD4, scores_TX[:, :DETECTIONS], pair_TD % probs_TRK.shape[2]


class RegionMaskHead(nn.Module):
    """Features (N, C, 14, 14) of detections -> mask logits (N, 28, 28) of their classes."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(4))
        self.upsample = nn.ConvTranspose2d(WIDTH, WIDTH, 2, stride=2)
        self.logits = nn.Conv2d(WIDTH, num_classes, 1)

    def forward(self, regions_NCHW: Tensor, labels_N: Tensor) -> Tensor:
        parts = zip(regions_NCHW.split(MASKS_AT_ONCE), labels_N.split(MASKS_AT_ONCE), strict=True)
        return torch.cat([self._masks(*part) for part in parts])

    def _masks(self, regions_NCHW: Tensor, labels_N: Tensor) -> Tensor:
        for conv in self.convs:
            regions_NCHW = F.relu(conv(regions_NCHW))
        regions_NCHW = F.relu(self.upsample(regions_NCHW))
        # Of the classes' maps only the detection's own is computed.
        weights_N1C = self.logits.weight[labels_N, :, 0, 0][:, None]
        masks_NHW = (weights_N1C @ regions_NCHW.flatten(2)).unflatten(2, (28, 28))[:, 0]
        return masks_NHW.float() + self.logits.bias[labels_N, None, None]
