"""The configs of held-out parts are their siblings on other videos, and the whole way works."""

import json

import pytest
import torch

from methods import build_method
from paths import CONFIGS
from vis_bench.data.categories import CATEGORIES
from vis_bench.data.synthetic import write_dataset
from vis_bench.progress import Bars
from vis_bench.runs.bundled import describe_config
from vis_bench.runs.config import load_cells
from vis_bench.yaml_text import read_yaml

HELD_OUT = sorted(path.stem for path in CONFIGS.glob("*_heldout.yaml"))
SIBLINGS = sorted(path.stem for path in CONFIGS.glob("*_ytvis2019.yaml"))


def test_every_method_and_backbone_has_one():
    assert [f"{name}_heldout" for name in SIBLINGS] == HELD_OUT


@pytest.mark.parametrize("name", HELD_OUT)
def test_it_is_its_sibling_but_for_the_split(name):
    sibling = name.removesuffix("_heldout")
    path = CONFIGS / f"{name}.yaml"
    assert read_yaml(path) == {
        "base": sibling,
        "dataset": {"name": "ytvis2019", "split": "heldout"},
    }
    (cell,), (other,) = load_cells(path), load_cells(CONFIGS / f"{sibling}.yaml")
    split = other.dataset.model_copy(update={"split": "heldout"})
    assert cell == other.model_copy(update={"dataset": split})
    text = path.read_text()
    assert f"vis-bench run {name} --data-root DATA --weights W" in text
    assert "vis-bench split DATA/ytvis2019/train.json DATA/ytvis2019\n" in text
    opening = describe_config(CONFIGS / f"{sibling}.yaml").split(", YouTube-VIS")[0]
    assert describe_config(path).startswith(f"{opening}, on a held-out part")


@pytest.mark.parametrize(
    "path",
    [
        *sorted(CONFIGS.glob("*_ytvis20*.yaml")),
        *sorted(set(CONFIGS.glob("tables/*.yaml")) - set(CONFIGS.glob("tables/*_synthetic.yaml"))),
    ],
    ids=lambda path: path.stem,
)
def test_a_papers_config_says_what_its_weights_were_trained_on(path):
    for cell in load_cells(path):
        untrained = cell.measure == ("flops",) or cell.method == "sam3_video"  # zero-shot
        trained_on = () if untrained else (f"{cell.dataset.name}/train",)
        assert cell.weights_trained_on == trained_on


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six synthetic videos below DATA, as YouTube-VIS 2019 and as a synthetic set; a mini IFC."""
    root = tmp_path_factory.mktemp("data")
    write_dataset(root / "synthetic", Bars(quiet=True), plain=True, num_videos={"train": 6})
    renamed = json.loads((root / "synthetic" / "train.json").read_text())
    renamed["categories"] = [{"id": k, "name": n} for k, n in CATEGORIES["ytvis2019"].items()]
    (root / "ytvis2019").mkdir()
    (root / "ytvis2019" / "train.json").write_text(json.dumps(renamed))
    (root / "ytvis2019" / "train").symlink_to(root / "synthetic" / "train")
    torch.manual_seed(0)
    method = build_method("ifc", num_classes=40, variant="mini")
    torch.save({"model": method.state_dict()}, root / "ifc.pth")
    return root


def num_videos(annotations):
    return len(json.loads(annotations.read_text())["videos"])


MINI = ("--set", "options={variant: mini}", "--set", "resolution=96", "--set", "measure=accuracy",
        "--set", "clip_stride=5", "--device", "cpu")  # fmt: skip


def test_split_then_run_is_the_whole_way(run, data):
    folder = data / "ytvis2019"
    held_out = ("run", "ifc_r50_ytvis2019_heldout", "--data-root", data, *MINI, "--json")
    (folder / "heldout.json").unlink(missing_ok=True)
    code, _, err = run(*held_out, "--weights", data / "ifc.pth")
    assert code == 2
    assert f"`vis-bench split {folder}/train.json {folder}` writes them" in err

    code, _, err = run("split", folder / "train.json", folder, "--fraction", 0.3)
    assert code == 0, err
    code, out, err = run(*held_out, "--weights", data / "ifc.pth")
    assert code == 0, err
    (record,) = json.loads(out)
    assert (record["split"], record["limited"]) == ("heldout", False)
    assert record["num_videos"] == num_videos(folder / "heldout.json")
    assert record["contaminated"]
    assert record["ap"] is not None
    assert err.count("WARNING: the weights were trained on ytvis2019/train") == 1
    code, out, _ = run("table", "measured")
    assert "IFC (trained on these videos" in out

    clean = ("--set", "weights_trained_on=ytvis2019/rest")
    for arguments in ((*held_out, "--weights", data / "ifc.pth", *clean), held_out):
        code, out, err = run(*arguments)
        assert code == 0, err
        assert not json.loads(out)[0]["contaminated"]
        assert "WARNING" not in err


def test_a_cut_file_is_recognized_whatever_the_config_calls_it(run, data):
    folder = data / "ytvis2019"
    assert run("split", folder / "train.json", folder)[0] == 0
    code, out, err = run(
        "run",
        "ifc_r50_ytvis2019",
        *MINI,
        "--weights",
        data / "ifc.pth",
        "--json",
        "--set",
        f"dataset.annotations={folder}/heldout.json",
        "--set",
        f"dataset.frames={folder}/train/JPEGImages",
    )
    assert code == 0, err
    (record,) = json.loads(out)
    assert (record["split"], record["contaminated"]) == ("heldout", True)
    assert "has videos of ytvis2019/heldout" in err


def test_a_file_without_annotations_is_refused_before_the_first_frame(run, data, tmp_path):
    content = json.loads((data / "ytvis2019" / "train.json").read_text())
    del content["annotations"]
    root = tmp_path / "public"
    (root / "ytvis2019").mkdir(parents=True)
    (root / "ytvis2019" / "valid.json").write_text(json.dumps(content))
    (root / "ytvis2019" / "valid").symlink_to(data / "synthetic" / "train")
    arguments = ("run", "ifc_r50_ytvis2019", "--data-root", root, *MINI)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    for words in (
        "valid.json has no annotations",
        "`vis-bench split`",
        "*_heldout",
        "--set measure='[speed, flops]'",
        "`vis-bench predict`",
    ):
        assert words in err
    assert sorted(tmp_path.rglob("*")) == before
    code, _, err = run(*arguments, "--set", "measure=[flops]", "--output", tmp_path / "flops")
    assert code == 0, err
