"""The compiled operators of mmcv that MaskTrack R-CNN needs, in plain PyTorch, for a CPU.

mmcv-lite is mmcv without its compiled module `mmcv._ext`; this one takes its place in the test's
second environment. Configs import it by `custom_imports`.
"""

import math
import sys
import types

import torch


def nms(boxes, scores, iou_threshold, offset):
    """Greedy suppression: indices of the boxes that stay, best score first."""
    assert offset == 0
    order = scores.argsort(descending=True, stable=True)
    boxes = boxes[order]
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    overlaps = shared / (areas[:, None] + areas[None] - shared)
    stays = torch.ones(len(boxes), dtype=torch.bool)
    for i in range(len(boxes)):
        if stays[i]:
            stays[i + 1 :] &= ~(overlaps[i, i + 1 :] > iou_threshold)
    return order[stays]


def roi_align_forward(
    features,
    rois,
    output,
    argmax_y,
    argmax_x,
    aligned_height,
    aligned_width,
    spatial_scale,
    sampling_ratio,
    pool_mode,
    aligned,
):
    """Averages of bilinear samples in each cell of each region, written to `output`."""
    assert pool_mode == 1
    assert aligned
    for number, roi in enumerate(rois):
        left, top, right, bottom = (roi[1:] * spatial_scale - 0.5).tolist()
        samples = []
        for start, stop, cells in ((top, bottom, aligned_height), (left, right, aligned_width)):
            cell = (stop - start) / cells
            count = sampling_ratio or max(math.ceil(cell), 1)
            inside = (torch.arange(count) + 0.5) / count
            samples.append((start + (torch.arange(cells)[:, None] + inside) * cell).flatten())
        values = bilinear(features[int(roi[0])], *samples)
        cells = values.unflatten(2, (aligned_width, -1)).unflatten(1, (aligned_height, -1))
        output[number] = cells.mean((2, 4))


def bilinear(map_CHW, y, x):
    """Samples at all y and x; zero more than a pixel outside, clamped within it."""
    height, width = map_CHW.shape[1:]
    values = map_CHW
    for axis, (places, size) in enumerate(((y, height), (x, width)), 1):
        outside = (places < -1) | (places > size)
        places = places.clamp(0, size - 1)
        low = places.floor().long()
        high = (low + 1).clamp(max=size - 1)
        share = (places - low).view(-1, *[1] * (2 - axis))
        values = values.index_select(axis, low) * (1 - share) + (
            values.index_select(axis, high) * share
        )
        values = values * (~outside).view(-1, *[1] * (2 - axis))
    return values


class Operators(types.ModuleType):
    """Has every name, so that `mmcv.ops` imports; only these two can be called."""

    nms = staticmethod(nms)
    roi_align_forward = staticmethod(roi_align_forward)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments, **named: missing(name)


def missing(name):
    raise NotImplementedError(f"mmcv's operator {name}")


sys.modules["mmcv._ext"] = Operators("mmcv._ext")
