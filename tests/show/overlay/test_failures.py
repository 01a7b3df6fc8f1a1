"""Failure cases: what is drawn of an error, in which frames, and which part of them."""

import pytest

from drawing_case import CROSSING, LEFT, NOWHERE, RIGHT, H, T, W, frame_files, results, truth, tube
from vis_bench.metrics.errors import break_down_videos
from vis_bench.runs.sources import Side, Sources
from vis_bench.show.figures.failures import failure_cases
from vis_bench.show.overlay.strip import strip_sheet

OBJECTS = [(LEFT, 1), (RIGHT, 2)]


def drawn(folder, kind, objects, *tracks, columns=4):
    """The pictures of one error, with a threshold of 0.5."""
    annotated, side = truth(*objects), Side("method", results(*tracks))
    video = frame_files(folder)
    [errors] = break_down_videos(annotated, side.results)
    sources = Sources([side], annotated, [video])
    looks = {"min_score": 0.5, "labels": "all", "warn": pytest.fail}
    [(heading, pictures)] = failure_cases(sources, [(kind, errors)], columns, **looks)
    assert heading.startswith(f"{kind.capitalize()}, cats: AP ")
    return pictures


def looks(row):
    return [(i.texts[-1], i.style, i.ringed) for i in row.instances]


def test_a_costly_track_is_drawn_and_ringed_whatever_its_score_and_others_are_not(tmp_path):
    near = tube(*[(20, 60)] * T)
    tracks = [(LEFT, 1, 0.9), (NOWHERE, 2, 0.4), (near, 2, 0.3), (CROSSING, 1, 0.2)]
    pictures = drawn(tmp_path, "background", OBJECTS, *tracks)
    assert looks(pictures.rows[1]) == [("0.40", "weak", True)]
    assert [row.name for row in pictures.rows] == ["ground truth", "method"]
    assert len(pictures.rows[0].instances) == 2


def test_a_duplicate_lies_above_the_track_that_finds_its_object(tmp_path):
    tracks = [(LEFT, 1, 0.9), (LEFT, 1, 0.8), (RIGHT, 1, 0.1)]
    pictures = drawn(tmp_path, "duplicate", [(LEFT, 1), (RIGHT, 1)], *tracks)
    assert looks(pictures.rows[1]) == [("0.80", "false", True), ("0.90", "track", False)]
    assert pictures.marks(pictures.frames) == ["false", "cause"]


def test_a_missed_object_is_ringed_with_the_tracks_over_it(tmp_path):
    over = tube(*[(20, 60)] * T, side=10)
    tracks = [(LEFT, 1, 0.9), (over, 1, 0.8), (RIGHT, 1, 0.1)]
    pictures = drawn(tmp_path, "missed", [*OBJECTS, (NOWHERE, 2)], *tracks)
    missed = [look for look in looks(pictures.rows[1]) if look[1] == "missed"]
    assert set(missed) == {("not found", "missed", True)}
    assert ("0.90", "track", False) not in looks(pictures.rows[1])


def test_the_crop_is_around_the_error_and_keeps_its_pixels(tmp_path):
    pictures = drawn(tmp_path, "background", OBJECTS, (LEFT, 1, 0.9), (NOWHERE, 2, 0.95))
    video = pictures.video
    assert video.height < H / 2
    assert video.width / video.height == pytest.approx(W / H, rel=0.05)
    assert video.read(0).shape == (video.height, video.width, 3)
    (false,) = pictures.rows[1].instances
    assert {tuple(mask["size"]) for mask in false.masks_T} == {(video.height, video.width)}
    assert pictures.at(0, 96)[1].masks_Nhw.any()


def test_frames_are_those_of_the_error(tmp_path):
    late = [None, None, None, *NOWHERE[3:]]
    pictures = drawn(tmp_path, "background", OBJECTS, (LEFT, 1, 0.9), (late, 2, 0.95), columns=1)
    assert pictures.frames == [3]
    sheet = strip_sheet([("", pictures)], 1, 96)
    words = {item.words for *_, item in sheet.items if hasattr(item, "words")}
    assert "frame 3" in words


def test_a_switch_is_shown_before_and_after(tmp_path):
    pictures = drawn(tmp_path, "identity", OBJECTS, (RIGHT, 2, 0.9), (CROSSING, 1, 0.95))
    [costly] = [i for i in pictures.rows[1].instances if i.ringed]
    assert costly.switches == (2,)
    assert pictures.frames == [0, 1, 2, 3]
    assert pictures.video.width > W / 2, "both objects are in sight"
