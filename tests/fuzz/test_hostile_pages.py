"""Hostile names on the pages of `report` and in figures are text and nothing else."""

import json
import os
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from drawing_case import T
from hostile_calls import (
    WORST,
    call,
    check_text,
    checked,
    folder_name,
    hostile_folder,
    hostile_record,
    write_data,
)
from hostile_text import hostile_names
from html_page import read_html
from vis_bench.data.frames import write_frame
from vis_bench.data.synthetic import generate
from vis_bench.masks.rle import encode_masks
from vis_bench.record.schema import RegionFields
from vis_bench.record.store import record_json
from vis_bench.text import one_line, single_line

TWO_SEEDS = pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])


@pytest.fixture
def no_warnings():
    """Turns warnings of Python, which go to standard error, into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def check_page(text, names, videos):
    """Nothing but text came of the names, and each of them is there, letter by letter."""
    check_text(text, where="page")
    page = read_html(text)
    scripts = list(page.iter("script"))
    assert len(scripts) == 1 + videos, "its own, and the data of each video"
    values = [pair for element in page.iter() for pair in element.items()]
    assert not [key for key, _ in values if key.startswith("on")]
    addresses = {value for key, value in values if key in ("src", "href", "xlink:href")}
    assert all(value.startswith(("#", "data:")) for value in addresses)
    shown = "".join(page.itertext())
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
    videos = [folder_name(f"{n}{other}") for n, other in enumerate([name, *others], 1)]
    check_page(output.read_text(encoding="utf-8"), [name, *others, *videos], len(videos))


def write_classes(folder, names):
    """A config of a mini model on a data set whose video and six classes are called so."""
    frames = [np.asarray(frame) for frame in generate("val").videos[5].frames[:FRAMES]]
    video = folder_name(names[0])
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


FRAMES = 2
