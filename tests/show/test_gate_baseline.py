"""Baselines of the gate: which records are the same cell, and when the file is written."""

import pytest

from gate_case import gate, measured, moved
from vis_bench.errors import InputError
from vis_bench.record.store import RecordStore, record_json
from vis_bench.show.gate.baseline import load_cells_to_gate
from vis_bench.show.gate.check import check, update_baseline

LATER = {"created_at": "2026-02-01T00:00:00+00:00", "config_sha256": "ef" * 32}


PLUG_IN = {"distribution": "mine", "version": "1", "sha256": "ab" * 32}


@pytest.mark.parametrize("later", [{}, LATER, {**LATER, "git_commit": "f" * 16}])
def test_two_records_of_a_cell_in_one_folder_are_named_and_fail(tmp_path, later):
    once, twice = [measured()], [measured(), measured(ap=0.1, **later)]
    for before, after in ((once, twice), (twice, once), (twice, twice)):
        report = gate(tmp_path, before, after)
        assert not report.passed
        assert {finding.verdict for finding in report.findings} == {"repeated"}
        finding = report.findings[0]
        named = finding.baseline if before == twice else finding.current
        assert "0.json" in named
        assert "1.json" in named
        for path in (tmp_path / "before" / "1.json", tmp_path / "after" / "1.json"):
            path.unlink(missing_ok=True)
    (tmp_path / "after" / "1.json").write_bytes(record_json(twice[1]))
    with pytest.raises(InputError, match=r"1\.json measure the same cell"):
        update_baseline(tmp_path / "baseline.json", tmp_path / "after")


OTHER_CELLS = [
    {"kernel_backend": "reference"}, {"weights_sha256": "ef" * 32}, {"seed": 1},
    {"weights_sha256": None, "weights_source": "random"}, {"note": "36 frames"},
    {"method_source": PLUG_IN}, {"external": True}, {"reconstruction": True},
    {"config": {"kernel_backend": "reference"}}, {"config": {"measure": ["speed"]}},
    {"config": {"weights_trained_on": ["synthetic/train"]}}, {"config": {"speed": {"videos": 2}}},
]  # fmt: skip


@pytest.mark.parametrize("change", OTHER_CELLS, ids=str)
def test_what_a_config_a_note_or_weights_define_is_another_cell(tmp_path, change):
    """A fall of the AP of either is caught, and the names of the two differ."""
    both = [measured(ap=0.6), measured(ap=0.6, **change)]
    for fallen in ([both[0], measured(ap=0.1, **change)], [measured(ap=0.1), both[1]]):
        report = gate(tmp_path, both, fallen)
        assert moved(report) == {"ap": "worse"}
        assert report.num_compared == 2
    report = gate(tmp_path, both, [both[0], measured(ap=0.1, **change)])
    other = gate(tmp_path, both, [measured(ap=0.1), both[1]])
    assert report.findings[0].cell != other.findings[0].cell
    (tmp_path / "after" / "1.json").unlink()
    assert moved(gate(tmp_path, both, both[:1])) == {"whole cell": "missing"}
    folders = tmp_path / "elsewhere"
    alone = gate(folders, both[:1], both[1:])
    assert {finding.verdict for finding in alone.findings} == {"missing", "new"}


EXPECTED_CHANGES = [
    {"git_commit": "f" * 16, "git_dirty": True}, LATER, {"command": "x", "url": "https://a.b"},
    {"method_source": {**PLUG_IN, "version": "2", "sha256": "cd" * 32}}, {"torch": "9"},
    {"config": {"kernel_backend": "auto", "compile": "none", "weights": "/elsewhere/w.pth"}},
    {"config": {"speed": {"protocol": "bench", "videos": 8}, "measure": ["accuracy"]}},
    {"options": {"checkpoint": "/ci/w"}, "place_options": ["checkpoint"]},
    {"options": {"project_path": "/ci/project", "python": "/ci/bin/python"}},
]  # fmt: skip


@pytest.mark.parametrize("change", EXPECTED_CHANGES, ids=str)
def test_what_changes_between_two_measurements_leaves_the_cell_the_same(tmp_path, change):
    report = gate(
        tmp_path,
        [measured(method_source=PLUG_IN)],
        [measured(**{"method_source": PLUG_IN, **change})],
    )
    assert report.findings == []
    assert report.num_compared == 1


@pytest.mark.parametrize("known", [None, ["project_path", "python"]])
def test_a_baseline_of_another_machine_holds_and_its_paths_are_in_no_title(tmp_path, known):
    """Also where the baseline is from before records named their places."""

    def at(root, places, name="VITA"):
        paths = {"project_path": f"{root}/vita", "python": f"{root}/env/bin/python"}
        return {"options": {"name": name, **paths}, "place_options": places}

    before, places = measured(**at("/home/me", known)), ["project_path", "python"]
    report = gate(tmp_path / "a", [before], [measured(ap=0.1, **at("/ci", places))])
    assert report.num_compared == 1
    assert moved(report) == {"ap": "worse"}
    assert "/" not in report.findings[0].cell
    assert gate(tmp_path / "b", [before], [measured(**at("/ci", places, "x"))]).num_compared == 0


def test_a_baseline_file_is_written_read_back_and_refreshed_deliberately(tmp_path):
    store = RecordStore(tmp_path / "records")
    path = store.write(measured())
    baseline = tmp_path / "baseline.json"
    update_baseline(baseline, tmp_path / "records")
    written = baseline.read_bytes()
    assert check(baseline, path).findings == []
    store.write(measured(ap=0.3))
    assert not check(baseline, tmp_path / "records").passed
    assert baseline.read_bytes() == written
    report = update_baseline(baseline, tmp_path / "records")
    assert moved(report) == {"ap": "worse"}
    assert report.as_markdown().startswith("## Baseline refreshed: 1 figure moved\n")
    assert check(baseline, tmp_path / "records").passed
    assert load_cells_to_gate(baseline)[0].record.ap == 0.3


def test_an_update_lists_new_cells_as_new_and_nothing_as_failed(tmp_path):
    folder, baseline = tmp_path / "records", tmp_path / "baseline.json"
    RecordStore(folder).write(measured())
    report = update_baseline(baseline, folder)
    assert report.as_markdown().startswith("## Baseline refreshed: 0 figures moved, 1 cell new\n")
    RecordStore(folder).write(measured(method="seqformer"))
    RecordStore(folder).write(measured(ap=0.4))
    report = update_baseline(baseline, folder)
    assert report.passed
    assert moved(report) == {"ap": "worse", "whole cell": "new"}
    text = report.as_markdown()
    assert text.startswith("## Baseline refreshed: 1 figure moved, 1 cell new\n")
    assert "**" not in text
    assert "--update" not in text
    for path in folder.glob("seqformer*"):
        path.unlink()
    text = update_baseline(baseline, folder).as_markdown()
    assert text.startswith("## Baseline refreshed: 0 figures moved, 1 cell gone\n")


def test_the_baseline_is_the_same_bytes_whatever_the_order(tmp_path):
    records = [measured(), measured(method="seqformer"), measured(device="a GPU")]
    for name, order in (("a", records), ("b", records[::-1])):
        (tmp_path / name).mkdir()
        for number, record in enumerate(order):
            (tmp_path / name / f"{number}.json").write_bytes(record_json(record))
        update_baseline(tmp_path / f"{name}.json", tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_update_overwrites_nothing_but_baselines(tmp_path):
    path = RecordStore(tmp_path / "records").write(measured())
    before = path.read_bytes()
    for target in (path, tmp_path / "records"):
        with pytest.raises(InputError, match="is not a baseline file"):
            update_baseline(target, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("{}", "is not a record"),
        ('{"vis_bench_baseline": 9, "cells": []}', "version 9"),
        ('{"vis_bench_baseline": 1, "cells": 3}', "not a list of cells"),
        ('{"vis_bench_baseline": 1, "cells": []}', "holds no record"),
    ],
)
def test_a_file_that_is_none_of_the_three_is_refused(tmp_path, content, message):
    path = tmp_path / "baseline.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        check(path, path)


def test_a_missing_baseline_says_how_to_write_one(tmp_path):
    with pytest.raises(InputError, match="--update"):
        check(tmp_path / "none.json", tmp_path)
