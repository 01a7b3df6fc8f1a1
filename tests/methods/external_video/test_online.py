"""Online models of other projects: frame by frame, in several Pythons."""

import os
import re
import sys
import time
from dataclasses import replace
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from methods import build_method
from methods.external_video import child
from methods.external_video.driver.memory import SharedMemory
from methods.external_video.driver.mmdet_models import Mmdet
from methods.external_video.driver.steps import row_of_each, write_masks
from other_pythons import other_pythons
from paths import ROOT
from run_case import QUIET, jobs_of
from toy_detectron2_case import TOY, forget_toy
from vis_bench.contract import check_contract
from vis_bench.data.synthetic import plain_color
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.compiled import compiled
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.inference.preprocess import masks_to_video
from vis_bench.masks.rle import decode
from vis_bench.measures.speed.measure import measure_speed
from vis_bench.measures.speed.regions import Workload
from vis_bench.measures.speed.settings import SpeedSettings
from vis_bench.record.store import RecordStore
from vis_bench.runs.harness import run_jobs

PROJECT = '''
import os, time
import numpy as np

class Follow:
    """A track for each color channel, numbered in the order in which they are seen."""

    def start(self, height, width):
        self.size, self.seen, self.sums = (height, width), {}, {}

    def step(self, frames):
        assert frames.dtype == np.uint8
        found = {}
        for t, frame in enumerate(frames):
            rows, columns = (np.arange(n) * m // n for n, m in zip(self.size, frame.shape))
            for channel in range(3):
                mask = frame[rows][:, columns][..., channel] > 150
                if mask.any():
                    number = self.seen.setdefault(channel, 3 + len(self.seen))
                    self.sums.setdefault(channel, []).append(mask.mean())
                    masks = found.setdefault(channel, [None] * len(frames))
                    masks[t] = mask
        return [self.track(channel, masks) for channel, masks in found.items()]

    def track(self, channel, masks):
        score = np.float32(np.mean(self.sums[channel]))
        return {
            "track_id": self.seen[channel], "category": channel, "score": score, "masks": masks
        }

def whole(frames, height, width):
    follow = Follow()
    follow.start(height, width)
    return follow.step(frames)

class Together(Follow):
    """Its scores are those of a call."""
    def step(self, frames):
        self.sums = {}
        return super().step(frames)

class Forgets(Follow):
    """Leaves out what the last frame of a call lacks, and numbers anew."""
    def step(self, frames):
        self.seen = {}
        tracks = super().step(frames)
        for track in tracks:
            track["masks"] = [None] * (len(frames) - 1) + track["masks"][-1:]
        return tracks

class Sure(Follow):
    def track(self, channel, masks):
        return dict(super().track(channel, masks), score=7)

class Nameless(Follow):
    def track(self, channel, masks):
        return {k: v for k, v in super().track(channel, masks).items() if k != "track_id"}

class Twins(Follow):
    def step(self, frames):
        return 2 * super().step(frames)

class Startless:
    def step(self, frames):
        return []

class Dies(Follow):
    def step(self, frames):
        if self.size == (20, 32) and frames[0, 0, 0, 0] == 77:
            os._exit(3)
        return super().step(frames)

class Hungry(Follow):
    def step(self, frames):
        if frames[0, 0, 0, 0] == 77:
            np.ones(300_000_000, np.uint8).sum()
        return super().step(frames)

class Slow(Follow):
    def step(self, frames):
        until = time.perf_counter() + 0.05 * len(frames)
        while time.perf_counter() < until:
            pass
        return super().step(frames)
'''
MEASURE = """
measure: [accuracy, streaming, speed, memory, flops]
speed: {regions: [model, model+tracker], videos: 1, warmup: 0, repetitions: 1, seconds: 0}
streaming: {rates: [6], delays: [frame, inf], repetitions: 1, processes: 1}
memory: {lengths: [2, 4]}
"""
PLAN = InferencePlan(1, 1, "native", torch.device("cpu"))


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "follow.py").write_text(PROJECT)
    return tmp_path / "project"


def method_of(project, name="Follow", python=None, online=True):
    method = build_method(
        "external_video",
        num_classes=3,
        function=f"follow:{name}",
        online=online,
        project_path=str(project),
        python=python,
    )
    method.prepare_for_inference()
    return method


def frames_of(first, length=4):
    frames = np.random.default_rng(0).integers(0, 256, (length, 20, 32, 3), np.uint8)
    frames[:, 0, 0, 0] = first
    return Video(1, "a video", 20, 32, list(frames))


def tracks_of(method, plan=PLAN, video=None):
    return track_video(method, video or frames_of(0), plan, [1, 2, 3])


@pytest.mark.parametrize("resolution", ["native", 8])
def test_frame_by_frame_gives_what_the_whole_video_gives(project, resolution):
    plan = replace(PLAN, resolution=resolution)
    video = frames_of(0)
    video.frames[3][..., 1] = 0  # a track has no mask where an earlier call's would lie
    whole = method_of(project, "whole", online=False)
    expected = tracks_of(whole, replace(plan, clip_length="whole"), video)
    assert sorted(track.segmentations[3] is None for track in expected) == [False, False, True]
    assert {tuple(track.segmentations[0]["size"]) for track in expected} == {(20, 32)}
    for python in (None, *other_pythons()):
        method = method_of(project, python=python)
        for length in (1, 2):
            found = tracks_of(method, replace(plan, clip_length=length, clip_stride=length), video)
            assert found == expected, (python, length)


def test_masks_of_a_step_leave_nothing_of_the_one_before():
    """A row per track_id, whose categories share its masks."""
    ones, nothing = np.ones((2, 3), bool), np.zeros((2, 3), bool)
    tracks = [(7, [ones, None]), (4, [None, nothing]), (7, [None, ones])]
    tracks = [SimpleNamespace(track_id=number, masks=masks) for number, masks in tracks]
    rows = row_of_each(track.track_id for track in tracks)
    assert rows == {7: 0, 4: 1}
    masks_NTHW = np.ones((2, 2, 2, 3), bool)
    write_masks(tracks, rows, masks_NTHW)
    assert masks_NTHW.all((2, 3)).tolist() == [[True, True], [False, False]]
    assert not masks_NTHW[1].any()


def test_both_sides_of_shared_memory_see_what_either_writes(tmp_path):
    with (tmp_path / "file").open("w+b") as file:
        one, other = SharedMemory(file.fileno()), SharedMemory(file.fileno())
        one.array(0, (3,))[:] = 1, 2, 3
        later = other.array(2, (2, 4096), bool)  # it grows
        later[:] = True
        assert one.array(0, (4,)).tolist() == [1, 2, 1, 1]
        one.array(4096, (5000,))[0] = 0
        assert not later[0, 4094]


def test_the_contract(project):
    check_contract(method_of(project), 3)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Together", r"scores of track_id \d in category \d differ"),
        ("Forgets", r"masks of track_id \d in frame 0 differ"),
        ("Sure", "score 7"),
        ("Nameless", "track 0 without track_id"),
        ("Twins", "track_id 3 is there twice in category 0"),
        ("Startless", "lacks start"),
    ],
)
def test_what_breaks_the_contract_is_refused_before_the_first_frame(project, name, problem):
    with pytest.raises(InputError, match=problem):
        method_of(project, name)


def test_a_process_that_ends_fails_its_video_and_the_next_gets_a_new_one(project):
    method = method_of(project, "Dies")
    with pytest.raises(InputError, match=r"exit status 3.*video a video \(id 1\), clip 1 of 4"):
        tracks_of(method, video=frames_of(77))
    assert tracks_of(method) == tracks_of(method_of(project))


def test_a_state_that_is_not_the_last_is_refused(project):
    method = method_of(project)
    features = method.encode_frames(torch.zeros(2, 3, 8, 8))
    _, state = method.predict_next(features, None)
    method.predict_next(features, None)
    method.predict_next(features, state)
    with pytest.raises(InputError, match="after frame 2, but its model has seen 4"):
        method.predict_next(features, state)


def test_speed_is_that_of_the_clock_of_its_process(project, monkeypatch):
    """Time of handing over counts nowhere."""
    fill, handing_over = child._fill, 0.1

    def slowly(*arguments):
        until = time.perf_counter() + handing_over
        while time.perf_counter() < until:
            pass
        return fill(*arguments)

    monkeypatch.setattr(child, "_fill", slowly)
    work = Workload(method_of(project, "Slow"), PLAN, [1, 2, 3])
    speed = SpeedSettings(
        regions=("model", "model+tracker"), videos=1, warmup=0, repetitions=1, seconds=0
    )
    fields = measure_speed(work, [frames_of(0)], speed, QUIET)
    assert 1 / (0.05 + handing_over) < fields["fps"] <= 1 / 0.05
    assert 50 <= fields["latency_ms_p50"] < 1e3 * (0.05 + handing_over)
    assert fields["stage_ms_per_frame"]["predict"] >= 50


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs /proc")
def test_the_peak_of_a_video_leaves_out_the_one_before(project):
    """The first frame of a bright video takes 300 MB for a moment."""
    method = method_of(project, "Hungry", sys.executable)
    peaks = []
    for first in (77, 1):
        tracks_of(method, video=frames_of(first))
        peaks.append(method.take_peaks()["process"])
    assert peaks[0] > peaks[1] + 200_000_000
    assert method.take_peaks() == {}


def test_it_is_not_compiled(project):
    with pytest.raises(InputError, match="compile is default"):
        compiled(method_of(project), "default")


def finder(tmp_path, answer, online):
    """The toy of a detectron2 project."""
    method = build_method(
        "external_video",
        num_classes=6,
        back_end="detectron2",
        project_path=str(TOY),
        config_file="configs/colors.yaml",
        adders=["detectron2.projects.deeplab:add_deeplab_config", "colors:add_colors_config"],
        opts=["MODEL.COLORS.ANSWER", answer],
        online=online,
    )
    colors = torch.tensor([plain_color(1 + k) for k in range(6)]).float()
    torch.save({"model": {"colors": colors}}, tmp_path / "colors.pth")
    method.take_weights(tmp_path / "colors.pth")
    method.prepare_for_inference()
    return method


def test_a_detectron2_model_goes_on_by_keep(tmp_path):
    frames = np.zeros((4, 24, 32, 3), np.uint8)
    for number, places in enumerate(((1, 2, 3), (0, 2))):  # one comes late, one is away
        for t in places:
            frames[t, 4 + 2 * t : 10 + 2 * t, 16 * number : 16 * number + 8] = plain_color(
                1 + number
            )
    video = Video(1, "a video", 24, 32, list(frames))

    def tracks(answer, online, length):
        plan = InferencePlan(length, 1, "native", torch.device("cpu"))
        found = track_video(finder(tmp_path, answer, online), video, plan, [*range(6)])
        assert all(0 < track.score <= 1 for track in found)
        return {track.category_id: [*track.segmentations] for track in found}

    try:
        expected = tracks("lists", False, "whole")
        assert [*map(bool, expected[1])] == [True, False, True, False]
        assert tracks("follow", True, 1) == tracks("follow", True, 3) == expected
        with pytest.raises(InputError, match="pred_ids"):
            tracks("lists", True, 1)
    finally:
        forget_toy()


FRAMES_OF_QUERIES = """\
import numpy as np
import torch

def frame_model(frame):
    \"\"\"Five queries in an order of the frame's own; their embeddings turn slowly.\"\"\"
    t = int(frame[0, 0, 0])
    generator = torch.Generator().manual_seed(t)
    order = torch.randperm(5, generator=generator)
    angles = 1.2 * torch.arange(5) + 0.1 * t
    lengths = torch.rand(5, 1, generator=generator)
    embeddings = lengths * torch.stack([angles.cos(), angles.sin()], 1)
    logits = torch.randn(5, 4, generator=generator)
    masks = torch.full((5, 4, 6), -1.0)
    for query in range(5):
        masks[query, : 1 + (query + t) % 4, query] = 1.0
    return logits[order], masks[order], embeddings[order]
"""


def test_the_class_of_the_page_ends_with_the_pairs_of_the_whole_video(tmp_path):
    """Of a model that matches within a call; a brute-force search finds which query is which."""
    page = (ROOT / "docs" / "other_code.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[1]
    (tmp_path / "my_package.py").write_text(FRAMES_OF_QUERIES)
    (tmp_path / "follow.py").write_text(code)
    frames = np.zeros((6, 8, 12, 3), np.uint8)
    frames[:, 0, 0, 0] = range(6)
    method = method_of(tmp_path, "Matched")
    tracks = tracks_of(method, video=Video(1, "a video", 8, 12, list(frames)))
    exec(FRAMES_OF_QUERIES, names := {})
    logits, masks, before = [], [], None
    for frame in frames:
        of_frame, shapes, embeddings = names["frame_model"](frame)
        angles = torch.atan2(embeddings[:, 1], embeddings[:, 0])
        if before is None:
            order = range(5)
        else:
            likeness = (angles - before[:, None]).cos()
            order = max(permutations(range(5)), key=lambda p: sum(likeness[range(5), p]))
        before = angles[[*order]]
        logits.append(of_frame[[*order]])
        masks.append(masks_to_video(shapes[[*order]][None], 8, 12)[0])
    probs_QK = torch.stack(logits).mean(0).softmax(-1)[:, :-1]
    best = probs_QK.flatten().sort(descending=True)
    assert len(tracks) == 10 < probs_QK.numel()
    assert [track.score for track in tracks] == pytest.approx(best.values[:10].tolist(), abs=1e-6)
    missing = 0
    for track, place in zip(tracks, best.indices[:10].tolist(), strict=True):
        query, category = divmod(place, 3)
        assert track.category_id == 1 + category
        for rle, masks_Q in zip(track.segmentations, masks, strict=True):
            missing += rle is None
            assert rle is None or np.array_equal(decode(rle), masks_Q[query].numpy())
    assert missing < 20


@pytest.mark.parametrize("preset", ["minvis", "ctvis", "idol", "cavis"])
def test_presets_of_whole_videos_are_refused_online(project, preset):
    with pytest.raises(InputError, match=f"options.online is true.* preset {preset} takes whole"):
        build_method(
            "external_video",
            num_classes=40,
            back_end="detectron2",
            preset=preset,
            config_file="c.yaml",
            online=True,
            project_path=str(project),
        )


class Instances(SimpleNamespace):
    """Tracks of a frame, as mmdet's `InstanceData` has them."""

    def __contains__(self, name):
        return hasattr(self, name)


def test_steps_of_mmdet_end_with_the_tubes_of_the_whole_video():
    """Scores and labels change until the last frame; of the tracks of a step alone."""
    numbers, generator = [[4], [4, 7], [7], [4, 7]], np.random.default_rng(0)
    samples = [
        SimpleNamespace(
            pred_track_instances=Instances(
                scores=generator.random(len(of_frame), np.float32),
                labels=generator.integers(0, 3, len(of_frame)),
                instances_id=np.array(of_frame),
                masks=generator.random((len(of_frame), 6, 8)) > 0.5,
            )
        )
        for of_frame in numbers
    ]
    back_end = object.__new__(Mmdet)
    back_end._online = True
    back_end._call = lambda frames, start, *_: samples[start : start + len(frames)]
    frames = [np.zeros((3, 4, 3), np.uint8)] * 4
    whole = {entry[3]: entry for entry in back_end.entries(frames, 6, 8, lambda stage: None)}
    for lengths in ((1, 1, 1, 1), (1, 3)):
        back_end.start(6, 8)
        last, masks = {}, {4: [], 7: []}
        for length in lengths:
            found = {e[3]: e for e in back_end.step([frames[0]] * length, lambda stage: None)}
            last.update({number: entry[:2] for number, entry in found.items()})
            for number, of_track in masks.items():
                of_track += found[number][2] if number in found else [None] * length
        assert last == {number: entry[:2] for number, entry in whole.items()}
        for number, of_track in masks.items():
            for mask, expected in zip(of_track, whole[number][2], strict=True):
                assert np.array_equal(mask, expected)


def test_the_example_of_the_page(tmp_path):
    """With streaming AP, speed and memory; FLOPs are missing with the reason."""
    page = (ROOT / "docs" / "other_code.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    [text] = [c for c in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "online: true" in c]
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "infer.py").write_text(code)
    text = re.sub(r"python: .*\n", f"python: {sys.executable}\n", text)
    text = re.sub(r"project_path: .*\n", f"project_path: {tmp_path}\n", text)
    text = re.sub(r"dataset: .*\n", "dataset: {name: synthetic, split: val}\n", text)
    text = re.sub(r"measure: .*\n", MEASURE, text)
    [record] = run_jobs(jobs_of(tmp_path, text, limit=1), RecordStore(tmp_path), QUIET).records
    assert [*record.failures] == ["flops"]
    assert "its own code" in record.failures["flops"]
    in_time, in_the_end = record.streaming
    assert in_the_end.ap == record.ap is not None
    assert 0 < in_time.frame_latency_ms_p50 < 1000
    assert record.fps > 0
    assert not record.untimed_regions
    assert [point.num_frames for point in record.memory_points] == [2, 4]
    assert all(point.start_bytes is None for point in record.memory_points)
