"""The session of a video: frames handed over in order, and memory given back behind them.

transformers keeps the pixels of every frame, and of every object and frame its masks and memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from methods.sam3_video.frame_masks import masks_of_frame
from methods.sam3_video.prompts import Prompts

# The tracker reads memory and pointers of so many frames back at most; conditioning frames stay.
REACH = 16
_UNREAD = ("high_res_masks", "pred_masks")


class PromptedSession:
    """The session of one video, and the objects that were on show in it.

    There is one per video, since a session that is reset keeps some state.

    Args:
        model: transformers' `Sam3VideoModel`.
        prompts: of all categories.
        columns: those that are prompted.
        size_HW: the video's original size in pixels.

    Attributes:
        session: of transformers, without frames.
        born: column of the category, and score of the detection, of each object by its number.
    """

    def __init__(
        self, model: Any, prompts: Prompts, columns: Sequence[int], size_HW: tuple[int, int]
    ) -> None:
        from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession

        self.session = Sam3VideoInferenceSession(
            video_height=size_HW[0],
            video_width=size_HW[1],
            dtype=model.dtype,
            inference_device=model.device,
            inference_state_device=model.device,
            video_storage_device=model.device,
        )
        prompts.add_to(self.session, columns, model.device)
        self.born: dict[int, tuple[int, float]] = {}
        self._columns, self._size_HW = columns, size_HW

    def masks(self, output: Any) -> dict[int, Tensor]:
        """Boolean masks (H, W) of the objects on show in the frame of an output, by number."""
        prompts, removed = self.session.obj_id_to_prompt_id, self.session.hotstart_removed_obj_ids
        masks = masks_of_frame(output, removed, prompts, self._size_HW)
        for number in masks.keys() - self.born.keys():
            column, score = self._columns[prompts[number]], float(output.obj_id_to_score[number])
            self.born[number] = column, score
        return masks


class FramesInOrder:
    """Stands in for a session's frames by number: each is made when it is read, the last one kept.

    Args:
        pixels: (3, S, S) of each frame.
        num_frames: of the video, which the session asks for.
    """

    def __init__(self, pixels: Iterator[Tensor], num_frames: int) -> None:
        self._pixels = pixels
        self._num_frames = num_frames
        self._number = -1
        self._frame_3SS: Tensor | None = None

    def __len__(self) -> int:
        return self._num_frames

    def __getitem__(self, number: int) -> Tensor:
        if number == self._number + 1:
            self._frame_3SS, self._number = next(self._pixels), number
        if number != self._number or self._frame_3SS is None:
            raise IndexError(f"frame {number} is read behind frame {self._number}")
        return self._frame_3SS


def give_back(session: Any, number: int) -> None:
    """Drop what a session holds of a frame that is done and of earlier ones, and never reads."""
    if isinstance(session.processed_frames, dict):
        session.processed_frames[number] = None  # the session counts them
    session.obj_id_to_tracker_score_frame_wise.pop(number, None)
    for outputs in session.output_dict_per_obj.values():
        recent = outputs["non_cond_frame_outputs"]
        for old in [t for t in recent if t <= number - REACH]:
            del recent[old]
        for kind in outputs.values():
            for output in kind.values():
                output.update(dict.fromkeys(output.keys() & {*_UNREAD}))
