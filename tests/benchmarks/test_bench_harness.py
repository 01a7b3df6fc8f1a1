"""Processor time of the inference loop over that of bare calls on the same clips.

Run with --benchmark-only; the least time of each side is compared, on one thread.
"""

import time

import pytest
import torch

from methods import build_method
from vis_bench.contract import check_clip, check_values
from vis_bench.inference.loop import ENCODE_FRAMES, InferencePlan, StoredFrames, predict_clips
from vis_bench.inference.stages import StageClock
from vis_bench.measures.speed.regions import CpuMarks

CPU = torch.device("cpu")
NUM_FRAMES, LENGTH, STRIDE = 12, 5, 2
SIZE_HW = (96, 160)
ROUNDS = 9


class Sides:
    """The same clips of one video, by bare calls and through the loop."""

    def __init__(self, name, **options):
        torch.manual_seed(0)
        self.method = build_method(name, num_classes=8, **options)
        self.method.prepare_for_inference()
        self.frames_T3HW = torch.rand(NUM_FRAMES, 3, *SIZE_HW)
        self.clips = InferencePlan(LENGTH, STRIDE, "native", CPU).clips(NUM_FRAMES)
        self.chunks = list(self.chunks_of_the_loop())
        with torch.inference_mode():
            features = self.method.encode_frames(self.frames_T3HW)
        self.features = [features.frames(clip.start, clip.stop) for clip in self.clips]

    def chunks_of_the_loop(self):
        done = 0
        for clip in self.clips:
            while done < clip.stop:
                stop = min(done + ENCODE_FRAMES, clip.stop)
                yield self.frames_T3HW[done:stop]
                done = stop

    @torch.inference_mode()
    def bare(self):
        for chunk_T3HW in self.chunks:
            self.method.encode_frames(chunk_T3HW)
        for features in self.features:
            self.method.predict_clip(features)

    @torch.inference_mode()
    def loop(self):
        inputs, stages, marks = StoredFrames(self.frames_T3HW), StageClock(), CpuMarks()
        for _ in predict_clips(self.method, inputs, self.clips, stages):
            marks.mark()


SUBJECTS = {
    "ifc r50": {"name": "ifc", "backbone": "r50"},
    "ifc mini": {"name": "ifc", "backbone": "mini"},
    "seqformer mini": {"name": "seqformer", "backbone": "mini"},
}


def seconds(call):
    start = time.process_time()
    call()
    return time.process_time() - start


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_loop_against_bare_calls(benchmark, one_thread, subject):
    sides = Sides(**SUBJECTS[subject])
    sides.bare(), sides.loop()
    bare, loop = [], []

    def both():
        bare.append(seconds(sides.bare))
        loop.append(seconds(sides.loop))

    benchmark.pedantic(both, rounds=ROUNDS)
    overhead = min(loop) / min(bare) - 1
    benchmark.extra_info.update(
        bare_ms=1e3 * min(bare), loop_ms=1e3 * min(loop), overhead_percent=100 * overhead
    )


@pytest.mark.parametrize("subject", SUBJECTS)
def test_checks_of_a_clip_against_its_prediction(benchmark, one_thread, subject):
    """Time of the checks of a clip over that of predicting it."""
    sides = Sides(**SUBJECTS[subject])
    features = sides.features[0]
    predict, check = [], []

    def both():
        start = time.process_time()
        with torch.inference_mode():
            prediction = sides.method.predict_clip(features)
        middle = time.process_time()
        check_clip(sides.method, prediction, LENGTH)
        check_values(sides.method, prediction, 8)
        predict.append(middle - start)
        check.append(time.process_time() - middle)

    benchmark.pedantic(both, rounds=ROUNDS, warmup_rounds=1)
    benchmark.extra_info.update(
        predict_ms=1e3 * min(predict),
        check_ms=1e3 * min(check),
        check_percent=100 * min(check) / min(predict),
    )
