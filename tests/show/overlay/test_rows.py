"""Rows: one color per object in every row, and labels of what annotations reveal."""

import pytest

from drawing_case import CROSSING, LEFT, NOWHERE, RIGHT, T, results, truth, tube
from vis_bench.data.video import video_without_frames
from vis_bench.runs.sources import Side
from vis_bench.show.overlay.label_box import MOST_LETTERS, Letters, shortened
from vis_bench.show.overlay.rows import rows_of

VIDEO = video_without_frames(1, "cats", 60, 96, T)
NAMES = {1: "cat", 2: "dog"}
FOUND = ("track", "false")


def rows(sources, objects=None, min_score=0.0):
    named = [Side(f"method {i}", source) for i, source in enumerate(sources)]
    return rows_of(VIDEO, named, objects, NAMES, min_score)


def test_an_object_has_one_number_in_every_row():
    one = results((RIGHT, 1, 0.9), (LEFT, 1, 0.8))
    other = results((NOWHERE, 1, 0.9), (LEFT, 2, 0.7), (RIGHT, 1, 0.2))
    truth_row, first, second = rows([one, other], truth((LEFT, 1), (RIGHT, 2)))
    assert [row.name for row in (truth_row, first, second)] == [
        "ground truth",
        "method 0",
        "method 1",
    ]
    numbers = {
        masks: [
            next(i.identity for i in row.instances if list(i.masks_T) == tubes and i.style in FOUND)
            for row in (truth_row, first, second)
        ]
        for masks, tubes in (("left", LEFT), ("right", RIGHT))
    }
    assert numbers == {"left": [0, 0, 0], "right": [1, 1, 1]}
    assert {i.identity for i in second.instances if i.style in FOUND} == {0, 1, 2}


def test_without_annotations_the_first_file_counts():
    one = results((RIGHT, 1, 0.9), (LEFT, 1, 0.8))
    other = results((NOWHERE, 1, 0.9), (LEFT, 2, 0.7))
    third = results((NOWHERE, 1, 0.5))
    numbers = [[i.identity for i in row.instances] for row in rows([one, other, third])]
    assert numbers == [[0, 1], [2, 1], [2]]
    assert all(i.style == "track" for row in rows([one]) for i in row.instances)


def test_a_track_that_finds_its_object_has_its_color_before_a_better_duplicate():
    near = tube(*[(22, 8)] * T)
    _, row = rows([results((near, 1, 0.9), (LEFT, 1, 0.5))], truth((LEFT, 1)))
    assert [(i.identity, i.style) for i in row.instances] == [(0, "track"), (1, "false")]


def test_labels_say_class_score_and_what_is_wrong():
    third = tube(*[(28, 8)] * T)
    source = results((LEFT, 1, 0.9), (LEFT, 1, 0.8), (RIGHT, 1, 0.7), (NOWHERE, 7, 0.6))
    truth_row, row = rows([source], truth((LEFT, 1), (RIGHT, 2)))
    assert [i.texts for i in truth_row.instances] == [("cat",), ("dog",)]
    assert [(i.texts[0], i.style) for i in row.instances] == [
        ("dog not matched, wrong class", "unmatched"),
        ("cat 0.90", "track"),
        ("cat 0.80, duplicate", "false"),
        ("cat 0.70, wrong class", "false"),
        ("class 7, 0.60, no object", "false"),
    ]
    assert row.instances[2].texts[1:] == ("cat 0.80", "0.80")
    _, poor = rows([results((third, 1, 0.9))], truth((LEFT, 1)))
    lost, dashes, track = poor.instances
    assert lost.texts == ("cat not matched, IoU 0.33", "not matched, IoU 0.33", "not matched")
    assert (dashes.texts, dashes.style) == ((), "missed")
    assert track.texts[0] == "cat 0.90, IoU 0.33"


def test_missed_is_said_of_frames_and_not_matched_of_the_video():
    gone = [LEFT[0], None, LEFT[2], LEFT[3]]
    follows_half = tube((20, 64), (20, 64), None, None)
    _, row = rows([results((gone, 1, 0.9), (follows_half, 2, 0.8))], truth((LEFT, 1), (RIGHT, 2)))
    lost = [i for i in row.instances if i.style not in FOUND]
    assert [(i.style, [mask is not None for mask in i.masks_T]) for i in lost] == [
        ("missed", [False, True, False, False]),
        ("missed", [False, False, True, True]),
    ]
    short = tube((20, 64), None, None, None)
    _, row = rows([results((gone, 1, 0.9), (short, 2, 0.8))], truth((LEFT, 1), (RIGHT, 2)))
    assert [(i.style, i.texts[:1]) for i in row.instances if i.style not in FOUND] == [
        ("missed", ()),
        ("unmatched", ("dog not matched, IoU 0.25",)),
        ("missed", ()),
    ]


def test_objects_of_one_class_are_numbered():
    objects = truth((LEFT, 1), (RIGHT, 1), (NOWHERE, 2))
    truth_row, row = rows([results((RIGHT, 1, 0.9), (NOWHERE, 2, 0.8))], objects)
    assert [i.texts for i in truth_row.instances] == [("cat #1", "#1"), ("cat #2", "#2"), ("dog",)]
    found = [i.texts[0] for i in row.instances if i.style == "track"]
    assert found == ["cat #2, 0.90", "dog 0.80"]
    (alone,) = rows([results((RIGHT, 1, 0.9), (LEFT, 1, 0.8))])
    assert [i.texts[0] for i in alone.instances] == ["cat #1, 0.90", "cat #2, 0.80"]


def test_low_scores_are_left_out():
    source = results((LEFT, 1, 0.9), (RIGHT, 1, 0.1))
    (row,) = rows([source], min_score=0.3)
    assert [i.texts[-1] for i in row.instances] == ["0.90"]
    assert row.remark == "1 track below 0.3 not drawn"
    assert rows([source])[0].remark == ""


def test_a_low_score_that_alone_finds_an_object_is_pale():
    source = results((LEFT, 1, 0.9), (RIGHT, 1, 0.1), (RIGHT, 1, 0.05), (LEFT, 1, 0.2))
    _, row = rows([source], truth((LEFT, 1), (RIGHT, 1)), min_score=0.3)
    assert [(i.texts, i.style, i.identity) for i in row.instances] == [
        (("cat #1, 0.90", "0.90"), "track", 0),
        (("cat #2, 0.10", "0.10"), "weak", 1),
    ]
    assert row.remark == "2 of 3 tracks below 0.3 not drawn"


@pytest.mark.parametrize("objects", [None, truth((LEFT, 1), (RIGHT, 1), (NOWHERE, 2))])
@pytest.mark.parametrize("min_score", [0.0, 0.35, 0.65, 0.95])
def test_the_tracks_that_are_not_drawn_are_counted(objects, min_score):
    kinds = ((LEFT, 1), (RIGHT, 1), (CROSSING, 1), (NOWHERE, 2), (LEFT, 2), (NOWHERE, 1))
    tracks = [(masks, category, n / 10) for n, (masks, category) in enumerate(kinds, 1)]
    *_, row = rows([results(*tracks)], objects, min_score)
    drawn = {i.texts[-1] for i in row.instances if i.style in (*FOUND, "weak")}
    low = {f"{score:.2f}" for *_, score in tracks if score < min_score}
    numbers = [int(word) for word in row.remark.split() if word.isdigit()]
    hidden, shown = low - drawn, low & drawn
    assert numbers == ([len(hidden), len(low)] if shown else [len(low)] if low else [])
    assert len(drawn) + len(hidden) == len(tracks)


SWAPPED = tube((20, 64), (20, 64), (20, 8), (20, 8))
GONE, COME, PAUSING = (
    [m if t in kept else None for t, m in enumerate(LEFT)] for kept in ((0, 1), (3,), (0, 2, 3))
)


@pytest.mark.parametrize(("tracks", "objects", "switches"), [
    ((CROSSING, SWAPPED), (LEFT, RIGHT), [(2,), (2,)]),  # tracks change their objects
    ((GONE, COME), (LEFT,), [(), (3,)]),  # an object changes its track
    ((PAUSING, RIGHT), (LEFT, RIGHT), [(), ()]),
    ((LEFT, LEFT), (LEFT,), [(), ()]),  # a duplicate does not switch
])  # fmt: skip
def test_switches(tracks, objects, switches):
    source = results(*((masks, 1, 0.9 - n / 10) for n, masks in enumerate(tracks)))
    _, row = rows([source], truth(*((masks, 1) for masks in objects)))
    assert [i.switches for i in row.instances if i.style in FOUND] == switches


def test_a_video_without_tracks_or_objects():
    objects = truth((LEFT, 1))
    truth_row, row = rows([results()], objects)
    assert len(truth_row.instances) == 1
    assert [i.style for i in row.instances] == ["unmatched", "missed"]
    assert rows([results()])[0].instances == []


def test_long_class_names_are_cut_before_they_are_laid_out():
    objects, name = truth((LEFT, 1), (RIGHT, 2)), "elephant" * 125
    truth_row = rows_of(VIDEO, [], objects, {1: name, 2: f"{name}s"}, 0.0)[0]
    for instance in truth_row.instances:
        assert instance.texts[0].startswith("elephant")
        assert len(instance.texts[0]) == MOST_LETTERS


def test_a_text_is_shortened_in_few_measurements():
    measured = []

    class Font:
        def getlength(self, text):
            measured.append(text)
            return len(text)

    letters = Letters(1, Font())
    assert shortened("elephant" * 125, letters, 11) == "elephant..."
    assert shortened("elephant", letters, 2) == "..."
    assert shortened("elephant", letters, 8) == "elephant"
    assert len(measured) < 30
