"""What handing frames and masks to another process and back costs.

`transfer_share`: time that the process adds over the time that the function takes by its own clock.
It is printed, too.
"""

import sys
from collections import Counter
from functools import partial
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


def method_of(function, **options):
    method = build_method(
        "external_video",
        num_classes=6,
        function=function,
        project_path=str(ROOT / "tests" / "support"),
        **options,
    )
    method.prepare_for_inference()
    return method


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
    method = method_of(f"{module}:Steps", online=True)
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
def test_whole_videos(benchmark, capsys, name):
    function, length = CASES[name]
    frames = nominal_videos(SPLIT)[0].frames
    video = Video(1, "a video", *SIZE_HW, [frames[t] for t in range(length)])
    method = method_of(function)
    predict = partial(track_video, method, video, PLAN, [1, 2, 3, 4, 5, 6])
    predict()
    shares = [transfer_share(method, video) for _ in range(ROUNDS)]
    shown = f"{median(shares):.4f} ({min(shares):.4f} to {max(shares):.4f})"
    benchmark.extra_info["transfer_share"] = shown
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: {benchmark.extra_info}\n")
    benchmark.pedantic(predict, rounds=1)
