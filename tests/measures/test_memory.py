"""Memory over length: against methods that take exactly so many MiB, and the curves by hand."""

import functools
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from methods import build_method
from paths import ROOT
from run_case import Heard
from vis_bench import system_memory
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.loop import InferencePlan
from vis_bench.measures.memory import run as measuring
from vis_bench.measures.memory.growth import Growth, Longest, growth, growth_of, needed
from vis_bench.measures.memory.run import lengths_of, measure_memory
from vis_bench.measures.memory.settings import MemorySettings
from vis_bench.measures.speed.regions import Workload
from vis_bench.method import ClipPrediction, FrameFeatures, VISMethod
from vis_bench.progress import Bars
from vis_bench.record.schema import MemoryPoint

MIB = 1 << 20
NEW_PROCESS = "VIS_BENCH_TEST_IN_NEW_PROCESS"
QUIET = Bars(quiet=True)
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=[
        pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
    ]),
]  # fmt: skip
FRAMES = [np.full((8, 8, 3), t, np.uint8) for t in range(5)]
VIDEO = Video(1, "v", 8, 8, FRAMES)


class Hungry(VISMethod):
    """Holds `held` MiB of features per frame, and takes `mebibytes` of a clip's length."""

    def __init__(self, mebibytes, held=0.0):
        super().__init__()
        self.mebibytes, self.held = mebibytes, held
        self.seen = []

    def encode_frames(self, frames_T3HW):
        held = frames_T3HW.new_ones(len(frames_T3HW), max(1, int(self.held * MIB / 4)))
        return FrameFeatures({"held": held}, (8, 8))

    def predict_clip(self, features):
        self.seen.append(len(features))
        like = features.maps["held"]
        like.new_ones(int(self.mebibytes(len(features)) * MIB / 4))
        return ClipPrediction(like.new_full((1, 2), 0.5), like.new_ones(1, len(features), 2, 2))


def measured(method, lengths, device="cpu", clip=("whole", 1), limit=None, bars=QUIET):
    plan = InferencePlan(*clip, "native", torch.device(device))
    return measure_memory(Workload(method, plan, [1, 2]), VIDEO, lengths, limit, bars)


def rises(fields):
    """MiB above the start, by length."""
    return {p.num_frames: (p.peak_bytes - p.start_bytes) / MIB for p in fields.memory_points}


def in_new_process(test):
    """Runs a test of resident memory in a process of its own, up to three times.

    What a process has freed before moves its peak by some MiB, and so do pages that the system
    takes from it and gives back while the machine has other work.
    """

    @functools.wraps(test)
    def outside(*args, **kwargs):
        if NEW_PROCESS in os.environ:
            return test(*args, **kwargs)
        name = os.environ["PYTEST_CURRENT_TEST"].rpartition(" (")[0]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name]
        environment = {**os.environ, NEW_PROCESS: "1"}
        for _ in range(3):
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True
            )
            if done.returncode == 0:
                return None
        pytest.fail(done.stdout[-2000:] + done.stderr[-2000:])

    return outside


@pytest.mark.parametrize("device", DEVICES)
@in_new_process
def test_a_method_that_takes_four_mebibytes_a_frame(device):
    method = Hungry(lambda n: 4 * n)
    fields = measured(method, [6, 12, 18, 24], device)
    assert rises(fields) == pytest.approx({6: 24, 12: 48, 18: 72, 24: 96}, abs=1.5)
    assert (fields.memory_growth, fields.memory_over) == ("line", "clip")
    assert fields.memory_bytes_per_frame == pytest.approx(4 * MIB, rel=0.02)
    assert fields.memory_error_bytes < 2 * MIB
    assert fields.memory_of == ("process" if device == "cpu" else "allocator")
    assert method.seen == [6, 6, 12, 18, 24]  # the first is not measured
    start = max(p.start_bytes for p in fields.memory_points)
    assert growth_of(fields).longest(start + 200 * MIB) == Longest(pytest.approx(50, abs=1), True)


@pytest.mark.parametrize("device", DEVICES)
@in_new_process
def test_joining_features_holds_them_twice(device):
    """The loop's own: the frames before, and the frames before and after, beside the last 8."""
    fields = measured(Hungry(lambda n: 0, held=1.0), [16, 32, 48, 64], device)
    assert rises(fields) == pytest.approx({n: 2 * n for n in (16, 32, 48, 64)}, abs=2)
    assert fields.memory_bytes_per_frame == pytest.approx(2 * MIB, rel=0.03)


@in_new_process
def test_lengths_do_not_disturb_each_other():
    """Blocks below malloc's greatest threshold, which it would keep when they are freed."""
    fields = measured(Hungry(lambda n: n), [5, 20, 25, 30])
    again = measured(Hungry(lambda n: n), [5, 20])
    for n, rise in rises(again).items():
        assert rises(fields)[n] == pytest.approx(rise, abs=1)


@in_new_process
def test_quadratic_memory_is_a_parabola_and_no_line():
    fields = measured(Hungry(lambda n: n + n**2 / 8), [6, 12, 18, 24])
    assert fields.memory_growth == "parabola"
    assert fields.memory_bytes_per_frame is None
    assert fields.memory_coefficients[2] == pytest.approx(MIB / 8, rel=0.15)
    start = max(p.start_bytes for p in fields.memory_points)
    longest = growth_of(fields).longest(start + (60 + 60**2 / 8) * MIB)
    assert longest == Longest(pytest.approx(60, abs=2), True)


@in_new_process
def test_a_video_in_clips_of_one_length_does_not_grow():
    fields = measured(Hungry(lambda n: 4 * n), [32, 48, 64, 80], clip=(4, 2))
    assert (fields.memory_growth, fields.memory_over) == ("flat", "video")
    assert (fields.memory_longest, fields.memory_longest_extrapolated) == (80, False)
    assert fields.memory_longest_is_bound


@in_new_process
def test_lengths_that_would_not_fit_are_left_out():
    bars = Heard()
    start = measured(Hungry(lambda n: 0), [1, 2]).memory_points[0].start_bytes
    method = Hungry(lambda n: 10 * n)
    fields = measured(method, [2, 4, 6, 40], limit=start + 120 * MIB, bars=bars)
    assert [p.num_frames for p in fields.memory_points] == [2, 4, 6]
    assert 40 not in method.seen
    assert "40 frames" in bars.said[0]
    with pytest.raises(InputError, match="40 frames"):
        measured(Hungry(lambda n: 10 * n), [2, 40], limit=start + 120 * MIB)


@in_new_process
def test_a_containers_limit_is_the_devices_memory(tmp_path, monkeypatch):
    """A group of this process may use 120 MiB more, as cgroup v2 states it."""
    start = measured(Hungry(lambda n: 0), [1, 2]).memory_points[0].start_bytes
    (tmp_path / "cgroup").write_text("0::/\n")
    (tmp_path / "memory.max").write_text(str(start + 120 * MIB))
    (tmp_path / "memory.current").write_text(str(start))
    (tmp_path / "memory.stat").write_text("inactive_file 0\n")
    monkeypatch.setattr(system_memory, "_OWN_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(system_memory, "_GROUPS", tmp_path)
    method = Hungry(lambda n: 10 * n)
    fields = measured(method, [2, 4, 6, 40])
    assert [p.num_frames for p in fields.memory_points] == [2, 4, 6]
    assert fields.memory_limit_bytes == start + 120 * MIB
    assert 40 not in method.seen


@in_new_process
def test_a_mini_model_needs_what_its_features_need_and_not_many_times_that():
    method = build_method("ifc", num_classes=6, variant="mini")
    method.prepare_for_inference()
    frames = [np.random.default_rng(t).integers(0, 255, (192, 192, 3), np.uint8) for t in range(4)]
    plan = InferencePlan("whole", 1, "native", torch.device("cpu"))
    work = Workload(method, plan, range(1, 7))
    fields = measure_memory(work, Video(1, "v", 192, 192, frames), [16, 32, 48, 64], None, QUIET)
    with torch.inference_mode():
        features = method.encode_frames(torch.zeros(1, 3, 192, 192))
    held = sum(map_T.numel() * map_T.element_size() for map_T in features.maps.values())
    assert fields.memory_growth == "line"
    assert held < fields.memory_bytes_per_frame < 8 * held


def test_where_the_peak_cannot_be_reset_it_is_refused(monkeypatch):
    monkeypatch.setattr(measuring, "reset_process_peak", lambda: False)
    with pytest.raises(InputError, match="clear_refs"):
        measured(Hungry(lambda n: n), [2, 4])


LINE = {n: 100.0 * MIB + 3 * MIB * n for n in (16, 32, 48, 64)}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (99, Longest(0)),
        (100 + 3 * 7, Longest(7, extrapolated=True)),
        (100 + 3 * 20.9, Longest(20)),
        (100 + 3 * 64, Longest(64)),
        (100 + 3 * 65, Longest(65, extrapolated=True)),
        (1e9, Longest(256, extrapolated=True, more=True)),
    ],
)
def test_the_longest_video_on_a_line(limit, expected):
    assert growth(LINE).longest(limit * MIB) == expected


def test_a_method_takes_no_more_than_its_most():
    assert growth(LINE, most=70).longest(1e9 * MIB) == Longest(70, extrapolated=True)
    flat = growth({9: 5.0, 18: 5.0, 36: 5.0}, most=36)
    assert flat.longest(6) == Longest(36)


def test_without_a_curve_nothing_is_extrapolated():
    peaks = {16: 100.0 * MIB, 32: 180.0 * MIB, 48: 190.0 * MIB, 64: 300.0 * MIB}
    found = growth(peaks)
    assert (found.kind, found.coefficients) == ("irregular", ())
    assert found.longest(185 * MIB) == Longest(32, more=True)
    assert found.longest(1e9 * MIB) == Longest(64, more=True)
    assert found.longest(99 * MIB) == Longest(0, more=True)


def test_the_line_of_the_longest_lengths_where_another_stage_is_larger_before():
    """The largest of two lines, which cross at 30 frames."""
    peaks = {n: max(100.0 + n, 10.0 + 4 * n) * MIB for n in (8, 16, 32, 48, 64)}
    found = growth(peaks)
    assert (found.kind, found.first) == ("line", 32)
    assert found.coefficients == pytest.approx((10 * MIB, 4 * MIB))
    assert found.longest((10 + 4 * 100) * MIB) == Longest(100, extrapolated=True)
    assert found.longest((10 + 4 * 40) * MIB) == Longest(40)
    assert found.longest(120 * MIB) == Longest(16, more=True)
    assert growth({n: peaks[n] for n in (8, 16, 32, 48)}).kind == "irregular"


def test_two_lengths_give_a_line_that_is_not_checked_and_three_no_parabola():
    two = growth({8: 10.0 * MIB, 16: 20.0 * MIB})
    assert (two.kind, two.error) == ("line", None)
    assert two.coefficients == pytest.approx((0, 1.25 * MIB))
    quadratic = {n: n**2 * MIB / 4 for n in (8, 16, 32, 64)}
    assert growth(quadratic).kind == "parabola"
    assert growth({n: quadratic[n] for n in (8, 16, 32)}).kind == "irregular"


@pytest.mark.parametrize(
    "peaks",
    [
        {8: 40.0, 16: 30.0, 32: 20.0, 64: 10.0},  # falls
        {n: 1000.0 - (n - 70) ** 2 / 6 for n in (8, 16, 32, 64)},  # bends down
        {n: 10 + (n - 30) ** 2 / 4.0 for n in (8, 16, 32, 64)},  # falls first
    ],
)
def test_a_curve_that_does_not_rise_for_ever_is_none(peaks):
    assert growth({n: value * MIB for n, value in peaks.items()}).kind == "irregular"


def test_a_weak_bend_passes_as_a_line_which_ends_where_it_would_matter():
    """Growth per frame that rises by a fifth over the measured lengths: no check can see it."""

    def bent(n):
        return (200 + 3 * n + 0.0064 * n**2) * MIB

    found = growth({n: bent(n) for n in (16, 32, 48, 64)})
    assert found.kind == "line"
    assert found.longest(1e6 * MIB) == Longest(4 * 64, extrapolated=True, more=True)
    assert 0.75 < found.bytes_at(4 * 64) / bent(4 * 64) < 0.85


@pytest.mark.parametrize("seed", range(5))
def test_noise_within_the_tolerance_leaves_a_line(seed):
    random = np.random.default_rng(seed)
    peaks = {n: (500 + 12 * n + random.uniform(-3, 3)) * MIB for n in (16, 32, 48, 64)}
    found = growth(peaks)
    assert found.kind == "line"
    assert found.bytes_at(256) == pytest.approx((500 + 12 * 256) * MIB, rel=0.02)


def test_needed_bytes_stand_on_the_highest_start():
    points = [
        MemoryPoint(num_frames=8, start_bytes=100, peak_bytes=150),
        MemoryPoint(num_frames=16, start_bytes=120, peak_bytes=190),
    ]
    assert needed(points) == {8: 170, 16: 190}
    elsewhere = [MemoryPoint(num_frames=8, peak_bytes=150)]
    assert needed(elsewhere) == {8: 150}


@pytest.mark.parametrize(
    ("clip_length", "most", "expected"),
    [
        ("whole", None, (16, 32, 48, 64)), ("whole", 36, (9, 18, 27, 36)),
        ("whole", 100, (16, 32, 48, 64)), (1, None, (16, 32, 48, 64)),
        (36, 36, (80, 96, 112, 128)),
    ],
)  # fmt: skip
def test_lengths_unless_the_config_names_them(clip_length, most, expected):
    assert lengths_of(MemorySettings(), "m", clip_length, most) == expected


@pytest.mark.parametrize(
    ("lengths", "clip_length", "most", "wrong"),
    [((4, 20), 5, None, "4"), ((8, 40), "whole", 36, "40"), (None, "whole", 1, "1 frame")],
)
def test_lengths_that_are_refused(lengths, clip_length, most, wrong):
    with pytest.raises(InputError, match=f"{wrong}.*expected|{wrong}.*at most"):
        lengths_of(MemorySettings(lengths=lengths), "m", clip_length, most)


@pytest.mark.parametrize("lengths", [[8], [8, 8], [], [0, 4], [8.5, 9], "whole"])
def test_settings_refuse_fewer_than_two_lengths(lengths):
    with pytest.raises(ValueError, match="lengths"):
        MemorySettings(lengths=lengths)


def test_a_curve_is_none_of_a_record_without_memory():
    assert isinstance(growth(LINE), Growth)
    assert growth_of(measured(Hungry(lambda n: 0), [1, 2])).kind == "flat"
