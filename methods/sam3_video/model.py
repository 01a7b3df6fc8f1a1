"""SAM 3 Video as a method of whole videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.layers.checkpoint import rename_on_load
from methods.layers.hugging_face import import_transformers
from methods.sam3_video.config import METHOD, stated_config, thresholds
from methods.sam3_video.frame_masks import PackedMasks, masks_of_frame
from methods.sam3_video.prompts import (
    Prompts,
    byte_tokenizer,
    folder_tokenizer,
    phrases_of,
    tokenize,
)
from methods.sam3_video.rules import CorrectedRules
from methods.sam3_video.session import FramesInOrder
from vis_bench.errors import InputError
from vis_bench.inference.preprocess import resize_frame, to_input
from vis_bench.method import InputFormat
from vis_bench.video_method import Frames, Mark, TrackPrediction, VideoInfo, VideoMethod

MODES = ("video", "stream")
PAIRINGS = ("correct", "transformers")
_OTHER_SIDE = "resolution is {}; expected {}, the side of the model's square input"


class Sam3Video(VideoMethod):
    """The whole method; arguments as `build` takes them.

    Args:
        config: transformers' `Sam3VideoConfig`.
    """

    input_format = InputFormat(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), square=True)
    checkpoint_signs = {r"detector_model\.": "a SAM 3 checkpoint in Hugging Face's form"}
    # The tokens, which the file's phrases become, are part of a cell's identity instead.
    place_options = frozenset({"phrases"})
    not_counted = "which of its layers run, and how often, depends on the objects that it finds"

    def __init__(
        self,
        config: Any,
        *,
        mode: str,
        phrases: str | Mapping[str, str],
        num_prompts: int | None,
        pairing: str,
        nms: bool,
        kernels: bool,
        prune: bool,
    ) -> None:
        super().__init__()
        self.model = _build_model(config)
        self.model.pairs_correctly = pairing == "correct"
        self.model.prunes = prune
        if nms:
            self.model.nms_threshold = config.det_nms_thresh
        # At 0 transformers leaves its own NMS, and its changes of masks, out.
        if nms or not kernels:
            self.model.det_nms_thresh = 0.0
        if not kernels:
            self.model.fill_hole_area = 0
        self._mode = mode
        self._kernels = kernels
        self._prune = prune
        self._phrases = phrases
        self._num_prompts = num_prompts
        self._tokenizer: Any = None
        self._prompts: Prompts | None = None
        self._rules = thresholds(config)
        self._side = config.image_size
        # `save_pretrained` of transformers 5.23.0 writes the tracker's prefix twice.
        rename_on_load(
            self,
            [
                (r"tracker_model\.tracker_model\.", "model.tracker_model."),
                (r"(?=detector_model\.|tracker_model\.|tracker_neck\.)", "model."),
            ],
        )

    @property
    def resolved_options(self) -> Mapping[str, object]:
        """Options with all thresholds and the number of prompts."""
        most = self._num_prompts
        if most is None and self._prompts is not None:
            most = len(self._prompts)
        more = {"rules": self._rules, "num_prompts": most, "image_size": self._side}
        return {**super().resolved_options, **more}

    @property
    def digested(self) -> Mapping[str, object]:
        """Digest of the prompts' tokens."""
        return {} if self._prompts is None else {"prompts": self._prompts.sha256}

    def options_from_config(self, path: Path) -> Mapping[str, object]:
        """Entries of a config.json beside weights that differ from the published model's."""
        return {"config": stated_config(path)}

    def check_stated_options(
        self, path: Path, options: Mapping[str, object]
    ) -> Mapping[str, object]:
        """Refuse sizes that contradict a config.json beside the weights; none agree."""
        known = {key: value for key, value in options.items() if key != "config" or value}
        return super().check_stated_options(path, known)

    def take_weights(self, path: Path) -> bool:
        """Read the tokenizer beside the weights, which are loaded here."""
        self._tokenizer = folder_tokenizer(path.parent)
        return False

    def take_categories(self, names: Sequence[str]) -> None:
        """Tokenize the phrase of each category."""
        phrases = phrases_of(names, self._phrases)
        text = self.model.config.detector_config.text_config
        if self._tokenizer is None:
            self._tokenizer = byte_tokenizer(text.bos_token_id, text.eos_token_id)
        self._prompts = tokenize(self._tokenizer, names, phrases, text.max_position_embeddings)

    def prepare_for_inference(self) -> None:
        """Fetch compiled code, if it is asked for."""
        super().prepare_for_inference()
        if self._kernels:
            _load_kernels()

    def check_resolution(self, resolution: int | str) -> None:
        """Refuse a resolution that is not the side of the model's input."""
        if resolution != self._side:
            raise InputError(_OTHER_SIDE.format(resolution, self._side))

    def predict_video(
        self, frames: Frames, video: VideoInfo, mark: Mark
    ) -> Iterator[TrackPrediction]:
        """Tracks in the order in which their objects were born, whole behind the last frame."""
        if self._prompts is None:
            raise InputError(f"method {METHOD} was given no names of categories to prompt with")
        size_HW = video.height, video.width
        asked = range(len(self._prompts)) if video.asked is None else video.asked
        asked = asked[: self._num_prompts]
        if not asked:
            return
        session = _new_session(self.model, video)
        self._prompts.add_to(session, asked, self.model.device)
        tracks: dict[int, tuple[int, float, PackedMasks]] = {}
        with closing(self._outputs(frames, video, session)) as outputs:
            for output in outputs:
                mark("track")
                columns = session.obj_id_to_prompt_id
                masks = masks_of_frame(output, session.hotstart_removed_obj_ids, columns, size_HW)
                for number, mask_HW in masks.items():
                    if number not in tracks:
                        score = float(output.obj_id_to_score[number])
                        held = PackedMasks(video.num_frames, size_HW)
                        tracks[number] = asked[columns[number]], score, held
                    tracks[number][-1].set(output.frame_idx, mask_HW)
                mark("predict")
        for number in sorted(tracks):
            column, score, packed = tracks.pop(number)
            yield TrackPrediction(column, score, packed, number)

    def _outputs(self, frames: Frames, video: VideoInfo, session: Any) -> Iterator[Any]:
        """Each frame's output of transformers, when it comes."""
        pixels = self._pixels(frames, self.model.device)
        if self._mode == "stream":
            for frame_3SS in pixels:
                yield self.model(inference_session=session, frame=frame_3SS)
            return
        in_order = FramesInOrder(pixels, video.num_frames)
        session.processed_frames = in_order if self._prune else dict(enumerate(pixels))
        yield from self.model.propagate_in_video_iterator(session)

    def _pixels(self, frames: Frames, device: torch.device) -> Iterator[Tensor]:
        """Normalized frames (3, S, S)."""
        for frame_HW3 in frames:
            resized = resize_frame(frame_HW3, (self._side, self._side), self.input_format.library)
            yield to_input([resized], self.input_format, device)[0]


def _build_model(config: Any) -> Any:
    transformers = import_transformers(METHOD, "Sam3VideoModel", "CLIPTokenizer")
    kind = type("RuledSam3VideoModel", (CorrectedRules, transformers.Sam3VideoModel), {})
    return kind(config)


def _new_session(model: Any, video: VideoInfo) -> Any:
    """A session without frames; one per video, since a session that is reset keeps some state."""
    from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession

    return Sam3VideoInferenceSession(
        video_height=video.height,
        video_width=video.width,
        dtype=model.dtype,
        inference_device=model.device,
        inference_state_device=model.device,
        video_storage_device=model.device,
    )


def _load_kernels() -> None:
    from transformers.models.sam3_video import modeling_sam3_video as modeling

    modeling._load_cv_utils_kernel_once()
    if not modeling.cv_utils_kernel:
        raise InputError(
            "options.kernels is true, but transformers could not load its cv-utils kernel; "
            "expected the package kernels and a connection to its hub, or options.kernels false"
        )
