"""SAM 3 for videos: a detector prompted by phrases and a tracker of masks, zero-shot.

arXiv 2511.16719; code: github.com/facebookresearch/sam3; the modules are `transformers`'
`Sam3VideoModel`, which needs the extra `[transformers]`. Every category of the data set is a
prompt; the detector runs on every frame for each of them, the tracker for every object.

| part | here |
|---|---|
| detector, tracker and the rules that join them | `rules.py`, on transformers' modules |
| phrases and their tokens | `prompts.py` |
| modes: whole videos, frame by frame | `video.py`, `stream.py` |
| session of a video, and the memory that it gives back | `session.py` |
| masks of a frame at the video's size | `frame_masks.py` |
| sizes and thresholds, a config.json beside weights | `config.py` |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from methods.layers.option_checks import check_choice, check_sizes, check_switches
from methods.sam3_video.config import MINI, model_config
from methods.sam3_video.model import PAIRINGS, Sam3
from methods.sam3_video.stream import Sam3Stream
from methods.sam3_video.video import Sam3Video

MODES: Mapping[str, type[Sam3]] = {"video": Sam3Video, "stream": Sam3Stream}

VARIANTS: Mapping[str, Mapping[str, object]] = {"mini": {"config": MINI}}


def build(
    *,
    num_classes: int,
    mode: str = "video",
    phrases: str | Mapping[str, str] = "",
    num_prompts: int | None = None,
    pairing: str = "correct",
    nms: bool = True,
    kernels: bool = False,
    prune: bool = True,
    rules: Mapping[str, Any] | None = None,
    image_size: int | None = None,
    config: Mapping[str, Any] | None = None,
) -> Sam3:
    """SAM 3 Video with random weights; the default sizes are those of the published model.

    Args:
        num_classes: K, the number of prompts.
        mode: `video` predicts with the whole video at hand and withdraws objects within their first
            frames (`hotstart_delay`); `stream` goes frame by frame and withdraws nothing.
        phrases: phrases by class name, or a JSON file of them; other classes are prompted by name.
        num_prompts: prompt only the first so many categories, to measure speed; all unless given,
            and of a data set that asks for some in each video those.
        pairing: `correct`, or `transformers` for what its version 5.23.0 computes: where an object
            is removed, it pairs the masks before with the objects after.
        nms: mask NMS of the detections in plain PyTorch; without it, NMS is that of `kernels`.
        kernels: use the compiled code that the package `kernels` fetches from a hub, for NMS and
            to fill holes and remove specks; without it, transformers does neither.
        prune: give back the session's memory of earlier frames, which no later frame reads.
        rules: thresholds by their names in config.json; they win over those of the weights.
        image_size: sides in pixels of the square input, a multiple of 14; the config's unless
            given.
        config: entries of config.json that differ from the published model's; those beside the
            weights count.
    """
    check_choice("mode", mode, (*MODES,))
    check_choice("pairing", pairing, PAIRINGS)
    check_switches(nms=nms, kernels=kernels, prune=prune)
    if num_prompts is not None:
        check_sizes(num_classes, num_prompts=num_prompts)
    model = model_config(config or {}, rules or {}, image_size)
    return MODES[mode](
        model,
        phrases=phrases,
        num_prompts=num_prompts,
        pairing=pairing,
        nms=nms,
        kernels=kernels,
        prune=prune,
    )
