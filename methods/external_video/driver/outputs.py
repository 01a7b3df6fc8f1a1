"""Turns outputs of models, in every form that is in use, into tracks, or refuses them."""

import math
import operator

import numpy as np

from .environment import DriverError


def checked_track(entry, number, num_frames, size_HW, num_classes):
    """Category, score, masks and track_id in one form.

    Args:
        entry: score, category, masks and track_id. Numbers may be arrays or tensors of one element;
            masks an array or a tensor (T, H, W), a sequence of T with None where the track is
            absent, or None; bool or 0 and 1.
        number: of the entry, for messages.
        size_HW: of the original video.
    """
    score, category, masks, track_id = entry
    score = _number(score, float, "score", number)
    if not math.isfinite(score):
        raise DriverError(f"entry {number} has score {score}; expected a finite number")
    category = _number(category, operator.index, "label", number)
    if not 0 <= category < num_classes:
        raise DriverError(
            f"entry {number} has label {category}; expected 0..{num_classes - 1}, a column of the "
            "data set's categories"
        )
    if track_id is not None:
        track_id = _number(track_id, operator.index, "id", number)
    return category, score, _masks(masks, number, num_frames, size_HW), track_id


def host_array(values):
    """An array or a tensor of any device as an array."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _number(value, kind, name, number):
    try:
        return kind(host_array(value).item())
    except (TypeError, ValueError, AttributeError):
        expected = "number" if kind is float else "whole number"
        raise DriverError(
            f"entry {number} has {name} {value!r:.80}; expected a {expected}"
        ) from None


def _masks(masks, number, num_frames, size_HW):
    """A list of boolean arrays (H, W) and None."""
    if masks is None:
        return [None] * num_frames
    if hasattr(masks, "detach") or isinstance(masks, np.ndarray):
        masks = host_array(masks)
    if not hasattr(masks, "__len__") or len(masks) != num_frames:
        given = len(masks) if hasattr(masks, "__len__") else f"a {type(masks).__name__} as"
        raise DriverError(f"entry {number} has {given} masks; expected one per frame, {num_frames}")
    return [
        None if mask is None else _mask(mask, f"entry {number}, frame {t}", size_HW)
        for t, mask in enumerate(masks)
    ]


def _mask(mask, place, size_HW):
    mask = host_array(mask)
    if mask.shape != tuple(size_HW):
        raise DriverError(
            f"{place}: a mask of shape {mask.shape}; expected {tuple(size_HW)}, the video's "
            "original size"
        )
    if mask.dtype.kind not in "bui":
        raise DriverError(f"{place}: a mask of {mask.dtype}; expected bool")
    if mask.dtype == bool:
        return mask
    if mask.min() < 0 or mask.max() > 1:
        raise DriverError(
            f"{place}: a mask with values {mask.min()} to {mask.max()}; expected bool, or 0 and 1"
        )
    return mask.astype(bool)
