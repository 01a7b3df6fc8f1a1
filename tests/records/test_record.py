"""Records: complete, atomic, found again, refused when foreign."""

import json
import math

import pytest

from record_example import example_record
from vis_bench.errors import InputError
from vis_bench.records.record import FIELDS, RecordStore, make_record, read_record, record_name


def test_every_field_stands_in_the_file(tmp_path):
    path = RecordStore(tmp_path).write(example_record(fps=12.5))
    values = json.loads(path.read_text())
    assert list(values)[: len(FIELDS)] == list(FIELDS)
    assert values["fps"] == 12.5
    assert values["latency_ms_p50"] is None
    assert read_record(path) == example_record(fps=12.5)


def test_absent_metrics_are_null():
    record = example_record(ap_s=-1.0, fps=math.nan, energy_joules_per_frame=math.inf)
    assert record["ap_s"] is record["fps"] is record["energy_joules_per_frame"] is None
    assert example_record(seed=-1)["seed"] == -1


def test_further_fields_stand_behind_the_fixed_ones():
    assert list(make_record({"new": 1}))[-1] == "new"


def test_names_tell_cells_apart():
    assert record_name(example_record()) == "ifc_r50_synthetic_val_T5S1_360_" + "ab" * 5
    whole = example_record(clip_length="whole", clip_stride=None, resolution="native")
    assert record_name(whole) == "ifc_r50_synthetic_val_Twhole_native_" + "ab" * 5


def test_find_by_checksum(tmp_path):
    store = RecordStore(tmp_path)
    store.write(example_record())
    twin = example_record(config_sha256="ab" * 5 + "f" * 54, clip_length=7)
    store.write(twin)
    assert store.find("ab" * 32) == example_record()
    assert store.find(twin["config_sha256"]) == twin
    assert store.find("0" * 64) is None
    assert len(list(store)) == 2


def test_results_files_beside_the_records_are_no_records(tmp_path):
    RecordStore(tmp_path).write(example_record())
    (tmp_path / "a.results.json").write_text("[]")
    assert len(list(RecordStore(tmp_path))) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "no valid JSON"), ("[]", "no record"), ("{}", "no schema_version"),
     ('{"schema_version": 99}', "has schema 99"), ('{"schema_version": 1}', "lacks the field"),
     ("[" * 100_000, "no valid JSON"), ("\udcff", "no valid JSON")],
)  # fmt: skip
def test_foreign_files_get_a_sentence(tmp_path, content, words):
    path = tmp_path / "r.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=words):
        read_record(path)


def test_missing_files_and_folders_get_a_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_record(tmp_path / "none.json")
    with pytest.raises(InputError, match="does not exist"):
        list(RecordStore(tmp_path / "none"))
