"""Levels of FPS: where they begin, by brute force and by simulation; a record against a level."""

import json

import numpy as np
import pytest
from scipy import stats

from history_errors import histories, shares_of_gate, shares_of_history
from history_records import REGION, measured, moves, write
from hostile_calls import call
from vis_bench.show.gate.history import history_of, read_points
from vis_bench.show.gate.levels import leaves_level, level_starts

FPS = f"FPS ({REGION})"


def plain_starts(values):
    """The same rule with SciPy's t test of every cut."""
    logs, first, starts = np.log(values), 0, []
    for end in range(len(logs)):
        level = logs[first : end + 1]
        if len(level) < 6:
            continue
        tests = {cut: stats.ttest_ind(level[:cut], level[cut:]) for cut in range(1, len(level))}
        cut = max(tests, key=lambda cut: abs(tests[cut].statistic))
        moved = abs(level[cut:].mean() - level[:cut].mean())
        significant = tests[cut].pvalue * len(tests) <= 0.005
        if 3 <= cut <= len(level) - 3 and significant and moved > np.log(1.05):
            first += cut
            starts.append(first)
    return starts


@pytest.mark.parametrize("noise", [0.01, 0.03, 0.1])
def test_levels_begin_where_a_plain_t_test_has_them(noise):
    found = []
    for seed in range(20):
        draw = np.random.default_rng(seed)
        steps = draw.choice([0, 0, 0, 0.1, -0.3, 0.4], 30).cumsum()
        values = np.exp(np.repeat(steps, 3)[:40] + noise * draw.normal(size=40)).tolist()
        found.append(level_starts(values, 0.05))
        assert found[-1] == plain_starts(values)
    assert any(found)


def test_one_record_against_a_level_is_a_prediction_interval():
    level = [39.0, 41.0, 40.0, 40.5]
    logs = np.log(level)
    half = stats.t.ppf(0.995, 3) * logs.std(ddof=1) * np.sqrt(1 + 1 / 4)
    for sign in (-1, 1):
        edge = logs.mean() + sign * half
        assert not leaves_level(level, np.exp(edge - sign * 1e-6), 0.01)
        assert leaves_level(level, np.exp(edge + sign * 1e-6), 0.01)
    assert not leaves_level([40.0, 40.0, 40.0], 41.0, 0.05)
    assert leaves_level([40.0, 40.0, 40.0], 43.0, 0.05)


def test_three_slower_records_move_and_fewer_do_not(tmp_path):
    write(tmp_path, *(measured(n, fps=40 + n % 3) for n in range(5)))
    write(tmp_path, *(measured(n, fps=20 + n % 3) for n in (5, 6)))
    assert moves(tmp_path) == {}
    write(tmp_path, measured(7, fps=20.0))
    assert moves(tmp_path) == {FPS: [(5, "worse")]}
    [history] = history_of(read_points(tmp_path)[0])
    [move] = history.moves
    assert (move.finding.baseline_value, move.finding.current_value) == (41.0, 20.0)
    assert (move.finding.baseline, move.finding.current) == ("41.0", "20.0")
    assert move.since is history.points[0]


def test_a_slow_process_in_between_is_no_level(tmp_path):
    write(tmp_path, *(measured(n, fps=40.0 if n % 4 else 25.0) for n in range(12)))
    assert moves(tmp_path) == {}


@pytest.mark.parametrize(("noise", "code"), [(0.15, 0), (0.01, 1)])
def test_check_takes_the_noise_from_the_records_of_the_level(tmp_path, noise, code):
    """12 % less, which the spread inside either record (4 %) explains: of -18 %."""
    fps = (40 * np.exp(noise * np.random.default_rng(1).normal(size=8))).tolist()
    folder = write(tmp_path / "h", *(measured(n, fps=f) for n, f in enumerate(fps)))
    slower = float(np.median(fps)) * 0.88
    current = write(tmp_path / "current", measured(99, fps=slower), place=".")
    found = call("check", "--history", folder, "--current", current, "--json")
    assert found[0] == code
    findings = json.loads(found[1])["findings"]
    assert [(f["figure"], f["verdict"]) for f in findings] == [(FPS, "worse")] * code


def test_how_often_levels_are_right():
    """As docs/gate.md has it, on fewer histories."""
    few = 200
    for noise in (0.03, 0.08, 0.15):
        assert shares_of_history(histories(noise, 1.0, few)).moved <= 0.05
        assert shares_of_gate(noise, 10, 1.0, few).by_level <= 0.05
    for noise, least in ((0.03, 0.95), (0.08, 0.85), (0.15, 0.45)):
        assert shares_of_history(histories(noise, 0.7, few)).right >= least
