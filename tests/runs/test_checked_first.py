"""Whatever can be checked is checked before the first frame is inferred."""

import copy
import json
import os
import tempfile

import pytest
from PIL import Image

from methods.color_key import ColorKey
from mutations import mutated_json
from short_videos import write_short_videos
from vis_bench.cli import main


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_short_videos(root)
    return root


@pytest.fixture
def calls(monkeypatch):
    seen = []
    encode = ColorKey.encode_frames

    def counting(self, frames_T3HW):
        seen.append(len(frames_T3HW))
        return encode(self, frames_T3HW)

    monkeypatch.setattr(ColorKey, "encode_frames", counting)
    return seen


def run(data, annotations, output, *more):
    return main(
        [
            "run",
            str(config(data, annotations, output)),
            "--output",
            str(output / "out"),
            "--device",
            "cpu",
            *more,
        ]
    )


def config(data, annotations, folder):
    path = folder / "c.yaml"
    dataset = {
        "name": "synthetic",
        "annotations": str(annotations),
        "frames": str(data / "val/JPEGImages"),
    }
    path.write_text(json.dumps({"method": "color_key", "resolution": "native", "dataset": dataset}))
    return path


@pytest.mark.parametrize(
    "seeds", [range(50), pytest.param(range(50, 2000), marks=pytest.mark.slow)], ids=len
)
def test_mutated_annotations_are_refused_before_any_frame(data, calls, tmp_path, capsys, seeds):
    whole = json.loads((data / "val.json").read_text())
    refused = 0
    for seed in seeds:
        content = mutated_json(copy.deepcopy(whole), seed)
        (tmp_path / "a.json").write_text(json.dumps(content))
        calls.clear()
        limit = ("--limit", "1") if seed % 2 else ()
        code = run(data, tmp_path / "a.json", tmp_path, *limit)
        said = capsys.readouterr().err
        assert "Traceback" not in said, (seed, said)
        assert code == 0 or (code, calls, said.count("\n")) == (2, [], 1), (seed, code, calls, said)
        refused += code == 2
    assert len(seeds) / 5 < refused < len(seeds)


def test_annotations_of_videos_beyond_the_limit_are_checked_too(data, calls, tmp_path, capsys):
    content = json.loads((data / "val.json").read_text())
    wrong = next(e for e in content["annotations"] if e["video_id"] == 2)
    wrong["segmentations"][2]["counts"] = "~~~"
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert run(data, tmp_path / "a.json", tmp_path, "--limit", "1") == 2
    assert f"annotation {wrong['id']} (video 2), frame 2: the mask" in capsys.readouterr().err
    assert calls == []


@pytest.mark.parametrize("change", ["missing", "small", "broken"])
def test_every_frame_is_looked_at_first(data, calls, tmp_path, capsys, change):
    whole = json.loads((data / "val.json").read_text())
    last = whole["videos"][1]["file_names"][2]
    frames = data / "val" / "JPEGImages"
    for path in frames.rglob("*.png"):
        copied = tmp_path / "val" / "JPEGImages" / path.relative_to(frames)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes(path.read_bytes())
    victim = tmp_path / "val" / "JPEGImages" / last
    if change == "missing":
        victim.unlink()
    elif change == "small":
        Image.new("RGB", (4, 3)).save(victim)
    else:
        victim.write_bytes(b"not an image")
    assert run(tmp_path, data / "val.json", tmp_path) == 2
    said = capsys.readouterr().err
    assert last in said
    assert {"missing": "is missing", "small": "is 3x4", "broken": "cannot be read"}[change] in said
    assert calls == []


def test_annotations_that_cannot_be_drawn_are_refused_before_predicting(
    data, calls, tmp_path, capsys
):
    content = json.loads((data / "val.json").read_text())
    content["annotations"][0]["segmentations"][1] = {"size": [1, 1], "counts": "~"}
    (tmp_path / "a.json").write_text(json.dumps(content))
    words = [
        "predict",
        str(config(data, data / "val.json", tmp_path)),
        "--frames",
        str(data / "val" / "JPEGImages"),
        "--annotations",
        str(tmp_path / "a.json"),
        "--output",
        str(tmp_path / "r.json"),
    ]
    assert main([*words, "--draw", str(tmp_path / "drawn")]) == 2
    assert "frame 1: the mask" in capsys.readouterr().err
    assert calls == []
    assert main(words) == 0  # which needs no masks
    assert calls != []


def test_a_rotation_by_exif_is_said_and_not_applied(data, tmp_path, capsys):
    content = json.loads((data / "val.json").read_text())
    exif = Image.Exif()
    exif[274] = 6
    for video in content["videos"]:
        for t, name in enumerate(video["file_names"]):
            copied = tmp_path / "val" / "JPEGImages" / name
            copied.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(data / "val" / "JPEGImages" / name) as image:
                image.save(copied, exif=exif) if t == 1 else image.save(copied)
    assert run(tmp_path, data / "val.json", tmp_path, "--json") == 0
    printed = capsys.readouterr()
    assert printed.err.count("warning: 2 of 6 frames of synthetic/val, in ") == 1
    assert "ask by EXIF to be turned (the first is 00001.png); this is not applied" in printed.err
    assert json.loads(printed.out)[0]["ap"] > 0.9


@pytest.mark.parametrize("command", ["run", "predict"])
def test_an_output_without_room_is_found_first(data, calls, tmp_path, capsys, monkeypatch, command):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    frames = ["--frames", data / "val" / "JPEGImages"] if command == "predict" else []
    words = [command, config(data, data / "val.json", tmp_path), *frames]
    assert main([str(word) for word in (*words, "--output", tmp_path / "full" / "out")]) == 2
    assert calls == []
    assert capsys.readouterr().err.count("\n") == 1


def test_annotations_from_a_pipe_are_read_once(data, calls, tmp_path, capsys):
    content = (data / "val.json").read_bytes()
    read, write = os.pipe()
    try:
        assert os.write(write, content) == len(content)
        os.close(write)
        assert run(data, f"/dev/fd/{read}", tmp_path, "--json") == 0, capsys.readouterr().err
    finally:
        os.close(read)
    (piped,) = json.loads(capsys.readouterr().out)
    assert run(data, data / "val.json", tmp_path, "--json") == 0
    (plain,) = json.loads(capsys.readouterr().out)
    assert piped["ap"] == plain["ap"] > 0.9
    assert piped["annotations_sha256"] == plain["annotations_sha256"]
