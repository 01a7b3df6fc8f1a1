"""The cells of an encoder's maps, and which of them are foreground or background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from methods.layers.feature_levels import FeatureLevels, flatten_maps
from methods.seqformer.model import STRIDES, SeqFormer
from vis_bench.data.synthetic import VideoKey, render, scene_of
from vis_bench.inference.preprocess import input_size, resize_frame, to_input
from vis_bench.progress import Advance, silent

FOREGROUND_ABOVE = 0.5
BACKGROUND_BELOW = 0.1


@dataclass(frozen=True)
class Cells:
    """The cells of several videos.

    `features_NC` float32; `foreground_N` bool; `level_N` counts the strides from 0, `video_N` the
    videos.
    """

    features_NC: np.ndarray
    foreground_N: np.ndarray
    level_N: np.ndarray
    video_N: np.ndarray

    def of_level(self, level: int | None) -> Cells:
        """Those of one level, or all."""
        if level is None:
            return self
        chosen = self.level_N == level
        return Cells(*(part[chosen] for part in vars(self).values()))


@torch.inference_mode()
def cells_of(
    method: SeqFormer, resolution: int | str, keys: Sequence[VideoKey], frames: int,
    background_below: float = BACKGROUND_BELOW, advance: Advance = silent,
) -> Cells:  # fmt: skip
    """The cells of one clip of each video.

    Args:
        method: ready for inference, on the CPU.
        resolution: the short side in pixels, or `native`.
        keys: the videos.
        frames: T, evenly spread over the video; all of a shorter one.
        background_below: how much of a cell instances cover at most where it is background.
        advance: called after each video.
    """
    parts = []
    for video, key in enumerate(keys):
        scene = scene_of(key)
        times = np.linspace(0, scene.length - 1, min(frames, scene.length)).round().astype(int)
        drawn = [render(scene, int(t)) for t in times]
        images, owners = zip(*drawn, strict=True)
        size_HW = input_size(*owners[0].shape, resolution, method.input_format)
        resized = [resize_frame(image, size_HW) for image in images]
        encoded = method.encode_clip(method.encode_frames(to_input(resized, method.input_format)))
        covers_TS = cover_of_cells(torch.from_numpy(np.stack(owners)), size_HW)
        parts.append(_chosen(encoded.maps["memory"], covers_TS, size_HW, video, background_below))
        advance()
    return Cells(*(np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])))


def cover_of_cells(owners_THW: Tensor, size_HW: tuple[int, int]) -> Tensor:
    """How much of each cell instances cover, 0..1: (T, S), levels one after the other.

    Args:
        owners_THW: 0 for background, at the video's size; the maps span the same frame.
        size_HW: of the network's input, in pixels.
    """
    shown_T1HW = (owners_THW > 0).float()[:, None]
    shapes_L2 = FeatureLevels.of_frame(size_HW, STRIDES).shapes_L2
    return flatten_maps([F.interpolate(shown_T1HW, s, mode="area") for s in shapes_L2])[..., 0]


def _chosen(
    memory_TSC: Tensor, covers_TS: Tensor, size_HW: tuple[int, int], video: int,
    background_below: float,
) -> Cells:  # fmt: skip
    """The cells of a clip that are clearly one or the other."""
    shapes_L2 = FeatureLevels.of_frame(size_HW, STRIDES).shapes_L2
    level_S = torch.cat([torch.full((h * w,), n) for n, (h, w) in enumerate(shapes_L2)])
    foreground_TS = covers_TS > FOREGROUND_ABOVE
    clear_TS = foreground_TS | (covers_TS < background_below)
    level_N = level_S.expand_as(clear_TS)[clear_TS]
    return Cells(
        memory_TSC[clear_TS].float().numpy(), foreground_TS[clear_TS].numpy(), level_N.numpy(),
        np.full(len(level_N), video),
    )  # fmt: skip
