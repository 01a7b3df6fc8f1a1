"""Multiply-adds as a record holds them: counted for the videos that were measured."""

from __future__ import annotations

from collections.abc import Sequence

from vis_bench.cost.flops.counter import CONVENTION, GIGA, MacCount
from vis_bench.cost.flops.video import ShapeCounter
from vis_bench.data.video import Video
from vis_bench.inference.loop import InferencePlan
from vis_bench.inference.preprocess import input_size
from vis_bench.method import VISMethod
from vis_bench.records.schema import CostFields


def measure_flops(method: VISMethod, videos: Sequence[Video], plan: InferencePlan) -> CostFields:
    """The record's fields of cost, in G multiply-adds.

    `gflops_per_frame` is all that the inference loop executes for the videos, over their frames,
    so that stride and sharing count as they do in use. `gflops_per_clip` is the mean over their
    clips of a clip's cost by itself.

    Args:
        method: on the meta device, prepared for inference; see `runs.load_method`.
        videos: their sizes and lengths count, no frame is read.
        plan: how they are cut into clips and resized.

    Raises:
        InputError: for an operator without a rule.
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
    return CostFields(
        gflops_per_clip=clip_macs / clips / GIGA,
        gflops_per_frame=video_macs / frames / GIGA,
        flop_convention=CONVENTION,
        uncounted_ops=tuple(sorted(seen.zero_ops)),
        upper_bound_ops=tuple(sorted(seen.assumed_ops)),
    )
