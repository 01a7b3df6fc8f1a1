"""One instance per class whose color is in the video, as `color_key` finds them."""

import MultiScaleDeformableAttention
import torch
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import ImageList


@META_ARCH_REGISTRY.register()
class ColorFinder(torch.nn.Module):
    """Takes a list with one video, returns a dict of lists."""

    def __init__(self, cfg):
        super().__init__()
        # In the order of the input's channels.
        self.colors = torch.nn.Parameter(torch.zeros(cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES, 3))
        self.register_buffer("mean", torch.tensor(cfg.MODEL.PIXEL_MEAN)[:, None, None], False)
        self.tolerance = cfg.MODEL.COLORS.TOLERANCE
        self.answer = cfg.MODEL.COLORS.ANSWER
        self.task = cfg.MODEL.COLORS.TASK
        self.attention = cfg.MODEL.COLORS.ATTENTION

    def forward(self, batched_inputs):
        assert not self.training
        if self.attention:
            attend()
        assert not torch.is_grad_enabled()
        [video] = batched_inputs
        frames = [image.to(self.mean.device) for image in video["image"]]
        assert len(video["file_names"]) == video["length"] == len(frames)
        assert frames[0].dtype == torch.uint8
        images = ImageList.from_tensors([frame - self.mean for frame in frames], 32)
        height, width = images.image_sizes[0]
        pixels = (images.tensor + self.mean)[:, None, :, :height, :width]
        distance = (pixels - self.colors[:, :, None, None]).square().sum(2).sqrt()
        nearness = (1 - distance / self.tolerance).transpose(0, 1)
        inside = nearness > 0
        area = inside.flatten(1).sum(1)
        scores = (nearness * inside).flatten(1).sum(1) / area.clamp(min=1)
        found = ((area > 0) & (scores > 0.01)).nonzero()[:, 0]
        size = video.get("height", height), video.get("width", width)
        masks = torch.nn.functional.interpolate(nearness[found], size=size, mode="bilinear") > 0
        answer = {
            "image_size": size,
            "pred_scores": scores[found].tolist(),
            "pred_labels": found.tolist(),
            "pred_masks": [mask.cpu() for mask in masks],
        }
        if self.task != "vis":
            answer["task"] = self.task
        if self.answer == "follow":
            return self.followed(answer, video)
        return ANSWERS[self.answer](answer)

    def followed(self, answer, video):
        """DVIS's: with ids that go on from the last call where the video has `keep`. DVIS-DAQ's
        takes the number of the first frame.
        """
        if not video["keep"]:
            self.ids, self.seen = {}, 0
        if video.get("long_video_start_fidx", self.seen) != self.seen:
            raise IndexError(f"the call begins at {video['long_video_start_fidx']}")
        self.seen += len(video["image"])
        ids = [self.ids.setdefault(label, len(self.ids)) for label in answer["pred_labels"]]
        return {**answer, "pred_ids": ids}


def attend():
    """One query that reads the middle of one pixel, through the compiled extension's interface."""
    value, one = torch.full((1, 1, 1, 1), 3.0), torch.ones(1, 1, 1, 1, 1)
    shapes, starts = torch.tensor([[1, 1]]), torch.tensor([0])
    middle = torch.full((1, 1, 1, 1, 1, 2), 0.5)
    output = MultiScaleDeformableAttention.ms_deform_attn_forward(
        value, shapes, starts, middle, one, 64
    )
    assert output.tolist() == [[[3.0]]]


def as_tensors(answer):
    """VITA's: masks in one tensor; numbers as tensors, too."""
    masks = answer["pred_masks"]
    return {
        **answer,
        "pred_masks": torch.stack(masks) if masks else torch.zeros(0),
        "pred_scores": torch.tensor(answer["pred_scores"]),
        "pred_labels": torch.tensor(answer["pred_labels"]),
    }


def with_gaps(answer):
    """IDOL's: lists of lists with None; with ids as DVIS gives them."""
    masks = [[mask if mask.any() else None for mask in track] for track in answer["pred_masks"]]
    ids = list(range(len(masks)))
    return {**answer, "pred_masks": masks, "pred_ids": ids, "pred_boxes": [None] * len(masks)}


ANSWERS = {"lists": dict, "tensors": as_tensors, "gaps": with_gaps}
