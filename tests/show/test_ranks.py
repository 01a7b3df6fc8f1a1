"""Shared ranks: rows within noise of the first of a rank share it, and chains do not."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from record_example import example_record
from vis_bench.metrics.compare import Difference
from vis_bench.records.ranking import is_ranked
from vis_bench.show.leaderboard import (
    ALONE_FOOTNOTE,
    ALONE_NOTE,
    SHARED_NOTE,
    leaderboard_markdown,
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
    known = [replace_videos(record, 24) for record in rows(2)]
    unknown = [replace_videos(record, 3) for record in rows(2)]

    def difference(first, second):
        return NOISE if first.num_videos == 24 else None

    text = leaderboard_text([*known, *unknown], "html", difference)
    assert ALONE_NOTE not in text
    assert "2<sup>a</sup>" in text
    assert SHARED_NOTE in text
    apart = leaderboard_markdown([*known, *unknown], difference=difference)
    assert apart.count(ALONE_NOTE) == apart.count(SHARED_NOTE) == 1
    assert ALONE_FOOTNOTE not in apart


def replace_videos(record, count):
    return record.model_copy(update={"num_videos": count})
