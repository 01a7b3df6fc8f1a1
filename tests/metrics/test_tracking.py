"""The tracking metrics against slow references and TrackEval, by hand, and at the edges."""

import copy
import json
from dataclasses import astuple, dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracking_reference
from paths import GOLDEN
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.masks.rle import encode_masks
from vis_bench.metrics.tracking import identity
from vis_bench.metrics.tracking.evaluate import Counts, evaluate_tracking
from vis_bench.metrics.tracking.frames import _alignments
from vis_bench.metrics.tracking.hota import count_hota
from vis_bench.metrics.tracking.identity import count_identity
from vis_bench.metrics.tracking.teta import count_teta

# Values on and beside thresholds, and many zeros; ties are likely.
IOUS = st.sampled_from([0, 0, 0, 0.01, 0.05, 0.1, 0.3, 0.49, 0.5, 0.5, 0.55, 0.7, 0.95, 0.97, 1])


@dataclass(frozen=True)
class Dense:
    """All IoUs of one video, and who is there."""

    iou_TGD: np.ndarray
    objects_TG: np.ndarray
    tracks_TD: np.ndarray

    def stored(self):
        return tracking_reference.dense_frames(self.iou_TGD, self.objects_TG, self.tracks_TD)


@st.composite
def videos(draw):
    """The overlaps of up to 4 objects and 5 tracks in up to 5 frames."""
    frames, objects, tracks = draw(st.tuples(*[st.integers(0, most) for most in (5, 4, 5)]))

    def array(values, *shape):
        size = int(np.prod(shape))
        return np.array(draw(st.lists(values, min_size=size, max_size=size))).reshape(shape)

    objects_TG = array(st.booleans(), frames, objects).astype(bool)
    tracks_TD = array(st.booleans(), frames, tracks).astype(bool)
    iou_TGD = array(IOUS, frames, objects, tracks).astype(float)
    iou_TGD *= objects_TG[:, :, None] & tracks_TD[:, None]
    return Dense(iou_TGD, objects_TG, tracks_TD)


def as_lists(video):
    """The same as the slow reference takes it."""
    frames = []
    for iou_GD, objects_G, tracks_D in zip(
        video.iou_TGD, video.objects_TG, video.tracks_TD, strict=True
    ):
        objects, tracks = (np.flatnonzero(there).tolist() for there in (objects_G, tracks_D))
        frames.append((objects, tracks, {(g, d): iou_GD[g, d] for g in objects for d in tracks}))
    return frames


def exactly(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


@given(videos())
@settings(max_examples=200, deadline=None)
def test_hota_equals_the_slow_reference(video):
    exactly(astuple(count_hota(video.stored())), tracking_reference.hota(as_lists(video)))


@given(videos())
@settings(max_examples=200, deadline=None)
def test_identity_equals_the_best_of_all_ways(video):
    _, objects, tracks = video.iou_TGD.shape
    counts = count_identity(video.stored())
    best = tracking_reference.idtp(as_lists(video), list(range(objects)), list(range(tracks)))
    assert counts.idtp == best
    assert counts.idtp + counts.idfn == video.objects_TG.sum()
    assert counts.idtp + counts.idfp == video.tracks_TD.sum()


@given(videos(), st.data())
@settings(max_examples=200, deadline=None)
def test_teta_equals_the_slow_reference(video, data):
    _, objects, tracks = video.iou_TGD.shape
    category_G, category_D = (
        np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), int)
        for n in (objects, tracks)
    )
    classes = [0, 1, 2] if 3 not in category_G else [0, 1, 2, 3]
    counted = count_teta(video.stored(), category_G, category_D, classes)
    expected = tracking_reference.teta(as_lists(video), category_G, category_D, classes)
    assert list(counted) == [key for key in classes if key in {*category_G, *category_D}]
    for key, (located, classified, false_positives) in expected.items():
        if key not in counted:
            assert not any(map(np.any, (located, classified, false_positives)))
            continue
        fields = astuple(counted[key])
        exactly(fields[:6], located)
        exactly(fields[6:8], classified)
        exactly(fields[8], false_positives)


def trackeval_sequence(video):
    """One sequence as TrackEval takes it, without objects and tracks that are never there."""
    rows, columns = video.objects_TG.any(0), video.tracks_TD.any(0)
    iou_TGD = video.iou_TGD[:, rows][:, :, columns]
    some = Dense(iou_TGD, video.objects_TG[:, rows], video.tracks_TD[:, columns])
    return {
        "num_timesteps": len(some.iou_TGD),
        "num_gt_ids": int(rows.sum()),
        "num_tracker_ids": int(columns.sum()),
        "num_gt_dets": int(some.objects_TG.sum()),
        "num_tracker_dets": int(some.tracks_TD.sum()),
        "gt_ids": [np.flatnonzero(there_G) for there_G in some.objects_TG],
        "tracker_ids": [np.flatnonzero(there_D) for there_D in some.tracks_TD],
        "similarity_scores": [
            iou_GD[objects_G][:, tracks_D]
            for iou_GD, objects_G, tracks_D in zip(
                some.iou_TGD, some.objects_TG, some.tracks_TD, strict=True
            )
        ],
    }


@given(st.lists(videos(), min_size=1, max_size=3))
@settings(max_examples=200, deadline=None)
def test_hota_and_idf1_equal_trackeval(sequences):
    """Each sequence, and all combined."""
    metrics = pytest.importorskip("trackeval").metrics
    reference, identity = metrics.HOTA(), metrics.Identity({"PRINT_CONFIG": False})
    data = [trackeval_sequence(video) for video in sequences]
    parts = [{**reference.eval_sequence(d), **identity.eval_sequence(d)} for d in data]
    named = dict(enumerate(parts))
    combined = {**reference.combine_sequences(named), **identity.combine_sequences(named)}
    own = [Counts.of(video.stored()) for video in sequences]
    for counts, expected in zip([*own, Counts.total(own)], [*parts, combined], strict=True):
        curves = counts.curves()
        for name in ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr", "OWTA"):
            exactly(curves[name.lower()], expected[name])
        for name in ("TP", "FN", "FP"):
            exactly(curves[name.lower()], expected[f"HOTA_{name}"])
        numbers = counts.numbers()
        for name in ("IDF1", "IDR", "IDP", "IDTP", "IDFN", "IDFP"):
            exactly(numbers[name.lower()], expected[name])


def test_assignments_are_those_of_dense_sums_to_the_last_digit():
    """Of frames with many that overlap, whose sums depend on their order."""
    rng = np.random.default_rng(0)
    for num_objects, num_tracks, share in [(1, 40, 0.5), (30, 1, 0.5), (12, 300, 0.3), (200, 9, 1)]:
        shape = 5, num_objects, num_tracks
        iou_TGD = np.where(rng.random(shape) < share, rng.random(shape), 0.0)
        video = Dense(iou_TGD, np.ones(shape[:2], bool), np.ones((5, num_tracks), bool))
        share_TGD = np.zeros(shape)
        total_TGD = np.array(
            [i.sum(0)[None] + i.sum(1)[:, None] - i for i in map(np.asfortranarray, iou_TGD)]
        )
        np.divide(iou_TGD, total_TGD, out=share_TGD, where=total_TGD > 0)
        shared_GD = sum(share_TGD[1:], share_TGD[0])
        expected_GD = shared_GD / (10 - shared_GD)
        _, row_L, column_L = iou_TGD.nonzero()
        assert (_alignments(video.stored()) == expected_GD[row_L, column_L]).all()


def test_identities_of_many_are_those_of_few(monkeypatch):
    """SciPy's sparse matching and its dense one; a chain of 3,000 objects by hand."""
    rng = np.random.default_rng(0)
    some = [
        Dense(rng.random((3, g, d)), np.ones((3, g), bool), np.ones((3, d), bool)).stored()
        for g, d in rng.integers(1, 9, (50, 2)).tolist()
    ]
    dense = [count_identity(frames) for frames in some]
    monkeypatch.setattr(identity, "_DENSE", 0)
    assert [count_identity(frames) for frames in some] == dense
    # Each track is with its object for two frames and with the next one's for three.
    objects = np.arange(3000)
    pairs = np.append(objects, objects[1:]), np.append(objects, objects[:-1])
    assert identity._most(*pairs, np.repeat([2, 3], [3000, 2999])) == 3 * 2999


HEIGHT, WIDTH = 8, 20


def bar(left, right, size=(HEIGHT, WIDTH)):
    mask = np.zeros((1, *size), bool)
    mask[0, 2:4, left:right] = True
    return encode_masks(mask)[0]


def annotations(*objects, categories=(1, 2), length=3):
    """(category, masks) of each object of video 1."""
    return GroundTruth.of(
        {
            "videos": [{"id": 1, "height": HEIGHT, "width": WIDTH, "length": length}],
            "categories": [{"id": key, "name": f"kind {key}"} for key in categories],
            "annotations": [
                {
                    "id": key,
                    "video_id": 1,
                    "category_id": category,
                    "iscrowd": 0,
                    "areas": [4] * length,
                    "segmentations": masks,
                }
                for key, (category, masks) in enumerate(objects, 1)
            ],
        }
    )


def results(*tracks):
    """(category, score, masks) of each track of video 1."""
    return Results.of([Track(1, *track) for track in tracks])


def test_perfect_tracks_get_everything():
    objects = [(1, [bar(0, 4)] * 3), (2, [bar(8, 12), None, bar(9, 13)])]
    tracks = results(*((category, 0.9, masks) for category, masks in objects))
    summary = evaluate_tracking(annotations(*objects), tracks).summary()
    for group, numbers in summary.items():
        for name, value in numbers.items():
            if name not in ("idtp", "idfn", "idfp"):
                assert value == pytest.approx(1), (group, name)


def test_a_switch_of_identity_costs_association_alone():
    """Two objects whose tracks swap in the last of four frames: worked out by hand."""
    ways = [[bar(0, 4)] * 4, [bar(8, 12)] * 4]
    swapped = [[*ways[0][:3], ways[1][3]], [*ways[1][:3], ways[0][3]]]
    truth = annotations(*((1, way) for way in ways), length=4)
    summary = evaluate_tracking(truth, results(*((1, 0.9, way) for way in swapped))).summary()
    numbers = summary["det_averaged"]
    assert (numbers["deta"], numbers["loca"], numbers["idf1"]) == (1, 1, 0.75)
    assert numbers["assa"] == pytest.approx(17 / 35, abs=1e-12)
    assert numbers["hota"] == pytest.approx(np.sqrt(17 / 35), abs=1e-12)


def test_a_wrong_class_costs_nothing_without_classes():
    truth = annotations((1, [bar(0, 4)] * 3), (2, [bar(8, 12)] * 3))
    tracks = results((2, 0.9, [bar(0, 4)] * 3), (2, 0.8, [bar(8, 12)] * 3))
    evaluation = evaluate_tracking(truth, tracks)
    summary = evaluation.summary()
    assert summary["class_agnostic"]["hota"] == 1
    assert summary["det_averaged"]["deta"] == pytest.approx(1 / 3)
    teta = {row["id"]: row["teta"] for row in evaluation.per_category()}
    assert (teta[1]["loca"], teta[1]["assoca"], teta[1]["clsa"]) == (1, 1, 0)
    # The reference charges the track to class 2 twice: as a wrong class, and as near none of its
    # own.
    assert (teta[2]["loca"], teta[2]["assoca"], teta[2]["clsa"]) == (1, 1, pytest.approx(1 / 3))


def test_the_score_has_to_be_above_the_threshold():
    truth = annotations((1, [bar(0, 4)] * 3))
    tracks = results((1, 0.5, [bar(0, 4)] * 3))
    assert evaluate_tracking(truth, tracks).summary()["det_averaged"]["hota"] == 0
    assert evaluate_tracking(truth, tracks, 0.499).summary()["det_averaged"]["hota"] == 1


def test_without_classes_a_repeated_track_is_left_out_and_the_better_one_stays():
    truth = annotations((1, [bar(0, 4)] * 3))
    tracks = results(
        (2, 0.8, [bar(0, 3)] * 3), (1, 0.9, [bar(0, 4)] * 3), (2, 0.7, [bar(0, 1)] * 3)
    )
    (video,) = evaluate_tracking(truth, tracks).videos
    assert (video.num_tracks, video.num_distinct_tracks) == (3, 2)
    assert video.class_agnostic.numbers()["loca"] == 1


def test_masks_of_another_size_are_there_but_overlap_nothing():
    truth = annotations((1, [bar(0, 4)] * 3))
    turned = bar(0, 4, size=(WIDTH, HEIGHT))
    tracks = results((1, 0.9, [bar(0, 4), turned, bar(0, 4)]))
    curves = evaluate_tracking(truth, tracks).detections().curves()
    assert [curves[name][0] for name in ("tp", "fn", "fp")] == [2, 1, 1]


def test_what_lies_beyond_the_video_is_cut_and_what_is_missing_is_absent():
    truth = annotations((1, [bar(0, 4)] * 3), (2, [bar(8, 12)] * 3))
    tracks = results((1, 0.9, [bar(0, 4)] * 5), (2, 0.9, [bar(8, 12)] * 2))
    curves = evaluate_tracking(truth, tracks).detections().curves()
    assert [curves[name][0] for name in ("tp", "fn", "fp")] == [5, 1, 0]


def test_masks_without_pixels_are_absent_and_a_category_of_only_such_is_not_annotated():
    truth = annotations((1, [bar(0, 4)] * 3), (2, [bar(5, 5)] * 3))
    tracks = results((1, 0.9, [bar(0, 4), bar(0, 4), bar(5, 5)]), (2, 0.9, [bar(5, 5)] * 3))
    evaluation = evaluate_tracking(truth, tracks)
    assert evaluation.annotated == {1}
    curves = evaluation.detections().curves()
    assert [curves[name][0] for name in ("tp", "fn", "fp")] == [2, 1, 0]


@pytest.mark.parametrize("categories", [(), (1, 2), (10**30, 1)])
def test_nothing_at_all(categories):
    evaluation = evaluate_tracking(annotations(categories=categories), results())
    for numbers in evaluation.summary().values():
        assert set(numbers.values()) == {None}
    assert [row["id"] for row in evaluation.per_category()] == sorted(categories)


def test_a_category_with_a_huge_id_counts_as_any_other():
    huge = 10**30
    truth = annotations((huge, [bar(0, 4)] * 3), categories=(huge, 2))
    summary = evaluate_tracking(truth, results((huge, 0.9, [bar(0, 4)] * 3))).summary()
    assert summary["teta"]["teta"] == summary["det_averaged"]["hota"] == 1


def test_a_video_without_frames():
    truth = annotations((1, []), length=0)
    evaluation = evaluate_tracking(truth, results((1, 0.9, [bar(0, 4)])))
    assert not evaluation.annotated


def numbers_of(truth, tracks):
    evaluation = evaluate_tracking(
        GroundTruth.of(truth), Results.of([Track(**entry) for entry in tracks])
    )
    summary = evaluation.summary()
    return [summary[group] for group in ("det_averaged", "class_averaged", "teta")]


@pytest.fixture(scope="module")
def made():
    return [
        json.loads((GOLDEN / f"tracking_made.{part}.json").read_text()) for part in ("gt", "preds")
    ]


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_files_moves_no_headline(made, seed):
    truth, tracks = copy.deepcopy(made)
    rng = np.random.default_rng(seed)
    expected = numbers_of(truth, tracks)
    for entries in (truth["annotations"], truth["videos"], tracks):
        rng.shuffle(entries)
    for shuffled, numbers in zip(numbers_of(truth, tracks), expected, strict=True):
        for name, value in numbers.items():
            if name != "locpr":
                assert shuffled[name] == pytest.approx(value, abs=1e-12), name


def test_teta_follows_the_order_in_which_the_categories_are_listed(made):
    """As in SysCV/tet; everything else does not."""
    truth, tracks = copy.deepcopy(made)
    straight = numbers_of(truth, tracks)
    truth["categories"].reverse()
    turned = numbers_of(truth, tracks)
    assert turned[:2] == straight[:2]
    assert turned[2]["clspr"] != straight[2]["clspr"]
    assert turned[2]["loca"] == pytest.approx(straight[2]["loca"], abs=1e-12)
