"""A run over single images: from the config to the record and the table, and what reads them."""

import json

import pytest

from vis_bench.cli import main
from vis_bench.data.datasets import load_dataset
from vis_bench.data.results_file import read_results
from vis_bench.metrics.coco import evaluate_images
from vis_bench.record.store import RecordStore
from vis_bench.show.leaderboard import IMAGES_NOTE, leaderboard_text
from vis_bench.show.papers import table_page


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    command = ["run", "tables/ifc-coco_synthetic", "--limit", "20", "--output", str(folder)]
    assert main([*command, "--set", "resolution=[160, 192]"]) == 0
    return RecordStore(folder)


def test_records_hold_what_cocoeval_says_of_their_results(store):
    records = list(store)
    assert len(records) == 2
    dataset = load_dataset("synthetic_images", "val")
    truth = dataset.ground_truth(dataset.videos[:20])
    for record in records:
        path = store.folder / record.predictions
        assert {"image_id", "segmentation"} < set(json.loads(path.read_text())[0])
        numbers = evaluate_images(truth, read_results(path)).summary()
        assert {key: getattr(record, key) for key in numbers} == {
            key: None if value == -1 else value for key, value in numbers.items()
        }
        assert record.ap > 0.2
        assert (record.dataset, record.num_videos, record.num_frames) == (
            "synthetic_images",
            20,
            20,
        )
        assert (record.hota, record.ap_low, record.failures) == (None, None, {})
        assert record.gflops_per_frame > 0


@pytest.mark.parametrize("days", [(1, 2), (2, 1)])
def test_the_latest_record_stands_in_the_row_of_the_table(store, days):
    records = [
        record.model_copy(update={"created_at": f"2026-01-0{day}T00:00:00+00:00"})
        for record, day in zip(store, days, strict=True)
    ]
    page = table_page("ifc-coco", records)
    assert [grid.data for grid in page.tables] == [
        "COCO val",
        "single frames of the synthetic set, mini models",
    ]
    latest = records[days.index(2)]
    ((label, _, ap, *_),) = page.tables[1].rows
    assert (label.text, ap.text) == ("with", f"{100 * latest.ap:.1f}")
    assert any("20 images" in note for note in page.footnotes.values())


def test_the_leaderboard_ranks_images_by_ap_alone(store):
    whole = {"limited": False, "git_dirty": False}
    rows = [
        record.model_copy(update=whole | {"backbone": backbone})
        for record, backbone in zip(store, ("mini", "r50"), strict=True)
    ]
    text = leaderboard_text(rows)
    assert "single frames of the synthetic set val (20 images)" in text
    assert IMAGES_NOTE in text


def test_compare_says_that_it_needs_videos(store, capsys):
    assert main(["compare", *map(str, store.paths())]) == 2
    assert "lists single images, which have only AP and AR" in capsys.readouterr().err


def test_a_clip_of_two_images_is_refused(tmp_path, capsys):
    command = [
        "run",
        "tables/ifc-coco_synthetic",
        "--set",
        "clip_length=2",
        "--set",
        "dataset.name=synthetic",
        "--output",
        str(tmp_path),
    ]
    assert main(command) == 2
    assert "ifc takes clips of at most 1 frames" in capsys.readouterr().err
