"""Official splits: public annotation files are found, recognized, and no training videos."""

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from vis_bench.cli import main
from vis_bench.data.categories import CATEGORIES, share_videos
from vis_bench.data.datasets import load_dataset
from vis_bench.data.official import LVVIS_PARTITIONS, official_split, recognize
from vis_bench.errors import InputError
from vis_bench.record.store import RecordStore
from vis_bench.show.papers import table_page
from vis_bench.table import render

MASK = {"size": [4, 6], "counts": [0, 8, 16]}
FOUND = {"category_id": 1, "score": 0.9, "segmentations": [{"size": [4, 6], "counts": "08`0"}]}


def entries(categories):
    return [{"id": key, "name": name} for key, name in categories.items()]


def made(num_videos, categories, first=1, **more):
    """Annotations of videos with a frame and an object each."""
    ids = range(first, first + num_videos)
    category = categories[0]["id"]
    return {
        "videos": [
            {"id": n, "height": 4, "width": 6, "length": 1, "file_names": [f"v{n}/0.jpg"]}
            for n in ids
        ],
        "categories": categories,
        "annotations": [
            {"id": n, "video_id": n, "category_id": category, "iscrowd": 0, "segmentations": [MASK]}
            for n in ids
        ],
        **more,
    }


def without_annotations(content):
    return {**content, "annotations": None}


@pytest.fixture
def place(tmp_path):
    """Write files below the data root, and the first frame of each list below its folder."""

    def write(name, content, frames):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        for video in content["videos"]:
            frame = tmp_path / frames / video["file_names"][0]
            frame.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (6, 4)).save(frame)
        return path

    write.root = tmp_path
    return write


OVIS, YTVIS = entries(CATEGORIES["ovis"]), entries(CATEGORIES["ytvis2021"])


@pytest.mark.parametrize(
    ("name", "categories", "listing", "public"),
    [
        ("ovis", OVIS, "annotations_valid.json", "validGT.json"),
        ("ovis", OVIS, "annotations/annotations_valid.json", "annotations/validGT.json"),
        ("ytvis2021", YTVIS, "valid/instances.json", "validation_gt.json"),
        ("ytvis2021", YTVIS, "valid.json", "annotations/validation_gt.json"),
    ],
)
def test_public_annotations_come_before_the_list(place, name, categories, listing, public):
    content = made(2, categories)
    listed = place(f"{name}/{listing}", without_annotations(content), f"{name}/valid")
    only_listed = load_dataset(name, "val", data_root=place.root)
    assert (only_listed.annotations_path, only_listed.has_annotations) == (listed, False)

    annotated = place(f"{name}/{public}", content, f"{name}/valid")
    dataset = load_dataset(name, "val", data_root=place.root)
    assert (dataset.annotations_path, dataset.has_annotations) == (annotated, True)
    assert dataset.full_name == f"{name}/val"
    assert not share_videos(f"{name}/train", dataset.full_name)
    assert load_dataset(name, "val", data_root=place.root, annotations=listed).has_annotations is (
        False
    )


@pytest.mark.parametrize("public", ["validGT.json", "gt_short.json"])
def test_annotations_of_other_videos_than_the_list_are_refused(place, public):
    name, categories = ("ovis", OVIS) if public == "validGT.json" else ("ytvis2022", YTVIS)
    place(f"{name}/valid.json", without_annotations(made(3, categories)), f"{name}/valid")
    place(f"{name}/{public}", made(2, categories), f"{name}/valid")
    if name == "ytvis2022":
        place(f"{name}/gt_long.json", made(1, categories, first=9), f"{name}/valid")
        place(f"{name}/valid.json", without_annotations(made(4, categories)), f"{name}/valid")
    with pytest.raises(InputError, match="list different videos") as error:
        load_dataset(name, "val", data_root=place.root)
    assert str(place.root / name / public) in str(error.value)
    assert "is 3)" in str(error.value)


def test_open_vocabularies_have_the_categories_of_their_files(place):
    named = [{"id": 3, "name": "accordion", "partition": 2}, {"id": 9, "name": "cat"}]
    place("lvvis/val_instances.json", made(1, named), "lvvis/JPEGImages/val")
    place("hqytvis/ytvis_hq-test.json", made(1, named), "ytvis2019/train/JPEGImages")
    place(
        "saco_veval/annotation/saco_veval_yt1b_val.json",
        made(1, named, video_np_pairs=[]),
        "saco_veval/media/saco_yt1b/JPEGImages_6fps",
    )
    for name, split in (("lvvis", "val"), ("hqytvis", "test"), ("saco_veval", "yt1b_val")):
        dataset = load_dataset(name, split, data_root=place.root)
        assert dataset.categories == {3: "accordion", 9: "cat"}
        assert dataset.full_name == f"{name}/{split}"
        assert dataset.has_annotations


def test_files_are_known_by_their_counts_and_form():
    ovis, coco = CATEGORIES["ovis"], CATEGORIES["coco"]
    assert official_split(ovis, 140, of_images=False) == ("ovis", "val")
    assert official_split(ovis, 139, of_images=False) is None
    assert official_split(coco, 5000, of_images=True) == ("coco", "val")
    assert official_split({1: "mine"}, 140, of_images=False) is None

    assert recognize(made(139, OVIS), Path("a.json")) == ("ovis", None)
    assert recognize(made(421, YTVIS), Path("a.json")) == ("ytvis2021", "val")
    pairs = made(1, OVIS, video_np_pairs=[])
    assert recognize(pairs, Path("saco_veval_sav_test.json")) == ("saco_veval", "sav_test")
    assert recognize(made(1, OVIS), Path("ytvis_hq-val.json")) == ("hqytvis", "val")
    numbers = [part for part, count in LVVIS_PARTITIONS.items() for _ in range(count)]
    large = [{"id": n, "name": f"{n}", "partition": part} for n, part in enumerate(numbers, 1)]
    assert recognize(made(1, large), Path("val_instances.json")) == ("lvvis", "val")
    assert recognize(made(1, large[1:]), Path("val_instances.json")) == (None, None)


def test_results_on_public_annotations_stand_beside_the_papers(place, capsys):
    """Half of OVIS's 140 videos are found: AP 51/101, as 51 of the recall levels are reached."""
    annotations = place("validGT.json", made(140, OVIS), "frames")
    predictions = place.root / "results.json"
    found = [{"video_id": n, **FOUND} for n in range(1, 71)]
    predictions.write_text(json.dumps(found))
    records = place.root / "records"
    command = f"eval --annotations {annotations} --predictions {predictions} --output {records}"
    assert main([*command.split(), "--record", "IDOL", "--backbone", "ResNet-50"]) == 0
    assert capsys.readouterr().err.count("wrote") == 1
    (record,) = RecordStore(records)
    assert (record.dataset, record.split, record.contaminated) == ("ovis", "val", False)
    assert record.ap == pytest.approx(51 / 101)

    rows = table_rows(record)
    assert [row["AP"] for row in rows] == ["30.2", "50.5", "+20.3", "29.5", "50.5", "+21.0"]
    ends = [f"{100 * end:.1f}" for end in (record.ap_low, record.ap_high)]
    moved = [f"{float(end) - 30.2:+.1f}" for end in ends]
    assert [[row["AP low"], row["AP high"]] for row in rows[1:3]] == [ends, moved]
    fewer = record.model_copy(update={"num_videos": 139})
    assert {row["AP"] for row in table_rows(fewer) if row["Figures"] == "difference"} == {"-"}


def test_results_on_short_and_long_videos_stand_beside_the_papers(place):
    """Of the long videos 6 of 8 are found: 76 of 101 recall levels are reached."""
    short = place("gt_short.json", made(3, YTVIS), "frames")
    long = place("gt_long.json", made(8, YTVIS, first=9), "frames")
    predictions = place.root / "results.json"
    predictions.write_text(json.dumps([{"video_id": n, **FOUND} for n in (1, *range(9, 15))]))
    command = f"eval --annotations {short} --long-annotations {long} --predictions {predictions}"
    named = ["--record", "VidEoMT", "--backbone", "ViT-L", "--output", str(place.root / "r")]
    assert main([*command.split(), *named]) == 0
    (record,) = RecordStore(place.root / "r")
    assert (record.dataset, record.split, record.contaminated) == ("ytvis2022", "val", False)
    assert record.ap_long == pytest.approx(76 / 101)

    rows = table_rows(record, "comparison-2022", "VidEoMT", "ViT-L")
    published, measured, moved = (
        [row[f"AP{end}"] for end in ("", " low", " high")] for row in rows
    )
    assert published == ["42.6", "-", "-"]
    values = record.ap_long, record.ap_long_low, record.ap_long_high
    assert measured == [f"{100 * value:.1f}" for value in values]
    assert moved == [f"{float(value) - 42.6:+.1f}" for value in measured]


def table_rows(record, table="comparison-ovis", method="IDOL", backbone="ResNet-50"):
    """Rows of a method in a paper's table, without the data set in the titles."""
    rows = csv.DictReader(io.StringIO(render(table_page(table, [record]), "csv")))
    return [
        {title.split(" (")[0]: text for title, text in row.items()}
        for row in rows
        if (row["Method"], row["Backbone"]) == (method, backbone)
    ]


def test_submit_names_the_closed_servers(tmp_path, capsys):
    results = tmp_path / "r.json"
    results.write_text(json.dumps([{"video_id": 1, **FOUND}]))
    assert main(["submit", str(results), str(tmp_path / "o.zip")]) == 0
    assert "31 December 2025" in capsys.readouterr().err
