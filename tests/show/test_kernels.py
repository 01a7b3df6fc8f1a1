"""Tables of `profile-kernels`: headers in words, and one line per reason for skipping."""

import torch

from vis_bench.record.environment import describe_machine
from vis_bench.show.kernels import (
    kernel_page,
    kernel_summary,
    kernel_table,
    most_expensive_operators,
    skipped_lines,
)
from vis_bench.table import render
from vis_bench.table.model import ABSENT

HEAD = {"shape": "encoder_360_T1", "pass": "forward", "dtype": "float32", "device": "cpu"}
MEASURED = HEAD | {
    "backend": "cpu", "skipped": None, "ms_p50": 2.0, "ms_p10": 1.5, "ms_p90": 2.5,
    "repetitions": 20, "note": "", "bytes_min": 4_000_000, "gb_per_s": 2.0, "copy_gb_per_s": 8.0,
    "copy_share": 0.25, "gathered_gb_per_s": 30.0,
    "gflop": 0.1, "gflop_per_s": 50.0, "matrix_share": 0.5, "floor_ms": 1.0,
    "bound": "arithmetic", "speedup_over_reference": 3.0,
}  # fmt: skip


def skipped(backend, reason, **changes):
    return {**HEAD, "backend": backend, "skipped": reason, **changes}


def test_headers_say_what_the_figures_are():
    row = kernel_table([MEASURED, skipped("cuda", "not available")]).as_dicts()
    assert row == [
        {
            "Backend": "cpu",
            "Shape": "encoder_360_T1",
            "Pass": "forward",
            "Type": "float32",
            "Median ms": "2.000",
            "10th..90th percentile ms": "1.500..2.500",
            "Least MB moved": "4.0",
            "GB/s": "2.00",
            "Share of copy bandwidth": "25.0 %",
            "Gathered GB/s": "30.0",
            "GFLOP/s": "50.0",
            "Share of matrix rate": "50.0 %",
            "Shortest possible ms": "1.000",
            "Bottleneck": "arithmetic",
            "Times faster than reference": "3.0",
            "Note": "",
        }
    ]
    unmeasured = kernel_table([{**MEASURED, "speedup_over_reference": None}])
    assert unmeasured.as_dicts()[0]["Times faster than reference"] == ABSENT


def test_the_summary_has_few_columns():
    assert kernel_summary([MEASURED, skipped("cuda", "not available")]).as_dicts() == [
        {
            "Pass": "forward float32",
            "Shape": "encoder_360_T1",
            "Backend": "cpu",
            "ms": "2.000",
            "Times faster than reference": "3.0",
            "Share of limit": "50.0 %",
            "Bound by": "arithmetic",
        }
    ]


def test_one_line_per_backend_and_reason():
    reason = "not available: it runs on CUDA devices"
    rows = [
        skipped("cuda", reason),
        MEASURED,
        skipped("triton", reason),
        skipped("cuda", reason, dtype="float16"),
        skipped("cuda", reason, dtype="bfloat16"),
    ]
    assert skipped_lines(rows) == [
        f"skipped cuda encoder_360_T1 forward float32 and 2 others: {reason}",
        f"skipped triton encoder_360_T1 forward float32: {reason}",
    ]
    assert skipped_lines([MEASURED]) == []


def test_operators_are_listed_with_their_own_time():
    rows = [{"op": "aten::addmm", "calls": 3, "self_ms": 1.5, "share": 0.75}]
    assert most_expensive_operators(rows).as_dicts() == [
        {"Operator": "aten::addmm", "Calls": "3", "Own time (ms)": "1.50", "Share of all": "75.0 %"}
    ]


def test_a_page_names_machine_copy_rate_and_what_is_missing():
    machine = describe_machine(torch.device("cpu"), "float32", None)
    text = render(kernel_page([MEASURED, skipped("cuda", "not available")], machine))
    assert text.startswith("### Kernels on ")
    assert "25.0 %" in text
    assert "A copy of memory reaches 8.0 GB/s here" in text
    assert "skipped cuda encoder" in text
    empty = render(kernel_page([skipped("cuda", "not available")], machine))
    assert "not available" in empty
