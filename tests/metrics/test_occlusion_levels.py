"""AP by occlusion and of objects that return: the official OVIS numbers, and a brute force."""

import json

import numpy as np
import pytest

import eval_reference
from paths import GOLDEN
from vis_bench.data.annotations import GroundTruth, occlusion_score, read_annotations
from vis_bench.data.results_file import Results, Track, read_results
from vis_bench.errors import InputError
from vis_bench.masks.rle import encode_masks
from vis_bench.masks.tubes import measure_tubes
from vis_bench.metrics.ap import evaluate, evaluate_files
from vis_bench.metrics.matching import AREA_NAMES, LEVELS, object_levels, returning
from vis_bench.metrics.precision_recall import MOST, Curves, accumulate, column
from vis_bench.metrics.resample import resample
from vis_bench.show.evaluation import EvaluationReport

STEM = GOLDEN / "ovis_made"
ANNOTATIONS, PREDICTIONS = (STEM.with_suffix(f".{part}.json") for part in ("gt", "preds"))
OFFICIAL = ("so", "mo", "ho")


@pytest.fixture(scope="module")
def evaluation():
    return evaluate_files(ANNOTATIONS, PREDICTIONS)


@pytest.fixture(scope="module")
def expected():
    return json.loads(STEM.with_suffix(".expected.json").read_text())


@pytest.fixture
def content():
    return json.loads(ANNOTATIONS.read_text())


def level_curves(evaluation):
    """Curves of the levels alone, in the order of `matches.levels`."""
    matches = evaluation.matches
    curves = accumulate(matches, areas=range(len(AREA_NAMES), len(matches.ranges)), limits=[MOST])
    return Curves(*(array[..., len(AREA_NAMES) :, :] for array in vars(curves).values()))


class TestOfficial:
    def test_arrays_are_bit_equal(self, evaluation):
        arrays = np.load(STEM.with_suffix(".arrays.npz"))
        assert evaluation.matches.levels[:3] == OFFICIAL
        curves, levels = evaluation.curves, level_curves(evaluation)
        for field in ("precision_TRKAM", "recall_TKAM", "scores_TRKAM"):
            expected = arrays[field.partition("_")[0]]
            np.testing.assert_array_equal(getattr(curves, field)[..., 0, -1], expected[..., 0])
            np.testing.assert_array_equal(getattr(levels, field)[..., :3, -1], expected[..., 1:])

    def test_numbers_are_the_official_ones(self, evaluation, expected):
        stats = expected["stats"]
        assert list(evaluation.summary().values()) == [
            stats[name]
            for name in (
                "AP",
                "AP50",
                "AP75",
                "APs",
                "APm",
                "APl",
                "AR1",
                "AR10",
                "AR100",
                "ARs",
                "ARm",
                "ARl",
            )
        ]
        for name in OFFICIAL:
            assert evaluation.level_aps()[f"ap_{name}"] == stats[f"AP_{name}"]
            assert evaluation.per_level()[name]["ar100"] == stats[f"AR_{name}"]

    def test_categories_have_the_official_numbers(self, evaluation, expected):
        for row in evaluation.per_category():
            official = expected["per_category"][str(row["id"])]
            assert [row["ap"], *(row[f"ap_{name}"] for name in OFFICIAL)] == list(official.values())

    def test_scores_of_the_objects(self, content, expected):
        for thing in GroundTruth.of(content).objects:
            assert thing.occlusion_score == expected["occlusion_score"][str(thing.id)]

    def test_what_eval_prints(self, evaluation, expected):
        report = EvaluationReport(evaluation).as_json(per_category=True)
        for name in OFFICIAL:
            assert report[f"ap_{name}"] == expected["stats"][f"AP_{name}"]
        assert report["per_category"][2]["ap_ho"] is None
        text = EvaluationReport(evaluation).as_text()
        for line in ("lightly occluded", "moderately occluded", "heavily occluded", "leave and"):
            assert line in text
        assert "41.2" in text
        assert "17.0" in text


class TestLabels:
    @pytest.mark.parametrize(
        ("labels", "score"),
        [
            (None, None),
            ([], None),
            ([None, None], None),
            (["no_occlusion"], 0),
            (["slight_occlusion", None, "no_occlusion"], 0.25),
            (["severe_occlusion", "slight_occlusion", "no_occlusion"], 0.5),
            (["slight_occlusion"] * 2 + ["severe_occlusion"] * 1 + ["no_occlusion"] * 2, 1.25 / 3),
        ],
    )
    def test_the_more_hidden_half_counts(self, labels, score):
        assert occlusion_score(labels, "it") == score

    @pytest.mark.parametrize(
        ("labels", "words"),
        [
            ("no_occlusion", "expected a list with one label or null per frame"),
            (
                [None, "light"],
                "frame 1 has occlusion 'light'; expected one of no_occlusion, ",
            ),
            ([0.5], "frame 0 has occlusion 0.5"),
        ],
    )
    def test_anything_else_is_one_sentence(self, content, labels, words):
        content["annotations"][4]["occlusion"] = labels
        with pytest.raises(InputError) as error:
            GroundTruth.of(content, "gt.json")
        assert words in str(error.value)
        assert "gt.json, annotation 5 (video 2)" in str(error.value)
        assert "\n" not in str(error.value)

    def test_a_list_of_another_length_is_a_warning(self, content):
        content["annotations"][0]["occlusion"].pop()
        assert any("occlusion differ in length" in w for w in GroundTruth.of(content).warnings)


class TestWithoutLabels:
    def test_nothing_labelled_gives_null_and_no_warning(self, content):
        for entry in content["annotations"]:
            del entry["occlusion"]
        evaluation = evaluate(GroundTruth.of(content), read_results(PREDICTIONS))
        report = EvaluationReport(evaluation).as_json()
        assert [report[f"ap_{name}"] for name in OFFICIAL] == [None] * 3
        assert not any("occlusion" in warning for warning in report["warnings"])
        assert report["ap"] == evaluate_files(ANNOTATIONS, PREDICTIONS).summary()["ap"]
        assert "heavily occluded" not in EvaluationReport(evaluation).as_text()

    def test_some_unlabelled_objects_are_counted_and_ignored(self, content):
        for place in (2, 5):
            content["annotations"][place]["occlusion"] = [None] * 9
        del content["annotations"][6]["occlusion"]
        truth = GroundTruth.of(content, "gt.json")
        (warning,) = [w for w in truth.warnings if "without an occlusion label" in w]
        assert "3 of 33 (the first is annotation 3)" in warning
        levels = object_levels(truth)
        occluded_N = levels["so"] | levels["mo"] | levels["ho"]
        assert not occluded_N[[2, 5, 6]].any()
        assert occluded_N.sum() == 30
        numbers = evaluate(truth, read_results(PREDICTIONS)).level_aps()
        assert numbers["ap_ho"] == evaluate_files(ANNOTATIONS, PREDICTIONS).level_aps()["ap_ho"]

    def test_labels_that_are_all_null(self, content):
        for entry in content["annotations"]:
            entry["occlusion"] = [None] * len(entry["occlusion"])
        truth = GroundTruth.of(content)
        assert any("33 of 33" in warning for warning in truth.warnings)
        numbers = evaluate(truth, read_results(PREDICTIONS)).level_aps()
        assert [numbers[f"ap_{name}"] for name in OFFICIAL] == [-1] * 3


def masks_of(presence):
    """A mask where a character is `x`, an empty one where it is `o`, none elsewhere."""
    full, empty = encode_masks(np.stack([np.ones((4, 5), bool), np.zeros((4, 5), bool)]))
    return [{"x": full, "o": empty, ".": None}[letter] for letter in presence]


class TestReturning:
    @pytest.mark.parametrize(
        ("presence", "returns"),
        [
            ("xx.x", True), ("x.x.x", True), ("..x.x", True), ("xox", True),
            ("", False), ("...", False), ("xxx", False), ("..xx..", False), ("x", False),
            ("oxo", False),
        ],
    )  # fmt: skip
    def test_an_absence_between_two_presences(self, presence, returns):
        for around in (["x.x"], ["x"], [""]):
            tubes = measure_tubes(
                [masks_of(word) for word in (*around, presence, *around)], lambda n, t: "a mask"
            )
            assert returning(tubes)[1] == returns

    def test_ap_is_that_of_the_returning_objects_with_others_ignored(self, content):
        """By the slow reference, where objects outside a range are ignored by their area."""
        outside = float(eval_reference.AREA_RANGES[1][1] + 1)
        truth = GroundTruth.of(content)
        returns_N = returning(truth.tubes)
        assert 5 < returns_N.sum() < 28
        for entry, returns in zip(content["annotations"], returns_N, strict=True):
            if not returns:
                entry["areas"] = [outside] * len(entry["areas"])
        predictions = json.loads(PREDICTIONS.read_text())
        precision, _, _ = eval_reference.arrays(content, predictions)
        small = precision[..., 1, 2]
        evaluation = evaluate_files(ANNOTATIONS, PREDICTIONS)
        place = evaluation.matches.levels.index("returning")
        np.testing.assert_array_equal(
            level_curves(evaluation).precision_TRKAM[..., place, 2], small
        )
        assert evaluation.per_level()["returning"]["num_objects"] == sum(
            returns and not entry["iscrowd"]
            for entry, returns in zip(content["annotations"], returns_N, strict=True)
        )

    def test_staying_objects_are_all_others_where_any_returns(self, content):
        levels = object_levels(GroundTruth.of(content))
        np.testing.assert_array_equal(levels["staying"], ~levels["returning"])
        for entry in content["annotations"]:
            seen = [n for n, mask in enumerate(entry["segmentations"]) if mask is not None]
            for n in range(seen[0], seen[-1]) if seen else ():
                if entry["segmentations"][n] is None:
                    entry["segmentations"][n] = entry["segmentations"][seen[0]]
        assert not {"returning", "staying"} & object_levels(GroundTruth.of(content)).keys()

    def test_resamples_of_a_level_equal_accumulating_again(self, evaluation):
        matches = evaluation.matches
        num_videos = len(matches.videos)
        counts_BV = np.random.default_rng(0).integers(0, 3, (6, num_videos))
        counts_BV[0] = 1
        scores = resample(matches, counts_BV)
        for place, name in enumerate(matches.ranges):
            numbers = scores.numbers(place)
            for b, counts_V in enumerate(counts_BV):
                expected = column(matches, place, weights_V=counts_V).headline()
                found = {key: -1 if np.isnan(x := numbers[key][b]) else x for key in expected}
                assert found == pytest.approx(expected, abs=1e-12), name
        assert set(matches.ranges) == {*AREA_NAMES, *LEVELS}

    def test_perfect_tracks_are_perfect_at_every_level(self):
        truth = read_annotations(ANNOTATIONS)
        tubes = truth.tubes
        tracks = [
            Track(thing.video_id, thing.category_id, 0.9, tubes.tube(n))
            for n, thing in enumerate(truth.objects)
        ]
        per_level = evaluate(truth, Results.of(tracks)).per_level()
        assert per_level.keys() == set(LEVELS)
        for numbers in per_level.values():
            assert numbers["ar100"] == 1
            assert numbers["num_objects"] > 0
