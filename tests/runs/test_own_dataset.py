"""A data set of one's own in YouTube-VIS form: its categories are those of its file."""

import json
from pathlib import Path

import pytest

from vis_bench.data.categories import CATEGORIES
from vis_bench.data.datasets import load_dataset, read_categories
from vis_bench.data.synthetic import write_dataset
from vis_bench.errors import InputError
from vis_bench.progress import Bars
from vis_bench.runs.config import DatasetConfig
from vis_bench.runs.sources import config_categories

# The categories of the synthetic set, in the same order, as somebody else numbers and names them.
IDS = [3, 10, 11, 20, 50, 70]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two plain synthetic videos as a data set of its own, listed in another order."""
    root = tmp_path_factory.mktemp("mine")
    write_dataset(root, Bars(quiet=True), plain=True, num_videos={"val": 2})
    content = json.loads((root / "val.json").read_text())
    for entry in content["annotations"]:
        entry["category_id"] = IDS[entry["category_id"] - 1]
    content["categories"] = [{"id": key, "name": f"kind {key}"} for key in reversed(IDS)]
    (root / "mine.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def config(data, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "method: color_key\nresolution: native\n"
        f"dataset: {{name: mine, annotations: {data}/mine.json, frames: {data}/val/JPEGImages}}\n"
    )
    return path


def test_categories_are_read_in_the_order_of_their_ids(data):
    annotations, frames = data / "mine.json", data / "val" / "JPEGImages"
    dataset = load_dataset("mine", "val", annotations=annotations, frames=frames)
    assert dataset.categories == {key: f"kind {key}" for key in IDS}
    assert dataset.category_ids == IDS
    assert dataset.full_name == "mine/val"
    assert list(read_categories(annotations)) == IDS


def test_columns_of_class_probabilities_stand_for_the_files_categories(run, config):
    """color_key knows the six classes of the plain videos by their order."""
    code, out, err = run("run", config, "--json")
    assert code == 0, err
    (record,) = json.loads(out)
    assert record["ap"] > 0.95
    assert record["dataset"] == "mine"
    assert run("leaderboard")[1].startswith("# Leaderboard\n\n## mine val (2 videos)")


def test_flops_predict_and_traces_take_the_number_of_classes_from_the_file(run, config, data):
    mini = (
        "--set",
        "method=ifc",
        "--set",
        "options={variant: mini}",
        "--set",
        "clip_length=2",
        "--set",
        "resolution=96",
    )
    counted = {}
    for name, source in {"mine": config, "synthetic": "ifc_mini_synthetic"}.items():
        code, out, err = run("flops", source, *mini, "--json")
        assert code == 0, err
        counted[name] = json.loads(out)[0]["num_params"]
    assert counted["mine"] == counted["synthetic"]
    frames = data / "val" / "JPEGImages"
    code, _, err = run("predict", config, "--frames", frames, "--output", "r.json")
    assert code == 0, err
    assert {track["category_id"] for track in json.loads(Path("r.json").read_text())} <= set(IDS)
    code, _, err = run(
        "profile-kernels",
        "--config",
        config,
        *mini,
        "--trace",
        "t.json",
        "--device",
        "cpu",
        "--weights",
        Path(__file__).parents[2] / "methods" / "weights" / "ifc_mini.safetensors",
    )
    assert code == 0, err


def test_a_known_data_set_need_not_be_there_for_its_categories():
    for name, categories in CATEGORIES.items():
        assert config_categories(DatasetConfig(name=name)) == categories


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("name: ytvis2091", "nominal, or any name with annotations and frames"),
        ("name: mine, annotations: a.json", "or any name with annotations and frames"),
        ("name: mine, frames: f", "or any name with annotations and frames"),
        ("name: mine, annotations: a.json, frames: f", "a.json"),
    ],
)
@pytest.mark.parametrize("command", ["run", "flops"])
def test_a_name_that_is_not_known_needs_files(run, config, settings, words, command):
    code, out, err = run(command, config, "--set", f"dataset={{{settings}}}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


@pytest.mark.parametrize(
    ("categories", "words"),
    [(None, "lists no categories"), ([], "lists no categories"),
     ([{"id": 1, "name": "a"}, {"id": 1, "name": "b"}], "repeats id"),
     ([{"name": "a"}], "has no 'id'"), ([{"id": "1"}], "integer")],
)  # fmt: skip
def test_malformed_categories_are_named(data, tmp_path, categories, words):
    content = json.loads((data / "mine.json").read_text())
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({**content, "categories": categories}))
    frames = data / "val" / "JPEGImages"
    for read in (
        lambda: read_categories(path),
        lambda: load_dataset("mine", "val", annotations=path, frames=frames),
    ):
        with pytest.raises(InputError, match=words) as error:
            read()
        assert "bad.json" in str(error.value)
