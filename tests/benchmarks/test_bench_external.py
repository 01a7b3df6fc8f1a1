"""What another Python's process costs, beside the same function in this process.

Runs alternate, so that the ratios of one run are fair on a busy machine. `transfer_share`: time
that the process adds (frames and masks handed over) over the time that the function takes by its
own clock; `time_ratio`: of whole videos, that process over this one. Both are printed, too.
"""

import sys
from collections import Counter
from statistics import median
from time import clock_gettime, perf_counter, process_time

import numpy as np
import pytest
import torch

from methods import build_method
from paths import ROOT
from vis_bench.data.nominal import SIZE_HW, SPLIT, nominal_videos
from vis_bench.data.video import Video
from vis_bench.inference.loop import InferencePlan, track_video
from vis_bench.inference.preprocess import to_input
from vis_bench.operating_system import process_peak, reset_process_peak
from vis_bench.video_method import VideoInfo

PLAN = InferencePlan("whole", 1, "native", torch.device("cpu"))
CASES = {
    "toy, 12 frames": ("toy_function:predict", 12),
    "seqformer mini, 4 frames": ("seqformer_function:predict", 4),
    "seqformer mini, 12 frames": ("seqformer_function:predict", 12),
}
ROUNDS = 3
ONLINE_FRAMES = 8
ONLINE_ROUNDS = 7


def method_of(function, python):
    method = build_method(
        "external_video",
        num_classes=6,
        function=function,
        python=python,
        project_path=str(ROOT / "tests" / "support"),
    )
    method.prepare_for_inference()
    return method


def timed(method, video):
    """Seconds of a video with the encoding of its masks, and its tracks."""
    start = perf_counter()
    tracks = track_video(method, video, PLAN, [1, 2, 3, 4, 5, 6])
    return perf_counter() - start, tracks


def transfer_share(method, video):
    """Time of a video beyond the function's, over the function's; masks are not encoded."""
    info = VideoInfo(video.id, video.name, *SIZE_HW, video.length)
    counted = Counter()

    def mark(stage, seconds=0.0):
        counted[stage] += seconds

    start = perf_counter()
    for _ in method.predict_video(video.frames, info, mark):
        pass
    return (perf_counter() - start) / counted.total() - 1


@pytest.mark.parametrize("module", ["toy_function", "seqformer_function"])
def test_frames_to_an_online_model(benchmark, capsys, module):
    """Milliseconds per frame, the least of several rounds: the model's own, what passes beyond
    them, processor time here and of the other process, and a plain copy of as many bytes.
    """
    method = build_method(
        "external_video",
        num_classes=6,
        function=f"{module}:Steps",
        online=True,
        python=sys.executable,
        project_path=str(ROOT / "tests" / "support"),
    )
    method.prepare_for_inference()
    frames = nominal_videos(SPLIT)[0].frames
    inputs = [to_input([frames[t]], method.input_format) for t in range(ONLINE_FRAMES)]
    features = [method.encode_frames(frames_T3HW) for frames_T3HW in inputs]
    method.begin_video(*SIZE_HW)
    # Linux's clock of another process's processor time.
    its_clock = (~method._session._running._process.pid << 3) | 2

    def predict():
        state, own = None, 0.0
        for one in features:
            prediction, state = method.predict_next(one, state)
            own += sum(method.take_seconds().values())
        return own, prediction

    def measured():
        start, here, there = perf_counter(), process_time(), clock_gettime(its_clock)
        own, _ = predict()
        wall, here = perf_counter() - start, process_time() - here
        there = clock_gettime(its_clock) - there
        return {"its own": own, "beyond": wall - own, "cpu here": here, "cpu there": there}

    _, prediction = predict()
    masks = prediction.mask_logits_NTHW.numpy()
    passed = [(part, np.empty_like(part)) for part in (inputs[0].numpy(), masks)]
    copies, rounds = [], []
    for _ in range(ONLINE_ROUNDS):
        start = perf_counter()
        for part, target in passed:
            np.copyto(target, part)
        copies.append(perf_counter() - start)
        rounds.append(measured())
    least = {key: min(round_[key] for round_ in rounds) / ONLINE_FRAMES for key in rounds[0]}
    shown = {key: f"{1e3 * value:.2f}" for key, value in {**least, "copy": min(copies)}.items()}
    benchmark.extra_info["ms_per_frame"] = shown
    megabytes = sum(part.nbytes for part, _ in passed) / 1e6
    with capsys.disabled():
        sys.stdout.write(f"\n{module}, {len(masks)} masks, {megabytes:.1f} MB: {shown}\n")
    benchmark.pedantic(predict, rounds=1)


@pytest.mark.parametrize("name", CASES)
def test_another_process_beside_this_one(benchmark, capsys, name):
    function, length = CASES[name]
    frames = nominal_videos(SPLIT)[0].frames
    video = Video(1, "a video", *SIZE_HW, [frames[t] for t in range(length)])
    here, there = method_of(function, None), method_of(function, sys.executable)
    assert timed(here, video)[1] == timed(there, video)[1]
    ratios, shares = [], []
    for _ in range(ROUNDS):
        inside = timed(here, video)[0]
        ratios.append(timed(there, video)[0] / inside)
        shares.append(transfer_share(there, video))
    reset_process_peak()
    timed(here, video)
    alone = process_peak()
    there.take_peaks()
    reset_process_peak()
    timed(there, video)
    both = process_peak() + there.take_peaks()["process"]
    for key, values in {"time_ratio": ratios, "transfer_share": shares}.items():
        benchmark.extra_info[key] = f"{median(values):.4f} ({min(values):.4f} to {max(values):.4f})"
    benchmark.extra_info["memory"] = f"{alone >> 20} MiB here, {both >> 20} MiB in both"
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: {benchmark.extra_info}\n")
    benchmark.pedantic(timed, (there, video), rounds=1)
