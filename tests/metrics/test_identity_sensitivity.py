"""AP lost by one identity switch, against the whole evaluator and a case worked out by hand."""

import json

import numpy as np
import pytest

from compare_workload import generate
from vis_bench.cli import main
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results, Track
from vis_bench.metrics.ap import evaluate
from vis_bench.metrics.frame_matches import followed_videos
from vis_bench.metrics.identity_sensitivity import identity_sensitivity


def cut(track):
    """The track in two parts, by its masks that have pixels: an odd one goes to the first."""
    there = np.flatnonzero(Results.of([track]).tubes.has_pixels(0, len(track.segmentations)))
    start = there[(len(there) + 1) // 2]
    parts = (range(start), range(start, len(track.segmentations)))
    return [
        Track(
            track.video_id,
            track.category_id,
            track.score,
            [mask if t in part else None for t, mask in enumerate(track.segmentations)],
        )
        for part in parts
    ]


def costs_by_evaluating(truth, tracks, chosen):
    """The whole evaluator on masks, with each of the chosen tracks cut in turn."""
    ap = evaluate(truth, Results.of(tracks)).summary()["ap"]
    return [
        ap
        - evaluate(
            truth, Results.of([*tracks[:place], *cut(tracks[place]), *tracks[place + 1 :]])
        ).summary()["ap"]
        for place in chosen
    ]


def finders(truth, tracks):
    """The places of the tracks that find an object, by video as the costs are."""
    results = Results.of(tracks)
    places = []
    for video, followed in zip(truth.videos, followed_videos(truth, results), strict=True):
        own = [
            n
            for n, track in enumerate(tracks)
            if track.video_id == video.id and track.category_id in truth.categories
        ]
        places += [own[d] for d in np.flatnonzero(followed.video.claims() >= 0)]
    return places


@pytest.mark.parametrize("seed", range(2))
def test_costs_are_those_of_evaluating_the_cut_tracks(seed):
    content, entries, _ = generate(seed, 5, 3, 6)
    truth, tracks = GroundTruth.of(content), [Track(**entry) for entry in entries]
    found = identity_sensitivity(truth, Results.of(tracks)).predictions
    assert found.ap == pytest.approx(evaluate(truth, Results.of(tracks)).summary()["ap"])
    expected = costs_by_evaluating(truth, tracks, finders(truth, tracks))
    assert len(expected) > 3
    assert found.costs_N.tolist() == pytest.approx(expected, rel=0, abs=1e-12)
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.largest == pytest.approx(max(expected))


def test_a_track_on_the_crowd_of_a_category_without_ap_costs_nothing():
    content, _, _ = generate(0, 3, 2, 0)
    labels = {entry["category_id"] for entry in content["annotations"]}
    assert labels == {1, 2}
    for entry in content["annotations"]:
        entry["iscrowd"] = int(entry["category_id"] == 2)
    found = identity_sensitivity(GroundTruth.of(content), Results.of(perfect(content))).predictions
    crowds = [entry["iscrowd"] for entry in content["annotations"]]
    assert len(found.costs_N) == len(crowds)
    assert (found.costs_N[np.array(crowds) == 1] == 0).all()
    assert (found.costs_N[np.array(crowds) == 0] > 0).all()


def perfect(content):
    return [
        Track(a["video_id"], a["category_id"], 1.0, a["segmentations"])
        for a in content["annotations"]
    ]


def test_perfect_tracks_are_the_objects():
    content, entries, _ = generate(4, 4, 2, 3)
    truth, tracks = GroundTruth.of(content), perfect(content)
    results = Results.of([Track(**entry) for entry in entries])
    found = identity_sensitivity(truth, results).perfect
    assert found.ap == pytest.approx(1)
    expected = costs_by_evaluating(truth, tracks, range(len(tracks)))
    assert found.costs_N.tolist() == pytest.approx(expected, rel=0, abs=1e-12)


def test_one_switch_by_hand():
    """One class, eight objects with equal masks in 20 frames, the worst-scored track is cut.

    Each half has an IoU of 1/2: at the threshold 0.5 the first half still finds the object, at the
    nine others recall ends at 7/8 with a precision of 1, which is 88 of 101 levels of recall.
    """
    content, _, _ = generate(0, 8, 1, 1)
    masks = content["annotations"][0]["segmentations"][:1] * 20
    content["annotations"] = [
        {
            "id": n,
            "video_id": n,
            "category_id": 1,
            "iscrowd": 0,
            "areas": [100] * 20,
            "segmentations": masks,
        }
        for n in range(1, 9)
    ]
    tracks = [Track(n, 1, 1 - 0.1 * n, masks) for n in range(1, 9)]
    found = identity_sensitivity(GroundTruth.of(content), Results.of(tracks)).predictions
    assert found.costs_N[-1] == pytest.approx(1 - (1 + 9 * 88 / 101) / 10)


def test_a_track_of_one_mask_cannot_switch_and_without_objects_there_is_nothing():
    content, _, _ = generate(0, 2, 1, 1)
    tracks = perfect(content)
    first = tracks[0].segmentations
    tracks[0] = Track(tracks[0].video_id, 1, 0.9, [first[0], *[None] * (len(first) - 1)])
    found = identity_sensitivity(GroundTruth.of(content), Results.of(tracks[:1])).predictions
    assert (len(found.costs_N), found.mean, found.largest) == (0, None, None)
    empty = GroundTruth.of({**content, "annotations": []})
    assert identity_sensitivity(empty, Results.of(tracks)) is None


def test_the_command_prints_it(tmp_path, capsys):
    content, entries, _ = generate(4, 4, 2, 3)
    paths = [tmp_path / "gt.json", tmp_path / "r.json"]
    for path, value in zip(paths, (content, entries), strict=True):
        path.write_text(json.dumps(value))
    command = [
        "eval",
        "--annotations",
        str(paths[0]),
        "--predictions",
        str(paths[1]),
        "--identity-sensitivity",
    ]
    truth, results = GroundTruth.of(content), Results.of([Track(**entry) for entry in entries])
    expected = identity_sensitivity(truth, results)
    assert main(command) == 0
    text = capsys.readouterr().out
    for label, side in (("these results", expected.predictions), ("perfect", expected.perfect)):
        (line,) = [line for line in text.splitlines() if f"| of {label}" in line]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[1:] == [
            f"{100 * side.ap:.1f}",
            str(len(side.costs_N)),
            f"{100 * side.mean:.1f}",
            f"{100 * side.largest:.1f}",
        ]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["identity_sensitivity"]
    assert told["perfect"]["costs"] == expected.perfect.costs_N.tolist()
    assert told["predictions"]["largest"] == expected.predictions.largest
    paths[0].write_text(json.dumps({**content, "annotations": []}))
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["identity_sensitivity"] is None
