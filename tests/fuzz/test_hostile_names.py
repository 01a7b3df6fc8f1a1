"""Hostile names in every command that prints them, on the pages of `report` and in figures."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from drawing_case import T, write_frames
from hostile_calls import (
    ALIVE,
    TAG,
    call,
    check_text,
    checked,
    hostile_folder,
    hostile_record,
    write_data,
)
from hostile_text import hostile_names, unprintable
from record_example import example_record
from vis_bench.record.schema import RegionFields
from vis_bench.record.store import record_json
from vis_bench.show.papers import paper_tables
from vis_bench.text import one_line

# Seeds of the names; the rest is the longer run.
SEEDS = pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 12))]
)

PAPER_TABLE = next(iter(paper_tables()))


def write_records(folder, names):
    """A record of each name; the first two differ in nothing that tables show beside it."""
    folder.mkdir(parents=True)
    for index, name in enumerate(names):
        record = hostile_record(
            name,
            training=name if index else None,
            fps=5.0 + index,
            gflops_per_clip=4.0,
            config_sha256=f"{index:064x}",
            annotations_sha256=name,
            clip_length=5 + index,
            regions={name: RegionFields(fps=5.0 + index, latency_ms_p50=1.0)},
        )
        (folder / f"{index}.json").write_bytes(record_json(record))
    return folder


# Of a page of results: a chart and its dark twin, and what is folded.


@SEEDS
def test_records(seed, tmp_path):
    records = write_records(tmp_path / "results/records", hostile_names(seed, 4))
    (records / os.fsdecode(b"bad\xff\x1b[31m\n::error::x.json")).write_text("{")
    for command in (["leaderboard", "--all"], ["table", "measured"], ["table", PAPER_TABLE]):
        checked(*command, "--records", records, codes=(1,))
        for form in ("markdown", "csv", "latex", "html"):
            output = tmp_path / f"out.{form}"
            call(*command, "--records", records, "--format", form, "--output", output)
            check_text(output.read_text(), where=command)
            assert form != "markdown" or not ALIVE.search(output.read_text())
            assert form != "html" or TAG.findall(output.read_text()) in ([], ["script"])
    chart = tmp_path / "chart.svg"
    call("leaderboard", "--records", records, "--picture", chart)
    check_text(chart.read_text(), where="leaderboard")


@SEEDS
def test_the_gate(seed, tmp_path, monkeypatch):
    names = hostile_names(seed, 3)
    before = write_records(tmp_path / "before", names)
    after = write_records(tmp_path / "after", names[:2])
    one = example_record(**{**json.loads((after / "0.json").read_text()), "ap": 0.1, "device": "b"})
    (after / "0.json").write_bytes(record_json(one))
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    text = checked("check", "--baseline", before, "--current", after, codes=(1,))
    assert not ALIVE.search(text)
    check_text(summary.read_text(), where="summary")
    checked("check", "--update", "--baseline", tmp_path / "b.json", "--current", after)
    text = checked("check", "--history", before, "--current", after, codes=(1,))
    assert not ALIVE.search(text)


@SEEDS
def test_a_history(seed, tmp_path):
    """Names in records, of a commit's folder, and of a machine that changes."""
    names = hostile_names(seed, 3)
    records = hostile_folder(tmp_path)
    for number, name in enumerate([*names, *names]):
        folder = records / f"{number}{one_line(name).replace('/', '_')[:40]}\n::x"
        folder.mkdir()
        record = hostile_record(
            name,
            ap=0.5 - 0.1 * number,
            device=f"{number}{name}",
            git_commit=None,
            created_at=f"2026-01-0{1 + number}T00:00:00+00:00",
            peak_memory_bytes=1,
        )
        (folder / "r.json").write_bytes(record_json(record))
    (records / os.fsdecode(b"bad\xff\x1b[31m\n::error::x.json")).write_text("{")
    text = checked("history", records, codes=(1,))
    assert not ALIVE.search(text)
    for form in ("markdown", "csv", "latex", "html"):
        output = tmp_path / f"out.{form}"
        call("history", records, "--format", form, "--output", output)
        text = output.read_text()
        check_text(text, where=form)
        assert form != "html" or TAG.findall(text) in ([], ["script"])
        assert form != "html" or text.count("<svg viewBox") > 2


@SEEDS
def test_data(seed, tmp_path):
    folder = hostile_folder(tmp_path)
    (folder / "no frames").mkdir(parents=True)
    truth, (first, second, _) = write_data(folder, hostile_names(seed, 3))
    text = checked(
        "eval", "--annotations", truth, "--predictions", first, "--per-category", "--tracking"
    )
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
def test_pictures(seed, tmp_path):
    truth, (first, second, _) = write_data(tmp_path, hostile_names(seed, 3))
    frame = sorted((tmp_path / "frames").rglob("*.png"))[-1]
    frame.write_bytes(b"")
    output = tmp_path / "pictures"
    named = f"a\n{first.name.replace('=', '_')}\x1b={first}"
    arguments = [
        "draw",
        named,
        second,
        "--frames",
        tmp_path / "frames",
        "--annotations",
        truth,
        "--output",
        output,
        "--side",
        "64",
        "--single",
    ]
    before = {path for path in tmp_path.rglob("*") if output not in path.parents}
    code, out, err = call(*arguments)
    assert code == 0, err
    check_text(out, where="draw")
    check_text(err, where="draw")
    assert "cannot be decoded" in err
    assert {path for path in tmp_path.rglob("*") if output not in path.parents} == {*before, output}
    written = [path for path in output.rglob("*") if path.is_file()]
    assert len(written) == 3 * (2 + T * 3)
    for path in written:
        assert not unprintable(path.name)
        assert path.resolve().is_relative_to(output.resolve())
        Image.open(path).verify()


@SEEDS
def test_predictions(seed, tmp_path):
    [name] = hostile_names(seed, 1)
    write_frames(tmp_path / "frames", Path(name.replace("/", "_").replace("..", "_")).name)
    config = tmp_path / f"{name.replace('/', '_')}.yaml"
    config.write_text(
        "method: color_key\ndataset: {name: synthetic, plain: true}\nresolution: native\n"
        "clip_length: 2\nclip_stride: 2\nmeasure: [flops]"
    )
    output = tmp_path / f"{name.replace('/', '_')}.results.json"
    checked(
        "predict",
        config,
        "--frames",
        tmp_path / "frames",
        "--output",
        output,
        "--draw",
        tmp_path / "drawn",
        "--device",
        "cpu",
    )
    checked(
        "run", config, "--limit", 1, "--output", tmp_path / "r" / output.stem, "--device", "cpu"
    )
    checked("predict", config, "--frames", f"{tmp_path}/{name}", "--output", output, codes=(2,))
