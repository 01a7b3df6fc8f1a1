"""The results files beside records: packed the same each time, unpacked within bounds."""

import gzip
import json
from contextlib import suppress

import pytest

import refresh
from record_example import example_record
from vis_bench import files
from vis_bench.cli import main
from vis_bench.data.results_file import read_results
from vis_bench.errors import InputError
from vis_bench.record.store import (
    RecordStore,
    pack_predictions,
    predictions_path,
    read_record,
    record_json,
)

CONTENT = json.dumps([{"video_id": 1, "category_id": 1, "score": 0.5, "segmentations": [None]}])


@pytest.fixture
def record_path(tmp_path):
    (tmp_path / "ifc.results.json").write_text(CONTENT)
    return RecordStore(tmp_path).write(example_record(predictions="ifc.results.json"))


def test_packing_names_the_file_in_the_record(record_path):
    before = read_record(record_path)
    packed = pack_predictions(record_path)
    assert sorted(path.name for path in record_path.parent.iterdir()) == [
        "ifc.results.json.gz",
        record_path.name,
    ]
    after = read_record(record_path)
    assert after == before.model_copy(update={"predictions": "ifc.results.json.gz"})
    assert predictions_path(after, record_path) == packed
    assert gzip.decompress(packed.read_bytes()).decode() == CONTENT
    assert [track.video_id for track in read_results(packed).tracks] == [1]
    assert list(RecordStore(record_path.parent)) == [after]
    assert pack_predictions(record_path) is None


def test_the_same_predictions_pack_to_the_same_bytes(record_path):
    first = pack_predictions(record_path).read_bytes()
    (record_path.parent / "ifc.results.json").write_text(CONTENT)
    RecordStore(record_path.parent).write(example_record(predictions="ifc.results.json"))
    assert pack_predictions(record_path).read_bytes() == first


def test_the_script_packs_all_predictions(record_path):
    store = RecordStore(record_path.parent)
    store.write(example_record(predictions="gone.results.json", config_sha256="ef" * 32))
    store.write(example_record(predictions=None, config_sha256="12" * 32))
    assert len(refresh.pack(store.folder)) == 1
    assert refresh.pack(store.folder) == []


def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "UNPACKED_LIMIT", 1 << 20)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b" " * (1 << 20)))
    assert len(files.read_bytes(path)) == 1 << 20
    for content in (b" " * ((1 << 20) + 1), b" " * (50 << 20)):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(InputError, match=r"bomb\.json\.gz unpacks to more than 1 MiB"):
            read_results(path)


@pytest.mark.parametrize(
    "content",
    [b"no gzip", b"", gzip.compress(b"[]" * 99)[:-9], gzip.compress(b"[]")[:10] + b"????????????"],
    ids=["no gzip", "empty", "cut off", "no deflate stream"],
)
def test_a_damaged_file_is_one_sentence(tmp_path, content):
    path = tmp_path / "r.json.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"r\.json\.gz"):
        read_results(path)


OUTSIDE = ["{elsewhere}", "../secret.results.json", "a/../../secret.results.json", "a\\..\\b",
           "C:\\secret.results.json", "\\\\host\\share", "link.results.json", "first.results.json",
           "folder/secret.results.json"]  # fmt: skip


@pytest.fixture
def secret(record_path):
    """A results file outside the record's folder, and links to it inside."""
    folder = record_path.parent / "records"
    folder.mkdir()
    record_path.rename(folder / "r.json")
    path = folder.parent / "secret.results.json"
    path.write_text(CONTENT)
    (folder / "a").mkdir()
    (folder / "link.results.json").symlink_to(path)
    (folder / "first.results.json").symlink_to("link.results.json")
    (folder / "folder").symlink_to(folder.parent)
    return path


@pytest.mark.parametrize("name", OUTSIDE)
def test_predictions_never_lie_outside_the_records_folder(secret, name, capsys):
    folder = secret.parent / "records"
    name = name.format(elsewhere=secret)
    record = read_record(folder / "r.json").model_copy(update={"predictions": name})
    (folder / "r.json").write_bytes(record_json(record))
    with pytest.raises(InputError, match=r"expected a file in the record.s folder"):
        predictions_path(record, folder / "r.json")
    assert main(["compare", str(folder / "r.json"), str(secret)]) == 2
    with suppress(InputError):
        assert refresh.pack(folder.parent) == []
    assert secret.read_text() == CONTENT
    assert not list(secret.parent.rglob("*.gz"))


def test_links_inside_the_folder_and_to_the_folder_are_followed(record_path):
    folder = record_path.parent
    (folder / "link.results.json").symlink_to("ifc.results.json")
    (folder / "elsewhere").symlink_to(folder)
    record = read_record(record_path).model_copy(update={"predictions": "link.results.json"})
    assert predictions_path(record, record_path) == folder / "link.results.json"
    through = folder / "elsewhere" / record_path.name
    assert predictions_path(record, through).read_text() == CONTENT


@pytest.mark.parametrize("name", ["\0", "x" * 300, "loop", ".", "missing.results.json"])
def test_predictions_that_are_no_file_get_a_sentence(record_path, name):
    (record_path.parent / "loop").symlink_to("loop")
    record = read_record(record_path).model_copy(update={"predictions": name})
    with pytest.raises(InputError, match="predictions"):
        predictions_path(record, record_path)


def test_packing_removes_nothing_but_results_files(record_path):
    other = RecordStore(record_path.parent).write(example_record(config_sha256="ef" * 32))
    for name in (other.name, record_path.name):
        record = read_record(record_path).model_copy(update={"predictions": name})
        record_path.write_bytes(record_json(record))
        with pytest.raises(InputError, match=r"expected a name that ends with \.results\.json"):
            pack_predictions(record_path)
        assert read_record(other).config_sha256 == "ef" * 32
        assert not list(record_path.parent.glob("*.gz"))
