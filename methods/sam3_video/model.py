"""SAM 3 Video: the model, its prompts and its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from methods.layers.checkpoint import rename_on_load
from methods.layers.hugging_face import import_transformers
from methods.sam3_video.config import METHOD, stated_config, thresholds
from methods.sam3_video.prompts import (
    Prompts,
    byte_tokenizer,
    folder_tokenizer,
    phrases_of,
    tokenize,
)
from methods.sam3_video.rules import CorrectedRules
from methods.sam3_video.session import PromptedSession
from vis_bench.errors import InputError
from vis_bench.hosted_method import HostedMethod
from vis_bench.method import InputFormat

PAIRINGS = ("correct", "transformers")
_OTHER_SIDE = "resolution is {}; expected {}, the side of the model's square input"


class Sam3(HostedMethod):
    """The base of both modes; arguments as `build` takes them.

    Args:
        config: transformers' `Sam3VideoConfig`.
    """

    input_format = InputFormat(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), square=True)
    checkpoint_signs = {r"detector_model\.": "a SAM 3 checkpoint in Hugging Face's form"}
    # The tokens, which the file's phrases become, are part of a cell's identity instead.
    place_options = frozenset({"phrases"})
    packages = ("transformers",)
    not_counted = "which of its layers run, and how often, depends on the objects that it finds"

    def __init__(
        self,
        config: Any,
        *,
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
    def prompts(self) -> Prompts:
        """Prompts of all categories."""
        if self._prompts is None:
            raise InputError(f"method {METHOD} was given no names of categories to prompt with")
        return self._prompts

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

    def start(
        self, size_HW: tuple[int, int], asked: Sequence[int] | None
    ) -> PromptedSession | None:
        """A new session for a video; None where nothing is asked for in it.

        Args:
            size_HW: the video's original size in pixels.
            asked: columns of the categories to prompt; None for all.
        """
        columns = range(len(self.prompts)) if asked is None else asked
        columns = columns[: self._num_prompts]
        return PromptedSession(self.model, self.prompts, columns, size_HW) if columns else None


def _build_model(config: Any) -> Any:
    transformers = import_transformers(METHOD, "Sam3VideoModel", "CLIPTokenizer")
    kind = type("RuledSam3VideoModel", (CorrectedRules, transformers.Sam3VideoModel), {})
    return kind(config)


def _load_kernels() -> None:
    from transformers.models.sam3_video import modeling_sam3_video as modeling

    modeling._load_cv_utils_kernel_once()
    if not modeling.cv_utils_kernel:
        raise InputError(
            "options.kernels is true, but transformers could not load its cv-utils kernel; "
            "expected the package kernels and a connection to its hub, or options.kernels false"
        )
