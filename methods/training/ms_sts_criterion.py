"""MS-STS's loss: SeqFormer's, and an auxiliary discriminator's (Thawakar et al., ECCV 2022, section
3.3).

The discriminator sees frames, the encoder's features of all scales and a mask, and classifies each
patch: a mask of the ground truth is "real", a prediction or a mask in the wrong place "fake"; the
method learns to be taken for real. A reconstruction: the paper names the inputs and the aim;
everything else is this project's.

For the discriminator to learn, masks keep their own grid of stride 4 (at stride 8 a good prediction
and the truth are alike); they are multiplied with the features, so that the features tell where a
mask should be; and patches weigh by their share of an instance, since both masks are empty in most.
For the features to separate better, true masks in the wrong place are fakes, too, which only the
features give away (so Reed et al., ICML 2016, pair images with the texts of others), and the loss
weighs so much that its gradient counts among the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from methods.seqformer.model import STRIDES
from methods.training.criterion import Example, LossSum
from methods.training.seqformer_criterion import SeqFormerCriterion, level_maps
from vis_bench.method import FrameFeatures, VISMethod

# The paper does not give the discriminator's weight. With 1, its gradient in the encoder was
# at most an eighth of that of the dice loss, and features became no more separable.
WEIGHTS = {"adversarial": 0.1, "discriminator": 10.0}
# Name of the discriminator's accuracy in the line of losses.
ACCURACY = "accuracy"
LEAK = 0.2
FRAME_CHANNELS = 3
# As many as the clips of the ablation have at most; frames of one video are much alike.
JUDGED_FRAMES = 6
# Reciprocals of the plastic number and of its square.
R2_STEPS = (0.7548776662466927, 0.5698402909980532)


class MSSTSCriterion(SeqFormerCriterion):
    """Adds the discriminator's losses of the last layer's masks.

    The `adversarial` term reaches the method only; the `discriminator` term the discriminator and
    the encoder's features.
    """

    default_weights = {**SeqFormerCriterion.default_weights, **WEIGHTS}

    def __init__(self, method: VISMethod, num_classes: int) -> None:
        super().__init__(method, num_classes)
        self.discriminator = Discriminator(method.query_embedding.embedding_dim // 2, len(STRIDES))

    def add_last_masks(
        self,
        total: LossSum,
        example: Example,
        features: FrameFeatures,
        masks_MTHW: Tensor,
        wanted_MTHW: Tensor,
        clips: int,
    ) -> None:
        """See `SeqFormerCriterion`."""
        if not (self.weights["adversarial"] or self.weights["discriminator"]):
            return
        judgement = judge(
            self.discriminator,
            example.frames_T3HW,
            level_maps(features),
            masks_MTHW.sigmoid(),
            wanted_MTHW,
        )
        total.add("adversarial", judgement.fooling / clips)
        total.add("discriminator", judgement.judging / clips)
        if len(masks_MTHW):
            total.observe(ACCURACY, judgement.accuracy)


class Judgement(NamedTuple):
    """The discriminator's losses and its accuracy; all are 0 where there is nothing to judge.

    `fooling`: loss of the method, low where predictions are taken for real.
    `judging`: loss of the discriminator; 0.69, ln 2, is chance.
    `accuracy`: share of predicted and real masks, frame by frame, classified correctly; 0.5 is
    chance.
    """

    fooling: Tensor
    judging: Tensor
    accuracy: Tensor


class Discriminator(nn.Module):
    """Convolutions of stride 2 from the masks' grid down to patches of 4 x 4 of its cells.

    Args:
        width: channels of the encoder's features.
        levels: number of maps of features.
        inner: channels of the context, made from frames and features, and of the mask.
        hidden: channels of the first convolution of both; the second has twice as many.
    """

    def __init__(self, width: int, levels: int, inner: int = 16, hidden: int = 32) -> None:
        super().__init__()
        self.colors = nn.Conv2d(FRAME_CHANNELS, inner, 1)
        self.levels = nn.ModuleList(nn.Conv2d(width, inner, 1) for _ in range(levels))
        self.mask = nn.Conv2d(1, inner, 3, padding=1)
        nn.init.normal_(self.mask.weight)
        self.layers = nn.Sequential(
            nn.Conv2d(3 * inner, hidden, 3, stride=2, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(hidden, 2 * hidden, 3, stride=2, padding=1),
            ChannelNorm(2 * hidden),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(2 * hidden, 1, 3, padding=1),
        )

    def forward(self, frames_T3HW: Tensor, maps_L: Sequence[Tensor], masks_MTHW: Tensor) -> Tensor:
        """Logits (M, T, h, w) of "real" for M instances, h and w a quarter of the masks' grid.

        Args:
            frames_T3HW: on the masks' grid.
            maps_L: the encoder's feature maps, each (T, C, height, width).
            masks_MTHW: in 0..1.
        """
        context_TCHW = self.colors(frames_T3HW)
        for level, map_TCHW in zip(self.levels, maps_L, strict=True):
            context_TCHW = context_TCHW + F.interpolate(
                level(map_TCHW), masks_MTHW.shape[-2:], mode="bilinear", align_corners=False
            )
        context_NCHW = context_TCHW.repeat(len(masks_MTHW), 1, 1, 1)
        masks_NCHW = F.leaky_relu(self.mask(2 * masks_MTHW.flatten(0, 1)[:, None] - 1), LEAK)
        both = torch.cat([context_NCHW, masks_NCHW, context_NCHW * masks_NCHW], 1)
        return self.layers(both)[:, 0].unflatten(0, masks_MTHW.shape[:2])


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of a map (N, C, H, W)."""

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """Keep the shape."""
        return super().forward(maps_NCHW.movedim(1, -1)).movedim(-1, 1)


def judge(
    discriminator: Discriminator,
    frames_T3HW: Tensor,
    maps_L: Sequence[Tensor],
    predicted_MTHW: Tensor,
    wanted_MTHW: Tensor,
) -> Judgement:
    """Judge predictions and targets in up to `JUDGED_FRAMES` frames at equal distances.

    `fooling` has gradients for the method only; `judging` for the discriminator and the encoder's
    features.

    Args:
        frames_T3HW: as the network got them.
        maps_L: the encoder's feature maps, each (T, C, height, width).
        predicted_MTHW: mask probabilities of the matched queries.
        wanted_MTHW: their targets, on the same grid.
    """
    if not len(predicted_MTHW):
        return Judgement(predicted_MTHW.sum(), predicted_MTHW.sum(), predicted_MTHW.sum())
    step = -(-len(frames_T3HW) // JUDGED_FRAMES)
    frames_T3HW, maps_L = frames_T3HW[::step], [maps[::step] for maps in maps_L]
    predicted_MTHW, wanted_MTHW = predicted_MTHW[:, ::step], wanted_MTHW[:, ::step]
    frames_T3HW = F.interpolate(frames_T3HW, wanted_MTHW.shape[-2:], mode="area")
    fixed = {name: value.detach() for name, value in discriminator.named_parameters()}
    seen_as = functional_call(discriminator, fixed, (frames_T3HW, maps_L, predicted_MTHW))
    predicted_MTHW, elsewhere_MTHW = predicted_MTHW.detach(), misplaced(wanted_MTHW)
    all_LTHW = torch.cat([wanted_MTHW, predicted_MTHW, elsewhere_MTHW])
    real, fake, elsewhere = discriminator(frames_T3HW, maps_L, all_LTHW).chunk(3)
    cover = patch_cover(torch.maximum(predicted_MTHW, wanted_MTHW), real.shape[-2:])
    changed = patch_cover((elsewhere_MTHW - wanted_MTHW).abs(), real.shape[-2:])
    wrong = (entropy(fake, 0.0, cover) + entropy(elsewhere, 0.0, changed)) / 2
    return Judgement(
        entropy(seen_as, 1.0, cover),
        (entropy(real, 1.0, cover) + wrong) / 2,
        (share_above_0(real, cover) + share_above_0(-fake, cover)) / 2,
    )


def misplaced(masks_MTHW: Tensor) -> Tensor:
    """Roll masks by up to a quarter of the frame, each by its own distance.

    The distances are those of a
    low-discrepancy sequence (Roberts, "The unreasonable effectiveness of quasirandom sequences",
    2018), so no random state has to be kept for a training that is resumed.
    """
    height, width = masks_MTHW.shape[-2:]
    masks_NHW = masks_MTHW.flatten(0, 1)
    moved = []
    for place, mask_HW in enumerate(masks_NHW):
        down, right = ((place * step) % 1 / 2 - 1 / 4 for step in R2_STEPS)
        moved.append(mask_HW.roll((round(down * height), round(right * width)), (-2, -1)))
    return torch.stack(moved).view_as(masks_MTHW)


def patch_cover(masks_MTHW: Tensor, size_HW: torch.Size) -> Tensor:
    """Share, 0..1, of each patch of a grid of `size_HW` that a mask covers."""
    return F.adaptive_avg_pool2d(masks_MTHW, tuple(size_HW))


def entropy(logits: Tensor, wanted: float, weights: Tensor) -> Tensor:
    """Binary cross-entropy with `wanted`, a weighted mean."""
    entropies = F.binary_cross_entropy_with_logits(
        logits, torch.full_like(logits, wanted), reduction="none"
    )
    return (entropies * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).eps)


@torch.no_grad()
def share_above_0(logits_MTHW: Tensor, weights_MTHW: Tensor) -> Tensor:
    """Share of masks, frame by frame, whose weighted sum of logits is above 0; masks without any
    weight do not count.
    """
    seen_MT = weights_MTHW.flatten(2).sum(-1) > 0
    above_MT = (logits_MTHW * weights_MTHW).flatten(2).sum(-1) > 0
    return (above_MT & seen_MT).sum() / seen_MT.sum().clamp(min=1)
