"""Names from records, annotations, results and paths through every command that prints them."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from drawing_case import T, write_frames
from hostile_calls import ALIVE, TAG, call, check_text, checked, write_data
from hostile_text import hostile_names, unprintable
from maintenance import refresh
from record_example import example_record
from vis_bench.records.schema import RegionFields
from vis_bench.records.store import RecordStore, record_json
from vis_bench.show.papers import paper_tables

# Seeds of the names; the last is the longer run.
SEEDS = pytest.mark.parametrize(
    "seeds", [[0], [1], pytest.param(range(2, 12), marks=pytest.mark.slow)]
)

PAPER_TABLE = next(iter(paper_tables()))


def write_records(folder, names):
    """A record with the name in each of its texts, and two that differ in nothing else."""
    folder.mkdir(parents=True)
    for index, name in enumerate(names):
        region = RegionFields(fps=5.0 + index, latency_ms_p50=1.0)
        record = example_record(
            method=name, backbone=name, dataset=name, split=name, training=name if index else None,
            note=name, url=name, device=name, git_commit=name, created_at=name, command=name,
            timed_region=name, regions={name: region}, precision=name, fps=5.0 + index,
            gflops_per_frame=2.0, gflops_per_clip=4.0, flop_convention=name, kernel_backend=name,
            options={name: name}, config_sha256=f"{index:064x}", annotations_sha256=name,
            vis_bench_version=name, weights_source=name, failures={name: name},
            clip_length=5 + index,
        )  # fmt: skip
        (folder / f"{index}.json").write_bytes(record_json(record))
    return folder


@SEEDS
def test_records(seeds, tmp_path):
    for seed in seeds:
        check_records(seed, tmp_path / str(seed))


def check_records(seed, folder):
    records = write_records(folder / "results/records", hostile_names(seed, 4))
    (records / os.fsdecode(b"bad\xff\x1b[31m\n::error::x.json")).write_text("{")
    for command in (["leaderboard", "--all"], ["table", "measured"], ["table", PAPER_TABLE]):
        checked(*command, "--records", records, codes=(1,))
        for form in ("markdown", "csv", "latex", "html"):
            output = folder / f"out.{form}"
            call(*command, "--records", records, "--format", form, "--output", output)
            check_text(output.read_text(), where=command)
            assert form != "markdown" or not ALIVE.search(output.read_text())
            assert form != "html" or not TAG.search(output.read_text())
    refresh.Pages(folder / "results", RecordStore(records).readable()).write()
    written = list((folder / "results").glob("*.*"))
    assert len(written) == 4
    for path in written:
        text = path.read_text()
        check_text(text, where=path.name)
        assert path.suffix != ".md" or not ALIVE.search(text.replace("![AP against FPS]", ""))


@SEEDS
def test_the_gate(seeds, tmp_path, monkeypatch):
    for seed in seeds:
        check_the_gate(seed, tmp_path / str(seed), monkeypatch)


def check_the_gate(seed, folder, monkeypatch):
    names = hostile_names(seed, 3)
    before = write_records(folder / "before", names)
    after = write_records(folder / "after", names[:2])
    one = example_record(**{**json.loads((after / "0.json").read_text()), "ap": 0.1, "device": "b"})
    (after / "0.json").write_bytes(record_json(one))
    summary = folder / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    text = checked("check", "--baseline", before, "--current", after, codes=(1,))
    assert not ALIVE.search(text)
    check_text(summary.read_text(), where="summary")
    checked("check", "--update", "--baseline", folder / "b.json", "--current", after)


@SEEDS
def test_data(seeds, tmp_path):
    for seed in seeds:
        check_data(seed, tmp_path / str(seed))


def check_data(seed, folder):
    folder = folder / "n\x1b[31m\n::error::x"
    (folder / "no frames").mkdir(parents=True)
    truth, (first, second, _) = write_data(folder, hostile_names(seed, 3))
    text = checked("eval", "--annotations", truth, "--predictions", first, "--per-category",
                   "--tracking")  # fmt: skip
    assert not ALIVE.search(text)
    text = checked("compare", first, second, "--annotations", truth, "--resamples", 20)
    assert not ALIVE.search(text)
    checked("validate", truth, "--frames", folder / "no frames", "--all", codes=(1,))
    checked("validate", truth, "--frames", folder / "no frames", codes=(1,))
    checked("split", truth, folder / "parts", "--fraction", "0.4")
    checked("submit", first, folder / "out.zip", "--annotations", truth)
    checked("eval", "--annotations", truth, "--predictions", folder / "none.json", codes=(2,))
    checked("synth", folder / "made", "--plain", "--videos", "1", "--split", "val", codes=(0, 2))


@SEEDS
def test_pictures(seeds, tmp_path):
    for seed in seeds:
        check_pictures(seed, tmp_path / str(seed))


def check_pictures(seed, folder):
    truth, (first, second, _) = write_data(folder, hostile_names(seed, 3))
    frame = sorted((folder / "frames").rglob("*.png"))[-1]
    frame.write_bytes(b"")
    output = folder / "pictures"
    named = f"a\n{first.name.replace('=', '_')}\x1b={first}"
    arguments = ["draw", named, second, "--frames", folder / "frames", "--annotations", truth,
                 "--output", output, "--side", "64", "--single"]  # fmt: skip
    before = {path for path in folder.rglob("*") if output not in path.parents}
    code, out, err = call(*arguments)
    assert code == 0, err
    check_text(out, where="draw")
    check_text(err, where="draw")
    assert "cannot be decoded" in err
    assert {path for path in folder.rglob("*") if output not in path.parents} == {*before, output}
    written = [path for path in output.rglob("*") if path.is_file()]
    assert len(written) == 3 * (2 + T * 3)
    for path in written:
        assert not unprintable(path.name)
        assert path.resolve().is_relative_to(output.resolve())
        Image.open(path).verify()


@SEEDS
def test_predictions(seeds, tmp_path):
    for seed in seeds:
        check_predictions(seed, tmp_path / str(seed))


def check_predictions(seed, folder):
    [name] = hostile_names(seed, 1)
    write_frames(folder / "frames", Path(name.replace("/", "_").replace("..", "_")).name)
    config = folder / f"{name.replace('/', '_')}.yaml"
    config.write_text(
        "method: color_key\ndataset: {name: synthetic, plain: true}\nresolution: native\n"
        "clip_length: 2\nclip_stride: 2\nmeasure: [flops]"
    )
    output = folder / f"{name.replace('/', '_')}.results.json"
    checked("predict", config, "--frames", folder / "frames", "--output", output,
            "--draw", folder / "drawn", "--device", "cpu")  # fmt: skip
    checked("run", config, "--limit", 1, "--output", folder / "r" / output.stem, "--device", "cpu")
    checked("predict", config, "--frames", f"{folder}/{name}", "--output", output, codes=(2,))
