"""AP of groups: LV-VIS's base and novel against its evaluator, and files filtered by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

import vis_bench
from paths import GOLDEN
from vis_bench.cli import main
from vis_bench.data.annotations import GroundTruth, read_annotations
from vis_bench.data.groups import Group, read_groups
from vis_bench.data.results_file import Results, Track, read_results
from vis_bench.errors import InputError
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.groups import of_group
from vis_bench.metrics.half_samples import ap_samples, interval_of
from vis_bench.metrics.matching import match
from vis_bench.metrics.scores import Asked, by_part
from vis_bench.record.store import RecordStore

ANNOTATIONS, PREDICTIONS = GOLDEN / "lvvis_made.gt.json", GOLDEN / "lvvis_made.preds.json"
EXPECTED = json.loads((GOLDEN / "lvvis_made.expected.json").read_text())
FIELDS = {
    "AP": "ap", "AP50": "ap50", "AP75": "ap75", "APs": "ap_s", "APm": "ap_m", "APl": "ap_l",
    "AR1": "ar1", "AR10": "ar10", "AR100": "ar100", "ARs": "ar_s", "ARm": "ar_m", "ARl": "ar_l",
}  # fmt: skip


@pytest.fixture(scope="module")
def made():
    truth, results = read_annotations(ANNOTATIONS), read_results(PREDICTIONS)
    return truth, results, match(truth, results)


def nulled(value):
    return None if value == -1 else pytest.approx(value, abs=1e-12)


def tracks(entries):
    keys = ("video_id", "category_id", "score", "segmentations")
    return Results.of([Track(*(entry[key] for key in keys)) for entry in entries])


def test_base_and_novel_are_those_of_lvvis_with_crowds_ignored(made):
    truth, _, matches = made
    groups = read_groups("partition", truth)
    assert {g.name: sorted(g.ids) for g in groups} == {
        side: EXPECTED[f"{side}_categories"] for side in ("base", "novel")
    }
    found = {group.name: of_group(matches, group) for group in groups}
    for line, sides in EXPECTED["lvvis"]["crowd_ignored"].items():
        for side in ("base", "novel"):
            assert found[side].numbers()[FIELDS[line]] == nulled(sides[side]), (line, side)


@pytest.mark.parametrize("case", EXPECTED["edge_cases"], ids=lambda case: case["case"])
def test_edge_cases_go_by_id_and_empty_groups_say_why(case):
    """The reference stops at gaps and empty sides, and confuses categories counted from 0."""
    truth = GroundTruth.of(case["gt"])
    found = evaluate(
        truth, tracks(case["preds"]), Asked(groups=read_groups("partition", truth))
    ).per_group
    objects = [a for a in case["gt"]["annotations"] if not a["iscrowd"]]
    partition = {c["id"]: c["partition"] for c in case["gt"]["categories"]}
    for side, numbers in (("base", (0, 1)), ("novel", (2, 3))):
        own = [a for a in objects if partition[a["category_id"]] in numbers]
        assert found[side].num_objects == len(own)
        assert (found[side].reason is None) is bool(own)
        assert (found[side].numbers()["ap"] is None) is not bool(own)
        if case["case"] == "both without a pixel" or case["case"].startswith("novel categories"):
            assert found[side].numbers()["ap"] == nulled(case["reference"]["AP"][side])
    if case["case"] == "no novel category":
        assert found["novel"].reason == "it lists no categories"
    if case["case"].startswith("novel categories"):
        assert "none of its categories" in found["novel"].reason


def filtered(group):
    """The golden's files with a group's categories, or its videos, alone."""
    content = json.loads(ANNOTATIONS.read_text())
    entries = json.loads(PREDICTIONS.read_text())
    key = "category_id" if group.kind == "categories" else "video_id"
    content[group.kind] = [item for item in content[group.kind] if item["id"] in group.ids]
    content["annotations"] = [a for a in content["annotations"] if a[key] in group.ids]
    return GroundTruth.of(content), tracks([e for e in entries if e[key] in group.ids])


@pytest.mark.parametrize(
    "group",
    [
        Group("some", "categories", frozenset({1, 4, 6, 11})),
        Group("few", "videos", frozenset({2, 3, 5, 8, 9, 13, 14})),
    ],
    ids=lambda group: group.kind,
)
def test_a_group_is_bit_equal_to_files_that_hold_it_alone(made, group):
    found = evaluate(*made[:2], Asked(groups=[group]))
    [own], [scores] = found.per_group.values(), by_part(found.scores, "group").values()
    alone = evaluate(*filtered(group))
    assert own.numbers() == {k: None if v == -1 else v for k, v in alone.summary().items()}
    samples_S = ap_samples(alone.matches)
    np.testing.assert_allclose(scores["ap"].samples_S, samples_S, rtol=0, atol=1e-14)
    assert scores["ap"].interval == pytest.approx(
        interval_of(samples_S, len(alone.videos), num_holding=own.num_holding), abs=1e-14
    )
    if group.kind == "videos":  # all of which hold an object
        assert scores["ap"].interval == pytest.approx(alone.interval, abs=1e-14)
    for key, score in scores.items():
        low, high = score.interval
        assert low <= own.numbers()[key] <= high


def test_all_videos_and_categories_are_the_whole(made):
    truth, _, matches = made
    everything = [
        Group("all", "categories", frozenset(truth.categories)),
        Group("every", "videos", frozenset(video.id for video in truth.videos)),
    ]
    whole = evaluate(*made[:2])
    for own in (of_group(matches, group) for group in everything):
        assert own.numbers() == whole.summary()
        assert own.num_objects == sum(not thing.is_crowd for thing in truth.objects)


@pytest.fixture
def groups_file(tmp_path, made):
    path = tmp_path / "groups.yaml"
    path.write_text(
        f"sky: [{made[0].categories[1]}, 4]\nnone: []\n"
        f"videos:\n  night: [1, {made[0].videos[3].name!r}]\n"
    )
    return path


def test_a_file_names_categories_and_videos(groups_file, made):
    truth = made[0]
    sky, none, night = read_groups(groups_file, truth)
    assert sky == Group("sky", "categories", frozenset({1, 4}))
    assert none == Group("none", "categories", frozenset())
    same = {v.id for v in truth.videos if v.name == truth.videos[3].name}
    assert night == Group("night", "videos", frozenset({1, *same}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "lists by names of groups"),
        ("a: 3", "group 'a' is 3; expected a list"),
        ("a: [zebra crossing]", "a: categories has 'zebra crossing'"),
        ("a: [999]", "categories has 999"),
        ("videos: {b: [nowhere]}", "b: videos has 'nowhere'"),
        ("videos: [1]", "expected lists of videos by names"),
        ("a: [1]\ncategories: {a: [2]}", "group 'a' twice"),
    ],
)
def test_other_forms_are_refused(text, words, tmp_path, made):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_groups(path, made[0])


def test_a_missing_file_is_called_groups(tmp_path, made):
    with pytest.raises(InputError, match=r"^groups .*none.yaml does not exist"):
        read_groups(tmp_path / "none.yaml", made[0])


@pytest.mark.parametrize("partition", [None, 4, True, "0"])
def test_a_partition_that_is_none_of_lvvis_is_refused(partition, made):
    truth = replace(made[0], partitions={**made[0].partitions, 1: partition})
    with pytest.raises(InputError, match=r"category 1 .* has partition"):
        read_groups("partition", truth)


def test_the_commands_have_groups(groups_file, tmp_path, capsys):
    files = ["--annotations", str(ANNOTATIONS)]
    evaluated = ["eval", *files, "--predictions", str(PREDICTIONS), "--groups", str(groups_file)]
    assert main([*evaluated, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["groups"]
    assert list(found) == ["sky", "none", "night"]
    assert (found["none"]["ap_low"], found["sky"]["ar100_low"] is None) == (None, False)
    assert found["sky"]["ap_low"] <= found["sky"]["ap"] <= found["sky"]["ap_high"]
    assert (found["none"]["ap"], found["none"]["ar100"]) == (None, None)
    assert found["none"]["reason"] == "it lists no categories"
    assert main(evaluated) == 0
    out = capsys.readouterr().out
    assert "Group none: it lists no categories." in out
    assert f"{100 * found['night']['ap']:.1f}" in out

    recorded = [*evaluated, "--record", "Net", "--dataset", "mine", "--output", str(tmp_path / "r")]
    assert main(recorded) == 0
    assert main([*recorded[:5], *recorded[7:]]) == 0
    with_groups, without = sorted(RecordStore(tmp_path / "r"), key=lambda r: not r.groups)
    assert with_groups.groups == found
    assert without.groups == {}
    assert with_groups.config_sha256 != without.config_sha256
    capsys.readouterr()


def test_a_comparison_has_their_differences(groups_file, tmp_path):
    worse = tmp_path / "worse.json"
    worse.write_text(json.dumps(json.loads(PREDICTIONS.read_text())[::2]))
    asked = {"annotations": ANNOTATIONS, "num_resamples": 40}
    report = vis_bench.compare(PREDICTIONS, worse, groups=groups_file, **asked)
    by_group = report.as_json()["by_group"]
    sides = [
        vis_bench.evaluate(ANNOTATIONS, path, groups=groups_file).as_json()["groups"]
        for path in (PREDICTIONS, worse)
    ]
    for name in ("sky", "night"):
        row = by_group[name]["ap"]
        assert [row["first"], row["second"]] == pytest.approx([s[name]["ap"] for s in sides])
        assert row["adjusted_p_value"] is None or row["adjusted_p_value"] >= row["p_value"]
    assert by_group["sky"]["ap"]["low"] < by_group["sky"]["ap"]["high"]
    assert by_group["none"]["ap"]["first"] is None
    text = report.as_text()
    assert "| sky, AP75 " in text
    assert "Group none has no object." in text
    assert "Groups of" not in vis_bench.compare(PREDICTIONS, worse, **asked).as_text()


def test_a_group_of_all_videos_has_the_numbers_and_intervals_of_the_whole(made):
    """Also where some video holds no object."""
    truth, results, _ = made
    videos = [*truth.videos, replace(truth.videos[0], id=10**6)]
    group = Group("all", "videos", frozenset(video.id for video in videos))
    found = evaluate(replace(truth, videos=videos), results, Asked(groups=[group]))
    assert found.scores["group", "all", "ap"].interval == found.interval is not None


@pytest.mark.parametrize(
    ("members", "names", "expected"),
    [
        ([2], {1: "2", 2: "5"}, None),
        (["2"], {1: "2", 2: "5"}, {1}),
        ([2], {1: "1", 2: "2"}, {2}),
        ([16], {1: "0x10", 16: "b"}, None),
        ([2], {1: "+2", 2: "b"}, None),
        ([2], {1: "02", 2: "b"}, {2}),  # YAML reads no number there
        ([10], {1: "1_0", 10: "b"}, {10}),
        ([2], {1: "b", 2: "c", 3: "2"}, None),
        ([7], {1: "7", 2: "b"}, None),
    ],
)
@pytest.mark.parametrize("kind", ["categories", "videos"])
def test_a_number_that_is_an_id_and_another_name_is_refused(
    tmp_path, made, kind, members, names, expected
):
    truth = made[0]
    if kind == "categories":
        truth = replace(truth, categories=names)
    else:
        video = truth.videos[0]
        named = [replace(video, id=key, name=name) for key, name in names.items()]
        truth = replace(truth, videos=named)
    path = tmp_path / "groups.yaml"
    path.write_text(json.dumps({kind: {"a": members}}))
    if expected is None:
        with pytest.raises(InputError, match=str(members[0])):
            read_groups(path, truth)
    else:
        assert read_groups(path, truth)[0].ids == expected
