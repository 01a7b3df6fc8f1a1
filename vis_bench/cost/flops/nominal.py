"""What a method costs for a video that no data set has to hold: 36 frames of 16:9."""

from __future__ import annotations

from dataclasses import dataclass

from vis_bench.cost.flops.tree import ModuleNode, module_tree
from vis_bench.cost.flops.video import ShapeCounter, VideoCount
from vis_bench.inference.loop import InferencePlan
from vis_bench.inference.preprocess import input_size

# YouTube-VIS' longest video.
NOMINAL_FRAMES = 36
NOMINAL_SIZE_HW = (720, 1280)


@dataclass(frozen=True)
class NominalCost:
    """The cost of `NOMINAL_FRAMES` frames.

    `clip` is the cost of one clip by itself, `video` that of the whole video with its clip plan,
    and `tree` holds three columns of multiply-adds: `encode_frames` per frame, `predict_clip` per
    clip (their mean), and both per source frame of the video. `size_HW` is the network's input.
    """

    size_HW: tuple[int, int]
    clip: VideoCount
    video: VideoCount
    tree: ModuleNode


def count_nominal(counter: ShapeCounter, plan: InferencePlan, name: str) -> NominalCost:
    """Counts the nominal video.

    Args:
        counter: of a method on the meta device.
        plan: how the video is cut into clips and resized.
        name: what the tree's root is called.

    Raises:
        InputError: for an operator without a rule.
    """
    method = counter.method
    size_HW = input_size(*NOMINAL_SIZE_HW, plan.resolution, method.input_format)
    clips = plan.clips(NOMINAL_FRAMES)
    video = counter.count_video(size_HW, clips)
    counts = video.encode, video.predict, video.all
    calls = video.num_frames, video.num_clips, video.num_frames
    tree = module_tree(method, counts, calls, name=name)
    return NominalCost(size_HW, counter.count_clip(size_HW, len(clips[0])), video, tree)
