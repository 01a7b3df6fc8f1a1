"""`predict`: which weights it takes, what a server's list of videos changes, what it sums up."""

import json

import pytest
import torch

from methods import build_method
from run_case import bare
from vis_bench.data.synthetic import write_dataset
from vis_bench.errors import InputError
from vis_bench.progress import Bars
from vis_bench.runs.bundled import find_config
from vis_bench.runs.config import load_cells
from vis_bench.runs.predict import find_inputs, load_predictor

COLOR_KEY = """
method: color_key
dataset: {name: synthetic, split: val, plain: true}
resolution: native
clip_length: whole
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, Bars(quiet=True), plain=True, num_videos={"val": 3})
    return folder


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "plain.yaml"
    path.write_text(COLOR_KEY)
    return path


@pytest.fixture
def valid(data, tmp_path):
    """Two of the videos as a server lists them: ids of its own, another order, no annotations."""
    content = json.loads((data / "val.json").read_text())
    first, _, third = content["videos"]
    videos = [{**third, "id": 31}, {**first, "id": 7}]
    path = tmp_path / "valid.json"
    path.write_text(json.dumps({"videos": videos, "categories": content["categories"]}))
    return path


def cell(path, *overrides):
    [found] = load_cells(path, overrides)
    return found


def test_a_servers_list_gives_the_ids_and_the_order(run, config, data, valid, tmp_path):
    frames, output = data / "val" / "JPEGImages", tmp_path / "r.json"
    code, out, err = run(
        "predict", config, "--frames", frames, "--annotations", valid, "--output", output, "--json"
    )
    assert code == 0, err
    summary = json.loads(out)
    assert list(summary["videos"]) == ["31", "7"]
    tracks = json.loads(output.read_text())
    assert {track["video_id"] for track in tracks} == {7, 31}
    lengths = {v["id"]: v["length"] for v in json.loads(valid.read_text())["videos"]}
    assert all(len(t["segmentations"]) == lengths[t["video_id"]] for t in tracks)
    code, out, err = run("submit", output, tmp_path / "s.zip", "--annotations", valid)
    assert code == 0, err


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("limit", [None, 1])
def test_tracks_are_drawn_in_one_go(run, config, data, valid, tmp_path, listed, limit):
    frames, pictures = data / "val" / "JPEGImages", tmp_path / "pictures"
    arguments = ["predict", config, "--frames", frames, "--output", tmp_path / "r.json"]
    arguments += ["--annotations", valid] if listed else []
    arguments += ["--limit", limit] if limit else []
    code, _, err = run(*arguments, "--draw", pictures)
    assert code == 0, err
    assert f"pictures: {pictures}" in err
    drawn = limit or (2 if listed else 3)
    assert len(list(pictures.glob("*_strip.png"))) == len(list(pictures.glob("*.webp"))) == drawn
    tracks = json.loads((tmp_path / "r.json").read_text())
    assert len({track["video_id"] for track in tracks}) == drawn


def test_the_summary_names_the_categories(run, config, data, tmp_path):
    arguments = (
        "predict",
        config,
        "--frames",
        data / "val" / "JPEGImages",
        "--output",
        tmp_path / "r.json",
    )
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert summary["categories"]["1"]["name"] == "striped_star"
    counted = sum(entry["num_tracks"] for entry in summary["categories"].values())
    assert counted == summary["num_tracks"] == len(json.loads((tmp_path / "r.json").read_text()))
    code, out, err = run(*arguments)
    assert out.splitlines()[0] == f"{counted} tracks in 3 videos: {tmp_path / 'r.json'}"
    found = max(summary["categories"].values(), key=lambda entry: entry["num_tracks"])
    assert f"tracks by category: {found['name']} {found['num_tracks']}" in out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["videos"][1].update(id=31), "repeats id 31"),
        (lambda c: c["videos"][1]["file_names"].__setitem__(-1, "gone.png"), "lacks 1 of"),
        (lambda c: c["videos"][0]["file_names"].__setitem__(0, "gone.png"), "does not hold gone"),
        (lambda c: c["categories"][0].update(name="car"), "not for data set synthetic"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_before_inference(config, data, valid, change, message):
    content = json.loads(valid.read_text())
    change(content)
    valid.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        find_inputs(cell(config), data / "val" / "JPEGImages", valid)


def test_a_list_needs_the_folder_its_file_names_start_from(config, valid):
    with pytest.raises(InputError, match="is not a folder; expected the one that the file names"):
        find_inputs(cell(config), valid, valid)


CPU, NAMES = torch.device("cpu"), [*"abcdef"]


def test_weights_are_needed_unless_random_ones_are_asked_for(config, tmp_path):
    mini = cell(find_config("ifc_mini_synthetic"))
    without = mini.model_copy(update={"weights": None})
    with pytest.raises(InputError, match="names no weights for ifc"):
        load_predictor(build_method, without, NAMES, CPU)
    trained = bare(load_predictor(build_method, mini, NAMES, CPU)).state_dict()
    loaded = load_predictor(build_method, without, NAMES, CPU, random_weights=True)
    random = bare(loaded).state_dict()
    assert any(not torch.equal(trained[name], random[name]) for name in trained)
    load_predictor(build_method, cell(config), NAMES, CPU)


@pytest.mark.parametrize("command", ["predict", "run"])
def test_random_weights_take_the_place_of_the_configs(run, data, tmp_path, command):
    arguments = [
        command,
        "ifc_mini_synthetic",
        "--output",
        tmp_path / "r",
        "--limit",
        1,
        "--json",
        "--device",
        "cpu",
        "--set",
        "resolution=32",
        "--random-weights",
    ]
    if command == "predict":
        arguments += ["--frames", data / "val" / "JPEGImages"]
    else:
        arguments += ["--set", "measure=flops"]
    code, out, err = run(*arguments, "--set", "weights=nowhere.pth")
    assert code == 0, err
    if command == "run":
        (record,) = json.loads(out)
        assert (record["weights_source"], record["config"]["weights"]) == ("random", None)
    else:
        assert json.loads(out)["num_videos"] == 1
    code, _, err = run(*arguments, "--weights", tmp_path / "w.pth")
    assert code == 2
    assert f"--weights {tmp_path / 'w.pth'} and --random-weights" in err
