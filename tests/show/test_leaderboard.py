"""The leaderboard: sections, order, marks, ranks as intervals, and rows without a rank."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from record_example import example_record
from vis_bench.metrics.scores import SIZE, Difference, adjusted
from vis_bench.record.names import is_ranked, tie_break
from vis_bench.show.leaderboard import (
    NO_RANK_NOTE,
    RANKS_NOTE,
    UNRANKED_NOTE,
    best_cells,
    choice_texts,
    choices,
    leaderboard_pages,
    leaderboard_sections,
    leaderboard_table,
    leaderboard_text,
    rank_intervals,
    ranks_of,
)


def moved(difference, p_value):
    return Difference(0.5, 0.5 + difference, difference, -0.1, 0.1, p_value, 0.05)


NOISE, REAL = moved(-0.1, 0.5), moved(-0.1, 0.001)
SELF = Difference(0.5, 0.5, 0.0, None, None, None)


def rows(count):
    return [example_record(ap=0.9 - 0.1 * n, config_sha256=str(n) * 64) for n in range(count)]


def differences(table, unknown=()):
    """The paired difference of two rows, by their places."""

    def difference(first, second):
        places = tuple(int(record.config_sha256[0]) for record in (first, second))
        if any(place in unknown for place in places):
            return None
        return SELF if places[0] == places[1] else table[places]

    return difference


def ranked(records, difference=None):
    return leaderboard_table(records, ranks_of(list(filter(is_ranked, records)), difference))


def test_ranks_of_four_rows_by_hand():
    """0 beats 2 and 3, 1 beats 3, and nothing else is significant."""
    pairs = dict.fromkeys(combinations(range(4), 2), NOISE)
    pairs |= dict.fromkeys([(0, 2), (0, 3), (1, 3)], REAL)
    assert rank_intervals(4, pairs) == [(1, 2), (1, 3), (2, 4), (3, 4)]


def test_ranks_do_not_depend_on_the_order_of_the_rows():
    assert rank_intervals(2, {(0, 1): moved(0.1, 0.001)}) == [(2, 2), (1, 1)]
    assert rank_intervals(2, {(0, 1): moved(-0.1, 0.001)}) == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("p_values", "significant"),
    [([0.016, 0.02, 0.04], 3), ([0.017, 0.02, 0.04], 0), ([0.016, 0.026, 0.04], 1),
     ([0.016, 0.02, 0.06], 2), ([0.02, None, None], 0), ([0.016, None, None], 1)],
)  # fmt: skip
def test_holm_over_all_pairs(p_values, significant):
    """Bounds 0.05 / 3, 0.05 / 2 and 0.05; a pair that does not vary counts as one."""
    pairs = {p: moved(-0.1, x) for p, x in zip([(0, 1), (0, 2), (1, 2)], p_values, strict=True)}
    lost = sum(3 - worst for _, worst in rank_intervals(3, pairs))
    assert lost == significant


@given(st.data(), st.integers(0, 7))
def test_a_rank_holds_the_place_that_significant_differences_leave(data, count):
    kinds = st.sampled_from([NOISE, moved(-0.1, 1e-6), moved(0.1, 1e-6)])
    pairs = {pair: data.draw(kinds) for pair in combinations(range(count), 2)}
    ranks = rank_intervals(count, pairs)
    assert sum(best - 1 for best, _ in ranks) == sum(count - worst for _, worst in ranks)
    assert all(1 <= best <= worst <= count for best, worst in ranks)


@pytest.mark.parametrize(
    ("low", "high", "is_noise"),
    [(-0.1, 0.1, True), (0.0, 0.1, True), (-0.1, 0.0, True), (0.01, 0.1, False),
     (-0.1, -0.01, False), (1e-15, 0.1, True), (None, None, None)],
)  # fmt: skip
def test_noise_is_an_interval_that_holds_0(low, high, is_noise):
    assert Difference(0.5, 0.5, 0.0, low, high, None).is_noise is is_noise


def test_the_leaderboard_shows_ranks_and_says_what_they_mean():
    compared = differences({(0, 1): NOISE, (0, 2): REAL, (1, 2): REAL})
    records = rows(3)
    ranks = [row[0].text for row in ranked(records, compared).rows]
    assert ranks == ["1 to 2", "1 to 2", "3"]
    for text in (
        leaderboard_text(records, difference=compared),
        leaderboard_text(records, "html", compared),
    ):
        assert RANKS_NOTE in text
        assert NO_RANK_NOTE not in text
        assert "underlined" not in text
    of_four = differences({(a, b): REAL for a in range(4) for b in range(a + 1, 4)})
    assert "underlined" in leaderboard_text(rows(4), difference=of_four)


def test_the_finding_is_that_of_the_ranks():
    records = [
        example_record(ap=0.6, ap_low=0.55, ap_high=0.65, config_sha256="0" * 64),
        example_record(ap=0.5, method="seqformer", config_sha256="1" * 64),
    ]

    def found(p_value, ap=0.6):
        gap = Difference(ap, 0.5, 0.5 - ap, -0.16, -0.04, p_value, 0.03)
        compared = differences({(0, 1): gap})
        changed = [records[0].model_copy(update={"ap": ap}), records[1]]
        (page,) = leaderboard_pages(changed, compared)
        assert page.findings[0] in leaderboard_text(changed, "html", compared)
        return page.findings

    lead = "60.0 AP (95 %: 55.0 to 65.0), 10.0 ahead of SeqFormer (4.0 to 16.0)"
    assert found(0.001) == (f"IFC leads with {lead}.",)
    assert "IFC leads with 70.0 AP" in found(0.001, 0.7)[0]
    assert "20.0 ahead of" in found(0.001, 0.7)[0]
    assert found(0.5)[0].startswith(f"No method leads: IFC has {lead}")
    (page,) = leaderboard_pages(records)
    assert page.findings == ("IFC has the highest AP: 60.0 (95 %: 55.0 to 65.0).",)
    (page,) = leaderboard_pages([example_record(reconstruction=True)])
    assert page.findings == ()


def test_without_any_predictions_there_are_no_ranks():
    records = rows(3)
    assert [row[0].text for row in ranked(records).rows] == ["-", "-", "-"]
    text = leaderboard_text(records)
    assert NO_RANK_NOTE in text
    assert RANKS_NOTE not in text


def test_results_of_other_code_without_a_rank_are_named_with_the_cure():
    mine = example_record(ap=0.8, method="mine", external=True, config_sha256="7" * 64)
    text = leaderboard_text([*rows(2), mine])
    [cure] = [line for line in text.splitlines() if "--annotations" in line]
    assert "mine" in cure
    assert "--annotations" not in leaderboard_text(rows(2))


def test_a_row_without_predictions_has_no_rank_among_others():
    compared = differences({(0, 2): REAL}, unknown=[1])
    assert [row[0].text for row in ranked(rows(3), compared).rows] == ["1", "-", "2"]
    text = leaderboard_text(rows(3), difference=compared)
    assert NO_RANK_NOTE in text
    assert RANKS_NOTE in text


def test_rows_that_take_no_rank_are_compared_with_none():
    records = [*rows(2), example_record(ap=0.8, reconstruction=True, config_sha256="7" * 64)]
    grid = ranked(records, differences({(0, 1): NOISE}))
    assert [row[0].text for row in grid.rows] == ["1 to 2", "1 to 2", "-"]


def test_notes_stand_below_the_sections_that_they_are_about():
    known = rows(2)
    unknown = [record.model_copy(update={"num_videos": 3}) for record in known]

    def difference(first, second):
        return NOISE if first.num_videos == 24 else None

    apart = leaderboard_text([*known, *unknown], difference=difference)
    assert apart.count(NO_RANK_NOTE) == apart.count(RANKS_NOTE) == 1


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
    grid = leaderboard_table(rows, [(1, 1), (2, 2)])
    place = [column.title for column in grid.columns].index("AP")
    cells = [(row[0].text, row[place].text, row[place].mark) for row in grid.rows]
    assert cells == [("-", "90.0", None), ("1", "40.0", "best"), ("2", "30.0", None)]
    text = leaderboard_text(records)
    assert UNRANKED_NOTE in text
    assert mark in text


def test_many_tests_are_corrected_by_holm():
    """Of 0.01, 0.02, 0.03 and 0.04 the second misses 0.05 / 3; nine times 0.05 reject nothing."""

    def rejected(p_values):
        return {test for test, p in adjusted(p_values).items() if p is not None and p <= SIZE}

    assert rejected({"d": 0.04, "b": 0.02, "a": 0.01, "c": 0.03}) == {"a"}
    assert rejected({"d": 0.05, "b": 0.016, "a": 0.0125, "c": 0.025}) == {*"abcd"}
    assert rejected(dict.fromkeys(range(9), 0.05) | {"none": None}) == set()
    assert adjusted({}) == {}


def test_every_promised_column_is_there():
    ((_, rows),) = leaderboard_sections([example_record(fps=20.0, gflops_per_frame=90.0)])
    titles = [column.title for column in leaderboard_table(rows).columns]
    for title in (
        "AP",
        "AP50",
        "AP75",
        "AR1",
        "AR10",
        "HOTA",
        "AssA",
        "FPS",
        "Device",
        "GMACs/frame",
        "Params (M)",
        "Date",
        "Source",
    ):
        assert title in titles


def test_no_cost_is_marked_as_the_best():
    """The cheapest row is one that finds nothing."""
    records = [
        example_record(ap=ap, fps=fps, gflops_per_frame=1 / fps)
        for ap, fps in ((0.6, 10.0), (0.5, 20.0))
    ]
    grid = leaderboard_table(records)
    marks = {c.title: [row[n].mark for row in grid.rows] for n, c in enumerate(grid.columns)}
    assert marks["AP"] == ["best", None]
    assert marks["FPS"] == marks["GMACs/frame"] == [None, None]


def test_the_order_of_the_records_makes_no_difference():
    records = [example_record(ap=0.1 * n, config_sha256=str(n) * 64) for n in range(1, 6)]
    records += [example_record(ap=0.3, config_sha256="9" * 64)]
    assert leaderboard_text(records) == leaderboard_text(records[::-1])


def test_without_an_ap_it_says_so():
    assert "No record holds an AP" in leaderboard_text([example_record(ap=None)])


def test_the_best_cell_of_each_method_backbone_and_section():
    records = [
        example_record(ap=0.3),
        example_record(ap=0.4, clip_length=10),
        example_record(ap=0.2, backbone="r101"),
        example_record(ap=0.1, dataset="ytvis2019"),
        example_record(ap=0.05, external=True),
        example_record(ap=None, method="seqformer"),
        example_record(ap=0.9, training="encoder afresh"),
        example_record(ap=0.8, git_dirty=True),
    ]
    assert [record.ap for record in best_cells(records)] == [0.4, 0.2, 0.05, 0.1]
    assert best_cells(records[::-1]) == best_cells(records)


@pytest.mark.parametrize(
    "copies", [[], [example_record(ap=0.3)], [example_record(ap=0.4, clip_length=10)] * 2]
)
def test_a_row_chosen_from_several_cells_says_from_how_many(copies):
    records = [
        example_record(ap=0.3),
        example_record(ap=0.4, clip_length=10),
        example_record(ap=0.9, clip_length=20, git_dirty=True),
        example_record(ap=0.2, backbone="r101"),
        example_record(ap=0.1, method="seqformer"),
        example_record(ap=0.05, method="seqformer", resolution=480),
        example_record(ap=0.9, clip_length="whole", training="encoder afresh"),
        *copies,
    ]
    best = best_cells(records)
    chosen = choices(records)
    texts = [chosen.get(tie_break(record), "") for record in best]
    assert [text.partition(",")[0] for text in texts] == [
        "best of 2 clip lengths",
        "",
        "best of 2 settings",
    ]
    assert choice_texts(best, chosen) == [f"IFC: {texts[0]}", f"SeqFormer: {texts[2]}"]
    same = dict.fromkeys(chosen, texts[0])
    assert choice_texts(best, same) == [f"IFC and SeqFormer: {texts[0]}"]
    for form in ("markdown", "html", "latex"):
        text = leaderboard_text(best, form, chosen=chosen)
        assert text.count(f"IFC: {texts[0]}.") == 1
        assert text.count("best of 2") == 2


def test_copies_of_one_record_are_no_settings():
    for number in (2, 3):
        (text,) = choices([example_record(ap=0.3)] * number).values()
        assert text.startswith(f"{number} copies")


def test_a_method_without_a_ranked_cell_shows_its_best():
    records = [example_record(ap=ap, reconstruction=True) for ap in (0.2, 0.6)]
    assert [record.ap for record in best_cells(records)] == [0.6]
    assert "IFC (reconstruction)" in leaderboard_text(best_cells(records))


def test_speed_of_unknown_spread_is_marked():
    known = example_record(fps=20.0, speed_spread=0.02)
    unknown = example_record(fps=10.0, speed_spread=None, method="seqformer")
    assert "20.0 [?]" not in leaderboard_text([known, unknown])
    assert "10.0 [?]" in leaderboard_text([known, unknown])
    assert "- [?] spread unknown" in leaderboard_text([unknown])
    assert "spread unknown" not in leaderboard_text([known])


def test_a_record_of_an_installed_package_is_ranked_by_its_version():
    """It has no commit, so that nobody knows whether its tree was clean."""
    installed = example_record(git_commit=None, git_dirty=None, vis_bench_version="0.1.0")
    assert is_ranked(installed)
    assert "source v0.1.0" in leaderboard_text([installed])
    nameless = installed.model_copy(update={"vis_bench_version": None})
    assert not is_ranked(nameless)
