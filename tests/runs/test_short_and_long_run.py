"""A run on a data set whose validation annotations are two files, of short and of long videos."""

import json

import pytest

from vis_bench.cli import main
from vis_bench.data.categories import CATEGORIES
from vis_bench.data.synthetic import write_dataset
from vis_bench.progress import Bars

CONFIG = """
method: ifc
options: {variant: mini}
clip_length: 5
clip_stride: 5
resolution: 64
dataset: {name: ytvis2022}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    folder = root / "ytvis2022"
    write_dataset(folder, Bars(quiet=True), num_videos={"val": 2})
    content = json.loads((folder / "val.json").read_text())
    content["categories"] = [{"id": k, "name": n} for k, n in CATEGORIES["ytvis2022"].items()]
    for number, part in enumerate(("short", "long"), 1):
        own = {
            **content,
            "videos": [video for video in content["videos"] if video["id"] == number],
            "annotations": [a for a in content["annotations"] if a["video_id"] == number],
        }
        (folder / f"gt_{part}.json").write_text(json.dumps(own))
    (folder / "val.json").unlink()
    return root


@pytest.fixture
def records(root, tmp_path, capsys):
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)

    def run(*more):
        code = main(
            [
                "run",
                str(path),
                "--data-root",
                str(root),
                "--output",
                str(tmp_path / "r"),
                "--device",
                "cpu",
                "--json",
                *more,
            ]
        )
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return json.loads(printed.out)

    return run


def test_the_record_holds_both_and_the_mean(records):
    (record,) = records()
    assert (record["dataset"], record["split"], record["num_videos"]) == ("ytvis2022", "val", 2)
    assert record["ap"] == (record["ap_short"] + record["ap_long"]) / 2
    assert record["ar10"] == (record["ar10_short"] + record["ar10_long"]) / 2
    assert not record["limited"]


def test_of_the_first_videos_only_the_short_ones_have_numbers(records):
    (record,) = records("--limit", "1")
    assert record["ap"] == record["ap_short"]
    assert record["ap_long"] is None
    assert record["limited"]
