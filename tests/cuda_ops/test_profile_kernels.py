"""`profile` and `trace_method`: what the rows say, what is skipped, and what the trace holds."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from cuda_ops import ms_deform_attn
from cuda_ops.profile import Budget, default_dtypes, machine, profile, sweep, trace_method
from cuda_ops.profile.attention_shapes import AttentionShape, attention_shapes, needed_bytes

QUICK = Budget(repetitions=3, seconds=0.2)
TINY = {
    "encoder_tiny": AttentionShape("encoder_tiny", ((4, 6), (2, 3)), 2, 30),
    "decoder_tiny": AttentionShape("decoder_tiny", ((4, 6), (2, 3)), 1, 5),
}
KNOWN_LIMITS = machine.MachineLimits(
    8e9, {torch.float32: 200e9, torch.float16: 400e9, torch.bfloat16: 400e9}
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(sweep, "attention_shapes", lambda: TINY)
    monkeypatch.setattr(sweep, "measure_limits", lambda device, dtypes: KNOWN_LIMITS)


def test_shapes_are_those_of_seqformer():
    shapes = attention_shapes()
    assert list(shapes) == [
        f"{part}_{side}_T{frames}"
        for part in ("encoder", "decoder")
        for side in (360, 720)
        for frames in (1, 5, 36)
    ]
    encoder = shapes["encoder_360_T5"]
    assert encoder.levels_L2 == ((45, 80), (23, 40), (12, 20), (6, 10))
    assert (encoder.batch, encoder.positions, encoder.queries) == (5, 4820, 4820)
    decoder = shapes["decoder_720_T36"]
    assert (decoder.batch, decoder.positions, decoder.queries) == (36, 19160, 300)
    sides = [(-(-720 // stride), -(-1280 // stride)) for stride in (8, 16, 32, 64)]
    assert decoder.levels_L2 == tuple(sides)


def test_least_work_of_a_shape():
    shape = attention_shapes()["encoder_360_T5"]
    items = 5 * 4820  # frames times queries, and times positions
    assert shape.macs("forward") == 5 * items * 8 * 4 * 4 * 32
    assert shape.macs("backward") == 2 * shape.macs("forward")
    value, locations, weights, output = (items * n for n in (256, 256, 128, 256))
    forward = value + locations + weights + output
    assert shape.bytes_min("forward", torch.float16) == 2 * forward
    backward = output + 2 * (value + locations + weights)
    assert shape.bytes_min("backward", torch.float32) == 4 * backward


def test_a_value_that_nothing_reads_need_not_move():
    # 2 frames, levels of 4 x 6 and 2 x 3, 1 query: 4 points reach 16 of 24 and all 6 positions.
    shape = AttentionShape("few", ((4, 6), (2, 3)), batch=2, queries=1)
    value, all_values = 2 * (16 + 6) * 8 * 32, 2 * (24 + 6) * 8 * 32
    locations, weights, output = 2 * 8 * 2 * 4 * 2, 2 * 8 * 2 * 4, 2 * 8 * 32
    read = value + locations + weights
    assert shape.bytes_min("forward", torch.bfloat16) == 2 * (read + output)
    written = all_values + locations + weights
    assert shape.bytes_min("backward", torch.float32) == 4 * (read + output + written)
    assert shape.bytes_held("forward", torch.float32) == 4 * (written + output)
    assert shape.bytes_held("backward", torch.float16) == 2 * (2 * written + output)
    # Each of the weights' samples reads four positions of 32 channels.
    assert shape.bytes_gathered(torch.float32) == 4 * weights * 4 * 32


def test_every_combination_has_a_row():
    rows = profile(budget=QUICK, device="cpu")
    keys = [(r["dtype"], r["pass"], r["shape"], r["backend"]) for r in rows]
    assert keys == [
        ("float32", pass_name, shape, backend)
        for pass_name in ("forward", "backward")
        for shape in TINY
        for backend in ("reference", "cpu", "cuda", "triton")
    ]
    assert json.loads(json.dumps(rows)) == rows
    for row in rows:
        is_skipped = row["backend"] in ("cuda", "triton")
        assert ("ms_p50" not in row) == is_skipped
        assert (row["skipped"] or "").startswith("not available") == is_skipped


def test_figures_follow_from_time_and_limits(monkeypatch):
    times = {"reference": [9.0, 0.4, 0.5, 0.6], "cpu": [9.0, 0.1, 0.3, 0.2]}
    _fake_times(monkeypatch, times)
    budget = Budget(repetitions=3, seconds=100)
    reference, cpu = profile(
        ["encoder_tiny"], ["reference", "cpu"], ["forward"], budget=budget, device="cpu"
    )
    assert (reference["ms_p50"], reference["speedup_over_reference"]) == (500, 1)
    assert (cpu["ms_p10"], cpu["ms_p50"], cpu["ms_p90"]) == (100, 200, 300)
    assert cpu["speedup_over_reference"] == 2.5
    assert (cpu["repetitions"], cpu["note"], cpu["skipped"]) == (3, "", None)
    shape = TINY["encoder_tiny"]
    moved, flop = shape.bytes_min("forward", torch.float32), 2 * shape.macs("forward")
    assert cpu["bytes_min"] == moved
    assert cpu["gb_per_s"] == pytest.approx(moved / 0.2 / 1e9)
    assert cpu["copy_share"] == pytest.approx(moved / 0.2 / 8e9)
    assert cpu["gflop_per_s"] == pytest.approx(flop / 0.2 / 1e9)
    assert cpu["matrix_share"] == pytest.approx(flop / 0.2 / 200e9)
    assert cpu["floor_ms"] == pytest.approx(1000 * max(moved / 8e9, flop / 200e9))
    assert cpu["bound"] == ("bandwidth" if moved / 8e9 > flop / 200e9 else "arithmetic")


def test_backends_take_turns_within_their_budget(monkeypatch):
    order = _fake_times(monkeypatch, {"reference": [0.5] * 9, "cpu": [0.01] * 9})
    budget = Budget(repetitions=4, seconds=0.9)
    reference, cpu = profile(
        ["encoder_tiny"], ["reference", "cpu"], ["forward"], budget=budget, device="cpu"
    )
    assert order == ["reference", "cpu"] * 3 + ["cpu"] * 2
    assert (reference["repetitions"], reference["note"]) == (2, "2 of 4 repetitions")
    assert (cpu["repetitions"], cpu["note"]) == (4, "")


def test_a_call_that_would_take_too_long_is_skipped(monkeypatch):
    _fake_times(monkeypatch, {"cpu": [1.0] * 9})
    budget = Budget(repetitions=1, longest_call=5)
    rows = profile(
        ["decoder_tiny", "encoder_tiny"], ["cpu"], ["forward"], budget=budget, device="cpu"
    )
    assert (rows[0]["ms_p50"], rows[0]["speedup_over_reference"]) == (1000, None)
    assert rows[1]["skipped"] == "a call would take about 12 s, more than the 5 s it may take"


def test_a_shape_that_does_not_fit_is_skipped():
    rows = profile(
        None, ["cpu"], ["forward"], budget=QUICK, device="cpu", free_on_cpu=lambda: 200_000
    )
    skipped = {row["shape"]: row["skipped"] for row in rows}
    assert skipped["decoder_tiny"] is None
    assert skipped["encoder_tiny"] == "needs about 0.0 GB of memory, 0.0 GB are free"


def test_running_out_of_memory_is_a_skipped_row(monkeypatch):
    def exhausted(*args):
        raise MemoryError

    monkeypatch.setattr(sweep, "one_pass", lambda *args: exhausted)
    rows = profile(["decoder_tiny"], ["cpu"], ["forward"], budget=QUICK, device="cpu")
    assert [row["skipped"] for row in rows] == ["ran out of memory"]


def test_needed_memory_covers_the_tensors_and_grows_with_the_clip():
    shapes = attention_shapes()
    for backend in ("reference", "cpu"):
        small, large = (
            needed_bytes(backend, shapes[f"encoder_720_T{t}"], "backward", torch.float32)
            for t in (5, 36)
        )
        assert large == pytest.approx(small * 36 / 5)
        assert small > shapes["encoder_720_T5"].bytes_min("backward", torch.float32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shapes": ["encoder_480_T5"]}, "shape must be one of encoder_tiny, decoder_tiny"),
        ({"backends": ["tpu"]}, "backend must be one of reference, cpu, cuda, triton, got 'tpu'"),
        ({"passes": ["sideways"]}, "pass must be one of forward, backward, got 'sideways'"),
        ({"dtypes": ["int8"]}, "dtype must be one of float32, float16, bfloat16, got 'int8'"),
    ],
)
def test_unknown_names_list_the_known_ones(arguments, message):
    with pytest.raises(ValueError, match=message):
        profile(**arguments, device="cpu")


def test_progress_counts_rows():
    seen: list[tuple[int, int, str]] = []
    profile(
        None,
        ["reference", "cpu"],
        ["forward"],
        device="cpu",
        budget=QUICK,
        progress=lambda *step: seen.append(step),
    )
    assert seen == [
        (0, 4, "encoder_tiny forward float32"),
        (2, 4, "decoder_tiny forward float32"),
        (4, 4, "done"),
    ]


def test_16_bit_dtypes_are_profiled_when_asked_for():
    rows = profile(["decoder_tiny"], ["cpu"], dtypes=["bfloat16"], budget=QUICK, device="cpu")
    assert [row["dtype"] for row in rows] == ["bfloat16", "bfloat16"]
    assert all(row["ms_p50"] > 0 for row in rows)
    assert default_dtypes(torch.device("cpu")) == ("float32",)
    assert default_dtypes(torch.device("cuda")) == ("float32", "bfloat16", "float16")


def test_limits_are_work_over_the_median_time(monkeypatch):
    monkeypatch.setattr(machine, "_COPY_BYTES", {"cpu": 1000})
    monkeypatch.setattr(machine, "_MATRIX_SIDE", {"cpu": 8})
    monkeypatch.setattr(machine, "_REPETITIONS", 5)
    ticks = iter([4.0, 2.0, 5.0, 5.0, 3.0, 0.5, 0.25, 1.0, 1.0, 0.75])

    def stopwatch(device):
        return lambda call: next(ticks)

    monkeypatch.setattr(machine, "stopwatch", stopwatch)
    found = machine.measure_limits(torch.device("cpu"), [torch.float32])
    assert found.copy_bytes_per_s == 2 * 1000 / 4.0
    assert found.matrix_flop_per_s == {torch.float32: 2 * 8**3 / 0.75}


@pytest.fixture
def original_like(monkeypatch):
    """A module with the interface of Deformable DETR's extension, computing with the reference."""
    module = ModuleType("original_like")
    monkeypatch.setitem(sys.modules, "original_like", module)

    def forward(value, shapes, starts, locations, weights, im2col_step):
        assert im2col_step >= 1
        assert shapes.dtype == starts.dtype == torch.int64
        return ms_deform_attn(value, shapes, starts, locations, weights, backend="reference")

    def backward(value, shapes, starts, locations, weights, grad, im2col_step):
        leaves = [x.detach().requires_grad_() for x in (value, locations, weights)]
        output = forward(leaves[0], shapes, starts, *leaves[1:], im2col_step)
        return list(torch.autograd.grad(output, leaves, grad))

    module.ms_deform_attn_forward, module.ms_deform_attn_backward = forward, backward
    return module


def test_the_original_op_is_measured_where_it_is_named(original_like):
    rows = profile(
        ["decoder_tiny"], ["cpu", "original"], budget=QUICK, device="cpu", original="original_like"
    )
    assert [(row["backend"], row["pass"]) for row in rows] == [
        (name, pass_name) for pass_name in ("forward", "backward") for name in ("cpu", "original")
    ]
    assert all(row["ms_p50"] > 0 for row in rows)


def wrong(right):
    return lambda *arguments: 2 * right(*arguments)


def failing(right):
    def refuse(*arguments):
        raise RuntimeError("not implemented for 'BFloat16'\nmore")

    return refuse


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (wrong, "its forward pass does not agree with the reference"),
        (failing, "it fails: not implemented for 'BFloat16'"),
    ],
)
def test_an_original_op_that_is_wrong_or_fails_is_a_skipped_row(original_like, change, reason):
    original_like.ms_deform_attn_forward = change(original_like.ms_deform_attn_forward)
    rows = profile(
        ["decoder_tiny"], ["original"], budget=QUICK, device="cpu", original="original_like"
    )
    assert {row["skipped"] for row in rows} == {f"not available: {reason}"}


def test_a_module_that_is_not_the_original_op_is_refused():
    with pytest.raises(ValueError, match="'no_such_module' cannot be imported"):
        profile(device="cpu", original="no_such_module")
    with pytest.raises(ValueError, match="'json' lacks ms_deform_attn_forward and ms_deform"):
        profile(device="cpu", original="json")


class Attend(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, frames):
        value = self.linear(frames).view(1, 12, 2, 4)
        locations, weights = torch.rand(1, 3, 2, 1, 2, 2), torch.rand(1, 3, 2, 1, 2)
        return ms_deform_attn(value, [(3, 4)], None, locations, weights).softmax(-1).relu()


def test_trace_holds_the_operators_and_the_table_the_most_expensive(tmp_path):
    path = tmp_path / "trace.json"
    table = trace_method(Attend(), torch.rand(12, 8), path)
    traced = {event.get("name") for event in json.loads(path.read_text())["traceEvents"]}
    assert {"cuda_ops::ms_deform_attn", "aten::addmm"} <= traced
    assert 1 <= len(table) <= 10
    own = [row["self_ms"] for row in table]
    assert own == sorted(own, reverse=True)
    assert 0 < sum(row["share"] for row in table) <= 1 + 1e-9
    assert "cuda_ops::ms_deform_attn" in {row["op"] for row in table}
    assert all(set(row) == {"op", "calls", "self_ms", "share"} for row in table)


def test_trace_changes_neither_mode_nor_gradients(tmp_path):
    method = Attend().eval()
    trace_method(method, torch.rand(12, 8), tmp_path / "trace.json")
    assert not method.training
    assert method.linear.weight.grad is None


def _fake_times(monkeypatch, times):
    """Lets each backend's calls take the given seconds; returns the order they are asked in."""
    order: list[str] = []
    left = {name: iter(seconds) for name, seconds in times.items()}
    monkeypatch.setattr(sweep, "one_pass", lambda problem, backend, pass_name: backend)

    def time_call(backend):
        order.append(backend)
        return next(left[backend])

    monkeypatch.setattr(sweep, "stopwatch", lambda device: time_call)
    return order
