"""Speed on a clock that only the fake method and the fake stages move: every figure is exact."""

import json
import os
import re
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from record_example import example_record
from vis_bench.charts import LIGHT, draw_inline
from vis_bench.data.frames import ImageFiles
from vis_bench.data.video import Video
from vis_bench.inference import compiled
from vis_bench.inference.loop import InferencePlan, no_mark
from vis_bench.inference.stages import NO_STAGES
from vis_bench.measures.speed import measure as timing
from vis_bench.measures.speed.measure import measure_speed, middle_run, over_processes, spread
from vis_bench.measures.speed.regions import (
    REGION_RUNS,
    CudaMarks,
    VideoRun,
    Workload,
    time_run,
    videos_on_disk,
)
from vis_bench.measures.speed.settings import STAGE_NAMES, SpeedSettings
from vis_bench.measures.speed.table import stage_panels
from vis_bench.method import ClipPrediction, FrameFeatures, VISMethod
from vis_bench.progress import Bars
from vis_bench.record.schema import RegionFields, SpeedFields

CPU = torch.device("cpu")
ENCODE_SECONDS, PREDICT_SECONDS = 0.25, 2.0


class FakeClock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class SlowMethod(VISMethod):
    """Takes 0.25 s per encoded frame and 2 s per predicted clip; finds one instance everywhere."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.calls = []

    def encode_frames(self, frames_T3HW):
        self.clock.now += ENCODE_SECONDS * len(frames_T3HW)
        self.calls.append(("encode", len(frames_T3HW)))
        return FrameFeatures({"frames": frames_T3HW}, tuple(frames_T3HW.shape[-2:]))

    def predict_clip(self, features):
        self.clock.now += PREDICT_SECONDS
        self.calls.append(("predict", len(features)))
        like = features.maps["frames"]
        return ClipPrediction(like.new_full((1, 2), 0.5), like.new_ones(1, len(features), 4, 4))


def video(number=1, length=6, frames=None):
    frames = frames or [np.full((12, 16, 3), t, np.uint8) for t in range(length)]
    return Video(number, f"v{number}", 12, 16, frames)


def workload(clock, length=4, stride=2):
    return Workload(SlowMethod(clock), InferencePlan(length, stride, "native", CPU), [1, 2])


def speed_of(work, videos, settings, **more):
    return SpeedFields(**measure_speed(work, videos, settings, Bars(quiet=True), **more))


def measure(region, clock=None, videos=None, **speed):
    clock = clock or FakeClock()
    config = SpeedSettings(regions=region, **{"warmup": 1, "repetitions": 2, "seconds": 0, **speed})
    return speed_of(workload(clock), videos or [video()], config, clock=clock)


# A video of 6 frames in clips of 4 every 2: every frame encoded once, 2 clips.
VIDEO_SECONDS = 6 * ENCODE_SECONDS + 2 * PREDICT_SECONDS


@pytest.mark.parametrize("region", REGION_RUNS)
def test_fps_is_over_source_frames_of_whole_videos(region):
    """Sharing counts as in use: frames that two clips hold are encoded, and counted, once."""
    fields = measure(region)
    assert fields.timed_region == region
    assert fields.fps == pytest.approx(6 / VIDEO_SECONDS)


def test_latency_is_from_one_clips_result_to_the_next():
    fields = measure("model")
    first, second = 4 * ENCODE_SECONDS + PREDICT_SECONDS, 2 * ENCODE_SECONDS + PREDICT_SECONDS
    assert fields.num_timed_clips == 4
    assert fields.latency_ms_p50 == pytest.approx(1e3 * (first + second) / 2)
    assert fields.latency_ms_p99 == pytest.approx(1e3 * first)


def test_percentiles_are_of_all_timed_clips(monkeypatch):
    run = VideoRun(1.0, [float(seconds) for seconds in range(101)], {})
    monkeypatch.setattr(timing, "time_run", lambda *_, **settings: run)
    fields = measure("model")
    latencies = fields.latency_ms_p50, fields.latency_ms_p90, fields.latency_ms_p99
    assert latencies == (50e3, 90e3, 99e3)


class FirstCalls(SlowMethod):
    """Takes 30 s longer where a clip's length is new."""

    def predict_clip(self, features):
        is_new = ("predict", len(features)) not in self.calls
        self.clock.now += 30.0 * is_new
        return super().predict_clip(features)


@pytest.mark.parametrize("repetitions", [1, 3])
@pytest.mark.parametrize("warmup", [0, 1])
def test_no_figure_holds_first_calls_with_new_shapes(repetitions, warmup):
    clock = FakeClock()
    videos = [video(number, length=number) for number in (4, 3, 2, 1)]
    work = Workload(FirstCalls(clock), InferencePlan("whole", 1, "native", CPU), [1, 2])
    config = SpeedSettings(
        regions=["model"], repetitions=repetitions, warmup=warmup, seconds=0, videos=4
    )
    fields = speed_of(work, videos, config, clock=clock)
    assert fields.fps == pytest.approx(10 / (10 * ENCODE_SECONDS + 4 * PREDICT_SECONDS))
    assert fields.latency_ms_p99 <= 1e3 * (4 * ENCODE_SECONDS + PREDICT_SECONDS)
    assert fields.speed_spread in (None, pytest.approx(0))
    assert (fields.num_warmup, fields.num_timed_clips) == (4, 4 * repetitions)


def test_joules_are_the_mean_over_the_first_videos(monkeypatch):
    """Of each video its own per frame, whatever its length."""
    monkeypatch.setattr(timing, "joules_per_frame", lambda gpu, run, frames: 12 / frames)
    gpu = SimpleNamespace(describe=lambda: {"name": "a GPU"})
    monkeypatch.setattr(timing, "open_gpu", lambda device: gpu)
    fields = measure("model", videos=[video(n, length=n) for n in (6, 3, 2, 1)])
    assert fields.energy_joules_per_frame == pytest.approx((2 + 4 + 6) / 3)


STAGES_OF_REGION = {
    "model": ["encode", "predict", "other"],
    "model+tracker": ["encode", "predict", "track", "rle", "other"],
    "end_to_end": [*STAGE_NAMES, "other"],
}


@pytest.mark.parametrize("region", REGION_RUNS)
def test_stages_sum_to_the_whole(region):
    fields = measure(region)
    stages = fields.stage_ms_per_frame
    assert list(stages) == STAGES_OF_REGION[region]
    assert sum(stages.values()) == pytest.approx(1e3 / fields.fps)
    assert stages["encode"] == pytest.approx(1e3 * ENCODE_SECONDS)
    assert stages["predict"] == pytest.approx(1e3 * PREDICT_SECONDS * 2 / 6)
    assert stages["other"] == pytest.approx(0)


class SlowRule:
    """A tracking rule that takes 4 s to say which tracks are emitted, once per video."""

    match_threshold, top_k = 0.05, None

    def __init__(self, clock):
        self.clock = clock

    @property
    def min_score(self):
        self.clock.now += 4.0
        return 0.0


@pytest.mark.parametrize("region", ["model+tracker", "end_to_end"])
def test_emitting_the_tracks_of_a_video_is_inside_the_region(region, tmp_path):
    clock = FakeClock()
    work = workload(clock)
    work.method.tracking_rule = SlowRule(clock)
    run = REGION_RUNS[region](work, video(), tmp_path)
    timed = time_run(run, CPU, by_stage=True, clock=clock)
    assert timed.stage_seconds["rle"] == 4


def test_time_between_stages_is_other():
    clock = FakeClock()

    def run(stages, after_clip):
        with stages.time("encode"):
            clock.now += 3
        clock.now += 2
        after_clip()

    timed = time_run(run, CPU, by_stage=True, clock=clock)
    assert (timed.seconds, timed.clip_seconds) == (5, [5])
    assert timed.stage_seconds == {"encode": 3, "other": 2}
    assert time_run(run, CPU, by_stage=False, clock=clock).stage_seconds == {}


def test_warmup_is_not_timed_and_repetitions_are_kept():
    clock = FakeClock()
    videos = [video(1), video(2, length=3)]
    fields = measure("model", clock, videos, warmup=3, repetitions=4)
    assert (fields.num_warmup, fields.num_timed) == (3, 8)
    seconds = VIDEO_SECONDS + 3 * ENCODE_SECONDS + PREDICT_SECONDS
    assert fields.fps == pytest.approx(9 / seconds)
    warm_up = 2 * VIDEO_SECONDS + 3 * ENCODE_SECONDS + PREDICT_SECONDS
    assert clock.now == pytest.approx(100 + warm_up + 4 * seconds)


@pytest.mark.parametrize(("by_stage", "expected"), [(True, 7), (False, 11)])
def test_the_bar_counts_every_run(monkeypatch, by_stage, expected):
    """Where stages get runs of their own, as on a GPU, those too."""
    monkeypatch.setattr(timing, "_by_stage", lambda device: by_stage)
    bars, totals, counted = Bars(quiet=True), [], []

    @contextmanager
    def bar(title, total):
        totals.append(total)
        yield lambda count=1: counted.append(count)

    monkeypatch.setattr(bars, "bar", bar)
    settings = SpeedSettings(regions="model", warmup=3, repetitions=2, seconds=0)
    clock = FakeClock()
    measure_speed(workload(clock), [video(1), video(2)], settings, bars, clock=clock)
    assert (totals, sum(counted)) == ([expected], expected)


def test_the_time_budget_adds_repetitions():
    fields = measure("model", repetitions=1, seconds=10 * VIDEO_SECONDS - 0.1)
    assert fields.num_timed == 10
    assert measure("model", repetitions=3, seconds=0).num_timed == 3


def test_first_region_gives_the_records_figures_and_all_are_kept():
    fields = measure(["model+tracker", "model"])
    assert fields.timed_region == "model+tracker"
    assert list(fields.regions) == ["model+tracker", "model"]
    for name, value in fields.regions["model+tracker"]:
        assert getattr(fields, name) == value


def test_without_a_gpu_its_fields_are_null():
    fields = measure("model")
    assert fields.gpu is None
    assert fields.energy_joules_per_frame is None
    assert fields.memory_bytes.allocator is fields.memory_bytes.device is None
    assert fields.peak_memory_bytes == fields.memory_bytes.process > 10 << 20
    assert fields.num_cpus == os.cpu_count()
    assert fields.load_average >= 0
    json.dumps(fields.model_dump(), allow_nan=False)


def run_of(seconds):
    return VideoRun(seconds, [seconds], {})


def test_the_middle_run_stands_for_a_video():
    assert middle_run([run_of(s) for s in (9, 1, 2)]).seconds == 2
    assert middle_run([run_of(s) for s in (9, 1, 2, 3)]).seconds == 2


def test_spread_compares_runs_of_the_same_video_only():
    assert spread([[run_of(2)] * 3, [run_of(70)] * 3]) == 0
    assert spread([[run_of(2)], [run_of(70)]]) is None
    ratios = [0.9, 1.0, 1.1, 0.8, 1.0, 1.2]
    low, high = np.percentile(ratios, [10, 90])
    runs = [[run_of(s) for s in (9, 10, 11)], [run_of(s) for s in (4, 5, 6)]]
    assert spread(runs) == pytest.approx((high - low) / 1.0)


def test_model_regions_start_after_decoding(tmp_path):
    for region, read_before in (("model", 6), ("model+tracker", 6), ("end_to_end", 0)):
        frames = CountedFrames(video().frames)
        run = REGION_RUNS[region](workload(FakeClock()), video(frames=frames), tmp_path)
        assert frames.read == read_before, region
        run(NO_STAGES, no_mark)
        assert frames.read == 6, region


class CountedFrames(list):
    read = 0

    def __getitem__(self, index):
        self.read += 1
        return super().__getitem__(index)

    def __iter__(self):
        return (self[t] for t in range(len(self)))


def test_end_to_end_goes_from_files_to_a_results_file(tmp_path):
    [on_disk] = videos_on_disk([video()], tmp_path)
    assert isinstance(on_disk.frames, ImageFiles)
    assert len(list(tmp_path.rglob("*.jpg"))) == 6
    assert videos_on_disk([on_disk], tmp_path / "unused") == [on_disk]
    REGION_RUNS["end_to_end"](workload(FakeClock()), on_disk, tmp_path)(NO_STAGES, no_mark)
    results = json.loads((tmp_path / "results.json").read_text())
    assert [(r["video_id"], len(r["segmentations"])) for r in results] == [(1, 6), (1, 6)]


def test_temporary_files_are_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    measure("end_to_end")
    assert list(Path(tmp_path).iterdir()) == []


class FakeEvent:
    def __init__(self, enable_timing):
        assert enable_timing
        self.time = None

    def record(self, stream):
        self.time = stream.now
        stream.now += 7.0

    def elapsed_time(self, later):
        return later.time - self.time


def test_marks_on_a_gpu_are_events_and_wait_for_nothing(monkeypatch):
    stream = FakeClock()
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: pytest.fail("waited"))
    marks = CudaMarks(torch.device("cuda"))
    for _ in range(3):
        marks.mark()
    assert marks.intervals() == [0.007, 0.007]


@pytest.mark.parametrize(("by_stage", "waits"), [(False, 2), (True, 2 + 2 * 3)])
def test_a_gpu_is_waited_for_at_the_ends_only_unless_stages_are_timed(monkeypatch, by_stage, waits):
    waited = []
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: FakeClock())
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: waited.append(1))

    def run(stages, after_clip):
        for _ in range(3):
            with stages.time("encode"):
                pass
            after_clip()

    time_run(run, torch.device("cuda"), by_stage=by_stage)
    assert len(waited) == waits


@pytest.mark.gpu
@pytest.mark.parametrize("region", REGION_RUNS)
def test_on_a_gpu(region):
    plan = InferencePlan(4, 2, "native", torch.device("cuda"))
    work = Workload(SlowMethod(FakeClock()), plan, [1, 2])
    config = SpeedSettings(regions=region, seconds=0)
    fields = speed_of(work, [video()], config)
    assert fields.fps > 0
    assert sum(fields.stage_ms_per_frame.values()) > 0
    assert fields.peak_memory_bytes == fields.memory_bytes.allocator
    assert fields.memory_bytes.device >= fields.memory_bytes.allocator > 0
    assert fields.gpu["name"]


class Slower:
    """Stands for a compiled function: its first call takes 30 s longer."""

    def __init__(self, function, clock):
        self.function, self.clock, self.is_new = function, clock, True

    def __call__(self, *inputs):
        self.clock.now += 30.0 if self.is_new else 0.0
        self.is_new = False
        return self.function(*inputs)


def test_compiling_is_a_figure_of_its_own_and_no_part_of_fps(monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(torch, "compile", lambda function, mode: Slower(function, clock))
    method = compiled.CompiledMethod(SlowMethod(clock), "default")
    work = Workload(method, InferencePlan(4, 2, "native", CPU), [1, 2])
    config = SpeedSettings(regions=["model", "model+tracker"], repetitions=2, seconds=0)
    fields = speed_of(work, [video()], config, clock=clock)
    assert fields.compile_seconds == pytest.approx(60)
    assert fields.fps == pytest.approx(6 / VIDEO_SECONDS)
    assert fields.latency_ms_p99 < 1e4
    assert fields.num_warmup == compiled.COMPILING_RUNS
    assert measure("model").compile_seconds is None


def process(load, **fps):
    """Fields of a process with these FPS by region; the latency tells whose they are."""
    regions = {name: {"fps": value, "latency_ms_p50": 1e3 / value} for name, value in fps.items()}
    first = next(iter(fps))
    more = {"load_average": load, "num_cpus": 2, "gpu": None, "compile_seconds": fps[first]}
    return {**regions[first], **more, "timed_region": first, "regions": regions}


def test_of_several_processes_each_region_has_that_of_median_fps():
    found = [process(0.1, a=10.0, b=7.0), process(0.9, a=30.0, b=5.0), process(1.2, a=20.0, b=6.5)]
    fields = SpeedFields(**over_processes(found))
    assert (fields.fps, fields.fps_low, fields.fps_high) == (20.0, 10.0, 30.0)
    assert (fields.latency_ms_p50, fields.compile_seconds) == (50.0, 20.0)
    b = fields.regions["b"]
    assert (b.fps, b.fps_low, b.fps_high, b.latency_ms_p50) == (6.5, 5.0, 7.0, 1e3 / 6.5)
    assert fields.regions["a"].fps == 20.0
    assert fields.load_average == 0.1, "that before the first"


def test_of_two_processes_the_slower_one_counts():
    fields = SpeedFields(**over_processes([process(0.0, a=30.0), process(0.0, a=10.0)]))
    assert (fields.fps, fields.fps_low, fields.fps_high) == (10.0, 10.0, 30.0)


def test_stages_are_a_chart_without_a_methods_color():
    """Names of stages come from records, which anyone may have written."""
    stages = {"encode": 1.0, "_other$y$": 0.5}
    one = example_record(regions={"model": RegionFields(fps=1.0, stage_ms_per_frame=stages)})
    two = example_record(
        clip_length=7,
        regions={
            "<b>model</b>": RegionFields(fps=1.0, stage_ms_per_frame={"predict": 2.0}),
            "x": RegionFields(fps=1.0),
        },
    )
    [panel] = stage_panels([one, two])
    assert [(own.name, own.y, own.method) for own in panel.series] == [
        ("encode", (1.0, 0.0), ""),
        ("predict", (0.0, 2.0), ""),
        ("_other$y$", (0.5, 0.0), ""),
    ]
    assert len({*panel.categories}) == 2
    drawn = draw_inline([panel], "stages")
    assert not re.search(rf"--chart-({'|'.join(LIGHT.colors)})\b", drawn)
    assert "&lt;b&gt;model&lt;/b&gt;" in drawn
    assert "_other$y$" in drawn
    assert stage_panels([example_record(regions={"model": RegionFields(fps=1.0)})]) == []
