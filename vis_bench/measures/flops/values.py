"""Multiply-adds of a method for whole videos, counted while it runs on values.

Such a method is other people's code, which reads values and so does not run on shapes. Operators of
PyTorch are seen; those of another compiled extension are not, but for the tensors that they leave:
memory that no operator wrote. A count in which an operator reads one is refused.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from torch import Tensor
from torch._ops import OpOverload
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves

from vis_bench.contract import checked_tracks
from vis_bench.data.nominal import NUM_FRAMES, SIZE_HW, SPLIT, nominal_videos
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan
from vis_bench.inference.preprocess import input_size, resize_frame
from vis_bench.measures.flops.counter import CONVENTION, MacCount, count_watched
from vis_bench.measures.flops.video import NominalCost, VideoCount, cost_fields, nominal_cost
from vis_bench.video_method import VideoInfo, VideoMethod

# A record counts its videos; of a `VideoMethod` it counts the nominal one.
CONVENTION_NOMINAL = f"{CONVENTION}, nominal video"

# Operators that make memory of one value, by the place of that value in their arguments or the
# value itself; None: of any values.
_BLANKS: Mapping[str, float | Callable[[Sequence[Any]], Any] | None] = {
    **dict.fromkeys(("empty", "empty_like", "empty_permuted", "empty_strided", "new_empty")),
    "new_empty_strided": None,
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros"), 0.0),
    **dict.fromkeys(("ones", "ones_like", "new_ones"), 1.0),
    **dict.fromkeys(("full", "full_like"), lambda args: args[1]),
    "new_full": lambda args: args[2],
}
_FILLS: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "zero_": lambda args: 0.0,
    "fill_": lambda args: args[1],
}


class Origins:
    """The tensors that PyTorch's operators wrote, by their memory.

    Memory that exists when this object is made counts as written, as the weights are.
    """

    def __init__(self) -> None:
        # A weak reference keeps another storage from getting the same key.
        self._seen: dict[int, StorageWeakRef] = {}
        self._blank: dict[int, float | None] = {}
        for thing in gc.get_objects():
            if issubclass(type(thing), Tensor):
                with suppress(RuntimeError, NotImplementedError):  # it has no storage
                    self._add(thing)

    def follow(
        self, op: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any
    ) -> None:
        """Note the memory that an operator read, wrote and made.

        Raises:
            InputError: if it read what no operator wrote.
        """
        name = op._overloadpacket.__name__
        made = {_key(tensor): tensor for tensor in _tensors(out)}
        written = {_key(tensor): tensor for tensor in _written(op, args, kwargs)}
        given = _tensors((args, kwargs))
        # `from_numpy` and `torch.tensor` hand their new memory to this one.
        if name not in _BLANKS and name != "lift_fresh":
            for tensor in given:
                if _key(tensor) not in made and _key(tensor) not in written:
                    self._check_read(op, tensor)
        known = {_key(tensor) for tensor in given} if name != "lift_fresh" else set()
        for key, tensor in made.items():
            if key not in known:
                self._note(tensor)
                if name in _BLANKS:
                    value = _BLANKS[name]
                    self._blank[key] = value(args) if callable(value) else value
        for key, tensor in written.items():
            self._note(tensor)
            whole = tensor.numel() * tensor.itemsize == tensor.untyped_storage().nbytes()
            if name in _FILLS and whole and not isinstance(fill := _FILLS[name](args), Tensor):
                self._blank[key] = fill

    def _note(self, tensor: Tensor) -> None:
        """Note memory that was written, of which nothing else is known."""
        self._add(tensor)
        self._blank.pop(_key(tensor), None)

    def _add(self, tensor: Tensor) -> None:
        key = _key(tensor)
        if key not in self._seen:
            self._seen[key] = StorageWeakRef(tensor.untyped_storage())

    def _check_read(self, op: OpOverload, tensor: Tensor) -> None:
        key = _key(tensor)
        if tensor.numel() == 0:
            return
        if key not in self._seen:
            if tensor.ndim == 0:  # a number of Python's
                return
            state = "made"
        elif key in self._blank:
            value = self._blank[key]
            if value is not None and bool((tensor == value).all()):
                return
            state = "wrote"
        else:
            return
        raise InputError(
            f"{op} reads a tensor of {tensor.dtype} and shape {tuple(tensor.shape)} that no "
            f"operator of PyTorch {state}, but another compiled extension, say; its multiply-adds "
            "would be missed"
        )


def _key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _written(op: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
    """The arguments that an operator writes to, by its schema."""
    for place, argument in enumerate(op._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            given = args[place] if place < len(args) else kwargs.get(argument.name)
            yield from _tensors(given)


def measure_flops_on_values(
    method: VideoMethod, plan: InferencePlan, num_classes: int
) -> dict[str, Any]:
    """Count the record's fields of cost, by name, for the nominal video; its clip is the whole."""
    video = count_nominal_on_values(method, plan, num_classes, "").video
    return cost_fields(video.all.total, video.per_frame, CONVENTION_NOMINAL, video.all)


def count_nominal_on_values(
    method: VideoMethod, plan: InferencePlan, num_classes: int, name: str
) -> NominalCost:
    """Count the nominal video, predicted once.

    Args:
        method: prepared for inference on `plan.device`.
        plan: its resolution, device and precision count.
        num_classes: K of the data set.
        name: of the tree's root.

    Raises:
        InputError: if the method runs in another process, if nothing was counted, or if something
            ran that cannot be.
    """
    if method.not_counted is not None:
        raise InputError(method.not_counted)
    video = nominal_videos(SPLIT)[0]
    info = VideoInfo(video.id, video.name, *SIZE_HW, NUM_FRAMES)
    size_HW = input_size(*SIZE_HW, plan.resolution, method.input_format)
    frames_THW3 = np.stack([resize_frame(frame_HW3, size_HW) for frame_HW3 in video.frames])

    def predict() -> None:
        predicted = method.predict_video(frames_THW3, info, _no_mark)
        for _ in checked_tracks(method, predicted, info, num_classes):
            pass

    with plan.arithmetic():
        elsewhere = method.count_elsewhere(frames_THW3, info)
        if elsewhere is None:
            _, macs = count_watched(method, predict, Origins().follow)
        else:
            macs = MacCount(
                elsewhere["by_module"],
                frozenset(elsewhere["zero_ops"]),
                frozenset(elsewhere["assumed_ops"]),
                elsewhere["unknown_ops"],
            )
    macs.check_known()
    if macs.total == 0:
        raise InputError("no operator with multiply-adds ran in PyTorch; the count would be 0")
    count = VideoCount(NUM_FRAMES, 1, MacCount(), macs)
    return nominal_cost(method, size_HW, count, count, name)


def _no_mark(name: str, seconds: float | None = None, /) -> None:
    pass
