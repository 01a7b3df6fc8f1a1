"""A measurement leaves nothing behind: code that compiles itself is compiled in every later one."""

import pytest
import torch

from compiled_case import COMPILED, WAYS, Net, build, counting
from run_case import QUIET, jobs_of
from vis_bench.measures.flops.counter import count_macs
from vis_bench.record.store import RecordStore
from vis_bench.runs.harness import run_jobs


def compilations(folder, measures, way, sizes="[48, 64]"):
    """Calls of the backend while each cell of a sweep is measured, and the records' failures."""
    text = (
        f"method: color_key\noptions: {{way: {way}}}\n"
        "dataset: {name: synthetic, split: val}\nclip_length: 8\nclip_stride: 8\n"
        f"resolution: {sizes}\nmeasure: {measures}\n"
        "speed: {regions: [model], videos: 1, warmup: 1, repetitions: 1, seconds: 0}\n"
    )
    calls = []
    for job in jobs_of(folder, text, build=build, limit=1):
        COMPILED.clear()
        [record] = run_jobs([job], RecordStore(folder), QUIET).records
        assert record.failures == {}
        calls.append(len(COMPILED))
    return calls


@pytest.mark.parametrize("way", WAYS)
def test_counting_flops_keeps_nothing_from_being_compiled(tmp_path, way):
    """Whatever is measured before, in the same cell, in another one or in an earlier call."""
    alone = compilations(tmp_path, "[speed]", way)
    assert all(alone) == (way != "plain")
    for measures in ("[flops, speed]", "[speed, flops]", "[speed]"):
        assert compilations(tmp_path, measures, way) == alone
    assert not any(compilations(tmp_path, "[flops]", way))


def test_many_cells_do_not_reach_the_limit_of_graphs(tmp_path):
    sizes = [32 + 4 * n for n in range(torch._dynamo.config.recompile_limit + 2)]
    assert all(compilations(tmp_path, "[speed]", "fullgraph", sizes))


def test_a_count_compiles_nothing_and_scripted_code_learns_nothing():
    scripted = torch.jit.script(Net())
    count_macs(scripted, scripted, torch.rand(1, 3, 8, 8, device="cpu"))
    COMPILED.clear()
    module = torch.compile(Net(), backend=counting)
    count_macs(module, module, torch.rand(1, 3, 8, 8))
    assert not COMPILED
    module(torch.rand(1, 3, 8, 8))
    assert COMPILED
