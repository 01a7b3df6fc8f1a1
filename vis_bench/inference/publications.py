"""Results as they become known: the masks and scores of a video after each of its clips.

One inference keeps what is on show at some instant; tracks can be cut from it for any schedule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vis_bench.data.results_file import Track
from vis_bench.data.video import Video
from vis_bench.grouping import grouped
from vis_bench.inference.clips import Clip
from vis_bench.inference.encode import encode_each, encode_filled
from vis_bench.inference.loop import InferencePlan, Tracker, track_video
from vis_bench.inference.tracker import Output
from vis_bench.masks.rle import RLE
from vis_bench.masks.tubes import SparseTube
from vis_bench.method import ImageRule, VISMethod
from vis_bench.video_method import VideoMethod

# The clip whose pairs are on show, the frame whose masks are, and the last clip by then that holds
# this frame; clips are places in the plan.
Source = tuple[int, int, int]


@dataclass
class Publications:
    """Results that a method publishes of one video after each of its clips.

    `outputs`: the (track, class) pairs on show, by clip. `masks`: by the clip that made them and
    their frame, those of every track by its number. An online method sees a frame once, so that
    its masks are of clip 0, whichever clip made them.
    """

    video: Video
    category_ids: Sequence[int]
    online: bool
    of_images: bool
    outputs: dict[int, list[Output]] = field(default_factory=dict)
    masks: dict[tuple[int, int], dict[int, RLE]] = field(default_factory=dict)

    def key(self, holder: int, frame: int) -> tuple[int, int]:
        """The key of a frame's masks."""
        return (0 if self.online else holder, frame)

    def tracks(self, shown: Sequence[Source | None]) -> list[Track]:
        """The tracks of what each frame shows, as a results file has them.

        A pair has masks in the frames at which it was on show, and its last score of them.
        """
        scores: dict[tuple[int, int], float] = {}
        tubes: dict[tuple[int, int], dict[int, RLE]] = defaultdict(dict)
        pairs: Mapping[int, Sequence[Output]] = {}
        last = -1
        for time, source in enumerate(shown):
            if source is None:
                continue
            clip, holder, frame = source
            if clip != last:
                last, pairs = clip, grouped(self.outputs[clip], lambda pair: pair.track)
                scores |= {(pair.track, pair.column): pair.score for pair in self.outputs[clip]}
            for track, rle in self.masks.get(self.key(holder, frame), {}).items():
                for pair in pairs.get(track, ()):
                    tubes[track, pair.column][time] = rle
        order = sorted(tubes) if self.of_images else sorted(tubes, key=lambda p: (-scores[p], *p))
        return [
            Track(
                self.video.id,
                self.category_ids[column],
                scores[track, column],
                SparseTube(self.video.length, tubes[track, column]),
            )
            for track, column in order
        ]


def publish_video(
    method: VISMethod,
    video: Video,
    plan: InferencePlan,
    category_ids: Sequence[int],
    computed: Sequence[int],
    wanted: Collection[Source],
) -> Publications:
    """Infer one video and keep what is wanted of it.

    Args:
        method: prepared for inference, on `plan.device`.
        computed: the clips to infer, as places in the plan, in order.
        wanted: all sources that any schedule shows.

    Raises:
        InputError: as `track_video`.
    """
    of_images = isinstance(method.tracking_rule, ImageRule)
    found = Publications(video, category_ids, method.online, of_images)
    clips = {clip for clip, _, _ in wanted}
    keys = {found.key(holder, frame) for _, holder, frame in wanted}
    if isinstance(method, VideoMethod):
        tracks = track_video(method, video, plan, category_ids)
        _keep_tracks(found, tracks, [frame for _, frame in keys])
        return found
    places: Iterator[int] = iter(computed)
    last: tuple[int, Tracker]

    def publish(tracker: Tracker, clip: Clip) -> None:
        nonlocal last
        last = next(places), tracker
        frames = [t for t in range(clip.start, clip.stop) if found.key(last[0], t) in keys]
        for t in frames:
            found.masks[found.key(last[0], t)] = {}
        if not frames:
            return
        for owners, masks_PHW in tracker.published(range(frames[0], frames[-1] + 1)):
            chosen = [row for row, (_, frame) in enumerate(owners) if frame in frames]
            masks_CHW = masks_PHW[chosen]
            coded = enumerate(encode_each(masks_CHW)) if of_images else encode_filled(masks_CHW)
            for place, rle in coded:
                track, frame = owners[chosen[place]]
                found.masks[found.key(last[0], frame)][track] = rle

    def after_clip() -> None:
        place, tracker = last
        if place in clips:
            found.outputs[place] = tracker.outputs()

    windows = plan.clips(video.length)
    track_video(
        method,
        video,
        plan,
        category_ids,
        after_clip=after_clip,
        publish=publish,
        clips=None if len(computed) == len(windows) else [windows[place] for place in computed],
    )
    return found


def _keep_tracks(found: Publications, tracks: Sequence[Track], frames: Sequence[int]) -> None:
    """Keep the tracks of a whole video, each as a pair of its own."""
    columns = {category_id: column for column, category_id in enumerate(found.category_ids)}
    found.outputs[0] = [
        Output(number, columns[track.category_id], track.score)
        for number, track in enumerate(tracks)
    ]
    for frame in frames:
        masks = {number: track.segmentations[frame] for number, track in enumerate(tracks)}
        found.masks[0, frame] = {n: rle for n, rle in masks.items() if rle is not None}
