"""Figures over commits: moves by brute force, and the order of records."""

import random

import pytest

from history_records import REGION, measured, moves, sha, write
from record_example import example_record
from vis_bench.show.gate.differences import comparable_figures
from vis_bench.show.gate.history import history_of, read_points


def where(folder, figure="ap"):
    return [number for number, _ in moves(folder).get(figure, [])]


def expected_moves(values, has_moved):
    """Places of values that moved against the last one that did, the first one else."""
    level, places = None, []
    for place, value in enumerate(values):
        if value is None:
            continue
        if level is not None and has_moved(level, value):
            places.append(place)
            level = value
        level = value if level is None else level
    return places


@pytest.mark.parametrize("seed", range(4))
def test_moves_are_those_of_a_plain_loop(tmp_path, seed):
    """Random walks with steps, drift, and values that are missing now and then."""
    draw = random.Random(seed)
    aps, params = [0.5], [10**6]
    for _ in range(60):
        aps.append(min(max(aps[-1] + draw.choice([0, 0, 0.0003, -0.0004, 0.004, -0.01]), 0), 1))
        params.append(params[-1] + draw.choice([0] * 9 + [1]))
    shown = [ap if draw.random() > 0.1 or not n else None for n, ap in enumerate(aps)]
    records = [
        measured(n, ap=ap, num_params=count)
        for n, (ap, count) in enumerate(zip(shown, params, strict=True))
    ]
    draw.shuffle(records)
    write(tmp_path, *records)
    found = moves(tmp_path)
    ap_moves = [n for n, verdict in found["ap"] if verdict != "missing"]
    assert ap_moves == expected_moves(shown, lambda a, b: abs(100 * (b - a)) > 0.1 + 1e-9)
    lost = [n for n, ap in enumerate(shown) if ap is None and shown[n - 1] is not None]
    assert [n for n, verdict in found["ap"] if verdict == "missing"] == lost
    assert where(tmp_path, "num_params") == expected_moves(params, int.__ne__)
    assert {v for n, v in found["ap"] if n in ap_moves} <= {"better", "worse"}


def test_equal_reruns_do_not_move_however_wide_the_interval(tmp_path):
    write(tmp_path, *(measured(n, ap_low=0.1 + 0.01 * n) for n in range(5)))
    assert moves(tmp_path) == {}


def test_slow_drift_moves_where_it_leaves_the_level(tmp_path):
    """By 0.04 points a commit, of which no step is beyond 0.1."""
    write(tmp_path, *(measured(n, ap=0.5 - 0.0004 * n) for n in range(7)))
    [history] = history_of(read_points(tmp_path)[0])
    assert where(tmp_path) == [3, 6]
    assert [move.since.commit for move in history.moves] == [sha(0), sha(3)]
    assert [move.finding.baseline for move in history.moves] == ["50.00", "49.88"]
    assert moves(tmp_path, tolerance=0.25) == {}


def test_the_tolerance_itself_is_no_move(tmp_path):
    write(tmp_path, measured(0), measured(1, ap=0.501), measured(2, ap=0.499))
    assert moves(tmp_path) == {}


def test_speed_is_compared_on_one_machine_and_accuracy_on_any(tmp_path):
    other = {"device": "another CPU", "fps": 10.0, "peak_memory_bytes": 2**28}
    write(tmp_path, *(measured(n, **(other if n % 2 else {})) for n in range(6)))
    assert moves(tmp_path) == {}
    write(tmp_path, *(measured(n, **{**other, "fps": 5.0}) for n in (6, 8, 10)))
    write(tmp_path, *(measured(n, fps=20.0) for n in (7, 9, 11)))
    assert where(tmp_path, f"FPS ({REGION})") == [6, 7]
    write(tmp_path, measured(12, device="a third CPU", ap=0.3))
    assert where(tmp_path) == [12]


@pytest.mark.parametrize("change", [{"num_threads": 8}, {"kernel_build": "x"}])
def test_threads_and_kernels_make_another_machine(tmp_path, change):
    write(tmp_path, *(measured(n) for n in range(3)))
    for start, fps in ((3, 10.0), (6, 5.0)):
        write(tmp_path, *(measured(n, fps=fps, **change) for n in range(start, start + 3)))
    assert where(tmp_path, f"FPS ({REGION})") == [6]
    [history] = history_of(read_points(tmp_path)[0])
    assert len(set(history.machines.values())) == 2


def test_a_machine_that_returns_names_no_move_that_another_one_has_shown(tmp_path):
    other = {"device": "another CPU"}
    write(tmp_path, measured(0), measured(1, **other), measured(2, ap=0.4, **other))
    write(tmp_path, measured(3, ap=0.4), measured(4, ap=0.4), measured(5, ap=0.45))
    assert where(tmp_path) == [2, 5]
    write(tmp_path, measured(6, ap=0.3, **other))
    assert where(tmp_path) == [2, 5, 6], "another value than the other machine's"


def test_a_move_that_was_named_before_the_level_began_hides_no_other(tmp_path):
    other = {"device": "another CPU"}
    write(tmp_path, measured(0), measured(1, ap=0.4, **other), measured(2))
    write(tmp_path, measured(3, **other))
    assert where(tmp_path) == [1, 3]


def test_a_machine_that_measures_less_has_lost_nothing(tmp_path):
    less = {"device": "another CPU", "fps": None, "peak_memory_bytes": None, "ap": None}
    write(tmp_path, measured(0), measured(1, **less), measured(2, **less), measured(3))
    assert moves(tmp_path) == {}


def test_machines_whose_ap_differs_for_good_are_named_once(tmp_path):
    records = [measured(n, ap=0.5 if n % 2 else 0.52, device=f"GPU {n % 2}") for n in range(8)]
    write(tmp_path, *records)
    assert where(tmp_path) == [1]


@pytest.mark.parametrize("first", [{"load_average": 9.0}, {"speed_spread": None}])
def test_fps_of_unknown_noise_belongs_to_no_level(tmp_path, first):
    write(tmp_path, *(measured(n, fps=5.0, **first) for n in (0, 4, 5, 6)))
    write(tmp_path, *(measured(n) for n in (1, 2, 3)))
    assert where(tmp_path, f"FPS ({REGION})") == []
    write(tmp_path, *(measured(n, fps=20.0) for n in (7, 8, 9)))
    assert where(tmp_path, f"FPS ({REGION})") == [7]


def test_a_figure_that_is_lost_is_named_once_and_returns_to_its_level(tmp_path):
    none = {"fps": None, "peak_memory_bytes": None}
    write(tmp_path, *(measured(n, **(none if n in (1, 2) else {})) for n in range(5)))
    write(tmp_path, *(measured(n, fps=20.0) for n in (5, 6, 7)))
    assert moves(tmp_path) == {
        f"FPS ({REGION})": [(1, "missing"), (5, "worse")],
        f"peak memory ({REGION})": [(1, "missing")],
    }


def test_a_figure_that_is_measured_later_begins_its_level_there(tmp_path):
    none = {"ap": None, "gflops_per_frame": None}
    write(tmp_path, measured(0, **none), measured(1), measured(2, ap=0.4), measured(3, ap=0.4))
    assert moves(tmp_path) == {"ap": [(2, "worse")]}


def test_other_videos_begin_new_levels(tmp_path):
    few = {"num_videos": 6, "ap": 0.7}
    write(tmp_path, measured(0), measured(1, **few), measured(2, **few), measured(3, ap=0.3))
    assert moves(tmp_path) == {"num_videos": [(1, "changed")], "ap": [(3, "worse")]}


def test_another_rule_of_counting_begins_new_levels(tmp_path):
    by = {"flop_convention": "2 x mac", "gflops_per_frame": 182.5}
    write(tmp_path, measured(0, flop_convention="mac"), measured(1, **by), measured(2, **by))
    assert moves(tmp_path) == {
        "flop_convention": [(1, "changed")],
        "gflops_per_frame": [(1, "changed")],
    }


def test_cells_have_histories_of_their_own(tmp_path):
    write(tmp_path, measured(0), measured(1), measured(0, method="vistr", ap=0.2))
    write(tmp_path, measured(1, method="vistr", ap=0.1))
    histories = history_of(read_points(tmp_path)[0])
    assert [(len(h.points), len(h.moves)) for h in histories] == [(2, 0), (2, 1)]
    assert [h.name.split(",")[0] for h in histories] == ["IFC", "VisTR"]


def test_figures_that_can_be_compared():
    assert {"ap", "num_params", f"FPS ({REGION})", f"peak memory ({REGION})"} <= (
        comparable_figures(measured(0))
    )
    assert f"FPS ({REGION})" not in comparable_figures(measured(0, load_average=9.0))
    assert f"FPS ({REGION})" not in comparable_figures(measured(0, speed_spread=None))
    assert comparable_figures(example_record(ap=None, num_params=None)).isdisjoint(
        {"ap", "num_params"}
    )


def test_the_order_is_that_of_measurement_then_of_commits(tmp_path):
    one_time = {"created_at": "2026-03-01T00:00:00+00:00"}
    write(tmp_path, measured(5, **one_time), measured(4, **one_time), measured(1), measured(0))
    write(tmp_path, measured(7, created_at="not a time"), measured(8, created_at=None))
    points, _ = read_points(tmp_path)
    unknown, tied = sorted(map(sha, (7, 8))), sorted(map(sha, (4, 5)))
    assert [point.commit for point in points] == [*unknown, sha(0), sha(1), *tied]
    assert [point.date for point in points[:3]] == [None, None, "2026-01-01 00:00"]


@pytest.mark.parametrize(
    ("place", "changes", "label"),
    [
        (".", {}, sha(0)[:8]),
        (".", {"git_dirty": True}, f"{sha(0)[:8]} (dirty)"),
        ("fedcba9876/records", {"git_dirty": True}, "fedcba98"),
        (sha(0), {"git_dirty": True}, f"{sha(0)[:8]} (dirty)"),
        ("20260102", {}, sha(0)[:8]),
        ("20260102", {"git_commit": None}, "20260102"),
        (".", {"git_commit": None}, "-"),
        ("x", {"method_source": {"git_commit": "ab" * 20}}, "abababab"),
        ("x", {"method_source": {"git_commit": f"{'ab' * 20}-dirty"}}, "abababab (dirty)"),
        ("x", {"method_source": {"git_commit": "ab" * 20}, "git_dirty": True}, "abababab"),
        ("x", {"method_source": {"distribution": "mine", "version": "1.2"}}, "mine 1.2"),
        ("x", {"method_source": {"sha256": "cd" * 32}}, "sources cdcdcdcd"),
    ],
)
def test_the_commit_is_the_folders_or_the_records(tmp_path, place, changes, label):
    write(tmp_path, measured(0, **changes), place=place)
    [point] = read_points(tmp_path)[0]
    assert point.label == label


def test_a_move_is_attributed_to_the_commit_of_the_plug_in(tmp_path):
    """Both records are of one commit of this project."""
    one, two = ({"method_source": {"git_commit": word * 20}} for word in ("ab", "cd"))
    at = {"git_commit": sha(0)}
    write(tmp_path, measured(0, ap=0.6, **at, **one), measured(1, ap=0.1, **at, **two), place="x")
    [history] = history_of(read_points(tmp_path)[0])
    [move] = [move for move in history.moves if move.finding.figure == "ap"]
    assert (move.since.label, move.at.label) == ("abababab", "cdcdcdcd")


# The command
