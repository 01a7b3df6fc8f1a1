"""Methods for whole videos: frames on the host, a track at a time, stages, and what is refused."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from video_key import VideoKey
from vis_bench.contract import check_contract
from vis_bench.data.frames import LazyFrames
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.inference.stages import StageClock
from vis_bench.measures.speed.nvml import peak_memory
from vis_bench.measures.speed.regions import time_run
from vis_bench.method import InputFormat, TrackingRule
from vis_bench.video_method import TrackPrediction, VideoMethod

K, SIZE_HW, LENGTH = 3, (12, 20), 4
PLAN = InferencePlan("whole", 1, 6, torch.device("cpu"))


def a_video(length=LENGTH):
    frames = LazyFrames(length, lambda t: np.full((*SIZE_HW, 3), 10 * t, np.uint8))
    return Video(7, "a video", *SIZE_HW, frames)


class Given(VideoMethod):
    """Yields what a function makes of the frames, the video and `mark`."""

    input_format = InputFormat(long_side="round")

    def __init__(self, predict):
        super().__init__()
        self.predict = predict

    def predict_video(self, frames, video, mark):
        return self.predict(frames, video, mark)


def full(video, value=True, kind=np.ones):
    return [kind((video.height, video.width), dtype=bool if kind is np.ones else torch.bool)] * (
        video.num_frames
    )


def tracks_of(predict, **plan):
    method = Given(predict)
    return track_video(method, a_video(), replace(PLAN, **plan), [10, 20, 30])


def one(video, **changes):
    return TrackPrediction(**{"category": 1, "score": 0.5, "masks": full(video), **changes})


def test_frames_are_resized_bytes_in_any_order():
    def predict(frames, video, mark):
        assert len(frames) == video.num_frames == LENGTH
        assert (video.id, video.name) == (7, "a video")
        assert (video.height, video.width) == SIZE_HW
        stacked = np.stack(frames)
        assert (stacked.dtype, stacked.shape) == (np.uint8, (LENGTH, 6, 10, 3))
        assert stacked[:, 0, 0, 0].tolist() == [0, 10, 20, 30]
        assert frames[-1][0, 0, 0] == 30
        assert [frame[0, 0, 0] for frame in frames[1:3]] == [10, 20]
        return ()

    assert tracks_of(predict) == []


@pytest.mark.parametrize("kind", [np.ones, torch.ones])
def test_tracks_are_encoded_best_first_and_empty_ones_left_out(kind):
    def predict(frames, video, mark):
        yield one(video, score=0.25, masks=full(video, kind=kind))
        yield one(video, masks=[None] * LENGTH)
        some = full(video, kind=kind)
        yield one(video, category=2, score=np.float32(0.75), masks=[None, *some[1:]])
        yield one(video, category=np.int64(0), masks=torch.zeros(LENGTH, *SIZE_HW).bool())

    best, second = tracks_of(predict)
    assert (best.video_id, best.category_id, best.score) == (7, 30, 0.75)
    assert [mask is None for mask in best.segmentations] == [True, False, False, False]
    assert (second.category_id, second.score) == (20, 0.25)
    assert [mask["size"] for mask in second.segmentations] == [[*SIZE_HW]] * LENGTH


def test_empty_tracks_stay_where_the_rule_keeps_them(monkeypatch):
    monkeypatch.setattr(Given, "tracking_rule", TrackingRule(keep_empty=True))

    def predict(frames, video, mark):
        yield one(video, masks=[None] * LENGTH)

    [track] = tracks_of(predict)
    assert [*track.segmentations] == [None] * LENGTH


def test_a_track_is_let_go_before_the_next_one_is_made():
    living = weakref.WeakSet()

    class Masks(list):
        __hash__ = object.__hash__

    def predict(frames, video, mark):
        for _ in range(3):
            gc.collect()
            assert not living
            masks = Masks(full(video))
            living.add(masks)
            yield one(video, masks=masks)
            del masks

    assert len(tracks_of(predict)) == 3


def test_the_method_splits_its_time_by_stages():
    now = [0.0]

    def spend(seconds):
        now[0] += seconds

    def predict(frames, video, mark):
        spend(1)
        mark("preprocess")
        next(iter(frames))
        spend(2)
        mark("encode")
        spend(4)
        mark("track")
        spend(8)
        yield one(video)
        spend(16)

    clock = StageClock(clock=lambda: now[0])
    track_video(Given(predict), a_video(), PLAN, [1, 2, 3], clock)
    assert {name: s for name, s in clock.seconds.items() if s} == {
        "predict": 1,
        "preprocess": 2,
        "encode": 4,
        "track": 24,
    }
    assert clock.seconds.keys() >= {"decode", "rle"}


def test_time_of_another_process_counts_in_place_of_the_transfer():
    now = [0.0]

    def spend(seconds):
        now[0] += seconds

    def predict(frames, video, mark):
        mark("transfer")
        next(iter(frames))
        spend(100)
        mark("predict", 2.5)
        mark("preprocess", 0.5)
        yield one(video)
        spend(1000)
        mark("predict", 4)
        mark("track")
        spend(1)

    def run(stages, after_clip):
        track_video(Given(predict), a_video(), PLAN, [1, 2, 3], stages, after_clip)

    for by_stage in (True, False):
        timed = time_run(run, torch.device("cpu"), by_stage=by_stage, clock=lambda: now[0])
        assert timed.seconds == 8
        assert timed.clip_seconds == [8]
        known = {"predict": 6.5, "preprocess": 0.5, "track": 1} if by_stage else {}
        assert {name: s for name, s in timed.stage_seconds.items() if s} == known


def test_peaks_of_another_process_stand_in_place_of_those_of_this_one():
    taken = [{"process": 1}, {"process": 5, "allocator": 7}]
    with peak_memory(torch.device("cpu"), lambda: taken.pop(0)) as peaks:
        assert len(taken) == 1
    assert peaks == {"process": 5, "allocator": 7, "device": None}


REFUSED = {
    "a list": lambda video: 5,
    "TrackPrediction": lambda video: [{"score": 1.0}],
    "category 3": lambda video: [one(video, category=3)],
    "category -1": lambda video: [one(video, category=-1)],
    "category 1.0": lambda video: [one(video, category=1.0)],
    "score nan": lambda video: [one(video, score=float("nan"))],
    "score None": lambda video: [one(video, score=None)],
    "3 masks": lambda video: [one(video, masks=full(video)[1:])],
    "(6, 10)": lambda video: [one(video, masks=[np.ones((6, 10), bool)] * LENGTH)],
    "uint8": lambda video: [one(video, masks=[np.ones(SIZE_HW, np.uint8)] * LENGTH)],
    "track_id 4 twice": lambda video: [one(video, track_id=4)] * 2,
}


@pytest.mark.parametrize("given", REFUSED)
def test_what_breaks_the_contract_is_refused_with_the_video(given):
    with pytest.raises(InputError) as refused:
        tracks_of(lambda frames, video, mark: REFUSED[given](video))
    assert "video a video (id 7)" in str(refused.value)
    assert given in str(refused.value) or given == "a list"


def test_the_methods_own_errors_and_stages_are_named():
    def fails(frames, video, mark):
        yield one(video)
        raise KeyError("weights")

    with pytest.raises(InputError, match=r"KeyError.*video a video \(id 7\), track 1"):
        tracks_of(fails)
    with pytest.raises(InputError, match=r"'load'.*preprocess"):
        tracks_of(lambda frames, video, mark: mark("load"))


def test_clips_are_refused():
    with pytest.raises(InputError, match="clip_length is 5"):
        tracks_of(lambda frames, video, mark: (), clip_length=5)
    for call in (VideoKey(K).encode_frames, VideoKey(K).predict_clip):
        with pytest.raises(InputError, match="VideoKey"):
            call(torch.zeros(1, 3, 4, 4))


class Broken(VideoMethod):
    """Finds what is bright, but for one planted fault."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.seen = 0

    def predict_video(self, frames, video, mark):
        found = self.tracks(np.stack(frames), video, mark)
        return list(found) if self.fault == "a list" else found

    def tracks(self, frames_THW3, video, mark):
        mark("load" if self.fault == "'load'" else "track")
        self.seen += 1
        score = 1 / self.seen if self.fault == "score of track 0 differs" else 0.5
        height, width = (
            frames_THW3.shape[1:3] if "shape" in self.fault else (video.height, video.width)
        )
        masks = np.zeros((video.num_frames, height, width), bool)
        masks[:, : 1 + height // 2] = True
        if self.fault == "mask differs":
            masks[0, : self.seen] = False
        if self.fault == "3 masks":
            masks = masks[:3]
        category = K if self.fault == "category" else 0
        for _ in range(self.seen if self.fault == "tracks, but" else 1):
            yield TrackPrediction(category, score, masks)


FAULTS = [
    "a list", "'load'", "score of track 0 differs", "a mask of shape", "mask differs", "3 masks",
    "category", "tracks, but",
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_contract_notices(fault):
    with pytest.raises(AssertionError, match=fault):
        check_contract(Broken(fault), K)


def test_contract_passes_a_sound_method():
    check_contract(Broken("none"), K)
