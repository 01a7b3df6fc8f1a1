"""Bundled configs: found by name from anywhere, and complete with the weights that they name."""

from pathlib import Path

import pytest
import yaml

from paths import CONFIGS, ROOT
from vis_bench.errors import InputError
from vis_bench.runs.bundled import bundled_configs, describe_config, find_config
from vis_bench.runs.config import load_cells


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def bundled(file):
    """The file in the checkout or, of an installed package, in it."""
    found = bundled_configs()[file.removesuffix(".yaml")]
    assert found.as_posix().endswith(f"configs/{file}")
    return found


def test_every_config_is_listed():
    files = {path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.*")}
    assert set(bundled_configs()) == files
    assert list(bundled_configs()) == sorted(files)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("ifc_mini_synthetic", "ifc_mini_synthetic.yaml"),
        ("tables/ifc-stride_synthetic", "tables/ifc-stride_synthetic.yaml"),
        ("ifc-stride_synthetic", "tables/ifc-stride_synthetic.yaml"),
        ("train/ifc_mini_synthetic", "train/ifc_mini_synthetic.yaml"),
        ("backbone_mini_synthetic", "train/backbone_mini_synthetic.yaml"),
        ("configs/demo.yaml", "demo.yaml"),
        (Path("configs/tables/ifc-stride.yaml"), "tables/ifc-stride.yaml"),
    ],
)
def test_a_config_is_found_by_name_from_any_folder(name, file):
    assert find_config(name) == bundled(file)


def test_a_folder_decides_between_two_configs_of_one_name():
    assert find_config("ifc_mini_synthetic", "train") == bundled("train/ifc_mini_synthetic.yaml")
    assert find_config("train/ifc_mini_synthetic", "train").parent.name == "train"
    assert find_config("demo", "train") == bundled("demo.yaml")


def test_a_file_comes_before_a_bundled_config(tmp_path):
    (tmp_path / "demo").write_text("method: color_key\n")
    (tmp_path / "ifc_mini_synthetic").mkdir()
    assert find_config("demo") == Path("demo")
    assert find_config("ifc_mini_synthetic") == bundled("ifc_mini_synthetic.yaml")


@pytest.mark.parametrize("name", ["ifc_mini_synth", "mine/ifc_mini_synthetic.yaml", "tables/nope"])
def test_an_unknown_name_gets_a_sentence(name):
    with pytest.raises(InputError, match=f"config {name} does not exist") as error:
        find_config(name)
    assert ("ifc_mini_synthetic" in str(error.value)) == ("nope" not in name)
    assert "\n" not in str(error.value)


def test_similar_files_are_named_too(tmp_path):
    (tmp_path / "my_config.yaml").touch()
    with pytest.raises(InputError, match=r"similar names: my_config\.yaml"):
        find_config("my_confg.yaml")


@pytest.mark.parametrize("name", bundled_configs())
def test_every_config_opens_with_what_it_is(name):
    described = describe_config(bundled_configs()[name])
    assert described
    assert "run_bench.py" not in described


def test_bundled_weights_are_those_that_bundled_configs_name():
    """None that nothing names travels in the wheel, and none that is named is missing."""
    named = set()
    for name, path in bundled_configs().items():
        if name.startswith("train/"):
            named.add(yaml.safe_load(path.read_text()).get("initial_weights"))
        else:
            named.update(cell.weights for cell in load_cells(path))
    folder = ROOT / "methods" / "weights"
    bundled = {f"methods/weights/{path.name}" for path in folder.glob("*.safetensors")}
    assert {name for name in named if name and name.startswith("methods/")} == bundled
