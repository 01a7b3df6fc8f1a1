"""The error breakdown of results and of single videos: one planted error takes the whole loss."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from compare_workload import generate
from paths import GOLDEN
from vis_bench.data.annotations import GroundTruth, read_annotations
from vis_bench.data.results_file import Results, Track, read_results
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.errors import (
    ERRORS,
    IDENTITY_ERRORS,
    break_down,
    break_down_videos,
    worst_videos,
)
from vis_bench.metrics.half_samples import draw_half_samples

HEIGHT, WIDTH, LENGTH, NUM_VIDEOS = 40, 60, 10, 4

# Two objects of class 1 and one of class 2 in every video: x, y, width, height.
OBJECTS = ((1, (2, 2, 12, 12)), (1, (30, 2, 12, 12)), (2, (2, 22, 12, 12)))
NOWHERE = (44, 24, 12, 12)


def mask(box, shift=0):
    dense = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    x, y, width, height = box
    dense[y : y + height, x + shift : x + shift + width] = 1
    encoded = coco_mask.encode(dense)
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


def annotations(crowd=()):
    """The same three objects in every video; objects listed in `crowd` are crowds."""
    return GroundTruth.of(annotation_content(crowd))


def annotation_content(crowd=()):
    entries = [
        {
            "id": 10 * video + n,
            "video_id": video,
            "category_id": label,
            "iscrowd": int(n in crowd),
            "segmentations": [mask(box)] * LENGTH,
            "areas": [box[2] * box[3]] * LENGTH,
        }
        for video in range(1, NUM_VIDEOS + 1)
        for n, (label, box) in enumerate(OBJECTS, 1)
    ]
    return {
        "videos": [
            {"id": v, "height": HEIGHT, "width": WIDTH, "length": LENGTH}
            for v in range(1, NUM_VIDEOS + 1)
        ],
        "categories": [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}],
        "annotations": entries,
    }


def perfect():
    """One perfect track per object, in the order of videos and objects."""
    return [
        Track(video, label, 0.9 - 0.01 * video - 0.001 * n, [mask(box)] * LENGTH)
        for video in range(1, NUM_VIDEOS + 1)
        for n, (label, box) in enumerate(OBJECTS)
    ]


def changed(track, **changes):
    values = {key: getattr(track, key) for key in ("video_id", "category_id", "score")}
    return Track(**{**values, "segmentations": track.segmentations, **changes})


def wrong_class(tracks):
    return [changed(tracks[0], category_id=2), *tracks[1:]]


def wrong_class_beside_the_right_one(tracks):
    return [*tracks, changed(tracks[0], category_id=2, score=0.95)]


def poor_mask(tracks):
    """Shifted by 7 of 12 pixels: an IoU of 5 / 19."""
    return [changed(tracks[0], segmentations=[mask(OBJECTS[0][1], 7)] * LENGTH), *tracks[1:]]


def imperfect_mask(tracks):
    """Shifted by 2 of 12 pixels: an IoU of 10 / 14, which misses the thresholds from 0.75 on."""
    return [changed(tracks[0], segmentations=[mask(OBJECTS[0][1], 2)] * LENGTH), *tracks[1:]]


def duplicate(tracks):
    return [*tracks, changed(tracks[3], score=0.899)]


def several_duplicates(tracks):
    return [*tracks, *(changed(track, score=0.95) for track in tracks[::3])]


def background(tracks):
    return [*tracks, Track(2, 1, 0.95, [mask(NOWHERE)] * LENGTH)]


def missed(tracks):
    return tracks[1:]


def switch(first, second, frame):
    """Two tracks that exchange their objects from a frame on."""
    one, two = first.segmentations, second.segmentations
    return [
        changed(first, segmentations=[*one[:frame], *two[frame:]]),
        changed(second, segmentations=[*two[:frame], *one[frame:]]),
    ]


def switched(tracks):
    return [*switch(tracks[0], tracks[1], 6), *tracks[2:]]


def switched_half_way(tracks):
    return [*switch(tracks[0], tracks[1], LENGTH // 2), *tracks[2:]]


def switched_to_another_class(tracks):
    return [tracks[0], *switch(tracks[1], tracks[2], 6), *tracks[3:]]


def strayed_at_the_end(tracks):
    """A track that goes over to its neighbor for the last frames: an IoU of 7 / 13."""
    own, other = tracks[0].segmentations, tracks[1].segmentations
    return [changed(tracks[0], segmentations=[*own[:7], *other[7:]]), *tracks[1:]]


def masks_in(track, frames, otherwise=None):
    """The track with its masks in some frames only."""
    masks = [m if t in frames else otherwise for t, m in enumerate(track.segmentations)]
    return changed(track, segmentations=masks)


def fragment(tracks):
    """Two tracks hold one object, one after the other."""
    first, *others = tracks
    late = changed(masks_in(first, range(6, LENGTH)), score=0.3)
    return [masks_in(first, range(6)), *others, late]


def three_fragments(tracks):
    """Three tracks take turns; each of them alone overlaps the object too little to find it."""
    first, *others = tracks
    parts = (range(4), range(4, 7), range(7, LENGTH))
    scores = (0.2, 0.8, 0.5)
    pieces = [changed(masks_in(first, p), score=s) for p, s in zip(parts, scores, strict=True)]
    return [*pieces, *others]


def fragment_that_lingers(tracks):
    """The first piece stays where nothing is while the second has the object."""
    first, *others = tracks
    late = changed(masks_in(first, range(6, LENGTH)), score=0.3)
    return [masks_in(first, range(6), mask(NOWHERE)), *others, late]


def drift(tracks):
    """A track leaves its object for the last frames, and nothing is where it goes."""
    return [masks_in(tracks[0], range(6), mask(NOWHERE)), *tracks[1:]]


def slight_drift(tracks):
    """In one frame of ten: the object is found at all thresholds but the highest ones."""
    return [masks_in(tracks[0], range(1, LENGTH), mask(NOWHERE)), *tracks[1:]]


def too_poor_for_a_drift(tracks):
    """In the last frames its IoU is 5 / 19: a poor mask."""
    return [masks_in(tracks[0], range(6), mask(OBJECTS[0][1], 7)), *tracks[1:]]


def missing_frames(tracks):
    """A track ends before its object does."""
    return [masks_in(tracks[0], range(6)), *tracks[1:]]


def duplicate_of_a_part(tracks):
    """A second track of an object in frames in which the first has it too."""
    return [*tracks, changed(masks_in(tracks[0], range(4)), score=0.95)]


def never_on_an_object(tracks):
    return [*tracks, masks_in(changed(tracks[0], score=0.95), (0,), mask(NOWHERE))]


PLANTED = {
    wrong_class: "class",
    wrong_class_beside_the_right_one: "class",
    poor_mask: "mask quality",
    imperfect_mask: "mask quality",
    duplicate: "duplicate",
    several_duplicates: "duplicate",
    background: "background",
    missed: "missed",
    switched: "switch",
    switched_half_way: "switch",
    switched_to_another_class: "switch",
    strayed_at_the_end: "switch",
    fragment: "fragment",
    three_fragments: "fragment",
    fragment_that_lingers: "fragment",
    drift: "drift",
    slight_drift: "drift",
    too_poor_for_a_drift: "mask quality",
    missing_frames: "mask quality",
    duplicate_of_a_part: "mask quality",
    never_on_an_object: "background",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_one_planted_error_takes_the_whole_loss(plant):
    truth, results = annotations(), Results.of(plant(perfect()))
    breakdown = break_down(truth, results)
    assert breakdown.ap < 0.999
    assert breakdown.ap == evaluate(truth, results).summary()["ap"]
    kind = PLANTED[plant]
    of_identity = {each: float(each == kind) for each in IDENTITY_ERRORS}
    assert breakdown.identity_shares() == pytest.approx(of_identity)
    whole = "identity" if kind in IDENTITY_ERRORS else kind
    assert breakdown.shares() == pytest.approx({each: float(each == whole) for each in ERRORS})


def test_perfect_tracks_lose_nothing():
    breakdown = break_down(annotations(), Results.of(perfect()))
    assert breakdown.ap == pytest.approx(1)
    assert set(breakdown.shares().values()) == {0.0}


def test_without_tracks_everything_is_missed():
    breakdown = break_down(annotations(), Results.of([]))
    assert breakdown.ap == 0
    assert breakdown.shares()["missed"] == 1


def test_two_kinds_of_error_share_the_loss():
    breakdown = break_down(annotations(), Results.of(missed(background(perfect()))))
    shares = breakdown.shares()
    assert shares["background"] > 0.05
    assert shares["missed"] > 0.05
    assert shares["background"] + shares["missed"] == pytest.approx(1)


def test_a_track_on_a_crowd_is_no_error():
    """Object 2 is a crowd: its track and a second one count neither way."""
    tracks = perfect()
    results = Results.of([*tracks, changed(tracks[1], score=0.95)])
    breakdown = break_down(annotations(crowd=(2,)), results)
    assert breakdown.ap == pytest.approx(1)
    assert sum(breakdown.gains.values()) == pytest.approx(0)


@pytest.mark.parametrize("name", ["eval_dense", "eval_quirks"])
def test_it_starts_from_the_official_ap_and_ends_at_one(name):
    truth = read_annotations(GOLDEN / f"{name}.gt.json")
    results = read_results(GOLDEN / f"{name}.preds.json")
    breakdown = break_down(truth, results)
    assert breakdown.ap == evaluate(truth, results).summary()["ap"]
    assert breakdown.ap + sum(breakdown.gains.values()) == pytest.approx(1)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000))
def test_the_shares_add_up_on_messy_results(seed):
    content, tracks, _ = generate(seed, 4, 3, 12)
    truth, results = GroundTruth.of(content), Results.of([Track(**track) for track in tracks])
    breakdown = break_down(truth, results)
    assert breakdown.ap == pytest.approx(evaluate(truth, results).summary()["ap"], abs=1e-12)
    assert breakdown.ap + sum(breakdown.gains.values()) == pytest.approx(1)
    assert sum(breakdown.shares().values()) == pytest.approx(1)
    of_identity = sum(breakdown.identity_gains.values())
    assert of_identity == pytest.approx(breakdown.gains["identity"], abs=1e-12)


def test_all_three_kinds_at_once_each_get_what_their_repair_gains():
    """Against evaluating the masks after each repair by hand; the tracks are imperfect besides."""
    shifted = [
        changed(t, segmentations=[mask(OBJECTS[place % 3][1], place % 2)] * LENGTH)
        for place, t in enumerate(perfect())
    ]
    one, two, _, four, *others = shifted
    third = shifted[2]
    late = changed(masks_in(third, range(5, LENGTH)), score=0.2)
    planted = [
        *switch(one, two, 7),
        masks_in(third, range(5)),
        late,
        masks_in(four, range(8), mask(NOWHERE)),
        *others,
    ]
    truth = annotations()

    def ap(tracks):
        return evaluate(truth, Results.of(tracks)).summary()["ap"]

    # Where a track was astray the object's own mask takes the place of the other's.
    back = [
        changed(t, segmentations=[*t.segmentations[:7], *[mask(OBJECTS[place][1])] * 3])
        for place, t in enumerate((one, two))
    ]
    apart, joined = [masks_in(third, range(5)), late], [third]
    gone = masks_in(four, range(8), mask(NOWHERE))
    returned = masks_in(four, range(8), mask(OBJECTS[0][1]))
    stages = [
        planted,
        [*back, *apart, gone, *others],
        [*back, *joined, gone, *others],
        [*back, *joined, returned, *others],
    ]
    aps = [ap(stage) for stage in stages]
    breakdown = break_down(truth, Results.of(planted))
    assert list(breakdown.identity_gains.values()) == pytest.approx(np.diff(aps).tolist())
    assert all(gain > 0.001 for gain in breakdown.identity_gains.values())
    assert breakdown.gains["mask quality"] > 0.001


def test_pieces_of_different_categories_are_not_joined():
    first, *others = perfect()
    late = changed(masks_in(first, range(6, LENGTH)), category_id=2, score=0.3)
    breakdown = break_down(annotations(), Results.of([masks_in(first, range(6)), *others, late]))
    assert breakdown.identity_gains["fragment"] == 0


def test_a_track_in_frames_without_its_object_drifts():
    """The object is gone in the last frames; the track that finds it goes on over nothing."""
    tracks = perfect()
    content = annotation_content()
    content["annotations"][0]["segmentations"][6:] = [None] * 4
    content["annotations"][0]["areas"][6:] = [None] * 4
    truth = GroundTruth.of(content)
    tracks[0] = masks_in(tracks[0], range(6), mask(NOWHERE))
    breakdown = break_down(truth, Results.of(tracks))
    assert breakdown.ap < 0.999
    assert breakdown.identity_shares()["drift"] == pytest.approx(1)


EXPECTED = json.loads((GOLDEN / "error_breakdown.json").read_text())


def test_half_samples_are_the_breakdowns_of_those_videos():
    content, tracks, _ = generate(5, 4, 3, 12)
    truth, results = GroundTruth.of(content), Results.of([Track(**track) for track in tracks])
    samples = break_down(truth, results, num_resamples=6, seed=3).samples
    for sample, half_V in enumerate(draw_half_samples(len(truth.videos), 6, 3), 1):
        ids = {video.id for video, is_in in zip(truth.videos, half_V, strict=True) if is_in}
        half = GroundTruth.of(
            {
                **content,
                "videos": [video for video in content["videos"] if video["id"] in ids],
                "annotations": [item for item in content["annotations"] if item["video_id"] in ids],
            }
        )
        wanted = break_down(half, Results.of([t for t in results.tracks if t.video_id in ids]))
        found = {kind: gain_S[sample] for kind, gain_S in samples.items()}
        assert found == pytest.approx({k: gain for k, (gain, _) in wanted.by_kind().items()})


@pytest.mark.parametrize("name", EXPECTED)
def test_figures_are_those_of_the_golden(name):
    if name == "generated":
        content, tracks, _ = generate(5, 4, 3, 12)
        truth, results = GroundTruth.of(content), Results.of([Track(**track) for track in tracks])
    else:
        truth = read_annotations(GOLDEN / f"{name}.gt.json")
        results = read_results(GOLDEN / f"{name}.preds.json")
    errors = break_down(truth, results)
    assert EXPECTED[name] == {
        "ap": errors.ap,
        "gains": errors.gains,
        "identity_gains": errors.identity_gains,
    }


@pytest.fixture(scope="module")
def quirks():
    content = json.loads((GOLDEN / "eval_quirks.gt.json").read_text())
    return content, read_results(GOLDEN / "eval_quirks.preds.json")


def alone(content, results, video):
    """The files cut down to one video."""
    truth = GroundTruth.of(
        {
            **content,
            "videos": [v for v in content["videos"] if v["id"] == video],
            "annotations": [a for a in content["annotations"] if a["video_id"] == video],
        }
    )
    return truth, Results.of([t for t in results.tracks if t.video_id == video])


def test_every_video_is_broken_down_as_if_it_were_alone(quirks):
    content, results = quirks
    steps = []
    found = break_down_videos(GroundTruth.of(content), results, lambda: steps.append(1))
    assert len(steps) == len(content["videos"])
    counted = {a["video_id"] for a in content["annotations"] if not a.get("iscrowd")}
    assert {errors.video.id for errors in found} == counted
    for errors in found:
        truth, own = alone(content, results, errors.video.id)
        wanted = break_down(truth, own)
        assert errors.ap == pytest.approx(wanted.ap)
        assert errors.ap == pytest.approx(evaluate(truth, own).summary()["ap"])
        assert errors.gains == pytest.approx(wanted.gains)
        assert sum(errors.gains.values()) == pytest.approx(1 - errors.ap)


def test_the_worst_come_first_and_none_that_loses_nothing(quirks):
    content, results = quirks
    found = break_down_videos(GroundTruth.of(content), results)
    worst = worst_videos(found, ERRORS, 2)
    assert list(worst) == list(ERRORS)
    assert any(worst.values())
    shown = [errors.video.id for videos in worst.values() for errors in videos]
    assert len(set(shown)) == len(shown), "each video stands under one kind"
    assert max(len(videos) for videos in worst.values()) <= 2
    losses = {kind: [errors.gains[kind] for errors in videos] for kind, videos in worst.items()}
    assert all(gains == sorted(gains, reverse=True) for gains in losses.values())
    assert min(gain for gains in losses.values() for gain in gains) > 1e-9
    most = max(errors.gains[kind] for errors in found for kind in ERRORS)
    assert most in [gain for gains in losses.values() for gain in gains]
    (errors,) = found[:1]
    assert sum(errors.identity_gains.values()) == pytest.approx(errors.gains["identity"])
    assert np.isfinite([e.ap for e in found]).all()
