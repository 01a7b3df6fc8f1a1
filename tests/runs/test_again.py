"""`run --again`: a measurement is made anew, and everything else of a record stays."""

import pytest

from run_case import jobs_of
from vis_bench.cli import main
from vis_bench.record.schema import MachineFields, SpeedFields
from vis_bench.record.store import RecordStore, matches_file

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
    store.update(changed, before, path.parent)
    assert main([*arguments, "--again", "speed", "--set", "speed.processes=2"]) == 0
    [after] = store
    assert {
        key for key in type(after).model_fields if getattr(after, key) != getattr(changed, key)
    } <= OF_AGAIN
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
