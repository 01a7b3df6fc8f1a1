"""AP as the mean of short and long videos, whose annotations are two files (YouTube-VIS 2022)."""

import json

import numpy as np
import pytest

from paths import GOLDEN
from vis_bench.cli import main
from vis_bench.data.annotation_files import join_short_and_long
from vis_bench.data.annotations import GroundTruth, read_annotations, read_short_and_long
from vis_bench.data.results_file import read_results
from vis_bench.digests import PinnedFile
from vis_bench.errors import InputError
from vis_bench.metrics.ap import evaluate, evaluate_files
from vis_bench.metrics.matching import match
from vis_bench.metrics.resample import resample, resampled_ap
from vis_bench.metrics.scores import by_part
from vis_bench.record.store import RecordStore, read_record
from vis_bench.show.evaluation import EvaluationReport
from vis_bench.table.number_format import range_text

PREDICTIONS = GOLDEN / "eval_quirks.preds.json"
NUMBERS = ("ap", "ap50", "ap75", "ar1", "ar10")


def content():
    return json.loads((GOLDEN / "eval_quirks.gt.json").read_text())


def cut(folder, edit=lambda short, long: None, *, renumbered=True):
    """The golden's annotations as two files, the second with ids from 1 of its own."""
    whole = content()
    ids = sorted(video["id"] for video in whole["videos"])
    parts = []
    for own in (ids[::2], ids[1::2]):
        entries = [dict(a) for a in whole["annotations"] if a["video_id"] in own]
        if renumbered:
            entries = [{**a, "id": number} for number, a in enumerate(entries, 1)]
        videos = [video for video in whole["videos"] if video["id"] in own]
        parts.append({**whole, "videos": videos, "annotations": entries})
    edit(*parts)
    paths = folder / "gt_short.json", folder / "gt_long.json"
    for path, part in zip(paths, parts, strict=True):
        path.write_text(json.dumps(part))
    return paths


@pytest.fixture
def files(tmp_path):
    return cut(tmp_path)


def alone(path):
    """The numbers of one file, with the predictions of other videos left out."""
    truth = read_annotations(path)
    ids = {video.id for video in truth.videos}
    results = read_results(PREDICTIONS)
    tracks = [track for track in results.tracks if track.video_id in ids]
    assert 0 < len(tracks) < len(results.tracks)
    return evaluate(truth, type(results).of(tracks))


@pytest.mark.parametrize("renumbered", [True, False])
def test_each_file_has_its_own_numbers_and_ap_is_the_mean(tmp_path, renumbered):
    short, long = cut(tmp_path, renumbered=renumbered)
    evaluation = evaluate_files(short, PREDICTIONS, long_annotations=long)
    expected = {"short": alone(short).summary(), "long": alone(long).summary()}
    assert evaluation.per_part() == expected
    assert expected["short"]["ap"] != expected["long"]["ap"]
    for key, value in evaluation.summary().items():
        both = [numbers[key] for numbers in expected.values()]
        assert value == (-1 if -1 in both else (both[0] + both[1]) / 2)
    assert evaluation.summary()["ap"] != pytest.approx(
        evaluate_files(GOLDEN / "eval_quirks.gt.json", PREDICTIONS).summary()["ap"]
    )


def test_each_part_has_the_interval_of_its_own_file(files):
    evaluation = evaluate_files(files[0], PREDICTIONS, long_annotations=files[1])
    intervals = {k: own["ap"].interval for k, own in by_part(evaluation.scores, "length").items()}
    assert list(intervals) == ["short", "long"]
    for path, ends in zip(files, intervals.values(), strict=True):
        assert ends == pytest.approx(alone(path).interval, abs=1e-14)
    fields, report = evaluation.record_numbers(), EvaluationReport(evaluation)
    parts, text = report.as_json()["per_part"], report.as_text()
    for part, (low, high) in intervals.items():
        assert (fields[f"ap_{part}_low"], fields[f"ap_{part}_high"]) == (low, high)
        assert (parts[part]["ap_low"], parts[part]["ap_high"]) == (low, high)
        assert f"AP {part} {range_text(low, high)}" in text


def test_a_class_that_only_one_file_shows_leaves_the_mean_of_the_other(tmp_path):
    """Pooled, every class counts once; here it counts only in the file that shows it."""

    def only_one_class(short, long):
        first = long["annotations"][0]["category_id"]
        kept = [a for a in long["annotations"] if a["category_id"] == first]
        long["annotations"] = kept

    short, long = cut(tmp_path, only_one_class)
    evaluation = evaluate_files(short, PREDICTIONS, long_annotations=long)
    own = [alone(path).summary()["ap"] for path in (short, long)]
    assert evaluation.per_part()["long"]["ap"] == own[1]
    assert evaluation.summary()["ap"] == sum(own) / 2


def test_resamples_have_the_mean_too(files):
    truth = read_short_and_long(*files)
    matches = match(truth, read_results(PREDICTIONS))
    num_videos = len(truth.videos)
    counts_BV = np.random.default_rng(0).integers(0, 3, (20, num_videos))
    counts_BV[0] = 1
    numbers = resample(matches, counts_BV).numbers()
    summary = evaluate(truth, read_results(PREDICTIONS)).summary()
    for key in (*NUMBERS, "ar100"):
        assert numbers[key][0] == pytest.approx(summary[key], abs=1e-12)
    parts = [resample_alone(path, truth, counts_BV) for path in files]
    np.testing.assert_allclose(numbers["ap"], np.nanmean(parts, 0), rtol=0, atol=1e-12)


def test_resamples_of_a_level_are_of_all_videos(tmp_path):
    """As the AP of a level in a record is."""

    def hide_some(short, long):
        for content in (short, long):
            for place, thing in enumerate(content["annotations"]):
                label = "severe_occlusion" if place % 2 else "no_occlusion"
                thing["occlusion"] = [label] * len(thing["segmentations"])

    short, long = cut(tmp_path, hide_some)
    evaluation = evaluate_files(short, PREDICTIONS, long_annotations=long)
    matches = evaluation.matches
    once_V = np.ones((1, len(matches.videos)), int)
    place = matches.ranges.index("ho")
    expected = evaluation.level_aps()["ap_ho"]
    assert 0 < expected < 1
    assert resample(matches, once_V).numbers(place)["ap"] == pytest.approx([expected])
    assert resampled_ap(matches, once_V, place) == pytest.approx([expected])


def resample_alone(path, truth, counts_BV):
    own = read_annotations(path)
    places = [[video.id for video in truth.videos].index(video.id) for video in own.videos]
    ids = {video.id for video in own.videos}
    results = read_results(PREDICTIONS)
    tracks = [track for track in results.tracks if track.video_id in ids]
    return resample(match(own, type(results).of(tracks)), counts_BV[:, places]).numbers()["ap"]


def test_what_eval_prints_and_records(files, tmp_path, capsys):
    short, long = map(str, files)
    command = [
        "eval",
        "--annotations",
        short,
        "--long-annotations",
        long,
        "--predictions",
        str(PREDICTIONS),
    ]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (
        report["ap"] == (report["per_part"]["short"]["ap"] + report["per_part"]["long"]["ap"]) / 2
    )
    record = ["--record", "made up", "--output", str(tmp_path / "records")]
    assert main([*command, *record]) == 2, "its categories are not those of YouTube-VIS 2022"
    capsys.readouterr()
    assert main([*command, *record, "--dataset", "mine"]) == 0
    text = capsys.readouterr().out
    for line in ("mean of short and long", "short videos", "long videos"):
        assert line in text
    (record,) = RecordStore(tmp_path / "records")
    assert (record.dataset, record.split) == ("mine", "val")
    assert record.num_videos == len(content()["videos"])
    assert record.ap == report["ap"]
    for part in ("short", "long"):
        for key in NUMBERS:
            assert getattr(record, f"{key}_{part}") == report["per_part"][part][key]
    path = RecordStore(tmp_path / "records").paths()[0]
    assert read_record(path) == record


def test_of_one_file_the_record_holds_no_parts():
    evaluation = evaluate_files(GOLDEN / "eval_quirks.gt.json", PREDICTIONS)
    assert evaluation.per_part() == {}


def test_a_prediction_of_neither_file_is_refused(files, tmp_path):
    predictions = json.loads(PREDICTIONS.read_text())
    predictions[3]["video_id"] = 4711
    path = tmp_path / "results.json"
    path.write_text(json.dumps(predictions))
    with pytest.raises(InputError, match="entry 3 has video_id 4711"):
        evaluate_files(files[0], path, long_annotations=files[1])


class TestWrongFiles:
    def test_the_same_file_twice(self, files):
        with pytest.raises(InputError, match="both list video"):
            join_short_and_long(*map(PinnedFile, (files[0], files[0])))

    def test_other_categories(self, tmp_path):
        def rename(short, long):
            long["categories"] = [{**c, "name": "tree"} for c in long["categories"][:1]]

        with pytest.raises(InputError, match="differ in category"):
            join_short_and_long(*map(PinnedFile, cut(tmp_path, rename)))

    def test_a_list_without_annotations(self, tmp_path):
        files = cut(tmp_path, lambda short, long: long.pop("annotations"))
        with pytest.raises(InputError, match=r"gt_long\.json has no annotations, like the public"):
            join_short_and_long(*map(PinnedFile, files))

    def test_a_defect_is_named_by_its_own_file_and_id(self, tmp_path):
        def spoil(short, long):
            long["annotations"][1]["areas"] = "many"

        with pytest.raises(InputError) as error:
            read_short_and_long(*cut(tmp_path, spoil))
        assert "gt_long.json, annotation 2 (video" in str(error.value)
        assert "gt_short" not in str(error.value)

    @pytest.mark.parametrize("parts", [3, {"short": "all"}, {"short": ["1"]}, {"short": [True]}])
    def test_parts_of_another_kind(self, parts):
        with pytest.raises(InputError, match="expected lists of video ids by name"):
            GroundTruth.of(content() | {"info": {"parts": parts}})
