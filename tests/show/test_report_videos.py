"""Videos on the page of a report: their charts and order, and the timelines of objects."""

import json
import re

import pytest

from drawing_case import CROSSING, LEFT, NOWHERE, RIGHT, annotations_of, tube, write_videos_results
from html_page import text_of
from report_case import NEAR, SWAPPED
from report_page import report_page
from vis_bench.show.overlay.strip import MARKS

WALKING = tube((20, 8), (20, 12), None, (20, 64))
CAT, DOG, OTHER = (LEFT, 1), (RIGHT, 2), (NOWHERE, 1)
# Objects of each video, and tracks of A and B.
VIDEOS = {
    "empty": ([], [], []),
    "rises": ([CAT], [(*OTHER, 0.9)], [(*CAT, 0.9)]),
    "falls": ([CAT], [(*CAT, 0.9)], [(NEAR, 1, 0.9)]),
    "walks": ([CAT, DOG], [(*CAT, 0.9), (*DOG, 0.9)], [(WALKING, 1, 0.9), (*DOG, 0.9)]),
    "crosses": (
        [CAT, DOG, OTHER],
        [(*CAT, 0.9), (*DOG, 0.9), (*OTHER, 0.9)],
        [(CROSSING, 1, 0.8), (SWAPPED, 2, 0.8), (*OTHER, 0.9)],
    ),
    "hides": ([CAT], [(*CAT, 0.9)], [(*CAT, 0.3)]),
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    objects, *sides = ({n: own[k] for n, own in VIDEOS.items()} for k in range(3))
    (folder / "gt.json").write_text(json.dumps(annotations_of(objects)))
    paths = [folder / "gt.json", folder / "a.json", folder / "b.json"]
    for path, tracks in zip(paths[1:], sides, strict=True):
        write_videos_results(path, dict(enumerate(tracks.values(), 1)))
    return paths


@pytest.fixture(scope="module")
def two(paths):
    return report_page(*paths, options=["--videos", 4])


@pytest.fixture(scope="module")
def one(paths):
    return report_page(paths[0], paths[2], options=["--videos", 5])


def opened(page):
    """The video that the page opens with."""
    [name] = [name for name, own in page.videos().items() if "open" in own.get("class").split()]
    return name


def test_videos_go_by_change_of_ap_and_the_most_telling_video_is_open(two):
    bars = two.marks("path")
    order = ["crosses", "falls", "walks", "hides", "rises"]
    assert [*bars] == order, "and one without objects has no bar"
    assert [*two.videos()] == [name for name in order if name != "hides"]
    assert [name for name, (_, link, _) in bars.items() if not link] == ["hides"]
    assert opened(two) == "crosses", "the largest fall, since B is behind, and not the rise"


def test_videos_of_one_side_go_by_its_ap_and_the_worst_are_opened(one):
    order = ["crosses", "falls", "walks", "rises", "hides"]
    assert ([*one.marks("path")], [*one.videos()], opened(one)) == (order, order, "crosses")
    assert not one.marks("circle")


def test_with_clear_videos_and_frames_with_switches_are_opened_first(paths):
    """`falls` has the lower AP, and only `walks`, where a track swaps, has a switch."""
    objects = {"falls": [CAT], "walks": [CAT, (RIGHT, 1)]}
    crossing = [(tube((20, 8), (20, 8), (20, 8), (20, 64)), 1, 0.9)]
    crossing += [(tube((20, 64), (20, 64), (20, 64), (20, 8)), 1, 0.9)]
    folder = paths[0].parent
    (folder / "two.json").write_text(json.dumps(annotations_of(objects)))
    write_videos_results(folder / "c.json", {1: [(*OTHER, 0.9)], 2: crossing})
    plain = report_page(folder / "two.json", folder / "c.json")
    clear = report_page(folder / "two.json", folder / "c.json", options=["--clear"])
    assert (opened(plain), opened(clear)) == ("falls", "walks")
    player = clear.root.find(".//div[@class='player'][@data-video='walks']")
    assert player.get("data-frame") == "3", "in which both are switched"


def test_a_pair_opens_a_video_at_the_frame_in_which_the_worse_side_errs(paths):
    """A misses the object in frame 0 alone, B in frame 3 alone and, by its score, finds less."""
    folder = paths[0].parent
    (folder / "cat.json").write_text(json.dumps(annotations_of({"one": [CAT]})))
    a = [(tube(None, (20, 8), (20, 8), (20, 8)), 1, 0.9)]
    b = [(tube((20, 8), (20, 8), None, None), 1, 0.9)]
    for name, tracks in (("late.json", a), ("early.json", b)):
        write_videos_results(folder / name, {1: tracks})
    for first, second in (("late.json", "early.json"), ("early.json", "late.json")):
        page = report_page(folder / "cat.json", folder / first, folder / second)
        player = page.root.find(".//div[@class='player'][@data-video='one']")
        assert player.get("data-frame") in ("2", "3"), "in which only the worse side misses it"


def test_the_legend_has_what_the_players_show_and_nothing_else(one, two):
    for page, is_weak in ((one, True), (two, False)):
        data = [json.loads(own.text) for own in page.root.iterfind(".//script[@class='frames']")]
        instances = [own for player in data for row in player["rows"] for own in row]
        marks = {own["style"] for own in instances if any(own["masks"])}
        marks |= {"switch"} if any(own["switches"] for own in instances) else set()
        assert ("weak" in marks) is is_weak
        shown = set(page.texts(".//ul[@class='legend']/li"))
        for mark, (*_, text) in MARKS.items():
            assert any(entry.endswith(text) for entry in shown) is (mark in marks), mark


def test_a_video_stands_where_its_aps_are_and_its_bar_is_as_high_as_the_change(two):
    dots, rows = two.marks("circle"), two.table("videos")
    for name, (words, _, dot) in dots.items():
        a, b = (float(rows[name][f"AP {side}"].text) for side in "AB")
        assert words.startswith(f"AP {a:.1f} in A, {b:.1f} in B")
        assert (float(dot["cx"]), float(dot["cy"])) == pytest.approx((4 * a, 400 - 4 * b), abs=0.3)
    heights = {}
    for name, (_, _, bar) in two.marks("path").items():
        start, end = re.match(r"M\S+ (\S+?)h.*V(\S+?)h", bar["d"]).groups()
        heights[name] = float(start) - float(end)
    changes = {name: float(rows[name]["AP B - A"].text) for name in heights}
    assert (changes["rises"], changes["walks"]) == (100, -50)
    unit = heights["rises"] / changes["rises"]
    assert heights == pytest.approx({n: unit * change for n, change in changes.items()}, abs=0.3)


def test_a_method_without_a_track_above_the_threshold_is_marked(one, two):
    [care] = two.texts("p[@class='caveat']", two.section("verdict"))
    assert "b has none in 1 of 6 videos" in care
    row = two.table("videos")["hides"]
    assert (row["HOTA B - A"].text, row["HOTA B"].text) == ("-", "no track")
    assert (row["AP B - A"].text, row["HOTA A"].text) == ("0.0", "100.0")
    notes = {name: words for name, (words, *_) in two.marks("path").items() if "no track" in words}
    assert [*notes] == ["hides"]
    assert "no track in B" in notes["hides"]
    assert "HOTA no track" in one.marks("path")["hides"][0]


def timelines(page, video):
    """Of each line of an object's timeline: its words, and the paths that are drawn by class."""
    table = page.videos()[video].find("table[@class='timelines']")
    return [
        (
            text_of(row.find("td[@class='words']")),
            {path.get("class").removeprefix("t-"): path.get("d") for path in row.iter("path")},
        )
        for row in table.iterfind("tbody/tr")
    ]


def test_a_timeline_is_as_high_as_the_iou(two):
    _, (words, drawn), *_ = timelines(two, "walks")
    assert words == ("found in 2 of 4 frames; mean IoU 0.80; over the video not matched, IoU 0.33")
    assert drawn == {
        "found": "M0 20V0h1V8h1V20z",
        "wrong": "",
        "missed": "M2 20V0h1V0h1V20z",
        "near": "M2 20V20h1V20h1V20z",
        "half": "M0 10.0h4",
    }
    first = two.videos()["walks"].find(".//input").get("value")
    assert first == "2", "the frame with the most faults, nearest the middle"


def test_a_timeline_says_what_went_wrong(two):
    (words, drawn) = timelines(two, "crosses")[1]
    assert words.startswith(
        "found in 4 of 4 frames; mean IoU 1.00; wrong class in 2; identity switch at 2"
    )
    assert (drawn["found"], drawn["wrong"]) == ("M0 20V0h1V0h1V20z", "M2 20V0h1V0h1V20z")
    assert drawn["switch"].startswith("M2 0h1")
