"""MaskTrack R-CNN as an online method: the detector per frame, identities from frame to frame."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.layers.boxes import apply_deltas
from methods.layers.checkpoint import checkpoint_entries, rename_on_load
from methods.layers.option_checks import check_choice
from methods.layers.resnet import RESNETS, FrozenBatchNorm2d, ResNet
from methods.layers.roi_align import Pyramid
from methods.masktrack_rcnn import tracker
from methods.masktrack_rcnn.detector import (
    STRIDES,
    BoxHead,
    FeaturePyramid,
    ProposalHead,
    RegionMaskHead,
    RegionVector,
    select_detections,
)
from vis_bench.method import (
    ClipPrediction,
    FrameFeatures,
    InputFormat,
    OnlineMethod,
    State,
    TrackingRule,
)

PAD_TO = 32
MASK_HW = (28, 28)
# Maps of the pyramid that regions are read from.
LEVELS = ("level_0", "level_1", "level_2", "level_3")
# Of a track's masks in frames of a clip that it is absent from.
ABSENT_LOGIT = -20.0

# Names in MMDetection's files.
CHECKPOINT_NAMES = [
    (r"detector\.backbone\.", "backbone."),
    (r"detector\.neck\.lateral_convs\.(\d)\.conv\.", r"pyramid.laterals.\1."),
    (r"detector\.neck\.fpn_convs\.(\d)\.conv\.", r"pyramid.outputs.\1."),
    (r"detector\.rpn_head\.rpn_conv\.", "proposal_head.conv."),
    (r"detector\.rpn_head\.rpn_cls\.", "proposal_head.scores."),
    (r"detector\.rpn_head\.rpn_reg\.", "proposal_head.deltas."),
    (r"detector\.roi_head\.bbox_head\.shared_fcs\.0\.", "box_head.vector.first."),
    (r"detector\.roi_head\.bbox_head\.shared_fcs\.1\.", "box_head.vector.second."),
    (r"detector\.roi_head\.bbox_head\.fc_cls\.", "box_head.classes."),
    (r"detector\.roi_head\.bbox_head\.fc_reg\.", "box_head.deltas."),
    (r"detector\.roi_head\.mask_head\.convs\.(\d)\.conv\.", r"mask_head.convs.\1."),
    (r"detector\.roi_head\.mask_head\.upsample\.", "mask_head.upsample."),
    (r"detector\.roi_head\.mask_head\.conv_logits\.", "mask_head.logits."),
    (r"track_head\.embed_head\.fcs\.0\.", "track_head.first."),
    (r"track_head\.embed_head\.fcs\.1\.", "track_head.second."),
]
SIGNS = {r"track_head\.embed_head\.fcs\.": "a MaskTrack R-CNN checkpoint of MMDetection"}


class MaskTrackRCNN(OnlineMethod):
    """The whole method.

    Args:
        backbone: gives maps at strides 4, 8, 16 and 32.
        backbone_name: for records.
        num_classes: K.
    """

    input_format = InputFormat(
        full_value=255.0,
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
        long_side="fit",
        max_long_side=640,
        library="opencv",
    )
    # No threshold beyond the detections' own; an identity without a mask counts, as in MMDetection.
    tracking_rule = TrackingRule(keep_empty=True)
    checkpoint_signs = SIGNS

    def __init__(self, backbone: ResNet, backbone_name: str, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.backbone_name = backbone_name
        self.backbone = backbone
        self.pyramid = FeaturePyramid((backbone.stride_4_channels, *backbone.channels))
        self.proposal_head = ProposalHead()
        self.box_head = BoxHead(num_classes)
        self.mask_head = RegionMaskHead(num_classes)
        self.track_head = RegionVector()
        rename_on_load(self, CHECKPOINT_NAMES)
        counters = sum(isinstance(part, FrozenBatchNorm2d) for part in backbone.modules())
        self.num_checkpoint_entries = checkpoint_entries(self, not_kept=counters)

    def levels(self, frames_T3HW: Tensor) -> list[Tensor]:
        """Maps of the pyramid over the frames, padded with zeros on the right and below."""
        height, width = frames_T3HW.shape[-2:]
        padded_T3HW = F.pad(frames_T3HW, (0, -width % PAD_TO, 0, -height % PAD_TO))
        return self.pyramid(list(self.backbone.stage_outputs(padded_T3HW)))

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """Detections of each frame, without masks, which only those that a track keeps get.

        Maps `scores` (T, D) in descending order, 0 where there are fewer, `labels` (T, D), `boxes`
        (T, D, 4) as corners in pixels, `embeddings` (T, D, C), and `level_0` to `level_3`.
        """
        frame_HW = (frames_T3HW.shape[-2], frames_T3HW.shape[-1])
        levels = self.levels(frames_T3HW)
        proposals_TR4, kept_TR = self.proposal_head(levels, frame_HW)
        regions = Pyramid(levels[:-1], STRIDES[:-1])

        frames_TR = _frame_numbers(kept_TR)
        probs_NK, deltas_NK4 = self.box_head(
            regions.roi_align(proposals_TR4.flatten(0, 1), frames_TR.flatten(), 7)
        )
        boxes_TRK4 = apply_deltas(
            proposals_TR4[:, :, None], deltas_NK4.unflatten(0, kept_TR.shape), frame_HW
        )
        probs_TRK = probs_NK.unflatten(0, kept_TR.shape)
        boxes_TD4, scores_TD, labels_TD = select_detections(probs_TRK, boxes_TRK4, kept_TR)

        found_N = (scores_TD > 0).flatten().nonzero()[:, 0]
        frames_N = _frame_numbers(scores_TD).flatten()[found_N]
        regions_N = regions.roi_align(boxes_TD4.flatten(0, 1)[found_N], frames_N, 7)
        embeddings_NC = self.track_head(regions_N).float()
        embeddings_XC = embeddings_NC.new_zeros(scores_TD.numel(), embeddings_NC.shape[1])
        embeddings_XC.index_copy_(0, found_N, embeddings_NC)
        maps = {
            "scores": scores_TD,
            "labels": labels_TD,
            "boxes": boxes_TD4,
            "embeddings": embeddings_XC.unflatten(0, scores_TD.shape),
        }
        return FrameFeatures(maps | dict(zip(LEVELS, levels, strict=False)), frame_HW)

    def masks(self, features: FrameFeatures, t: int, slots_S: Tensor) -> Tensor:
        """Mask logits (S, 28, 28), which span the boxes, of some detections of frame t."""
        maps = features.maps
        regions = Pyramid([maps[level][t : t + 1] for level in LEVELS], STRIDES[:-1])
        boxes_S4, labels_S = maps["boxes"][t][slots_S], maps["labels"][t][slots_S]
        return self.mask_head(regions.roi_align(boxes_S4, slots_S * 0, 14), labels_S)

    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State]:
        """Frame by frame; where two detections share a track, it has the later one's mask."""
        maps, row_of = features.maps, dict[int, int]()
        frames: list[tuple[list[int], Tensor, Tensor, Tensor]] = []
        for t in range(len(features)):
            found_N = (maps["scores"][t] > 0).nonzero()[:, 0]
            detections = tracker.Detections(
                *(maps[name][t][found_N] for name in ("boxes", "scores", "labels", "embeddings"))
            )
            if state is None:
                state = tracker.start(detections, self.num_classes)
            state, _, seen = tracker.step(detections, state)
            # Without values, where shapes are counted, every detection is a new track.
            ids = range(len(seen.ids_S)) if seen.ids_S.is_meta else seen.ids_S.tolist()
            rows = [row_of.setdefault(number, len(row_of)) for number in ids]
            slots_S = found_N[seen.rows_S]
            masks_SHW = self.masks(features, t, slots_S)
            frames.append((rows, maps["boxes"][t][slots_S], masks_SHW, seen.class_probs_SK))
        assert state is not None, "a clip has frames"

        scores_TD = maps["scores"]
        num_tracks, num_frames = len(row_of), len(features)
        probs_NK = scores_TD.new_zeros(num_tracks, self.num_classes)
        boxes_NT4 = scores_TD.new_zeros(num_tracks, num_frames, 4)
        masks_NTHW = scores_TD.new_full((num_tracks, num_frames, *MASK_HW), ABSENT_LOGIT)
        for t, (rows, boxes_S4, masks_SHW, probs_SK) in enumerate(frames):
            rows_S = torch.tensor(rows, dtype=torch.int64, device=scores_TD.device)
            probs_NK[rows_S] = probs_SK
            boxes_NT4[rows_S, t] = _relative(boxes_S4, features.frame_size_HW)
            masks_NTHW[rows_S, t] = masks_SHW
        return ClipPrediction(probs_NK, masks_NTHW, boxes_NT4, [*row_of], in_boxes=True), state

    def prepare_for_inference(self) -> None:
        """Fold the backbone's normalization and lay convolutions out with channels last."""
        super().prepare_for_inference()
        self.backbone.prepare_for_inference()
        for part in (self.pyramid, self.proposal_head, self.mask_head):
            part.to(memory_format=torch.channels_last)


def _frame_numbers(slots_TX: Tensor) -> Tensor:
    """The frame of each slot."""
    return torch.arange(len(slots_TX), device=slots_TX.device)[:, None].expand_as(slots_TX)


def _relative(corners_4: Tensor, frame_HW: tuple[int, int]) -> Tensor:
    """Corners in pixels as cx, cy, w, h in 0..1."""
    x0, y0, x1, y1 = corners_4.unbind(-1)
    height, width = frame_HW
    boxes = (x0 + x1) / (2 * width), (y0 + y1) / (2 * height), (x1 - x0) / width, (y1 - y0) / height
    return torch.stack(boxes, -1)


def build(*, num_classes: int, backbone: str = "r50") -> MaskTrackRCNN:
    """MaskTrack R-CNN with random weights; the defaults are the published model.

    Args:
        num_classes: K; the class head has one more column, the background's.
        backbone: `r50`, `r101`, `x101` or `mini`.
    """
    check_choice("backbone", backbone, RESNETS)
    return MaskTrackRCNN(ResNet(**RESNETS[backbone]), backbone, num_classes)
