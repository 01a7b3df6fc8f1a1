"""The networks of all bundled configs at 720p on a CUDA device of fake tensors.

Operators of tensors on two devices and those of two dtypes fail there, as on a GPU. Kernels do not
run: their errors, their memory and their speed are not seen, nor is what depends on values.
"""

from itertools import product

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException

from extras import skip_without_extra
from fake_cuda import CUDA, FakeCuda, cuda_guard
from methods import build_method
from paths import CONFIGS
from vis_bench.data.nominal import SIZE_HW
from vis_bench.inference.clips import Clip
from vis_bench.inference.loop import ENCODE_FRAMES, InferencePlan, StoredFrames, predict_clips
from vis_bench.inference.preprocess import input_size
from vis_bench.runs.build import method_on_meta
from vis_bench.runs.config import Cell, DatasetConfig, load_cells
from vis_bench.runs.sources import config_categories

PRECISIONS = ("float32", "bfloat16", "float16", "tf32")
LENGTH = 2
# These keep decoders or mask heads in float32 under autocast (`full_precision`).
IN_FLOAT32 = {"idol", "ifc", "masktrack_rcnn", "ms_sts", "seqformer", "vistr"}
# And this one its matching, from the second frame on.
MATCHES_IN_FLOAT32 = {"minvis"}
# These match instances on the host from so many frames on, where a pass without values ends.
READS_VALUES = {"idol": 1, "masktrack_rcnn": 1, "minvis": 2}
# What the host waits for in a clip whose frames are encoded at once. SeqFormer, MS-STS and VisTR
# copy sizes of their maps to the device; SeqFormer, MS-STS and IFC select their instances, and
# Mask2Former copies its levels for each layer.
WAITS = {
    "color_follow": 0,
    "color_key": 2,
    "ifc": 1,
    "minvis": 7,
    "ms_sts": 9,
    "seqformer": 9,
    "videomt": 0,
    "vistr": 4,
}
# Mini models have fewer layers.
FEWER = {"ms_sts mini": 5, "seqformer mini": 5}


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
def cuda_is_known(tmp_path_factory):
    with cuda_guard(tmp_path_factory.mktemp("guard")):
        yield


def run(name, precision, length=LENGTH):
    """The device after a clip, the clip's prediction or None if it ended before, and its length."""
    cell = NETWORKS[name]
    skip_without_extra(cell.method)
    method = method_on_meta(build_method, cell, len(config_categories(cell.dataset)))
    length = min(length, method.max_clip_length or length)
    tf32 = precision == "tf32"
    plan = InferencePlan(length, 1, 720, CUDA, "float32" if tf32 else precision, tf32)
    size_HW = input_size(*SIZE_HW, plan.resolution, method.input_format)
    prediction = None
    with FakeCuda() as device, plan.arithmetic():
        device.move(method)
        assert torch.backends.cuda.matmul.allow_tf32 == tf32
        frames = StoredFrames(torch.empty(length, 3, *size_HW, device=CUDA))
        try:
            (_, prediction), = predict_clips(method, frames, [Clip(0, length)])  # fmt: skip
        except (DataDependentOutputException, RuntimeError) as error:
            if cell.method not in READS_VALUES or not _reads_values(error):
                raise
    return device, prediction, length


def _reads_values(error):
    return isinstance(error, DataDependentOutputException) or ".numpy()" in str(error)


def check(name, precision, device, prediction, length):
    method = NETWORKS[name].method
    lowered = torch.float32 if precision == "tf32" else getattr(torch, precision)
    assert device.dtypes <= {torch.float32, lowered}
    in_float32 = method in IN_FLOAT32 or (method in MATCHES_IN_FLOAT32 and length > 1)
    kept = {torch.float32} if in_float32 else set()
    if method != "color_key":  # which multiplies nothing
        assert device.products == {lowered} | kept
    assert (prediction is None) == (length >= READS_VALUES.get(method, length + 1))
    if prediction is not None:
        assert prediction.mask_logits_NTHW.shape[1] == length
        assert prediction.mask_logits_NTHW.device == prediction.class_probs_NK.device == CUDA
        if length <= ENCODE_FRAMES:
            assert len(device.waits) == FEWER.get(name, WAITS[method])


@pytest.mark.parametrize(("place", "name"), [*enumerate(NETWORKS)], ids=NETWORKS)
def test_every_network_runs_on_a_gpu_as_far_as_its_shapes_tell(place, name):
    precision = PRECISIONS[place % len(PRECISIONS)]
    check(name, precision, *run(name, precision))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_of_each_family_runs_in_bfloat16(name):
    check(name, "bfloat16", *run(name, "bfloat16", length=1))


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "length"), [*product(PRECISIONS, [1, 5, 36])])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_of_each_family_runs_at_every_length(name, precision, length):
    check(name, precision, *run(name, precision, length))


def test_the_device_refuses_what_a_gpu_refuses():
    with FakeCuda() as device:
        there, here = torch.ones(2, device=CUDA), torch.ones(2)
        with pytest.raises(RuntimeError, match="two devices"):
            there + here
        with pytest.raises(RuntimeError, match="dtype"):
            there[None] @ torch.ones(2, 1, device=CUDA, dtype=torch.bfloat16)
        assert device.waits == []


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
