"""The networks of all bundled configs at 720p on a CUDA device of fake tensors.

Operators of tensors on two devices and those of two dtypes fail there, as on a GPU. Kernels do not
run: their errors, their memory and their speed are not seen. Values are not known: what the host
decides by them goes one way of several.
"""

from itertools import cycle, product

import pytest
import torch

from extras import with_marks
from fake_cuda import CUDA, FakeCuda, cuda_guard
from methods import build_method
from paths import CONFIGS
from run_case import bare_on_meta
from vis_bench.data.nominal import SIZE_HW
from vis_bench.inference.clips import Clip
from vis_bench.inference.loop import ENCODE_FRAMES, InferencePlan, StoredFrames, predict_clips
from vis_bench.inference.preprocess import input_size
from vis_bench.runs.config import Cell, DatasetConfig, load_cells

PRECISIONS = ("float32", "bfloat16", "float16", "tf32")
LENGTH = 2
# These keep decoders or mask heads in float32 under autocast (`full_precision`).
IN_FLOAT32 = {"idol", "ifc", "masktrack_rcnn", "ms_sts", "seqformer", "vistr"}
# And this one its matching, from the second frame on.
MATCHES_IN_FLOAT32 = {"minvis"}
# This one scores its tracks on the host.
SCORES_ON_HOST = {"idol"}
# What the host waits for in a clip whose frames are encoded at once, and for each of its frames.
# SeqFormer, MS-STS, VisTR and IDOL copy sizes of their maps to the device; SeqFormer, MS-STS and
# IFC select their instances, and Mask2Former copies its levels for each layer. Those that name
# their instances frame by frame match them on the host.
WAITS = {
    "color_follow": (0, 0),
    "color_key": (2, 0),
    "idol": (31, 32),
    "ifc": (1, 0),
    "masktrack_rcnn": (3, 7),
    "minvis": (5, 2),
    "ms_sts": (9, 0),
    "seqformer": (9, 0),
    "videomt": (0, 0),
    "vistr": (4, 0),
}
# Mini models have fewer layers.
FEWER = {"ms_sts mini": (5, 0), "seqformer mini": (5, 0)}


def networks():
    """A cell for each network of the configs, and for MinVIS, by its name."""
    cells = {}
    for path in sorted(CONFIGS.glob("*.yaml")):
        for cell in load_cells(path):
            if cell.method not in ("external_video", "sam3_video"):  # of whole videos
                options = sorted((key, str(value)) for key, value in cell.options.items())
                cells.setdefault(" ".join([cell.method, *(v for _, v in options)]), cell)
    return cells | {"minvis": Cell(method="minvis", dataset=DatasetConfig(name="ytvis2019"))}


NETWORKS = networks()
FAMILIES = ("ifc r50", "seqformer r50", "ms_sts r50", "vistr r50", "idol r50", "masktrack_rcnn r50")
FAMILIES += ("videomt small", "minvis", "color_key", "color_follow")


@pytest.fixture(scope="module", autouse=True)
def cuda_is_known():
    with cuda_guard():
        yield


def run(name, precision, length=LENGTH):
    """The device after a clip, the clip's prediction or None if it ended before, and its length."""
    cell = NETWORKS[name]
    method = bare_on_meta(cell)
    length = min(length, method.max_clip_length or length)
    tf32 = precision == "tf32"
    plan = InferencePlan(length, 1, 720, CUDA, "float32" if tf32 else precision, tf32)
    size_HW = input_size(*SIZE_HW, plan.resolution, method.input_format)
    with FakeCuda() as device, plan.arithmetic():
        device.move(method)
        assert torch.backends.cuda.matmul.allow_tf32 == tf32
        frames = StoredFrames(torch.empty(length, 3, *size_HW, device=CUDA))
        (_, prediction), = predict_clips(method, frames, [Clip(0, length)])  # fmt: skip
    return device, prediction, length


def check(name, precision, device, prediction, length):
    method = NETWORKS[name].method
    lowered = torch.float32 if precision == "tf32" else getattr(torch, precision)
    assert device.dtypes <= {torch.float32, lowered}
    in_float32 = method in IN_FLOAT32 or (method in MATCHES_IN_FLOAT32 and length > 1)
    kept = {torch.float32} if in_float32 else set()
    if method != "color_key":  # which multiplies nothing
        assert device.products == {lowered} | kept
    assert prediction.mask_logits_NTHW.shape[1] == length
    assert prediction.mask_logits_NTHW.device == CUDA
    scores = torch.device("cpu") if method in SCORES_ON_HOST else CUDA
    assert prediction.class_probs_NK.device == scores
    if length <= ENCODE_FRAMES:
        of_clip, of_frame = FEWER.get(name, WAITS[method])
        assert len(device.waits) == of_clip + of_frame * length


def precisions():
    """Bfloat16 for a network of each family, and all in turn for the others."""
    others = [name for name in NETWORKS if name not in FAMILIES]
    turns = zip(others, cycle(PRECISIONS))
    return dict.fromkeys(FAMILIES, "bfloat16") | dict(turns)


@pytest.mark.parametrize("name", with_marks(precisions()))
def test_every_network_runs_on_a_gpu_as_far_as_its_shapes_tell(name):
    precision = precisions()[name]
    check(name, precision, *run(name, precision))


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "length"), [*product(PRECISIONS, [1, 5, 36])])
@pytest.mark.parametrize("name", with_marks(FAMILIES))
def test_a_network_of_each_family_runs_at_every_length(name, precision, length):
    check(name, precision, *run(name, precision, length))


# Queries of a prompt and layers of the decoder, of SAM 3's mini model and the published one.
SAM3 = {"mini": (6, 2), "published": (200, 6)}
CHEAP = ("mini", "bfloat16")


@pytest.mark.extra("transformers")
@pytest.mark.parametrize(
    ("variant", "precision"),
    [
        pytest.param(*case, marks=() if case == CHEAP else pytest.mark.slow)
        for case in product(SAM3, PRECISIONS)
    ],
)
def test_sam3_video_runs_frame_by_frame(variant, precision):
    """Two objects, where every query of both prompts is a detection."""
    queries, layers = SAM3[variant]
    options = {"variant": "mini"} if variant == "mini" else {}
    with torch.device("meta"):
        rules = {"max_num_objects": 2}
        method = build_method("sam3_video", num_classes=2, mode="stream", rules=rules, **options)
    side = method.resolved_options["image_size"]
    tf32 = precision == "tf32"
    plan = InferencePlan(1, 1, side, CUDA, "float32" if tf32 else precision, tf32)
    waits = []
    with FakeCuda() as device, plan.arithmetic():
        method.take_categories(["cat", "truck"])
        method.prepare_for_inference()
        device.move(method)
        frames = StoredFrames(torch.empty(2, 3, side, side, device=CUDA))
        for _, prediction in predict_clips(method, frames, [Clip(0, 1), Clip(1, 2)]):
            assert prediction.mask_logits_NTHW.shape == (2, 1, side, side)
            assert prediction.mask_logits_NTHW.device == CUDA
            waits.append(len(device.waits) - sum(waits))
    # transformers reads a layer's sizes back, and which objects each detection matches.
    assert waits == [29 + 4 * layers, 42 + 4 * layers + 5 * 2 * queries]
    lowered = torch.float32 if tf32 else getattr(torch, precision)
    assert device.products == {torch.float32, lowered}
    # Its memory of earlier frames is in bfloat16 at any precision.
    assert device.dtypes == {torch.float32, torch.bfloat16, lowered}


def test_the_device_refuses_what_a_gpu_refuses():
    with FakeCuda() as device:
        there, here = torch.ones(2, device=CUDA), torch.ones(2)
        with pytest.raises(RuntimeError, match="two devices"):
            there + here
        with pytest.raises(RuntimeError, match="dtype"):
            there[None] @ torch.ones(2, 1, device=CUDA, dtype=torch.bfloat16)
        assert device.waits == []


def test_what_the_host_reads_is_what_it_wrote_or_nothing():
    with FakeCuda() as device:
        sizes = torch.tensor([[3, 5]], device=CUDA)
        assert torch.ones(sizes[0, 1], device=CUDA).shape == (5,)
        assert sizes.tolist() == [[3, 5]]
        x = torch.ones(2, device=CUDA)
        assert (float(x[0]), bool(x[0] > 0), x.tolist()) == (0.0, True, [0.0, 0.0])
        assert x.bfloat16().cpu().float().numpy().tolist() == [0.0, 0.0]
        with pytest.raises(TypeError):
            x.numpy()
        read = "aten._local_scalar_dense"
        copies = ["copy to the device", read, "copy to the host"]
        assert device.waits == [*copies, read, read, *2 * ["copy to the host"]]
        device.waits.clear()
        assert bool(torch.ones(1) > 0)  # on the host
        assert device.waits == []
        sizes += 1
        assert sizes.tolist() == [[0, 0]]


WAITING = {
    "copy to the device": lambda x: torch.tensor([1.0], device=CUDA),
    "copy to the host": lambda x: x.cpu(),
    "index of booleans": lambda x: x[x > 0],
    "aten.nonzero": lambda x: x.nonzero(),
    "aten.masked_select": lambda x: x.masked_select(x > 0),
    "aten.equal": lambda x: torch.equal(x, x),
}


@pytest.mark.parametrize("kind", WAITING)
def test_the_device_counts_waits(kind):
    with FakeCuda() as device:
        x = torch.empty(3, device=CUDA)
        assert device.waits == []
        WAITING[kind](x)
        assert device.waits == [kind]


def test_a_dtype_that_autocast_would_not_give_is_seen():
    with FakeCuda() as device, torch.autocast("cuda", dtype=torch.bfloat16):
        layer = torch.nn.Linear(3, 4, device="meta")
        x = torch.empty(2, 3, device=CUDA)
        device.move(layer)(x)
        assert device.products == {torch.bfloat16}
        with torch.autocast("cuda", enabled=False):
            layer(x)
            assert device.products == {torch.bfloat16, torch.float32}
        x.double()
        assert torch.float64 in device.dtypes
