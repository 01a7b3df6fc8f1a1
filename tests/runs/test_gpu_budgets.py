"""The seconds that .ci/gpu gives its steps, beside an estimate: nothing here was measured on a GPU.

Multiply-adds are counted. What one takes, and what a process, a clip and a frame take besides, are
assumptions for a card of the H100's class, meant to be too slow. IFC's authors report 107.1 FPS on
an RTX 2080 Ti, 2.6 T multiply-adds per second in float32, of which an H100 has five times as many;
those of VidEoMT 294 and 160 FPS on an H100, 17 T and 92 T in float16.
"""

import re

import pytest
import torch

from cuda_ops.profile import PASSES, Budget, default_dtypes
from cuda_ops.profile.attention_shapes import attention_shapes
from paths import CONFIGS, ROOT
from run_case import bare_on_meta
from vis_bench.data.nominal import NUM_FRAMES
from vis_bench.inference.compiled import COMPILING_RUNS
from vis_bench.inference.loop import InferencePlan
from vis_bench.measures.flops.video import ShapeCounter, count_nominal
from vis_bench.measures.speed.measure import num_runs
from vis_bench.measures.speed.nvml import WINDOW_SECONDS
from vis_bench.runs.config import load_cells

CUDA = torch.device("cuda")
SCRIPT = (ROOT / ".ci" / "gpu").read_text(encoding="utf-8")
BUDGET = {step: int(number) for step, number in re.findall(r"\[(\w+)\]=(\d+)", SCRIPT)}
FIRST = re.search(r"^steps=\((.+)\)$", SCRIPT, re.MULTILINE)[1].split()

# Multiply-adds per second of whole methods: of what an H100 SXM's data sheet gives, 15 % in
# float32, and for anything faster 4 % of TF32's, which is 2 % of that of 16 bits.
FLOAT32, FASTER = 5e12, 1e13
# Seconds of a process until it works, of building a network, and of compiling one.
START, BUILD, COMPILE = 8, 5, 90
# Seconds of a clip's launches and waits: IFC's authors report 46.5 FPS where each frame begins a
# clip. And of each 720x1280 frame in regions beyond `model`.
CLIP = 0.03
FRAME = {"model": 0, "model+tracker": 0.05, "end_to_end": 0.08}
# An accuracy cell of 24 small videos, which took 11 s of a core without a GPU; compiled for three
# lengths of videos.
ACCURACY = 11
COMPILED_ACCURACY = ACCURACY + 3 * COMPILE
# Multiply-adds per second of the attention's reference and of kernels; compiling Triton's.
REFERENCE, KERNEL, TRITON = 5e10, 5e11, 20
# Eight files with 186 tests of 0.3 s, and nvcc for one architecture; three files with ten tests
# that compile two networks, and the time-out of compute-sanitizer.
TESTS, TESTS_COMPILED = 8 * START + 186 * 0.3 + 40, 3 * START + 20 * COMPILE + 540

_counted = {}


def macs_and_clips(cell):
    """Of the nominal video."""
    clips = cell.resolution, cell.clip_length, cell.clip_stride
    key = cell.method, str(cell.options), *clips
    if key not in _counted:
        network = bare_on_meta(cell)
        plan = InferencePlan(clips[1], clips[2], clips[0], torch.device("cpu"))
        video = count_nominal(ShapeCounter(network), plan, "").video
        _counted[key] = video.all.total, video.num_clips
    return _counted[key]


def cell_seconds(cell):
    macs, clips = macs_and_clips(cell)
    exact = cell.precision == "float32" and not cell.tf32
    model = macs / (FLOAT32 if exact else FASTER) + clips * CLIP
    speed, compiled = cell.speed, cell.compile != "none"
    warm_up = max(speed.warmup, COMPILING_RUNS * speed.videos * compiled)
    runs = num_runs(CUDA, speed, speed.videos, warm_up)
    seconds = BUILD + START * (speed.processes > 1)
    for region in speed.regions:
        run = model + NUM_FRAMES * FRAME[region]
        # A run for energy begins until the window's end.
        seconds += runs * run + WINDOW_SECONDS + run + COMPILE * compiled
    return speed.processes * seconds


def kernel_seconds():
    row, total = Budget(), 0
    for shape in attention_shapes().values():
        for pass_name in PASSES:
            for rate in (REFERENCE, KERNEL, KERNEL, KERNEL):  # CUDA, Triton and the original
                call = shape.macs(pass_name) / rate
                total += call + min(row.repetitions * call, row.seconds + call)
    return len(default_dtypes(CUDA)) * (START + TRITON + total)


def accuracy_seconds(*, compiled):
    cells = [c for c in load_cells(CONFIGS / "agreement.yaml") if (c.compile != "none") == compiled]
    return START + len(cells) * (COMPILED_ACCURACY if compiled else ACCURACY)


def seconds(step):
    """The estimate of a step."""
    other = {
        "tests": TESTS,
        "tests_compiled": TESTS_COMPILED,
        "agreement": accuracy_seconds(compiled=False),
        "agreement_compiled": accuracy_seconds(compiled=True),
        "kernels": kernel_seconds(),
        "fps": START,
    }
    if step in other:
        return other[step]
    return START + sum(map(cell_seconds, load_cells(CONFIGS / f"{step}.yaml")))


def test_the_first_run_takes_at_most_twenty_minutes_and_measures_longest_last():
    assert sum(BUDGET[step] for step in FIRST) <= 20 * 60
    *measuring, table = FIRST
    assert table == "fps"
    assert max(measuring, key=BUDGET.get) == measuring[-1]


LONG = "gpu", "gpu_720"  # whose many networks take half a minute to count


@pytest.mark.parametrize(
    "step", [pytest.param(s, marks=pytest.mark.slow) if s in LONG else s for s in BUDGET]
)
def test_an_estimate_fits_into_five_sixths_of_its_steps_budget(step):
    assert 1.2 * seconds(step) <= BUDGET[step]
