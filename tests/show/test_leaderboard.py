"""The leaderboard: sections, order, marks, shared ranks, and rows without a rank."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from record_example import example_record
from vis_bench.metrics.compare import Difference
from vis_bench.record.names import is_ranked
from vis_bench.show.leaderboard import (
    ALONE_FOOTNOTE,
    ALONE_NOTE,
    SHARED_NOTE,
    UNRANKED_NOTE,
    best_cells,
    leaderboard_markdown,
    leaderboard_sections,
    leaderboard_table,
    leaderboard_text,
    shared_ranks,
)

NOISE = Difference(0.5, 0.5, 0.0, -0.1, 0.1, 0.9)
REAL = replace(NOISE, high=-0.01)
UNKNOWN = Difference(0.5, 0.5, 0.0, None, None, None)


def rows(count):
    return [example_record(ap=0.9 - 0.1 * n, config_sha256=str(n) * 64) for n in range(count)]


def differences(table):
    """The paired difference of two rows, by their places."""

    def difference(first, second):
        places = tuple(int(record.config_sha256[0]) for record in (first, second))
        return table[places]

    return difference


def ranked(records, difference=None):
    ranks = shared_ranks(list(filter(is_ranked, records)), difference)
    return leaderboard_table(records, ranks)


def numbers(ranks):
    return [number for number, _ in ranks]


@pytest.mark.parametrize("unknown", [None, UNKNOWN])
def test_what_cannot_be_compared_takes_its_place_by_ap_alone(unknown):
    table = {(0, 1): unknown, (1, 2): NOISE, (1, 3): unknown}
    ranks = shared_ranks(rows(4), differences(table))
    assert numbers(ranks) == [1, 2, 2, 4]
    assert [alone for _, alone in ranks] == [False, True, False, True]


@given(st.data(), st.integers(0, 7))
def test_every_rank_is_its_first_rows_place_and_holds_what_is_noise_to_it(data, count):
    pairs = [(i, j) for j in range(count) for i in range(j)]
    kinds = st.sampled_from([NOISE, REAL, None])
    table = {pair: data.draw(kinds) for pair in pairs}
    ranks = numbers(shared_ranks(rows(count), differences(table)))
    assert all(one <= two for one, two in pairwise(ranks))
    for place, rank in enumerate(ranks):
        if rank <= place:
            assert table[rank - 1, place] is NOISE
            assert ranks[rank - 1] == rank
        else:
            assert rank == place + 1
            if place:
                assert table[ranks[place - 1] - 1, place] is not NOISE


@pytest.mark.parametrize(
    ("low", "high", "is_noise"),
    [(-0.1, 0.1, True), (0.0, 0.1, True), (-0.1, 0.0, True), (0.01, 0.1, False),
     (-0.1, -0.01, False), (1e-15, 0.1, True), (None, None, None)],
)  # fmt: skip
def test_noise_is_an_interval_that_holds_0(low, high, is_noise):
    assert Difference(0.5, 0.5, 0.0, low, high, None).is_noise is is_noise


def test_the_leaderboard_shows_shared_ranks_and_says_what_they_mean():
    compared = differences({(0, 1): NOISE, (0, 2): REAL})
    records = rows(3)
    assert [row[0].text for row in ranked(records, compared).rows] == ["1", "1", "3"]
    for text in (
        leaderboard_markdown(records, difference=compared),
        leaderboard_text(records, "html", compared),
    ):
        assert SHARED_NOTE in text
        assert ALONE_NOTE not in text
        assert ALONE_FOOTNOTE not in text


def test_without_any_predictions_a_note_says_that_ranks_go_by_ap_alone():
    records = rows(3)
    grid = ranked(records)
    assert [(row[0].text, row[0].notes) for row in grid.rows] == [("1", ()), ("2", ()), ("3", ())]
    text = leaderboard_markdown(records)
    assert ALONE_NOTE in text
    assert SHARED_NOTE not in text
    assert ALONE_NOTE not in leaderboard_markdown(records[:1])


def test_a_row_without_predictions_among_others_is_marked():
    compared = differences({(0, 1): NOISE, (0, 2): None})
    text = leaderboard_markdown(rows(3), difference=compared)
    assert "3 [a] |" in text
    assert ALONE_FOOTNOTE in text
    assert SHARED_NOTE in text
    header, *lines = leaderboard_text(rows(3), "csv", compared).splitlines()
    assert header.endswith(",Notes")
    assert [ALONE_FOOTNOTE in line for line in lines] == [False, False, True]


def test_rows_that_take_no_rank_are_compared_with_none():
    records = [*rows(2), example_record(ap=0.8, reconstruction=True, config_sha256="7" * 64)]
    grid = ranked(records, differences({(0, 1): NOISE}))
    assert [row[0].text for row in grid.rows] == ["1", "1", "-"]


def test_a_section_without_predictions_is_marked_row_by_row_on_a_page_with_others():
    """Formats with one page for all sections do not say of all what is true of one."""
    known = rows(2)
    unknown = [record.model_copy(update={"num_videos": 3}) for record in known]

    def difference(first, second):
        return NOISE if first.num_videos == 24 else None

    text = leaderboard_text([*known, *unknown], "html", difference)
    assert ALONE_NOTE not in text
    assert "2<sup>a</sup>" in text
    assert SHARED_NOTE in text
    apart = leaderboard_markdown([*known, *unknown], difference=difference)
    assert apart.count(ALONE_NOTE) == apart.count(SHARED_NOTE) == 1
    assert ALONE_FOOTNOTE not in apart


def test_sections_are_data_set_split_videos_and_annotations():
    records = [
        example_record(),
        example_record(dataset="ytvis2019", split="heldout"),
        example_record(dataset="ytvis2019", split="val"),
        example_record(num_videos=None),
        example_record(num_videos=1),
        example_record(ap=None),
    ]
    assert [(title, len(rows)) for title, rows in leaderboard_sections(records)] == [
        ("synthetic set val (unknown number of videos)", 1),
        ("synthetic set val (1 video)", 1),
        ("synthetic set val (24 videos)", 1),
        ("YouTube-VIS 2019 heldout (24 videos)", 1),
        ("YouTube-VIS 2019 val (24 videos)", 1),
    ]
    records = [example_record(annotations_sha256=letter * 64) for letter in "ab"]
    assert [title for title, _ in leaderboard_sections(records)] == [
        f"synthetic set val (24 videos), annotations {letter * 8}" for letter in "ab"
    ]


@pytest.mark.parametrize(
    ("reservation", "mark"),
    [
        ({"reconstruction": True}, "(reconstruction)"),
        ({"weights_source": "random"}, "(random weights)"),
        ({"git_dirty": True}, "(uncommitted changes)"),
        ({"contaminated": True}, "(trained on these videos)"),
        ({"limited": True}, "(limited to 24 videos)"),
    ],
)
def test_reservations_keep_out_of_the_ranking_however_good(reservation, mark):
    records = [
        example_record(ap=0.9, **reservation),
        example_record(ap=0.3),
        example_record(ap=0.4),
    ]
    ((_, rows),) = leaderboard_sections(records)
    grid = leaderboard_table(rows)
    place = [column.title for column in grid.columns].index("AP")
    cells = [(row[0].text, row[place].text, row[place].mark) for row in grid.rows]
    assert cells == [("-", "90.0", None), ("1", "40.0", "best"), ("2", "30.0", "second")]
    text = leaderboard_markdown(records)
    assert UNRANKED_NOTE in text
    assert mark in text


def test_every_promised_column_is_there():
    ((_, rows),) = leaderboard_sections([example_record(fps=20.0, gflops_per_frame=90.0)])
    titles = [column.title for column in leaderboard_table(rows).columns]
    for title in ("AP", "AP50", "AP75", "AR1", "AR10", "HOTA", "AssA", "FPS", "Device",
                  "GFLOPs/frame", "Params (M)", "Date", "Source"):  # fmt: skip
        assert title in titles


def test_speed_is_ranked_on_one_device_only_and_less_cost_is_better():
    def fps_marks(devices):
        records = [
            example_record(ap=ap, fps=fps, gflops_per_frame=fps, device=device)
            for ap, fps, device in zip((0.6, 0.5), (10.0, 20.0), devices, strict=True)
        ]
        grid = leaderboard_table(records)
        titles = [column.title for column in grid.columns]
        places = titles.index("FPS"), titles.index("GFLOPs/frame")
        return [[row[place].mark for row in grid.rows] for place in places]

    assert fps_marks(("a", "a")) == [["second", "best"], ["best", "second"]]
    assert fps_marks(("a", "b")) == [[None, None], ["best", "second"]]


def test_the_order_of_the_records_makes_no_difference():
    records = [example_record(ap=0.1 * n, config_sha256=str(n) * 64) for n in range(1, 6)]
    records += [example_record(ap=0.3, config_sha256="9" * 64)]
    assert leaderboard_markdown(records) == leaderboard_markdown(records[::-1])


def test_without_an_ap_it_says_so():
    assert "No record holds an AP" in leaderboard_markdown([example_record(ap=None)])


def test_the_best_cell_of_each_method_backbone_and_section():
    records = [
        example_record(ap=0.3), example_record(ap=0.4, clip_length=10),
        example_record(ap=0.2, backbone="r101"),
        example_record(ap=0.1, dataset="ytvis2019"),
        example_record(ap=0.05, external=True),
        example_record(ap=None, method="seqformer"),
        example_record(ap=0.9, training="encoder afresh"),
        example_record(ap=0.8, git_dirty=True),
    ]  # fmt: skip
    assert [record.ap for record in best_cells(records)] == [0.4, 0.2, 0.05, 0.1]
    assert best_cells(records[::-1]) == best_cells(records)


def test_a_method_without_a_ranked_cell_shows_its_best():
    records = [example_record(ap=ap, reconstruction=True) for ap in (0.2, 0.6)]
    assert [record.ap for record in best_cells(records)] == [0.6]
    assert "IFC (reconstruction)" in leaderboard_markdown(best_cells(records))


def test_speed_of_unknown_spread_is_marked():
    known = example_record(fps=20.0, speed_spread=0.02)
    unknown = example_record(fps=10.0, speed_spread=None, method="seqformer")
    assert "20.0 [?]" not in leaderboard_markdown([known, unknown])
    assert "10.0</ins> [?]" in leaderboard_markdown([known, unknown])
    assert "- [?] spread unknown" in leaderboard_markdown([unknown])
    assert "spread unknown" not in leaderboard_markdown([known])


def test_a_record_of_an_installed_package_is_ranked_by_its_version():
    """It has no commit, so that nobody knows whether its tree was clean."""
    installed = example_record(git_commit=None, git_dirty=None, vis_bench_version="0.1.0")
    assert is_ranked(installed)
    assert "source v0.1.0" in leaderboard_markdown([installed])
    nameless = installed.model_copy(update={"vis_bench_version": None})
    assert not is_ranked(nameless)
