"""Multiply-adds of whole videos, clip plan included: the inference loop run on shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from vis_bench.contract import check_next
from vis_bench.data.nominal import NUM_FRAMES, SIZE_HW
from vis_bench.data.video import Video
from vis_bench.inference.clips import Clip
from vis_bench.inference.loop import InferencePlan, StoredFrames, predict_clips
from vis_bench.inference.preprocess import input_size
from vis_bench.measures.flops.counter import CONVENTION, GIGA, MacCount, count_watched
from vis_bench.method import ClipPrediction, FrameFeatures, State, VISMethod


@dataclass(frozen=True)
class VideoCount:
    """Multiply-adds of one video: the per-frame part and the per-clip part, each executed as often
    as the inference loop executes it.
    """

    num_frames: int
    num_clips: int
    encode: MacCount
    predict: MacCount

    @property
    def all(self) -> MacCount:
        """Both parts."""
        return self.encode + self.predict

    @property
    def per_frame(self) -> float:
        """Multiply-adds per source frame."""
        return (self.encode.total + self.predict.total) / self.num_frames


class ShapeCounter(VISMethod):
    """Stands for a method in the inference loop and counts its calls.

    On the meta device a call's result and cost depend on its shapes alone, so that each shape is
    executed once, however often the loop calls it. Shapes of an online method's state count too.

    Args:
        method: on the meta device, prepared for inference.
    """

    def __init__(self, method: VISMethod) -> None:
        super().__init__()
        self.remember_build(method.registered_name, method.resolved_options)
        self.method = method
        self.online = method.online
        self._known: dict[tuple, tuple[Any, MacCount]] = {}
        self._called: dict[str, list[MacCount]] = {}

    def encode_frames(self, frames_T3HW: Tensor) -> FrameFeatures:
        """The method's, counted."""
        return self._count("encode", frames_T3HW.shape, self.method.encode_frames, frames_T3HW)

    def predict_clip(self, features: FrameFeatures) -> ClipPrediction:
        """The method's, counted."""
        return self.predict_next(features, None)[0]

    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State | None]:
        """The method's, counted."""
        state = None if state is None else dict(state)  # the call may overwrite what is kept here
        shapes = [(name, *tensor.shape) for name, tensor in sorted((state or {}).items())]
        key = (len(features), *features.frame_size_HW, state is None, *shapes)
        returned = self._count("predict", key, self.method.predict_next, features, state)
        return check_next(self.method, returned)

    def count_video(self, size_HW: tuple[int, int], clips: Sequence[Clip]) -> VideoCount:
        """Count the operations that the inference loop executes for these clips of one video.

        Args:
            size_HW: of the network's input, in pixels.
            clips: as `clip_windows` gives them; the last one ends with the video.
        """
        num_frames = clips[-1].stop
        frames = StoredFrames(torch.empty(num_frames, 3, *size_HW, device="meta"))
        self._called = {"encode": [], "predict": []}
        with torch.inference_mode():
            for _ in predict_clips(self, frames, clips):
                pass
        encode, predict = (_sum(self._called[part]) for part in ("encode", "predict"))
        (encode + predict).check_known()
        return VideoCount(num_frames, len(clips), encode, predict)

    def count_clip(self, size_HW: tuple[int, int], length: int) -> VideoCount:
        """A clip by itself, whose frames no other clip shares."""
        return self.count_video(size_HW, [Clip(0, length)])

    def _count(self, part: str, shape: Sequence[Any], call: Callable, *inputs: Any) -> Any:
        key = (part, *shape)
        if key not in self._known:
            self._known[key] = count_watched(self.method, call, None, *inputs)
        result, macs = self._known[key]
        self._called[part].append(macs)
        return result


def _sum(counts: Sequence[MacCount]) -> MacCount:
    return reduce(MacCount.__add__, counts, MacCount())


@dataclass(frozen=True)
class NominalCost:
    """The cost of the nominal video: 36 frames of 720x1280, which no data set has to hold.

    `clip` is the cost of one clip by itself, `video` that of the whole video with its clip plan,
    and `tree` holds three columns of multiply-adds: `encode_frames` per frame, `predict_clip` per
    clip (their mean), and both per source frame of the video. `size_HW` is the network's input.
    """

    size_HW: tuple[int, int]
    clip: VideoCount
    video: VideoCount
    tree: ModuleNode


def count_nominal(counter: ShapeCounter, plan: InferencePlan, name: str) -> NominalCost:
    """Count the nominal video.

    Args:
        counter: of a method on the meta device.
        plan: clips and resolution.
        name: of the tree's root.
    """
    size_HW = input_size(*SIZE_HW, plan.resolution, counter.method.input_format)
    clips = plan.clips(NUM_FRAMES)
    video, clip = counter.count_video(size_HW, clips), counter.count_clip(size_HW, len(clips[0]))
    return nominal_cost(counter.method, size_HW, clip, video, name)


def nominal_cost(
    method: VISMethod, size_HW: tuple[int, int], clip: VideoCount, video: VideoCount, name: str
) -> NominalCost:
    """The counts of a clip by itself and of the nominal video, with their tree."""
    counts = video.encode, video.predict, video.all
    calls = video.num_frames, video.num_clips, video.num_frames
    return NominalCost(size_HW, clip, video, module_tree(method, counts, calls, name=name))


def measure_flops(
    method: VISMethod, videos: Sequence[Video], plan: InferencePlan
) -> dict[str, Any]:
    """Count the record's fields of cost, by name, in G multiply-adds.

    `gflops_per_frame` is all that the inference loop executes for the videos, over their frames,
    so that stride and sharing count as they do in use. `gflops_per_clip` is the mean over their
    clips of a clip's cost by itself.

    Args:
        method: on the meta device, prepared for inference; see `runs.build`.
        videos: their sizes and lengths count, no frame is read.
        plan: clips and resolution.
    """
    counter = ShapeCounter(method)
    seen = MacCount()
    frames = clips = video_macs = clip_macs = 0
    for video in videos:
        size_HW = input_size(video.height, video.width, plan.resolution, method.input_format)
        windows = plan.clips(video.length)
        count = counter.count_video(size_HW, windows)
        seen += count.all
        frames, clips = frames + video.length, clips + len(windows)
        video_macs += count.all.total
        clip_macs += len(windows) * counter.count_clip(size_HW, len(windows[0])).all.total
    return cost_fields(clip_macs / clips, video_macs / frames, CONVENTION, seen)


def cost_fields(per_clip: float, per_frame: float, convention: str, seen: MacCount) -> dict:
    """The record's fields of cost, by name, from multiply-adds."""
    return {
        "gflops_per_clip": per_clip / GIGA,
        "gflops_per_frame": per_frame / GIGA,
        "flop_convention": convention,
        "uncounted_ops": tuple(sorted(seen.zero_ops)),
        "upper_bound_ops": tuple(sorted(seen.assumed_ops)),
    }


# The operations of a module itself, or in methods of its parts other than `forward`.
ITSELF = "(itself)"


@dataclass(frozen=True)
class ModuleNode:
    """One module with everything below it.

    `macs`: one value for each count that the tree was made of. The operations of a module outside
    of its parts are a child of their own, `ITSELF`, so that children add up to their parent.
    """

    name: str
    num_params: int
    macs: tuple[float, ...]
    children: tuple[ModuleNode, ...]

    def walk(self, depth: int, level: int = 0) -> Iterator[tuple[int, ModuleNode]]:
        """(level, node) of this node and those below it, at most `depth` levels down."""
        yield level, self
        if level < depth:
            for child in self.children:
                yield from child.walk(depth, level + 1)

    def as_json(self) -> dict[str, Any]:
        """The whole tree in plain types."""
        return {
            "name": self.name,
            "num_params": self.num_params,
            "macs": list(self.macs),
            "children": [child.as_json() for child in self.children],
        }


def module_tree(
    module: nn.Module, counts: Sequence[MacCount], divisors: Sequence[float], *, name: str
) -> ModuleNode:
    """The modules that cost something or hold parameters, in the order of their definition.

    Args:
        module: what was counted.
        counts: one column of the tree each.
        divisors: each column is divided by its own, so that it can be per frame or per clip.
        name: of the root.
    """

    def columns(macs: Callable[[MacCount], float]) -> tuple[float, ...]:
        return tuple(macs(c) / divisor for c, divisor in zip(counts, divisors, strict=True))

    def node(part: nn.Module, path: str, label: str) -> ModuleNode:
        inner = [
            node(child, f"{path}.{key}".lstrip("."), key) for key, child in part.named_children()
        ]
        if inner:
            inner.append(ModuleNode(ITSELF, 0, columns(lambda c: c.of(path)), ()))
        return ModuleNode(
            label,
            sum(parameter.numel() for parameter in part.parameters()),
            columns(lambda c: c.within(path)),
            tuple(child for child in inner if child.num_params or any(child.macs)),
        )

    return node(module, "", name)
