"""The configs for a GPU, and that settings which came later leave earlier records alone."""

from collections import Counter

import pytest
import torch

from methods import build_method
from paths import CONFIGS, ROOT
from record_example import example_record
from vis_bench.errors import InputError
from vis_bench.measures.speed.settings import check_protocol
from vis_bench.progress import Bars
from vis_bench.record.names import file_stem
from vis_bench.record.store import RecordStore
from vis_bench.runs.config import Cell, cell_digest, load_cells
from vis_bench.runs.harness import run_jobs
from vis_bench.runs.identity import identity_of
from vis_bench.runs.jobs import RunSettings, resolve_jobs
from vis_bench.show.gate.baseline import full_name

EXPERIMENTS = "clip_lengths", "ifc-communication", "ms-sts-seqformer"
SHIPPED = [record for name in EXPERIMENTS for record in RecordStore(ROOT / "results" / name)]


def cells(name, *overrides):
    return load_cells(CONFIGS / f"{name}.yaml", overrides)


@pytest.mark.parametrize("record", SHIPPED, ids=file_stem)
def test_shipped_records_are_found_again(record):
    """`--resume` looks a cell up by its digest, which settings at their defaults do not change."""
    cell = Cell.model_validate(record.config)
    digest = cell_digest(
        cell,
        annotations=record.annotations_sha256,
        weights_file=record.weights_sha256,
        device="cpu",
        limit=None,
    )
    assert digest == record.config_sha256


LATER = [{"tf32": True}, {"compile": "default"}, {"compile": "cuda_graphs"}]


@pytest.mark.parametrize("setting", LATER, ids=str)
def test_other_settings_are_other_cells(setting):
    (cell,) = cells("ifc_mini_synthetic")
    assert cell_digest(cell.model_copy(update=setting)) != cell_digest(cell)
    plain, other = example_record(), example_record(**setting)
    assert full_name(plain) != full_name(other)
    assert identity_of(plain).key != identity_of(other).key


def test_the_gate_knows_old_records_and_new_ones_as_the_same():
    new = example_record(compile="none", tf32=False, speed_protocol="bench")
    assert identity_of(new).key == identity_of(example_record()).key
    paper = example_record(speed_protocol="paper")
    assert identity_of(paper).key != identity_of(new).key


ARITHMETIC = {("float32", False), ("float32", True), ("bfloat16", False)}


def test_every_backbone_in_every_arithmetic():
    found = cells("gpu")
    subjects = {(c.method, c.options["backbone"], c.clip_length, c.clip_stride) for c in found}
    assert len(found) == len(ARITHMETIC) * len(subjects)
    assert {(c.precision, c.tf32) for c in found} == ARITHMETIC
    assert {(t, s) for m, b, t, s in subjects if (m, b) == ("ifc", "r50")} == {
        (5, 1),
        (5, 3),
        (10, 5),
        (15, 8),
        (20, 10),
        (36, 1),
    }
    for method in ("seqformer", "ms_sts"):
        lengths = {t for m, b, t, _ in subjects if (m, b) == (method, "r50")}
        assert lengths == {"whole", 20, 15, 10}
        assert {b for m, b, _, _ in subjects if m == method} == {"r50", "r101", "x101", "swin_l"}


def test_the_first_run_has_each_method_in_every_arithmetic():
    found = cells("gpu_first")
    assert {c.speed.processes for c in found} == {1}
    ours = [c for c in found if c.speed.protocol == "bench"]
    assert Counter((c.precision, c.tf32) for c in ours) == dict.fromkeys(ARITHMETIC, 8)
    in_turn = "ifc", "ifc", "seqformer", "ms_sts", "vistr", "idol", "masktrack_rcnn", "videomt"
    assert Counter(c.method for c in ours) == Counter(3 * in_turn)
    assert {c.clip_length for c in ours if c.method == "ifc"} == {5, 36}


@pytest.mark.parametrize("name", ["gpu_first", "gpu_paper", "gpu_videomt"])
def test_cells_of_a_papers_protocol_are_set_as_it_says(name):
    found = [c for c in cells(name) if c.speed.protocol == "paper"]
    assert found != []
    for cell in found:
        check_protocol(cell, build_method(cell.method, num_classes=2).paper_protocol)


def test_agreement_holds_every_method_in_every_arithmetic():
    found = cells("agreement")
    arithmetic = {(c.precision, c.tf32, c.compile) for c in found}
    assert len(found) == 3 * len(arithmetic)
    assert {("float32", False, "none"), ("float32", True, "none")} <= arithmetic
    assert {c.clip_length for c in found} == {"whole"}


def test_bfloat16_keeps_the_ap_of_a_mini_model(tmp_path):
    found = [c for c in cells("agreement", "tf32=false", "compile=none") if c.method == "ifc"]
    jobs = resolve_jobs(
        found, RunSettings("run", torch.device("cpu"), limit=1), build_method, print
    )
    outcome = run_jobs(jobs, RecordStore(tmp_path), Bars(quiet=True))
    exact, rounded = outcome.records
    assert (exact.precision, rounded.precision) == ("float32", "bfloat16")
    assert rounded.ap == pytest.approx(exact.ap, abs=0.003)


def test_720_repeats_nothing_but_vistr():
    first, second = ({cell_digest(c) for c in cells(name)} for name in ("gpu", "gpu_720"))
    assert len(first) == len(second)
    assert len(first & second) == 2 * len(ARITHMETIC)
    assert {c.resolution for c in cells("gpu_720") if c.method != "vistr"} == {720}


@pytest.mark.parametrize("name", ["gpu", "gpu_paper"])
def test_they_need_no_data_and_no_weights(name):
    settings = RunSettings("run", torch.device("cpu"))
    found = cells(name, "tf32=false")
    said = []
    jobs = resolve_jobs(found, settings, build_method, said.append)
    assert {(v.height, v.width, v.length) for job in jobs for v in job.videos} == {(720, 1280, 36)}
    assert {job.weights for job in jobs} == {None}
    assert said == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpu", "tf32 is true, which needs a GPU; expected false on cpu"),
        ("gpu_compiled", "tf32 is true, which needs a GPU"),
    ],
)
def test_what_only_a_gpu_has_is_refused_at_once(name, message):
    with pytest.raises(InputError, match=message):
        resolve_jobs(cells(name), RunSettings("run", torch.device("cpu")), build_method, print)
