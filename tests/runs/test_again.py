"""`run --again`: a measurement is made anew, and everything else of a record stays."""

import pytest

from record_example import example_record
from run_case import QUIET, jobs_of, of_code
from vis_bench.cli import main
from vis_bench.errors import InputError
from vis_bench.record.names import measured_again
from vis_bench.record.schema import MachineFields, SpeedFields
from vis_bench.record.store import RecordStore, matches_file
from vis_bench.runs.again import measure_again

CONFIG = """
method: color_key
dataset: {name: synthetic, split: val, plain: true}
resolution: native
measure: [accuracy, speed, memory]
speed: {videos: 1, warmup: 0, repetitions: 1, seconds: 0}
memory: {lengths: [4, 8]}
"""
OF_AGAIN = {"measured_again", *MachineFields.model_fields, *SpeedFields.model_fields}


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Arguments of a run, its folder, and its record with matches beside it."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "c.yaml"
    config.write_text(CONFIG.replace(", memory]", "]"))
    arguments = ["run", "c.yaml", "--limit", "2", "--device", "cpu", "--output", "records"]
    assert main(arguments) == 0
    store = RecordStore(tmp_path / "records")
    [path] = store.paths()
    [record] = store
    matches_file(record, path).write_bytes(b"matches")
    return arguments, store, path, record


def test_fps_are_measured_again_and_the_rest_stays(measured):
    arguments, store, path, before = measured
    files = {file.name: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}
    changed = before.model_copy(update={"fps": 1.0, "device": "an older one", "ap50": 0.123})
    changed = changed.model_copy(update={"failures": {"speed": "once", "flops": "still"}})
    store.update(changed, before, path.parent)
    assert main([*arguments, "--again", "speed", "--set", "speed.processes=2"]) == 0
    [after] = store
    assert {
        key for key in type(after).model_fields if getattr(after, key) != getattr(changed, key)
    } <= OF_AGAIN | {"failures"}
    assert after.failures == {"flops": "still"}
    assert (after.ap, after.ap50, after.created_at) == (before.ap, 0.123, before.created_at)
    assert after.fps != 1.0
    assert (after.speed_processes, after.device) == (2, before.device)
    made = after.measured_again["speed"]
    assert "--again speed" in made["command"]
    assert made["machine_before"] == {"device": "an older one"}
    now = {file.name: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}
    assert {name for name in now if now[name] != files.get(name)} == {path.name, "speed.svg"}
    assert now.keys() == files.keys()


def test_a_failure_leaves_the_record_as_it_was(measured, capsys):
    arguments, _, path, _ = measured
    content = path.read_bytes()
    wrong = ["--set", "speed.regions=[model]", "--again", "speed"]
    assert main([*arguments, *wrong]) == 2, "another cell, which has no record"
    assert "has no record" in capsys.readouterr().err
    assert main([*arguments, "--again", "memory"]) == 2
    assert "--again is memory" in capsys.readouterr().err
    for other in (["--resume"], ["--shard", "1/2"], ["--workers", "2"]):
        assert main([*arguments, "--again", "speed", *other]) == 2
        assert f"--again excludes {other[0]}" in capsys.readouterr().err
    assert path.read_bytes() == content


def test_values_of_two_machines_do_not_stand_in_one_record(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG.replace("accuracy, ", ""))
    [job] = jobs_of(tmp_path, CONFIG.replace("accuracy, ", ""), limit=2)
    arguments = ["run", "c.yaml", "--limit", "2", "--device", "cpu", "--output", "records"]
    assert main(arguments) == 0
    store = RecordStore(tmp_path / "records")
    before = store.find(job.digest)
    other = before.model_copy(update={"device": "another"})
    path = store.update(other, before, tmp_path)
    content = path.read_bytes()
    assert main([*arguments, "--again", "speed"]) == 1
    assert "memory of the record has another device" in capsys.readouterr().err
    assert path.read_bytes() == content


@pytest.mark.parametrize("changed", ["sources_sha256", "frames_sha256", "loaded"])
def test_a_record_of_other_code_or_frames_is_not_measured_again(
    measured, tmp_path, monkeypatch, changed
):
    _, store, _, before = measured
    jobs = jobs_of(tmp_path, CONFIG.replace(", memory]", "]"), limit=2)
    if changed == "loaded":  # other code is on the disk when the method is loaded
        monkeypatch.setattr(
            type(jobs[0]), "sources_of", lambda job, method: before.sources_sha256[::-1]
        )
        outcome = measure_again(jobs, store, QUIET, name="speed")
        assert (outcome.records, len(outcome.failures)) == ([], 1)
    elif changed == "sources_sha256":
        with pytest.raises(InputError, match=f"sources {before.sources_sha256[:12]}.*aaaaaaaaaaaa"):
            measure_again(of_code(jobs, "a" * 64, monkeypatch), store, QUIET, name="speed")
    else:
        other = before.model_copy(update={changed: "b" * 64})
        store.update(other, before, tmp_path)
        before = other
        with pytest.raises(InputError, match="frames bbbbbbbbbbbb"):
            measure_again(jobs, store, QUIET, name="speed")
    assert [*store] == [before]


COMMIT = "fedcba9876543210"


def test_files_that_a_measurement_names_anew_replace_those_of_before(tmp_path):
    store, (old, new, kept) = RecordStore(tmp_path / "records"), ("a", "b", "c")
    for name in (old, new, kept):
        (tmp_path / f"{name}.results.json").write_text(name)
    store.folder.mkdir()
    before = example_record(predictions=f"{old}.results.json")
    path = store.write(before, tmp_path)
    after = before.model_copy(update={"predictions": f"{new}.results.json", "ap": 0.9})
    for _ in range(2):  # where both name a file, it stays
        assert store.update(after, before, tmp_path) == path
        before = after
        assert sorted(file.name for file in store.folder.iterdir()) == [
            f"{new}.results.json",
            path.name,
        ]
    assert (store.folder / f"{new}.results.json").read_text() == new


AGAIN = {
    "same": ({}, ""),
    "commit": ({"git_commit": COMMIT}, "speed at fedcba98"),
    "version": ({"git_commit": None, "vis_bench_version": "9.1"}, "speed at version 9.1"),
    "dirty": ({"git_dirty": True}, "speed with uncommitted changes"),
    "machine": (
        {"machine_before": {"device": "x", "torch": "y"}},
        "speed, other device, other torch",
    ),
    "both": (
        {"git_commit": COMMIT, "machine_before": {"device": "x"}},
        "speed at fedcba98, other device",
    ),
}


@pytest.mark.parametrize("case", AGAIN)
def test_measurements_of_another_commit_or_machine_are_seen_wherever_the_record_is(
    case, tmp_path, capsys
):
    changes, text = AGAIN[case]
    record = example_record(fps=20.0, timed_region="model")
    made = {"git_commit": record.git_commit, "git_dirty": False, **changes}
    record = record.model_copy(update={"measured_again": {"speed": made}})
    assert measured_again(record) == text
    RecordStore(tmp_path).write(record)
    RecordStore(tmp_path).write(example_record(method="another"))
    commands = [
        ["table", "measured", "--records"], ["table", "speed", "--records"],
        ["table", "sweep", "--rows", "method", "--columns", "split", "--value", "ap", "--records"],
        ["leaderboard", "--records"], ["history"],
        ["check", "--baseline", str(tmp_path), "--current"],
    ]  # fmt: skip
    for command in commands:
        assert main([*command, str(tmp_path)]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert text in shown if text else "easured again" not in shown, command
