"""The contract of a method: the rules that the loop enforces, and checks for a method's tests.

`check_features`, `check_next`, `check_clip` and `check_values` run inside the loop and refuse with
an `InputError` that names the method and the rule. Shapes are checked on the host; values are
checked on the numbers that the tracker copies to the host anyway, so that the checks add no wait
for a GPU. `check_contract` and `check_recording` raise AssertionErrors in a method's tests.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import Any, NoReturn, TypeVar

import numpy as np
import torch
from torch import Tensor

from vis_bench.attention import ClipAttention, DecoderAttention, RecordsAttention
from vis_bench.errors import InputError
from vis_bench.evaluation_mode import evaluation_forced
from vis_bench.method import ClipPrediction, FrameFeatures, MaskRange, State, VISMethod
from vis_bench.video_method import VIDEO_STAGES, TrackPrediction, VideoInfo, VideoMethod

# Rounding may take a probability so far out of 0..1.
ROUNDING = 1e-4
TOLERANCE = 1e-3
RECORDING_TOLERANCE = 1e-4

K = TypeVar("K")


def check_features(
    method: VISMethod, features: FrameFeatures, num_frames: int, held: FrameFeatures | None = None
) -> None:
    """Check the shapes that `encode_frames` returned for `num_frames` frames.

    Args:
        held: features of the frames before, which these are joined with.
    """
    if not isinstance(features, FrameFeatures):
        _refuse(method, "encode_frames", f"a {type(features).__name__}", "FrameFeatures")
    if not features.maps or len(features) != num_frames:
        frames = len(features) if features.maps else 0
        _refuse(method, "encode_frames", f"features of {frames} frames", f"{num_frames}")
    if held is not None and _map_shapes(held) != _map_shapes(features):
        _refuse(
            method,
            "encode_frames",
            f"maps {_map_shapes(features)}",
            f"{_map_shapes(held)} as in the call before",
        )


def check_next(method: VISMethod, returned: object) -> tuple[ClipPrediction, State | None]:
    """Check that `predict_next` returned a pair of a prediction and a state."""
    if not isinstance(returned, tuple) or len(returned) != 2:
        given = f"a {type(returned).__name__}"
        _refuse(method, "predict_next", given, "a ClipPrediction and the state for the next call")
    prediction, state = returned
    if state is not None and not (
        isinstance(state, dict) and all(isinstance(value, Tensor) for value in state.values())
    ):
        given = f"a state of type {type(state).__name__}"
        _refuse(method, "predict_next", given, "a dict of tensors, or None")
    return prediction, state


def check_clip(method: VISMethod, prediction: ClipPrediction, num_frames: int) -> None:
    """Check the shapes that were predicted for a clip of `num_frames` frames."""
    if not isinstance(prediction, ClipPrediction):
        _refuse(method, "predict_clip", f"a {type(prediction).__name__}", "a ClipPrediction")
    if method.online != (prediction.track_ids_N is not None):
        given, expected = "a prediction without track_ids_N", "a number for each instance's track"
        if not method.online:
            given, expected = "track_ids_N", "none from a method that is not an OnlineMethod"
        _refuse(method, "predict_clip", given, expected)
    masks_NTHW = prediction.mask_logits_NTHW
    if masks_NTHW.shape[1] != num_frames:
        _refuse(method, "predict_clip", f"masks of {masks_NTHW.shape[1]} frames", f"{num_frames}")
    if prediction.binary and masks_NTHW.dtype != torch.bool:
        _refuse(method, "predict_clip", f"masks of {masks_NTHW.dtype}", "binary ones of torch.bool")
    if not prediction.binary and not masks_NTHW.is_floating_point():
        _refuse(method, "predict_clip", f"mask_logits_NTHW of {masks_NTHW.dtype}", "float logits")


def check_values(
    method: VISMethod, prediction: ClipPrediction, num_classes: int | None = None
) -> ClipPrediction:
    """Check the probabilities and masks of a clip; one copy to the host for both.

    Args:
        num_classes: K of the data set, where it is known.

    Returns:
        The prediction with `class_probs_NK` as float32 on the CPU.
    """
    probs_NK, logits_NTHW = prediction.class_probs_NK, prediction.mask_logits_NTHW
    if num_classes is not None and probs_NK.shape[1] != num_classes:
        _refuse(method, "predict_clip", f"{probs_NK.shape[1]} classes", f"{num_classes}")
    # Finite only if both ends are; they read the masks once.
    ends_2 = probs_NK.new_zeros(2)
    if not prediction.binary and logits_NTHW.numel():
        ends_2 = torch.stack(logits_NTHW.aminmax())
    numbers = torch.cat([probs_NK.float().flatten(), ends_2.float().to(probs_NK.device)]).cpu()
    probs_NK = numbers[:-2].view(probs_NK.shape)
    if probs_NK.numel():
        low, high = (float(value) for value in probs_NK.aminmax())
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):
            given = f"class_probs_NK from {low:.4g} to {high:.4g}"
            _refuse(method, "predict_clip", given, "probabilities in 0..1")
    if not numbers[-2:].isfinite().all():
        _refuse(method, "predict_clip", "mask_logits_NTHW with NaN or infinity", "finite logits")
    if not prediction.binary and logits_NTHW.numel():
        _note_range(method, logits_NTHW, *numbers[-2:].tolist())
    return replace(prediction, class_probs_NK=probs_NK)


def _note_range(method: VISMethod, logits_NTHW: Tensor, low: float, high: float) -> None:
    """Widen the range of the mask logits of all clips so far; see `unsigned_masks`."""
    before = method.mask_range
    graded = low > 0 or (before is not None and before[2])
    if low == 0 and not graded and (before is None or before[0] >= 0):
        graded = bool(((logits_NTHW > 0) & (logits_NTHW < high)).any())
    if before is not None:
        low, high = min(low, before[0]), max(high, before[1])
    method.mask_range = low, high, graded


def unsigned_masks(name: str, *ranges: MaskRange | None) -> str | None:
    """Sentence about masks that were nowhere below 0 in any clip; None for any others.

    Masks of two values, 0 and another one, are right without negative ones.

    Args:
        name: of the method.
        ranges: `VISMethod.mask_range` of each process.
    """
    lows, highs, graded = zip(*filter(None, ranges), strict=True) if any(ranges) else ((), (), ())
    if not any(graded) or min(lows) < 0:
        return None
    return (
        f"method {name}: mask_logits_NTHW are from {min(lows):.4g} to {max(highs):.4g} in all "
        "clips, nowhere below 0; expected logits, whose threshold is 0 (are these probabilities, "
        "after a sigmoid?)"
    )


def checked_tracks(
    method: VideoMethod, predicted: Iterable[TrackPrediction], video: VideoInfo, num_classes: int
) -> Iterator[TrackPrediction]:
    """Yield the tracks that `predict_video` returned, each checked when it comes.

    Args:
        num_classes: K of the data set.
    """
    if not isinstance(predicted, Iterable):
        expected = "an iterable of TrackPredictions"
        _refuse(method, "predict_video", f"a {type(predicted).__name__}", expected)
    seen: set[tuple[int, int]] = set()
    for track in predicted:
        _check_track(method, track, video, num_classes)
        if track.track_id is not None:
            pair = track.track_id, int(track.category)
            if pair in seen:
                given = f"track_id {pair[0]} twice in category {pair[1]}"
                _refuse(method, "predict_video", given, "a track per object and category")
            seen.add(pair)
        yield track
        del track  # its masks, before the next ones are made


def _check_track(
    method: VideoMethod, track: TrackPrediction, video: VideoInfo, num_classes: int
) -> None:
    call = "predict_video"
    if not isinstance(track, TrackPrediction):
        _refuse(method, call, f"a {type(track).__name__}", "TrackPredictions")
    if not hasattr(track.category, "__index__") or int(track.category) not in range(num_classes):
        _refuse(method, call, f"category {track.category!r}", f"a column 0..{num_classes - 1}")
    if not hasattr(track.score, "__float__") or not math.isfinite(track.score):
        _refuse(method, call, f"score {track.score!r}", "a finite number")
    given = len(track.masks) if hasattr(track.masks, "__len__") else "no sequence of"
    if given != video.num_frames:
        _refuse(method, call, f"{given} masks", f"one or None per frame, {video.num_frames}")
    for t, mask in enumerate(track.masks):
        if mask is not None:
            _check_mask(method, mask, t, video)


def _check_mask(method: VideoMethod, mask: Any, t: int, video: VideoInfo) -> None:
    call = "predict_video"
    if not isinstance(mask, np.ndarray | Tensor) or str(mask.dtype).split(".")[-1] != "bool":
        kind = getattr(mask, "dtype", type(mask).__name__)
        _refuse(method, call, f"a mask of {kind} in frame {t}", "a boolean array or tensor")
    if tuple(mask.shape) != (video.height, video.width):
        expected = f"{(video.height, video.width)}, the video's original size"
        _refuse(method, call, f"a mask of shape {tuple(mask.shape)} in frame {t}", expected)


def _map_shapes(features: FrameFeatures) -> dict[str, tuple[int, ...]]:
    """The shape of a frame in each map."""
    return {name: tuple(tensor.shape[1:]) for name, tensor in sorted(features.maps.items())}


def _refuse(method: VISMethod, call: str, given: str, expected: str) -> NoReturn:
    if call == "predict_clip" and method.online:
        call = "predict_next"  # which such a method implements
    raise InputError(
        f"method {method.registered_name}: {call} returned {given}; expected {expected}"
    )


def check_contract(
    method: VISMethod,
    num_classes: int,
    sizes_HW: tuple[tuple[int, int], ...] = ((64, 96), (45, 71)),
) -> None:
    """Check a method, prepared for inference, on random frames.

    - Shapes, ranges and frame counts of features and predictions follow the interface, for any
      size of frame and for a single frame.
    - Two runs on the same frames give the same, and so does one in which every module that runs is
      in evaluation mode.
    - A frame's features do not depend on the frames beside it, so that clips can share them.
    - Features outlive the next call; a prediction may share memory with the next one, as the
      trackers copy what they keep.
    - A clip predicted from shared features equals the clip encoded on its own.
    - Mask logits are below 0 somewhere: probabilities are not.
    - An online method gives the same tracks for every cut of the video into clips.
    - A method of whole videos yields one track at a time, with masks at the original size, and the
      same tracks again after another video.

    Raises:
        AssertionError: naming the first rule that is broken.
    """
    if isinstance(method, VideoMethod):
        for size_HW in sizes_HW:
            _check_whole_videos(method, num_classes, size_HW)
        return
    method.mask_range = None
    for height, width in sizes_HW:
        generator = torch.Generator().manual_seed(height)
        frames_T3HW = torch.randn(4, 3, height, width, generator=generator)
        with torch.inference_mode():
            together = _copied_features(method.encode_frames(frames_T3HW))
            assert len(together) == 4, f"{len(together)} frames of features for 4"
            assert together.frame_size_HW == (height, width), (
                f"frame_size_HW is {together.frame_size_HW}"
            )
            beside = "feature map {} of a frame depends on the frames beside it"
            alone = method.encode_frames(frames_T3HW[1:2])
            _check_same(beside, together.frames(1, 2).maps, alone.maps)
            first = method.encode_frames(frames_T3HW[:2])
            before, later = _copied_features(first), method.encode_frames(frames_T3HW[2:])
            _check_same("feature map {} is overwritten by the next call", before.maps, first.maps)
            _check_same(beside, together.maps, first.followed_by(later).maps)
            clip = method.predict_clip(together.frames(1, 4))
            clip = _checked_copy(method, clip, 3, num_classes)
            _check_same_prediction(clip, method(frames_T3HW[1:]), "encoded on its own")
            _check_same_prediction(clip, method.predict_clip(together.frames(1, 4)), "run again")
            _checked_copy(method, method(frames_T3HW[:1]), 1, num_classes)
            if method.online:
                _check_cuts(method, together, num_classes)
            with evaluation_forced(method):
                _check_same_prediction(clip, method(frames_T3HW[1:]), "run in evaluation mode")
    unsigned = unsigned_masks(method.registered_name, method.mask_range)
    assert unsigned is None, unsigned


def _check_cuts(method: VISMethod, features: FrameFeatures, num_classes: int) -> None:
    """Every cut of the frames into clips gives the tracks of the whole; the last one, frame by
    frame, in evaluation mode.
    """
    num_frames = len(features)
    whole = None
    for cuts in range(2 ** (num_frames - 1)):
        borders = [0, *(t for t in range(1, num_frames) if cuts >> (t - 1) & 1), num_frames]
        # Class probabilities by track, masks by track and frame; the last ones count.
        probs: dict[int, Tensor] = {}
        masks: dict[tuple[int, int], Tensor] = {}
        state = None
        for start, stop in pairwise(borders):
            with evaluation_forced(method) if len(borders) > num_frames else nullcontext():
                prediction, state = method.predict_next(features.frames(start, stop), state)
            prediction = _checked_copy(method, prediction, stop - start, num_classes)
            for row, number in enumerate(prediction.track_ids_N or ()):
                probs[number] = prediction.class_probs_NK[row]
                for place, logits_HW in enumerate(prediction.mask_logits_NTHW[row]):
                    masks[number, start + place] = logits_HW
        if whole is None:
            whole = probs, masks
        else:
            mode = ", in evaluation mode" if len(borders) > num_frames else ""
            how = f"when cut into clips at {borders[1:-1]}{mode}"
            _check_same(f"class_probs_NK of track {{}} differs {how}", whole[0], probs)
            _check_same(f"mask_logits_NTHW of {{}} differs {how}", whole[1], masks)


# Category, score, number and masks of a track.
_CopiedTrack = tuple[int, float, int | None, list[np.ndarray | None]]


def _check_whole_videos(method: VideoMethod, num_classes: int, size_HW: tuple[int, int]) -> None:
    """A video of four frames gives the same tracks before and after a video of one, and then in
    evaluation mode.
    """
    (height, width), generator = size_HW, np.random.default_rng(size_HW[0])
    bytes_4HW3 = generator.integers(0, 256, (4, height, width, 3), np.uint8)
    with torch.inference_mode():
        tracks = []
        for number, length, mode in (
            (1, 4, nullcontext()), (2, 1, nullcontext()), (1, 4, evaluation_forced(method)),
        ):  # fmt: skip
            video = VideoInfo(number, f"video {number}", 2 * height + 1, 2 * width, length)
            with mode:
                tracks.append(_copied_tracks(method, bytes_4HW3[:length], video, num_classes))
    first, _, again = tracks
    after = "when predicted again after another video, in evaluation mode"
    assert len(first) == len(again), f"{len(first)} tracks, but {len(again)} {after}"
    for place, (one, other) in enumerate(zip(first, again, strict=True)):
        assert (one[0], one[2]) == (other[0], other[2]), f"track {place} is another {after}"
        assert abs(one[1] - other[1]) <= TOLERANCE, f"score of track {place} differs {after}"
        for t, masks in enumerate(zip(one[3], other[3], strict=True)):
            a, b = (np.zeros(1, bool) if mask is None else mask for mask in masks)
            assert (a != b).mean() <= TOLERANCE, f"track {place}, frame {t}: mask differs {after}"


def _copied_tracks(
    method: VideoMethod, frames_THW3: np.ndarray, video: VideoInfo, num_classes: int
) -> list[_CopiedTrack]:
    predicted = method.predict_video(frames_THW3, video, _check_stage)
    assert not isinstance(predicted, list | tuple), (
        f"predict_video returned a {type(predicted).__name__}, which holds the masks of all "
        "tracks; expected a generator that yields one track at a time"
    )
    copied: list[_CopiedTrack] = []
    try:
        for track in checked_tracks(method, predicted, video, num_classes):
            masks = [m if m is None else np.array(torch.as_tensor(m).cpu()) for m in track.masks]
            copied.append((int(track.category), float(track.score), track.track_id, masks))
    except InputError as error:
        raise AssertionError(str(error)) from None
    return copied


def _check_stage(name: str, seconds: float | None = None) -> None:
    assert seconds is None or seconds >= 0, f"mark({name!r}, {seconds}); expected 0 or more"
    assert name in VIDEO_STAGES, f"mark({name!r}); expected one of {', '.join(VIDEO_STAGES)}"


def _copied_features(features: FrameFeatures) -> FrameFeatures:
    maps = {name: tensor.clone() for name, tensor in features.maps.items()}
    return replace(features, maps=maps)


def _copied(prediction: ClipPrediction) -> ClipPrediction:
    probs_NK, logits_NTHW = prediction.class_probs_NK, prediction.mask_logits_NTHW
    return replace(
        prediction, class_probs_NK=probs_NK.clone(), mask_logits_NTHW=logits_NTHW.clone()
    )


def _checked_copy(
    method: VISMethod, prediction: ClipPrediction, num_frames: int, num_classes: int
) -> ClipPrediction:
    try:
        check_clip(method, prediction, num_frames)
        check_values(method, prediction, num_classes)
    except InputError as error:
        raise AssertionError(str(error)) from None
    return _copied(prediction)


def _check_same_prediction(first: ClipPrediction, second: ClipPrediction, how: str) -> None:
    assert len(first) == len(second), f"{len(first)} instances, but {len(second)} when {how}"
    names = ("class_probs_NK", "mask_logits_NTHW") if len(first) else ()
    one, other = ({name: getattr(p, name) for name in names} for p in (first, second))
    _check_same(f"{{}} differs when {how}", one, other)


def _check_same(message: str, first: Mapping[K, Tensor], second: Mapping[K, Tensor]) -> None:
    """Tensors that only one of the two has are probability 0, or no foreground, in the other."""
    for key in first.keys() | second.keys():
        one, other = first.get(key), second.get(key)
        if one is None or other is None:
            present = one if one is not None else other
            assert present is not None
            one, other = (present > 0).float(), torch.zeros_like(present)
        one, other = one.float(), other.float()  # of masks that are boolean, too
        difference = (one - other).abs().max().item()
        scale = one.abs().max().clamp(min=1).item()
        assert difference <= TOLERANCE * scale, f"{message.format(key)} (by {difference:g})"


def check_recording(method: RecordsAttention, frames_T3HW: Tensor) -> None:
    """Check the recorded attention of a method, prepared for inference, on the frames of a clip.

    - Recording changes no prediction.
    - The recorded parts and layers are those of `recorded_layers`, of these frames and of the
      prediction's instances.
    - Weights sum to 1; to 1 at most for memory tokens, whose attention also goes to each other.

    Raises:
        AssertionError: naming the first rule that is broken.
    """
    with torch.inference_mode():
        plain = _copied(method.predict_clip(method.encode_frames(frames_T3HW)))
        features = method.encode_and_record(frames_T3HW)
        prediction, attention = method.predict_and_record(features)
    for name in ("class_probs_NK", "mask_logits_NTHW"):
        one, other = getattr(plain, name), getattr(prediction, name)
        assert one.shape == other.shape, f"{name} has another shape when attention is recorded"
        assert torch.allclose(one, other, atol=RECORDING_TOLERANCE), f"{name} differs when recorded"
    _check_layers(method, attention)
    if attention.decoder is not None:
        _check_decoder(attention.decoder, len(prediction), len(frames_T3HW))
    weights = attention.memory_weights_LTMBhw
    if weights is not None:
        assert weights.ndim == 6, f"memory_weights_LTMBhw has {weights.ndim} dimensions"
        assert weights.shape[1] == len(frames_T3HW), "memory_weights_LTMBhw is not of these frames"
        most = float(weights.float().sum((-1, -2)).max())
        assert most <= 1 + RECORDING_TOLERANCE, f"memory_weights_LTMBhw sum to {most:g}"


def _check_layers(method: RecordsAttention, attention: ClipAttention) -> None:
    decoder, memory = attention.decoder, attention.memory_weights_LTMBhw
    found = {} if decoder is None else {"decoder": len(decoder.time_weights_LTQ)}
    found |= {} if memory is None else {"memory": len(memory)}
    named = dict(method.recorded_layers)
    assert found == named, f"recorded layers are {found}, but recorded_layers is {named}"


def _check_decoder(decoder: DecoderAttention, num_instances: int, num_frames: int) -> None:
    expected = len(decoder.time_weights_LTQ), num_frames, num_instances
    weights, locations = decoder.attention_weights_LTQMKP, decoder.sampling_locations_LTQMKP2
    assert decoder.queries_Q.shape == (num_instances,), "queries_Q is not one per instance"
    assert decoder.time_weights_LTQ.shape == expected, f"time_weights_LTQ is not {expected}"
    assert weights.shape[:3] == expected, f"attention_weights_LTQMKP does not begin {expected}"
    assert locations.shape == (*weights.shape, 2), "locations do not fit the weights"
    for name, sums in (
        ("attention_weights_LTQMKP", weights.float().sum((-1, -2))),
        ("time_weights_LTQ", decoder.time_weights_LTQ.float().sum(1)),
    ):
        ones = torch.ones_like(sums)
        assert torch.allclose(sums, ones, atol=RECORDING_TOLERANCE), f"{name} do not sum to 1"
