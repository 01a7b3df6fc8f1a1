"""The rules that join detections and tracks, where they differ from those of transformers.

`CorrectedRules` is mixed into transformers' `Sam3VideoModel`, whose code stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from methods.layers.transformer import full_precision
from methods.sam3_video.session import give_back


class CorrectedRules:
    """Overrides of steps of `Sam3VideoModel`.

    Attributes:
        pairs_correctly: pair the tracker's masks and scores of a frame with the objects that it
            tracked. transformers 5.23.0 pairs them with the objects that remain, so that in a frame
            in which one is removed, every later one gets an earlier one's.
        nms_threshold: mask IoU above which a detection yields to a better one; None for what
            transformers does.
        prunes: give back the session's memory of a frame that is done.
    """

    pairs_correctly: bool = True
    nms_threshold: float | None = None
    prunes: bool = True
    _tracked: tuple[int, ...] = ()

    def forward(self, *args: Any, inference_session: Any, **kwargs: Any) -> Any:
        """One frame; its memory is given back where no later frame reads it."""
        output = super().forward(*args, inference_session=inference_session, **kwargs)  # type: ignore[misc]
        if self.prunes:
            give_back(inference_session, output.frame_idx)
        return output

    def run_detection(self, *args: Any, **kwargs: Any) -> dict[int, dict[str, Tensor]]:
        """Detections of each prompt, after mask NMS."""
        found = super().run_detection(*args, **kwargs)  # type: ignore[misc]
        if self.nms_threshold is None:
            return found
        return {prompt: _after_nms(d, self.nms_threshold) for prompt, d in found.items()}

    def build_outputs(
        self,
        inference_session: Any,
        det_out: Mapping[str, Tensor],
        tracker_low_res_masks_global: Tensor,
        tracker_update_plan: Mapping[str, Any],
        reconditioned_obj_ids: set[int] | None = None,
    ) -> dict[int, Tensor]:
        """Mask logits (1, h, w) of each object in a frame."""
        masks = super().build_outputs(  # type: ignore[misc]
            inference_session,
            det_out,
            tracker_low_res_masks_global,
            tracker_update_plan,
            reconditioned_obj_ids,
        )
        if self.pairs_correctly:
            # Those of the new and the reconditioned objects are the detections'.
            for number, mask_hw in zip(self._tracked, tracker_low_res_masks_global, strict=True):
                if number in masks and number not in (reconditioned_obj_ids or ()):
                    masks[number] = mask_hw[None]
        return masks

    def _det_track_one_frame(
        self, inference_session: Any, frame_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Any, ...]:
        self._tracked = tuple(inference_session.obj_ids)
        step = super()._det_track_one_frame(  # type: ignore[misc]
            inference_session, frame_idx, *args, **kwargs
        )
        if self.pairs_correctly:
            _, birth_scores, metadata, tracker_scores = step
            scores = dict(zip(self._tracked, tracker_scores, strict=True))
            of_frame = metadata["obj_id_to_tracker_score_frame_wise"][frame_idx]
            for number in metadata["obj_ids"]:
                of_frame[number] = scores.get(number, birth_scores[number])
        return step


def _after_nms(detections: dict[str, Tensor], threshold: float) -> dict[str, Tensor]:
    keep_N = mask_nms(detections["mask"] > 0, detections["scores"], threshold)
    return {name: tensor[keep_N] for name, tensor in detections.items()}


def mask_nms(masks_NHW: Tensor, scores_N: Tensor, threshold: float) -> Tensor:
    """Greedy NMS: which masks overlap no better one that is kept by IoU above the threshold, (N,).

    The earlier of equal scores is the better one.
    """
    overlaps_NN = (_mask_iou(masks_NHW) > threshold).cpu()
    keep_N = torch.zeros(len(masks_NHW), dtype=torch.bool)
    for n in scores_N.float().argsort(descending=True, stable=True).tolist():
        keep_N[n] = not (overlaps_NN[n] & keep_N).any()
    return keep_N.to(masks_NHW.device)


def _mask_iou(masks_NHW: Tensor) -> Tensor:
    """IoU of every two masks (N, N); counts are exact in float32."""
    with full_precision(masks_NHW.device):
        flat_NP = masks_NHW.flatten(1).float()
        common_NN = flat_NP @ flat_NP.T
        areas_N = flat_NP.sum(1)
    union_NN = areas_N[:, None] + areas_N - common_NN
    return common_NN / union_NN.clamp(min=1)
