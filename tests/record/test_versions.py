"""Records state the version that wrote them; older ones are read; stable names are there."""

import json

import pytest
import tomllib

import vis_bench
from paths import GOLDEN, ROOT
from record_example import example_record
from stable_names import FILE, stable_names
from vis_bench.cli import main
from vis_bench.errors import InputError
from vis_bench.record import environment
from vis_bench.record.environment import package_version
from vis_bench.record.schema import Record
from vis_bench.record.store import RecordStore, parse_record, read_record, record_json
from vis_bench.runs import external, harness

OLD = GOLDEN / "record_0.1.0.json"


@pytest.fixture
def both(tmp_path):
    """A folder with a record of 0.1.0 and one of now."""
    store = RecordStore(tmp_path / "records")
    store.write(example_record(vis_bench_version=package_version()))
    (store.folder / "old.json").write_bytes(OLD.read_bytes())
    return store.folder


def test_a_record_of_0_1_is_read_whole():
    stored = json.loads(OLD.read_text())
    values = json.loads(record_json(read_record(OLD)))
    assert set(stored) < set(values)
    unmeasured = {"ar_m", "ar_l"}
    assert {stored[key] for key in unmeasured} == {-1.0}
    for key, value in stored.items():
        if key == "regions":
            for name, region in value.items():
                assert region.items() <= values[key][name].items()
        else:
            assert values[key] == (None if key in unmeasured else value), key
    added = {
        values[key] for key in set(values) - set(stored) if not isinstance(values[key], list | dict)
    }
    assert added <= {None, False}


def test_records_of_0_1_and_of_now_are_told_apart(both, capsys):
    table = vis_bench.records(both)
    assert table["vis_bench_version"].dropna().tolist() == [package_version()]
    assert len(table) == 2
    assert main(["leaderboard", "--records", str(both)]) == 0
    assert "skipped" not in capsys.readouterr().err


def test_every_new_record_states_the_version(tmp_path, monkeypatch):
    for module in (harness, external):
        monkeypatch.setattr(module, "package_version", lambda: "7.8.9")
    config = tmp_path / "config.yaml"
    config.write_text("method: color_key\ndataset: {name: synthetic, plain: true}\n")
    outcome = vis_bench.measure(config, limit=1, output=tmp_path / "run")
    files = [f"{GOLDEN}/eval_dense.{part}.json" for part in ("gt", "preds")]
    words = ["--annotations", files[0], "--predictions", files[1], "--dataset", "mine"]
    assert main(["eval", *words, "--record", "Net", "--output", str(tmp_path / "eval")]) == 0
    records = [*outcome.records, *RecordStore(tmp_path / "eval")]
    assert [record.vis_bench_version for record in records] == ["7.8.9", "7.8.9"]


def test_a_checkout_states_its_own_version(monkeypatch):
    """Not the version of an editable installation from before."""
    monkeypatch.setattr(environment, "version", lambda name: "0.0.1")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert package_version() == project["version"] != "0.0.1"


@pytest.mark.parametrize(
    "project", [None, '[project]\nname = "another"\nversion = "9"\n', "[tool]"]
)
def test_an_installed_package_states_the_version_of_its_installation(
    project, tmp_path, monkeypatch
):
    monkeypatch.setattr(environment, "version", {"vis-bench": "0.7.0"}.__getitem__)
    monkeypatch.setattr(environment, "SOURCE_ROOT", tmp_path)
    if project is not None:
        (tmp_path / "pyproject.toml").write_text(project)
    assert package_version() == "0.7.0"


def test_a_record_of_a_later_schema_names_its_version():
    with pytest.raises(InputError, match=r"a\.json has schema 2 of .*0\.9\.0.* expected 1"):
        parse_record({"schema_version": 2, "vis_bench_version": "0.9.0"}, "a.json")


def test_shipped_records_state_a_version_and_keep_their_names():
    store = RecordStore(ROOT / "results")
    for path in store.paths():
        record = read_record(path)
        assert isinstance(record, Record)
        assert record.vis_bench_version
        assert path.stem.endswith(record.config_sha256[:10])


def test_stable_names_are_there():
    stored, names = json.loads(FILE.read_text()), stable_names()
    assert list(stored) == list(names)
    for row, entries in stored.items():
        assert set(entries) <= set(names[row]), row
