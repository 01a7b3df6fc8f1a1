"""`check --history`: the last record of the same cell and machine in place of a baseline."""

import json
import random

import pytest

from history_records import REGION, measured, moves, sha, write
from hostile_calls import call


def check(history, current, *options):
    return call("check", "--history", history, "--current", current, *options)


@pytest.fixture
def current(tmp_path):
    """Writes records of the commit 99 as the current ones."""

    def write_current(*changes):
        folder = tmp_path / "current"
        return write(folder, *(measured(99, **own) for own in changes or ({},)), place=".")

    return write_current


def test_the_last_record_is_what_counts(tmp_path, current):
    folder = write(tmp_path / "history", measured(0, ap=0.6), measured(1))
    code, out, _ = check(folder, current({}))
    assert (code, out.splitlines()[0]) == (0, "passed")
    assert sha(1)[:8] in out
    write(folder, measured(2, ap=0.51))
    code, out, _ = check(folder, tmp_path / "current")
    assert code == 1
    assert "-1.0 points" in out
    assert "--update" not in out


def test_the_machines_own_record_is_compared_with_however_old(tmp_path, current):
    other = {"device": "another CPU", "fps": 100.0, "ap": 0.6}
    folder = write(tmp_path / "history", measured(0, fps=20.0), measured(1, **other))
    _, out, _ = check(folder, current({}), "--json")
    [finding] = json.loads(out)["findings"]
    assert (finding["figure"], finding["verdict"]) == (f"FPS ({REGION})", "better")
    write(folder, measured(2, num_threads=8, fps=90.0))
    assert json.loads(check(folder, tmp_path / "current", "--json")[1])["findings"] == [finding]


def test_a_new_machine_is_compared_but_for_speed(tmp_path, current):
    folder = write(tmp_path / "history", measured(0, device="x", fps=9.0), measured(1, device="y"))
    here = current({"fps": 1.0})
    assert check(folder, here)[0] == 0
    assert check(folder, here, "--require-speed")[0] == 1
    write(folder, measured(2, device="z", ap=0.7))
    code, out, _ = check(folder, here, "--json")
    assert {f["figure"]: f["verdict"] for f in json.loads(out)["findings"]} == {
        "ap": "worse",
        "FPS and memory": "not compared",
    }
    assert code == 1


def test_the_same_videos_are_preferred(tmp_path, current):
    folder = write(tmp_path / "history", measured(0), measured(1, num_videos=6, ap=0.9))
    assert check(folder, current({}))[0] == 0


def test_an_empty_history_passes_and_says_so(tmp_path, current):
    (tmp_path / "history").mkdir()
    code, out, _ = check(tmp_path / "history", current({}))
    assert (code, out.splitlines()[0]) == (0, "passed, but no cell was compared")
    assert check(tmp_path / "history", tmp_path / "current", "--require-speed")[0] == 1
    code, out, err = check(tmp_path / "none", tmp_path / "current")
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_cell_of_the_last_commit_that_is_gone_fails(tmp_path, current):
    second = {"method": "vistr"}
    folder = write(tmp_path / "history", measured(0), measured(0, **second))
    here = current({})
    code, out, _ = check(folder, here, "--json")
    assert code == 1
    assert [f["verdict"] for f in json.loads(out)["findings"]] == ["missing"]
    write(folder, measured(1, **second, device="a GPU"), measured(1))
    assert check(folder, here)[0] == 0, "it was given up, and another machine's is none of ours"


def test_current_records_inside_the_history_are_not_compared_with_themselves(tmp_path):
    folder = write(tmp_path / "history", measured(0, ap=0.6))
    write(folder, measured(1))
    code, out, _ = check(folder, folder / sha(1))
    assert code == 1
    assert "-10.0 points" in out


def test_an_unreadable_record_does_not_stop_the_check(tmp_path, current):
    folder = write(tmp_path / "history", measured(0))
    (folder / "broken.json").write_text("{")
    code, _, err = check(folder, current({}))
    assert (code, err.count("skipped: ")) == (0, 1)


def test_history_and_check_agree_on_a_step(tmp_path, current):
    """`check` fails on just what `history` then names as worse, at the tolerance's edges; one
    record is no level of FPS.
    """
    draw = random.Random(0)
    for number in range(12):
        before = measured(0)
        change = {"ap": 0.5 + draw.uniform(-0.002, 0.002), "fps": 40 * draw.uniform(0.85, 1.4)}
        folder = write(tmp_path / str(number), before)
        now = write(tmp_path / f"now{number}", measured(99, **change), place=".")
        code = check(folder, now)[0]
        write(folder, measured(99, **change))
        verdicts = {verdict for found in moves(folder).values() for _, verdict in found}
        assert code == ("worse" in verdicts)


def test_either_a_baseline_or_a_history(tmp_path, current):
    here = current({})
    folder = write(tmp_path / "history", measured(0))
    for options in (
        [],
        ["--baseline", folder, "--history", folder],
        ["--history", folder, "--update"],
    ):
        code, out, err = call("check", "--current", here, *options)
        assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_required_comparison_fails_where_no_cell_is_in_both(tmp_path, current):
    (tmp_path / "history").mkdir()
    here = current()
    assert check(tmp_path / "history", here)[0] == 0
    code, out, *_ = check(tmp_path / "history", here, "--require-comparison")
    assert code == 1
    assert out.splitlines()[0] == "failed: no cell was compared"
    write(tmp_path / "history", measured(1))
    assert check(tmp_path / "history", here, "--require-comparison")[0] == 0
