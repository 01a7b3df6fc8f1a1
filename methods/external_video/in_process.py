"""The driver in this process: a session with modules of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cuda_ops import ms_deform_attn
from methods.external_video.child import Step
from methods.external_video.driver import DriverError, open_session
from methods.external_video.driver.steps import row_of_each, write_masks
from methods.external_video.project_modules import ProjectModules
from vis_bench.errors import InputError
from vis_bench.video_method import TRANSFER, Frames, Mark, TrackPrediction, VideoInfo


class InProcess:
    """The driver's session in this process; what it refuses is an InputError.

    Attributes:
        facts: of the session.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._modules = ProjectModules(spec["project_path"])
        with self._inside():
            self._session = open_session(spec, deformable_attention)
            self._session.try_out()
        self.facts = self._session.facts

    def run(self, frames: Frames, video: VideoInfo, mark: Mark) -> Iterator[TrackPrediction]:
        """The tracks of one video."""
        mark(TRANSFER)
        with self._inside():
            for track in self._session.run(frames, video.height, video.width, mark):
                yield TrackPrediction(*track)
                del track
                self._modules.enter()  # another session may have run in between
            mark(TRANSFER)

    def step(self, frames: Frames, height: int, width: int, first: bool, mark: Mark) -> Step:
        """The tracks of the next frames of a video, with masks of these frames alone."""
        with self._inside():
            tracks = [*self._session.step(frames, height, width, first, mark)]
        rows = row_of_each(track.track_id for track in tracks)
        masks_NTHW = np.empty((len(rows), len(frames), height, width), bool)
        write_masks(tracks, rows, masks_NTHW)
        return [(track.track_id, track.category, track.score) for track in tracks], masks_NTHW

    @contextmanager
    def _inside(self) -> Iterator[None]:
        self._modules.enter()
        try:
            yield
        except DriverError as error:
            raise InputError(str(error)) from error
        finally:
            self._modules.leave()


def deformable_attention(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    locations: Tensor,
    weights: Tensor,
    im2col_step: int = 64,
) -> Tensor:
    """The operator of this project, with the arguments of Deformable DETR's compiled extension.

    Autocast hands over mixed types; a 16-bit value is read at locations of float32.
    """
    coordinate = torch.float32 if value.itemsize == 2 else value.dtype
    return ms_deform_attn(value, shapes, starts, locations.to(coordinate), weights.to(coordinate))
