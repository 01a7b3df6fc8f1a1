"""Regions to ignore, void pixels and unverified categories, against TrackEval on random videos."""

import json

import numpy as np
import pytest

from paths import GOLDEN
from vis_bench.cli import main
from vis_bench.data.annotations import GroundTruth, read_annotations
from vis_bench.data.convert import convert
from vis_bench.data.results_file import Results, Track, read_results
from vis_bench.data.validate import validate
from vis_bench.errors import InputError
from vis_bench.masks.rle import encode_masks
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.errors import break_down
from vis_bench.metrics.exclusions import judged
from vis_bench.metrics.matching import IOU_THRESHOLDS
from vis_bench.metrics.scores import Asked
from vis_bench.metrics.tracking.score_threshold import hota_at

HEIGHT, WIDTH = 12, 18
NUMBERS = {
    **{name.lower(): name for name in ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr")},
    **{name.lower(): name for name in ("AssRe", "AssPr", "IDF1", "IDR", "IDP")},
}


def boxes(random, length, absent=0.2):
    """A box that moves a little from frame to frame, (T, H, W)."""
    dense = np.zeros((length, HEIGHT, WIDTH), bool)
    top, left = random.integers(0, 8), random.integers(0, 12)
    height, width = random.integers(2, 7, 2)
    for t in range(length):
        top, left = (max(0, x + random.integers(-1, 2)) for x in (top, left))
        if random.random() > absent:
            dense[t, top : top + height, left : left + width] = True
    return dense


def coded(dense_THW):
    return [
        rle if m.any() else None for m, rle in zip(dense_THW, encode_masks(dense_THW), strict=True)
    ]


def drawn_video(random, key, categories):
    """Objects and tracks of a video: (category, dense masks) each, and a dense region."""
    length = int(random.integers(2, 7))
    objects = [(int(random.choice(categories)), boxes(random, length)) for _ in range(4)]
    tracks = [(int(random.choice(categories)), boxes(random, length)) for _ in range(4)]
    for category, dense in objects:
        for _ in range(random.integers(0, 3)):
            moved = np.roll(dense, random.integers(-1, 2, 2), (1, 2))
            moved &= random.random((length, 1, 1)) > 0.2
            tracks.append((category, moved))
    region = boxes(random, length) | tracks[0][1]
    return {"id": key, "length": length, "objects": objects, "tracks": tracks, "region": region}


def truth_of(videos, keys=lambda video: {}):
    entries = [
        {"id": n, "video_id": v["id"], "category_id": c, "segmentations": coded(dense)}
        for n, (v, c, dense) in enumerate(((v, *o) for v in videos for o in v["objects"]), 1)
    ]
    sizes = {"height": HEIGHT, "width": WIDTH}
    listed = [{"id": v["id"], "length": v["length"], **sizes, **keys(v)} for v in videos]
    categories = [{"id": n, "name": f"kind {n}"} for n in (1, 2, 3)]
    return GroundTruth.of({"videos": listed, "annotations": entries, "categories": categories})


def results_of(videos, random):
    return Results.of(
        [
            Track(v["id"], category, float(random.random()), coded(dense))
            for v in videos
            for category, dense in v["tracks"]
        ]
    )


def frames_of(things, t):
    """Ids from 1, categories and codes of what is there in a frame."""
    here = [(n, c, dense[t]) for n, (c, dense) in enumerate(things, 1) if dense[t].any()]
    ids, classes = (np.array([row[i] for row in here], int) for i in (0, 1))
    masks = [m for *_, m in here]
    return ids, classes, encode_masks(np.array(masks)) if masks else []


def raw_video(dataset, video, **more):
    """A video as TrackEval has it when its files are read."""
    raw = {"num_timesteps": video["length"], "seq": str(video["id"]), **more}
    for side in ("gt", "tracker"):
        things = video["objects" if side == "gt" else "tracks"]
        columns = zip(*(frames_of(things, t) for t in range(video["length"])), strict=True)
        for name, column in zip(("ids", "classes", "dets"), columns, strict=True):
            raw[f"{side}_{name}"] = list(column)
    raw["similarity_scores"] = [
        dataset._calculate_mask_ious(gt, tracks, is_encoded=True, do_ioa=False)
        for gt, tracks in zip(raw["gt_dets"], raw["tracker_dets"], strict=True)
    ]
    raw["gt_ignore_region"] = encode_masks(video["region"])
    return raw


def reference(trackeval, dataset, raws, category):
    """HOTA and IDF1 of one category over all videos."""
    metrics = trackeval.metrics.HOTA(), trackeval.metrics.Identity({"PRINT_CONFIG": False})
    data = [dataset.get_preprocessed_seq_data(raw, f"kind {category}") for raw in raws]
    combined = {}
    for metric in metrics:
        parts = {str(n): metric.eval_sequence(own) for n, own in enumerate(data)}
        combined |= metric.combine_sequences(parts)
    return {ours: float(np.mean(combined[theirs])) for ours, theirs in NUMBERS.items()}


def dataset_of(trackeval, name):
    dataset = object.__new__(getattr(trackeval.datasets, name))
    dataset.class_name_to_class_id = {f"kind {n}": n for n in (1, 2, 3)}
    return dataset


def assert_equal(evaluation, expected_by_category):
    for category, expected in expected_by_category.items():
        found = evaluation.category(category).numbers()
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, abs=1e-12), (category, name)


@pytest.mark.parametrize("name", ["KittiMOTS", "MOTSChallenge"])
@pytest.mark.parametrize("seed", range(6))
def test_regions_to_ignore_equal_trackeval(name, seed):
    """Regions leave out masks per frame; without them the numbers are others."""
    trackeval, random = pytest.importorskip("trackeval"), np.random.default_rng(seed)
    videos = [drawn_video(random, key, (1, 2)) for key in (3, 5)]
    truth = truth_of(videos, lambda v: {"ignore_regions": coded(v["region"])})
    results, dataset = results_of(videos, random), dataset_of(trackeval, name)
    raws = [raw_video(dataset, video) for video in videos]
    expected = {c: reference(trackeval, dataset, raws, c) for c in (1, 2)}
    found = evaluate(truth, results, Asked(tracking_threshold=-1.0)).tracking
    assert_equal(found, expected)
    plain = evaluate(truth_of(videos), results, Asked(tracking_threshold=-1.0)).tracking
    assert plain.headline()["deta"] != found.headline()["deta"]
    assert hota_at(truth, results, [-1.0]) == [found.headline()["hota"]]


def test_mots_text_gives_trackevals_numbers(tmp_path):
    """Three sequences of KITTI MOTS, one of which shows nothing before frame 3."""
    expected = json.loads((GOLDEN / "mots_ignore.expected.json").read_bytes())
    convert(GOLDEN / "mots_ignore", tmp_path / "gt.json", "ytvis")
    found = evaluate(
        read_annotations(tmp_path / "gt.json"),
        read_results(GOLDEN / "mots_ignore.preds.json"),
        Asked(tracking_threshold=-1.0),
    )
    assert [video.length for video in found.videos] == [*expected["lengths"].values()]
    by_category = {
        int(key): {ours: numbers[theirs] for ours, theirs in NUMBERS.items() if theirs in numbers}
        for key, numbers in expected["per_category"].items()
    }
    assert_equal(found.tracking, by_category)


def verified_of(random, video):
    """Verified categories of a video: 3 may be verified to be absent or not looked for at all."""
    absent, open_ = ([int(n) for n in (1, 2, 3) if random.random() < 0.4] for _ in range(2))
    shown = {c for c, _ in video["objects"]}
    return {
        "neg_category_ids": [n for n in absent if n not in shown],
        "not_exhaustive_category_ids": open_,
    }


@pytest.mark.parametrize("seed", range(8))
def test_unverified_categories_equal_trackeval(seed):
    """HOTA and IDF1 per frame as TAO's, and AP as TrackMAP's, both of masks."""
    trackeval, random = pytest.importorskip("trackeval"), np.random.default_rng(seed)
    videos = [drawn_video(random, key, (1, 2)) for key in (1, 2, 4)]
    for video in videos:
        video["objects"] = [o for o in video["objects"] if o[0] != random.integers(1, 4)]
        video["tracks"] += [
            (3, boxes(random, video["length"])),
            (2, boxes(random, video["length"])),
        ]
        video["keys"] = verified_of(random, video)
    truth, results = truth_of(videos, lambda v: v["keys"]), results_of(videos, random)
    dataset, score = dataset_of(trackeval, "TAO"), iter([t.score for t in results.tracks])
    raws = [tao_video(dataset, video, score) for video in videos]
    found = evaluate(truth, results, Asked(tracking_threshold=-1.0))
    shown = sorted({c for v in videos for c, dense in v["objects"] if dense.any()})
    assert_equal(found.tracking, {c: reference(trackeval, dataset, raws, c) for c in shown})
    settings = {"USE_AREA_RANGES": False, "USE_TIME_RANGES": False, "PRINT_CONFIG": False}
    metric = trackeval.metrics.TrackMAP(settings)
    aps = {own["id"]: own["ap"] for own in found.per_category()}
    for category in shown:
        data = [dataset.get_preprocessed_seq_data(raw, f"kind {category}") for raw in raws]
        parts = {
            str(n): metric.eval_sequence({**d, "iou_type": "mask"}) for n, d in enumerate(data)
        }
        expected = np.mean(metric.combine_sequences(parts)["AP_all"])
        assert aps[category] == pytest.approx(expected, abs=1e-12)
    plain = evaluate(truth_of(videos), results, Asked(tracking_threshold=-1.0))
    assert found.summary()["ap"] >= plain.summary()["ap"]


def tao_video(dataset, video, score):
    """A video as TrackEval's TAO has it when its files are read, with masks for boxes."""
    keys = video["keys"]
    raw = raw_video(
        dataset,
        video,
        neg_cat_ids=keys["neg_category_ids"],
        not_exhaustively_labeled_cls=keys["not_exhaustive_category_ids"],
    )
    for side in ("gt", "tracker"):
        raw[f"{side}_dets"] = [np.array(codes, object) for codes in raw[f"{side}_dets"]]
    raw["tracker_confidences"] = [np.ones(len(ids)) for ids in raw["tracker_ids"]]
    shown = {c for c, _ in video["objects"]}
    for side, things in (("gt", video["objects"]), ("dt", video["tracks"])):
        rows = [
            (n, c, {t: m for t, m in enumerate(coded(d)) if m}, next(score) if side == "dt" else 1)
            for n, (c, d) in enumerate(things, 1)
        ]
        for key, place in (("tracks", 2), ("track_ids", 0), ("track_scores", 3)):
            counted = shown | set(keys["neg_category_ids"]) if side == "dt" else {1, 2, 3}
            raw[f"classes_to_{side}_{key}"] = {
                c: [row[place] for row in rows if row[1] == c and c in counted] for c in (1, 2, 3)
            }
        for key in ("track_lengths", "track_areas"):
            raw[f"classes_to_{side}_{key}"] = raw[f"classes_to_{side}_track_ids"]
    return raw


def half_inside(share):
    """A video with one object, and a stray track of which a share of 20 pixels is in a region."""
    empty = np.zeros((2, HEIGHT, WIDTH), bool)
    thing, stray, region = empty.copy(), empty.copy(), empty.copy()
    thing[:, :4, :5], stray[:, 6, :10], region[:, 6, : round(10 * share)] = True, True, True
    return {
        "id": 1,
        "length": 2,
        "objects": [(1, thing)],
        "tracks": [(1, stray), (1, thing)],
    }, region


@pytest.mark.parametrize("share", [0.4, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("boundary", [False, True])
def test_a_stray_in_a_region_costs_no_ap_up_to_the_share_of_its_pixels(share, boundary):
    video, region = half_inside(share)
    truth = truth_of([video], lambda _: {"ignore_regions": coded(region)})
    tracks = [Track(1, c, 0.9 - n / 10, coded(d)) for n, (c, d) in enumerate(video["tracks"])]
    found = evaluate(truth, Results.of(tracks), Asked(boundary=boundary))
    expected = np.mean([1.0 if share >= t else 0.5 for t in IOU_THRESHOLDS])
    own = found.boundary if boundary else found
    assert own.summary()["ap"] == pytest.approx(expected, abs=1e-12)
    errors = break_down(truth, Results.of(tracks))
    assert errors.ap == pytest.approx(found.summary()["ap"], abs=1e-12)
    assert errors.gains["background"] == pytest.approx(1 - expected, abs=1e-12)


def test_void_pixels_are_taken_out_of_every_track():
    """Equal to a track that was drawn without them; one in void pixels alone is no error."""
    random = np.random.default_rng(0)
    video = drawn_video(random, 1, (1, 2))
    void = boxes(random, video["length"], absent=0)
    clean = {
        **video,
        "objects": [(c, d & ~void) for c, d in video["objects"]],
        "tracks": [(c, d & ~void) for c, d in video["tracks"]],
    }
    truth = truth_of([clean], lambda _: {"void_pixels": coded(void)})
    found = evaluate(
        truth, results_of([video], np.random.default_rng(1)), Asked(tracking_threshold=-1.0)
    )
    expected = evaluate(
        truth_of([clean]),
        results_of([clean], np.random.default_rng(1)),
        Asked(tracking_threshold=-1.0),
    )
    assert found.summary() == expected.summary()
    assert found.tracking.summary() == expected.tracking.summary()
    only_void = Results.of([Track(1, 1, 0.9, coded(void))])
    assert not judged(truth, only_void).tracks


def content_with(key, value):
    mask = {"size": [4, 6], "counts": "5220007"}
    video = {"id": 7, "height": 4, "width": 6, "length": 2, "file_names": ["a/0.jpg", "a/1.jpg"]}
    thing = {"id": 1, "video_id": 7, "category_id": 1, "segmentations": [mask, None]}
    categories = [{"id": n, "name": f"kind {n}"} for n in (1, 2, 3)]
    return {"videos": [{**video, key: value}], "categories": categories, "annotations": [thing]}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ignore_regions", [None]),
        ("ignore_regions", {"0": None}),
        ("void_pixels", [None, {"size": [4, 5], "counts": "d0"}]),
        ("void_pixels", [None, {"size": [4, 6], "counts": "d0"}]),
        ("neg_category_ids", [1.5]),
        ("not_exhaustive_category_ids", "2"),
    ],
)
def test_malformed_exclusions_are_refused_and_found_by_validate(tmp_path, key, value):
    content = content_with(key, value)
    with pytest.raises(InputError, match=rf"video 7.*{key}"):
        GroundTruth.of(content)
    [problem] = validate_with(tmp_path, content)
    assert key in problem.message
    assert validate_with(tmp_path, content_with(key, None)) == []


@pytest.mark.parametrize("key", ["neg_category_ids", "not_exhaustive_category_ids"])
def test_categories_that_are_not_listed_are_named(tmp_path, capsys, key):
    content = content_with(key, [1, 77])
    assert [text for text in GroundTruth.of(content).warnings if "77" in text]
    assert not GroundTruth.of(content_with(key, [1])).warnings
    (tmp_path / "gt.json").write_text(json.dumps(content))
    assert main(["validate", str(tmp_path / "gt.json")]) == 0
    assert "77" in capsys.readouterr().err


def validate_with(folder, content):
    (folder / "in.json").write_text(json.dumps(content))
    return validate(folder / "in.json")


def test_predictions_of_unverified_categories_are_counted():
    """Category 2 was looked for, 3 was not; without the key every category was."""
    tracks = [Track(7, n, 0.9, [{"size": [4, 6], "counts": "5220007"}, None]) for n in (1, 2, 3)]
    for absent, number in (([2], 1), ([], 2), (None, 0)):
        truth = GroundTruth.of(content_with("neg_category_ids", absent))
        warnings = [w for w in evaluate(truth, Results.of(tracks)).warnings if "neg_cat" in w]
        assert len(warnings) == bool(number)
        assert not number or f"{number} of 3" in warnings[0]
        assert len(judged(truth, Results.of(tracks)).tracks) == 3 - number
