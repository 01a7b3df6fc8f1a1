"""Splits: whole videos, seeded, balanced over categories, with checksums."""

import hashlib
import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vis_bench.cli import main
from vis_bench.data import split
from vis_bench.data.annotation_files import Cut, cut_of
from vis_bench.data.split import choose_videos, split_annotations
from vis_bench.errors import InputError
from vis_bench.files import write_atomically


def long_tailed(num_videos=1000, num_categories=40, seed=3):
    """Videos with one to four categories, of which the rarest is shown by a few videos only."""
    rng = random.Random(seed)
    weights = [1 / (1 + k) for k in range(num_categories)]
    videos = {}
    for video in range(1, num_videos + 1):
        labels = rng.choices(range(1, num_categories + 1), weights, k=rng.randint(1, 4))
        videos[video] = sorted(set(labels))
    return videos


def annotations(categories_by_video):
    numbers = {c for labels in categories_by_video.values() for c in labels}
    entries = [(video, c) for video, labels in categories_by_video.items() for c in labels]
    return {
        "info": {"description": "made up"},
        "licenses": [1],
        "videos": [
            {"id": v, "length": 1, "file_names": [f"{v}/0.jpg"], "height": 4, "width": 4}
            for v in categories_by_video
        ],
        "categories": [{"id": c, "name": f"kind {c}"} for c in sorted(numbers)],
        "annotations": [
            {"id": n, "video_id": video, "category_id": c, "segmentations": [None]}
            for n, (video, c) in enumerate(entries, 1)
        ],
    }


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps(annotations(long_tailed())))
    return path


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_category_keeps_its_share(fraction, seed):
    videos = long_tailed()
    held_out = choose_videos(videos, fraction=fraction, seed=seed)
    assert len(held_out) == pytest.approx(fraction * len(videos), rel=0.15)
    for category in range(1, 41):
        showing = [video for video, labels in videos.items() if category in labels]
        kept = len(held_out & set(showing))
        assert kept >= 1
        assert abs(kept - fraction * len(showing)) <= max(2, 0.2 * fraction * len(showing)), (
            category
        )


def test_parts_are_disjoint_complete_and_whole(source, tmp_path):
    parts = split_annotations(source, tmp_path / "out", fraction=0.1, seed=5)
    contents = [json.loads(Path(part["path"]).read_text()) for part in parts]
    whole = json.loads(source.read_text())
    ids = [{video["id"] for video in content["videos"]} for content in contents]
    assert not ids[0] & ids[1]
    assert ids[0] | ids[1] == {video["id"] for video in whole["videos"]}
    for content, own in zip(contents, ids, strict=True):
        assert {entry["video_id"] for entry in content["annotations"]} <= own
        assert content["categories"] == whole["categories"]
        assert content["licenses"] == whole["licenses"]
        assert content["info"]["description"] == "made up"
    together = contents[0]["annotations"] + contents[1]["annotations"]
    assert sorted(together, key=lambda e: e["id"]) == whole["annotations"]


def test_the_checksum_is_that_of_the_file_and_the_file_knows_where_it_comes_from(source, tmp_path):
    for part in split_annotations(source, tmp_path / "out", fraction=0.25, seed=5):
        data = Path(part["path"]).read_bytes()
        assert part["sha256"] == hashlib.sha256(data).hexdigest()
        assert json.loads(data)["info"]["split"] == {
            "part": part["part"],
            "fraction": 0.25,
            "seed": 5,
            "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
            "videos_sha256": part["videos_sha256"],
        }
        ids = sorted(video["id"] for video in json.loads(data)["videos"])
        lines = "".join(f"{number}\n" for number in ids).encode()
        assert part["videos_sha256"] == hashlib.sha256(lines).hexdigest()
        assert part["protocol"] is None


def test_the_shared_rule_has_a_name_and_stays_as_it_is(source, tmp_path):
    """Files named heldout-v1 are comparable: another choice needs another name."""
    part, _ = split_annotations(source, tmp_path)
    assert part["protocol"] == "heldout-v1"
    assert part["videos_sha256"][:16] == "3715382b28d7b97f"
    content = json.loads(Path(part["path"]).read_bytes())
    assert cut_of(content) == Cut("heldout", "heldout-v1")
    content["videos"].pop()
    assert cut_of(content) == Cut("heldout", None)
    assert cut_of({"info": {"split": {"part": "other"}}}) is None


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_part(source, tmp_path):
    digests = [
        [part["sha256"] for part in split_annotations(source, tmp_path / str(run), seed=seed)]
        for run, seed in enumerate((7, 7, 8))
    ]
    assert digests[0] == digests[1]
    one, other = (choose_videos(long_tailed(), fraction=0.1, seed=seed) for seed in (7, 8))
    assert one != other


def test_the_order_of_the_videos_makes_no_difference():
    videos = long_tailed(200)
    backwards = dict(reversed(videos.items()))
    assert choose_videos(videos, fraction=0.1, seed=0) == choose_videos(
        backwards, fraction=0.1, seed=0
    )


@settings(deadline=None)
@given(
    st.lists(st.sets(st.integers(1, 6), max_size=4), min_size=2, max_size=40),
    st.floats(0.05, 0.95),
    st.integers(0, 5),
)
def test_any_videos_are_cut_and_shared_categories_are_held_out(labels, fraction, seed):
    videos = {number: sorted(own) for number, own in enumerate(labels, 1)}
    held_out = choose_videos(videos, fraction=fraction, seed=seed)
    assert held_out <= set(videos)
    for category in range(1, 7):
        showing = {video for video, own in videos.items() if category in own}
        if len(showing) > 1:
            assert held_out & showing


def test_videos_are_counted_by_category(source, tmp_path):
    parts = split_annotations(source, tmp_path / "out")
    counts = [part["videos_per_category"] for part in parts]
    assert counts[0].keys() == counts[1].keys()
    assert sum(sum(count.values()) for count in counts) == sum(map(len, long_tailed().values()))
    assert parts[0]["part"] == "heldout"


def test_categories_of_one_name_are_counted_apart(source, tmp_path, capsys):
    content = json.loads(source.read_text())
    for category in content["categories"][:2]:
        category["name"] = "cat"
    source.write_text(json.dumps(content))
    assert main(["split", str(source), str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    ids = [category["id"] for category in content["categories"][:2]]
    totals = Counter(label for labels in long_tailed().values() for label in labels)
    for key in ids:
        [row] = [line for line in printed.splitlines() if f"cat (id {key})" in line]
        assert sum(map(int, re.findall(r"\d+", row.split("|", 2)[2]))) == totals[key]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"annotations": []}, "lists no annotations"),
        ({"videos": []}, "lists no videos"),
        ({"videos": [{"id": 1}, {"id": 1}]}, "repeats id 1"),
        ({"annotations": [{"id": 1, "video_id": 77777, "category_id": 1}]}, "no annotation of"),
        ({"annotations": [{"id": 1, "video_id": 1}]}, "no 'category_id'"),
        ({"categories": {"id": 1}}, "expected a list of objects"),
        ({"categories": [1]}, r"categories\[0\] is 1"),
        (
            {"videos": [{"id": 1}], "annotations": [{"id": 1, "video_id": 1, "category_id": 1}]},
            "too few",
        ),
        ({"extra": json.loads("[" * 400 + "]" * 400)}, "cannot be writt"),
    ],
)
def test_what_cannot_be_split_is_refused(tmp_path, change, message):
    path = tmp_path / "train.json"
    path.write_text(json.dumps({**annotations(long_tailed(30)), **change}))
    with pytest.raises(InputError, match=message):
        split_annotations(path, tmp_path / "out")
    assert not list(tmp_path.glob("out/*.json"))


def test_annotations_of_unlisted_videos_are_left_out_and_counted(source, tmp_path):
    content = json.loads(source.read_text())
    before = split_annotations(source, tmp_path / "before")
    other = {**content["annotations"][0], "id": 77777, "video_id": 77777}
    source.write_text(json.dumps({**content, "annotations": [other, *content["annotations"]]}))
    for part, old in zip(split_annotations(source, tmp_path / "out"), before, strict=True):
        assert part["left_out"] == {**old["left_out"], "annotations of unlisted videos": 1}
        assert part["num_objects"] == old["num_objects"]
        written = json.loads((tmp_path / f"out/{part['part']}.json").read_bytes())
        assert 77777 not in [entry["id"] for entry in written["annotations"]]


@pytest.mark.parametrize("fraction", [0, 1, -0.5, float("nan")])
def test_a_fraction_out_of_range_is_refused(source, tmp_path, fraction):
    with pytest.raises(InputError, match="between 0 and 1"):
        split_annotations(source, tmp_path / "out", fraction=fraction)


@pytest.mark.parametrize(
    ("place", "field", "value", "words"),
    [("categories", "id", None, r"categories\[0\] has no 'id'"),
     ("categories", "id", "1", "has id '1'; expected an integer"),
     ("categories", "id", 2, "repeats id 2"),
     ("videos", "id", "1", "has id '1'; expected an integer"),
     ("annotations", "video_id", "1", "has video_id '1'; expected an integer"),
     ("annotations", "category_id", [1], r"has category_id \[1\]; expected")],
)  # fmt: skip
def test_malformed_entries_write_nothing(source, tmp_path, place, field, value, words):
    content = json.loads(source.read_text())
    content[place][0][field] = value
    if value is None:
        del content[place][0][field]
    source.write_text(json.dumps(content))
    with pytest.raises(InputError, match=words):
        split_annotations(source, tmp_path / "out")
    assert not list(tmp_path.glob("out/*.json"))


@pytest.mark.parametrize("there", [True, False])
def test_where_one_part_cannot_be_written_the_other_is_as_before(
    source, tmp_path, monkeypatch, there
):
    out = tmp_path / "out"
    out.mkdir()
    if there:
        (out / "heldout.json").write_bytes(b"before")
    (out / "rest.json").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*rest\.json: it is a folder"):
        split_annotations(source, out)
    (out / "rest.json").rmdir()

    def full(path, data):
        if path.name == "rest.json":
            raise InputError(f"cannot write {path}: No space left on device")
        write_atomically(path, data)

    monkeypatch.setattr(split, "write_atomically", full)
    with pytest.raises(InputError, match=r"rest\.json: No space left on device"):
        split_annotations(source, out)
    left = {path.name: path.read_bytes() for path in out.iterdir()}
    assert left == ({"heldout.json": b"before"} if there else {})
