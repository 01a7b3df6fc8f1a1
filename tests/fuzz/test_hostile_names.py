"""Hostile names in every command that prints them, on the pages of `report` and in figures."""

import json
import os
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import refresh
from drawing_case import T, write_frames
from hostile_calls import ALIVE, TAG, call, check_text, checked, write_data
from hostile_text import PARTS, hostile_names, unprintable
from record_example import example_record
from vis_bench.data.frames import write_frame
from vis_bench.data.synthetic import generate
from vis_bench.masks.rle import encode_masks
from vis_bench.record.schema import RegionFields
from vis_bench.record.store import RecordStore, record_json
from vis_bench.show.papers import paper_tables
from vis_bench.text import one_line, single_line

# Seeds of the names; the rest is the longer run.
SEEDS = pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 12))]
)

PAPER_TABLE = next(iter(paper_tables()))


# All parts at once, in an order that lets none of them close another one's bracket.
WORST = "n" + "".join(part for part in PARTS if part not in ("/", "../", ".."))
FRAMES = 2


def hostile_folder(parent):
    folder = parent / "n\x1b[31m\n::error::x"
    folder.mkdir()
    return folder


def hostile_record(name, **changes):
    """A record with the name in each of its texts."""
    texts = (
        "method", "backbone", "dataset", "split", "training", "note", "url", "device", "git_commit",
        "created_at", "command", "timed_region", "precision", "flop_convention", "kernel_backend",
        "vis_bench_version", "kernel_build", "weights_source", "driver", "python",
    )  # fmt: skip
    values = dict.fromkeys(texts, name) | {
        "regions": {name: RegionFields(fps=5.0, latency_ms_p50=1.0)},
        "fps": 5.0,
        "gflops_per_frame": 2.0,
        "options": {name: name},
        "resolved_options": {name: name},
        "failures": {name: name},
        "clip_length": 5,
    }
    return example_record(**values | changes)


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
OWN_MARKUP = re.compile(
    r"""<picture>\n  <source media="\(prefers-color-scheme: dark\)" srcset="[\w/-]+\.svg">\n"""
    r"""  <img alt="[\w ,]+" src="[\w/-]+\.svg">\n</picture>\n"""
    r"""|<details>\n<summary>[\w ,]+</summary>\n|</details>\n"""
)


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
    refresh.Pages(tmp_path / "results", RecordStore(records).readable()).write()
    pages = tmp_path / "results"
    written = [path for ending in ("md", "svg") for path in pages.rglob(f"*.{ending}")]
    assert len(written) == 7
    for path in written:
        text = path.read_text()
        check_text(text, where=path.name)
        assert path.suffix != ".md" or not ALIVE.search(OWN_MARKUP.sub("", text))


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
        assert form != "html" or text.count("<svg viewBox") > 3


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


TWO_SEEDS = pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])


@pytest.fixture
def no_warnings():
    """Turns warnings of Python, which go to standard error, into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


class Page(HTMLParser):
    """Tags, values of attributes, and texts of a page, as a browser reads it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.values, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.values += attrs

    def handle_data(self, data):
        self.texts.append(data)


def check_page(text, names, videos):
    """Nothing but text came of the names, and each of them is there, letter by letter."""
    check_text(text, where="page")
    page = Page(text)
    assert page.tags.count("script") == 1 + videos, "its own, and the data of each video"
    assert not [key for key, _ in page.values if key.startswith("on")]
    addresses = {value for key, value in page.values if key in ("src", "href", "xlink:href")}
    assert all(value.startswith(("#", "data:")) for value in addresses)
    shown = "".join(page.texts)
    for name in names:
        assert one_line(name) in shown, name


@pytest.mark.usefixtures("no_warnings")
@TWO_SEEDS
@pytest.mark.parametrize("count", [1, 2])
def test_report(tmp_path, count, seed):
    [name, *others] = [WORST, *hostile_names(seed, 2)]
    folder = hostile_folder(tmp_path)
    truth, paths = write_data(folder, [name, *others])
    results = folder / "r.results.json"
    paths[0].rename(results)
    region = RegionFields(fps=5.0, latency_ms_p50=1.0, stage_ms_per_frame={name: 2.0, "other": 1.0})
    record = hostile_record(
        name, regions={name: region}, num_videos=3, predictions="r.results.json"
    )
    (folder / "r.json").write_bytes(record_json(record))
    frame = next((folder / "frames").glob(f"1*/{T - 1:05d}.png"))
    frame.write_bytes(b"")
    output = folder / "report.html"
    arguments = [
        "report",
        *[folder / "r.json", paths[1]][:count],
        "--annotations",
        truth,
        "--frames",
        folder / "frames",
        "--output",
        output,
        "--resamples",
        "3",
        "--side",
        "48",
    ]
    code, out, err = call(*arguments, *["--json"][: count - 1])
    assert code == 0, err
    assert "warning: frame 3 of video" in err
    for text in (out, err):
        check_text(text, where="report")
    if count == 2:
        assert json.loads(out)["output"] == str(output)
    else:
        assert out.startswith("report: ")
        assert out.count("\n") == 1
    videos = [f"{n}{other}".replace("/", "_") for n, other in enumerate([name, *others], 1)]
    check_page(output.read_text(encoding="utf-8"), [name, *others, *videos], len(videos))


def write_classes(folder, names):
    """A config of a mini model on a data set whose video and six classes are called so."""
    frames = [np.asarray(frame) for frame in generate("val").videos[5].frames[:FRAMES]]
    video = names[0].replace("/", "_")
    for t, frame in enumerate(frames):
        write_frame(folder / "frames" / video / f"{t}.png", frame, "png")
    height, width = frames[0].shape[:2]
    mask_HW = np.zeros((height, width), bool)
    mask_HW[: height // 2] = True
    [mask] = encode_masks(mask_HW[None])
    truth = {
        "videos": [
            {
                "id": 1,
                "height": height,
                "width": width,
                "length": FRAMES,
                "file_names": [f"{video}/{t}.png" for t in range(FRAMES)],
            }
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names, 1)],
        "annotations": [
            {
                "id": n,
                "video_id": 1,
                "category_id": n,
                "iscrowd": 0,
                "segmentations": [mask] * FRAMES,
                "areas": [1] * FRAMES,
            }
            for n in range(1, len(names) + 1)
        ],
    }
    (folder / "gt.json").write_text(json.dumps(truth))
    dataset = {
        "name": "mine",
        "annotations": str(folder / "gt.json"),
        "frames": str(folder / "frames"),
    }
    configs = []
    for method in ("seqformer", "ifc"):
        config = {
            "method": method,
            "options": {"variant": "mini"},
            "dataset": dataset,
            "weights": f"methods/weights/{method}_mini.safetensors",
            "resolution": 64,
            "clip_length": "whole",
        }
        configs.append(folder / f"{method}{names[1].replace('/', '_')}.yaml")
        configs[-1].write_text(json.dumps(config))
    return video, configs


def check_picture(path, names=()):
    """A file of its format; an SVG has each name as text, and whatever was a tag is text too."""
    if path.suffix == ".png":
        return Image.open(path).verify()
    if path.suffix == ".pdf":
        content = path.read_bytes()
        assert content.startswith(b"%PDF")
        assert content.rstrip().endswith(b"%%EOF")
        assert not any(word in content for word in (b"/URI", b"/JavaScript", b"/Launch"))
        return None
    text = path.read_text(encoding="utf-8")
    check_text(text, where=path.name)
    root = ElementTree.fromstring(text)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "img", "a", "foreignObject"}
    shown = ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")]
    for name in names:
        assert any(single_line(name) in " ".join(text.split()) for text in shown), (name, shown)
    return None


@pytest.mark.usefixtures("no_warnings")
@TWO_SEEDS
def test_figures_of_attention(tmp_path, seed):
    names = [WORST, *hostile_names(seed, 1), *[WORST] * 4]
    folder = hostile_folder(tmp_path)
    video, (seqformer, ifc) = write_classes(folder, names)
    for kind, config, ending in (
        ("sampling-points", seqformer, "svg"),
        ("sampling-points", seqformer, "pdf"),
        ("time-weights", seqformer, "svg"),
        ("memory-tokens", ifc, "png"),
    ):
        output, data = folder / f"{kind}.{ending}", folder / "data.npz"
        arguments = [
            "figure",
            kind,
            config,
            "--video",
            video,
            "--output",
            output,
            "--data",
            data,
            "--device",
            "cpu",
            "--num-frames",
            "1",
        ]
        code, out, err = call(*arguments)
        assert (code, err) == (0, "")
        check_text(out, where=kind)
        assert out.splitlines()[-1].startswith("wrote ")
        check_picture(output, [] if ending != "svg" else [WORST[:25]])
        with np.load(data) as arrays:  # which unpickles nothing
            assert str(arrays["video"]) == video
    code, out, err = call(*arguments[:4], "no\x1b\n::error::x", *arguments[5:])
    assert (code, out, err.count("\n")) == (2, "", 1)
    check_text(err, where="error")
    code, out, err = call(*arguments, "--json")
    assert (code, err, json.loads(out)["video"]) == (0, "", video)
    check_text(out, where="json")


@pytest.mark.usefixtures("no_warnings")
def test_strips(tmp_path):
    names = [WORST, *hostile_names(0, 5)]
    folder = hostile_folder(tmp_path)
    video, (seqformer, _) = write_classes(folder, names)
    arguments = [f"{WORST.replace('=', '')}={seqformer}", "--video", video, "--num-frames", "1"]
    for ending in ("png", "svg"):
        text = checked("figure", "strip", *arguments, "--output", folder / f"s.{ending}")
        check_picture(folder / f"s.{ending}")
        assert text.count("\n") == 1


@pytest.mark.usefixtures("no_warnings")
@TWO_SEEDS
def test_failure_cases(tmp_path, seed):
    folder = hostile_folder(tmp_path)
    truth, paths = write_data(folder, [WORST, *hostile_names(seed, 2)])
    sorted((folder / "frames").rglob("*.png"))[-1].write_bytes(b"")
    for ending in ("png", "pdf"):
        output = folder / os.fsdecode(b"f\xff.") / f"f.{ending}"
        text = checked(
            "figure",
            "failure-cases",
            f"{WORST.replace('=', '')}={paths[0]}",
            "--annotations",
            truth,
            "--frames",
            folder / "frames",
            "--output",
            output,
            "--columns",
            "2",
            "--worst",
            "3",
            "--kinds",
            "missed,class",
        )
        check_picture(output)
        cases = text.count(" lost to ") + text.count(": no further video loses ")
        assert len(text.splitlines()) == 2 + cases
