"""Records: complete, atomic, found again, refused when foreign; ablations."""

import json
import math
import os
import subprocess

import pytest
from pydantic import ValidationError

from record_example import example_record, streaming_fields
from vis_bench.errors import InputError
from vis_bench.record import environment
from vis_bench.record.environment import describe_source
from vis_bench.record.names import file_stem, measured_at, split_ablations
from vis_bench.record.schema import FileName, Record
from vis_bench.record.store import RecordStore, files_of, read_record
from vis_bench.show.gate.baseline import full_name


def test_every_field_stands_in_the_file(tmp_path):
    path = RecordStore(tmp_path).write(example_record(fps=12.5))
    values = json.loads(path.read_text())
    assert list(values) == list(Record.model_fields)
    assert values["fps"] == 12.5
    assert values["latency_ms_p50"] is None
    assert read_record(path) == example_record(fps=12.5)


def test_the_files_of_a_record_are_those_of_its_marked_fields():
    record = example_record(predictions="p.results.json", **streaming_fields())
    assert files_of(record) == ["p.results.json", "s.results.json", "t.trace.jsonl"]
    assert files_of(example_record()) == []

    class Later(Record):
        curve: FileName = None

    assert files_of(Later(**dict(record), curve="c.json"))[-1] == "c.json"


def test_a_record_in_a_folder_below_is_found_and_replaced_there(tmp_path):
    below = RecordStore(tmp_path / "experiment").write(example_record(fps=12.5))
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / below.name).write_bytes(below.read_bytes())
    store = RecordStore(tmp_path)
    assert store.find(example_record().config_sha256) == example_record(fps=12.5)
    assert store.write(example_record(fps=13.0)) == below
    assert list(store) == [example_record(fps=13.0)]
    other = example_record(config_sha256="ef" * 32, method="other")
    assert store.write(other).parent == tmp_path
    assert store.find(other.config_sha256) == other


OTHER_REPOSITORY = {
    "GIT_DIR": ".git", "GIT_WORK_TREE": "", "GIT_COMMON_DIR": ".git", "GIT_INDEX_FILE": "index",
    "GIT_OBJECT_DIRECTORY": ".git/objects", "GIT_SHALLOW_FILE": "shallow",
    "GIT_NAMESPACE": "", "GIT_CEILING_DIRECTORIES": "",
}  # fmt: skip


@pytest.mark.parametrize(
    "names", [["GIT_DIR", "GIT_WORK_TREE"], *([name] for name in OTHER_REPOSITORY)], ids=str
)
def test_the_commit_is_that_of_the_source_whatever_repository_git_is_told(
    names, tmp_path, monkeypatch
):
    source = describe_source()
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    for name in names:
        monkeypatch.setenv(name, str(tmp_path / OTHER_REPOSITORY[name]))
    assert describe_source() == source


def test_the_commit_is_not_that_of_a_repository_around_the_source(tmp_path, monkeypatch):
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "outer"], check=True)
    (tmp_path / "source" / ".git").mkdir(parents=True)
    monkeypatch.setattr(environment, "SOURCE_ROOT", (tmp_path / "source").resolve())
    assert describe_source().git_commit is None


def test_absent_metrics_are_null():
    record = example_record(ap_s=-1.0, ar_m=-1.0, ap=math.nan)
    assert record.ap_s is record.ar_m is record.ap is None
    assert example_record(seed=-1).seed == -1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fps", math.nan),
        ("fps", 0.0),
        ("fps", True),
        ("energy_joules_per_frame", math.inf),
        ("ap", 1.5),
        ("ap", math.inf),
        ("ar10", []),
        ("num_params", "39"),
        ("num_videos", -1),
        ("options", None),
        ("clip_length", 0),
        ("git_dirty", "no"),
        ("regions", {"model": 3}),
    ],
)
def test_figures_that_cannot_be_are_refused_wherever_a_record_is_read(tmp_path, field, value):
    with pytest.raises(ValidationError):
        example_record(**{field: value})
    path = RecordStore(tmp_path).write(example_record())
    written = {**json.loads(path.read_text()), field: value}
    path.write_text(json.dumps(written))
    with pytest.raises(InputError, match=f"NaN|Infinity|has {field}.*expected"):
        read_record(path)


def test_further_fields_stand_behind_the_fixed_ones():
    assert list(example_record(new=1).model_dump())[-1] == "new"


def test_names_tell_cells_apart():
    assert file_stem(example_record()) == "ifc_r50_synthetic_val_T5S1_360_" + "ab" * 5
    whole = example_record(clip_length="whole", clip_stride=None, resolution="native")
    assert file_stem(whole) == "ifc_r50_synthetic_val_Twhole_native_" + "ab" * 5


def test_find_by_checksum(tmp_path):
    store = RecordStore(tmp_path)
    store.write(example_record())
    twin = example_record(config_sha256="ab" * 5 + "f" * 54, clip_length=7)
    store.write(twin)
    assert store.find("ab" * 32) == example_record()
    assert store.find(twin.config_sha256) == twin
    assert store.find("0" * 64) is None
    assert len(list(store)) == 2


def test_an_unchanged_folder_is_listed_once_and_a_changed_one_again(tmp_path, monkeypatch):
    store, listed, walk = RecordStore(tmp_path), [], os.walk
    store.write(example_record())
    os.utime(tmp_path, (1, 1))
    monkeypatch.setattr(os, "walk", lambda folder: listed.append(folder) or walk(folder))
    for _ in range(3):
        assert store.find("ab" * 32) == example_record()
    assert listed == [tmp_path]
    for folder, letter in ((tmp_path, "c"), (tmp_path / "below", "d")):  # by other processes
        folder.mkdir(exist_ok=True)
        other = example_record(config_sha256=letter * 64)
        path = RecordStore(folder).write(other)
        assert store.find(letter * 64) == other
        path.unlink()
        assert store.find(letter * 64) is None
        os.utime(folder, (1, 1))
    listed.clear()
    for own in (example_record(config_sha256=f"{n:064x}"[::-1]) for n in range(100)):
        assert store.find(own.config_sha256) is None
        store.write(own)
        assert store.find(own.config_sha256) == own
    assert 0 < len(listed) < 60


def test_results_files_beside_the_records_are_not_records(tmp_path):
    RecordStore(tmp_path).write(example_record())
    (tmp_path / "a.results.json").write_text("[]")
    assert len(list(RecordStore(tmp_path))) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "is not JSON"), ("[]", "is not a record"), ("{}", "no schema_version"),
     ('{"schema_version": 99}', "has schema 99"), ('{"schema_version": 1}', "lacks the field"),
     ("[" * 100_000, "is not JSON"), ("\udcff", "is not JSON")],
)  # fmt: skip
def test_foreign_files_get_a_sentence(tmp_path, content, words):
    path = tmp_path / "r.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=words):
        read_record(path)


def test_missing_files_and_folders_get_a_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_record(tmp_path / "none.json")
    with pytest.raises(InputError, match="does not exist"):
        list(RecordStore(tmp_path / "none"))


def test_one_bad_file_leaves_the_other_records_readable(tmp_path):
    store = RecordStore(tmp_path)
    store.write(example_record())
    store.write(example_record(config_sha256="cd" * 32, method="seqformer"))
    bad = {
        "a.json": b"{",
        "b.json": b"[]",
        "c.json": b'{"schema_version": 1, "method": 3}',
        "d.json": b"\xff\xfe",
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "e.json").mkdir()
    stored = store.readable()
    assert [record.method for record in stored.records] == ["ifc", "seqformer"]
    named = zip((*bad, "e.json"), stored.problems, strict=True)
    assert all(str(tmp_path / name) in problem for name, problem in named)
    with pytest.raises(InputError, match=r"a\.json"):
        list(store)


def test_a_record_without_variant_and_backbone_has_a_name():
    bare = example_record(options={}, backbone=None, resolution=None)
    assert full_name(bare) == "IFC, synthetic set val T=5 S=1"


def test_times_are_compared_as_times():
    order = [None, "yesterday", "2026-01-02T03:00:00+05:00", "2026-01-01T23:00:00Z", "2026-01-02"]
    times = [measured_at(example_record(created_at=time)) for time in order]
    assert times[0] == times[1]
    assert times[1:] == sorted(times[1:])
    assert len(set(times)) == 4


def test_shards_of_an_interrupted_run_are_no_records(tmp_path):
    store = RecordStore(tmp_path / "run")
    store.write(example_record())
    folder = tmp_path / "run" / "shards" / "ab"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text('{"digest": "ab", "videos": [], "tracks": []}')
    assert list(RecordStore(tmp_path)) == [example_record()]
    assert store.readable().problems == ()


MINI = {"backbone": "mini", "options": {"variant": "mini"}}


def test_a_training_label_makes_an_ablation():
    whole, part = example_record(), example_record(training="encoder afresh")
    assert split_ablations([part, whole]) == ([whole], [part])


def test_changed_options_make_an_ablation_of_the_method_they_change():
    plain = example_record(**MINI, resolved_options={"width": 64, "memory_tokens": 8})
    changed = example_record(
        backbone="mini",
        options={"variant": "mini", "memory_tokens": 2},
        resolved_options={"width": 64, "memory_tokens": 2},
    )
    spelled_out = example_record(
        backbone="mini",
        options={"backbone": "mini", "width": 64, "memory_tokens": 8},
        resolved_options={"memory_tokens": 8, "width": 64},
    )
    records = [plain, changed, spelled_out]
    assert split_ablations(records) == ([plain, spelled_out], [changed])


def test_options_without_a_plain_record_beside_them_are_the_method():
    records = [
        example_record(method="plug_in", options={"threshold": 0.5}),
        example_record(options={"variant": "r50"}),
        example_record(method="plug_in", backbone="r101"),
    ]
    assert split_ablations(records) == (records, [])
