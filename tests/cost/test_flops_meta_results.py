"""Results on the meta device from memory are those of the operator."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vis_bench.cost.flops.meta_results import run_on_meta

aten = torch.ops.aten


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def layouts(value: Tensor | tuple[Tensor, ...]) -> list[tuple]:
    tensors = [value] if isinstance(value, Tensor) else list(value)
    return [(t.shape, t.stride(), t.dtype, t.device.type) for t in tensors]


@pytest.mark.parametrize(
    ("op", "args", "kwargs"),
    [
        (aten.add.Tensor, (meta(3, 1), meta(4)), {}),
        (aten.add.Tensor, (meta(2, 3, dtype=torch.int64), 1), {"alpha": 2}),
        (aten.add.Tensor, (meta(2, 3, dtype=torch.int64), 1.0), {}),
        (aten.add.Tensor, (meta(2, 3, dtype=torch.bool), True), {}),
        (aten.mul.Tensor, (meta(3, 4).T, meta(4, 3)), {}),
        (aten.sum.default, (meta(3, 4),), {}),
        (aten.cat.default, ([meta(2, 3), meta(5, 3)],), {}),
        (aten.cat.default, ([meta(2, 3), meta(2, 5)], 1), {}),
        (aten.native_layer_norm.default, (meta(5, 8), [8], meta(8), meta(8), 1e-5), {}),
        (
            aten.convolution.default,
            (meta(2, 3, 8, 8).to(memory_format=torch.channels_last), meta(4, 3, 3, 3), None,
             [2, 2], [1, 1], [1, 1], False, [0, 0], 1),
            {},
        ),
        (aten.topk.default, (meta(7, 9), 3), {}),
        (aten.eq.Scalar, (meta(3), float("nan")), {}),
    ],
)  # fmt: skip
def test_results_have_the_operators_layouts(op: object, args: tuple, kwargs: dict) -> None:
    expected = layouts(op(*args, **kwargs))
    first, second = run_on_meta(op, args, kwargs), run_on_meta(op, args, kwargs)
    assert layouts(first) == expected
    assert layouts(second) == expected
    assert second is not first


def test_whole_numbers_and_fractions_are_told_apart() -> None:
    whole = meta(3, dtype=torch.int64)
    dtypes = [run_on_meta(aten.mul.Tensor, (whole, n), {}).dtype for n in (2, 2.0, 2)]
    assert dtypes == [torch.int64, torch.float32, torch.int64]


def test_views_and_writes_reach_the_tensor_itself() -> None:
    tensor = meta(3, 4)
    assert run_on_meta(aten.t.default, (tensor,), {})._base is tensor
    assert run_on_meta(aten.add_.Tensor, (tensor, 1.0), {}) is tensor


def test_tensors_with_values_keep_them() -> None:
    values = torch.tensor([1.0, 2.0])
    for _ in range(2):
        assert run_on_meta(aten.add.Tensor, (values, 1), {}).tolist() == [2.0, 3.0]


def test_random_numbers_are_drawn_once() -> None:
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    drawn = run_on_meta(aten.rand.default, ([2],), {"device": torch.device("cpu")})
    assert drawn.tolist() == expected.tolist()
