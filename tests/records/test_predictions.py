"""The results files beside records: packed the same each time, unpacked within bounds."""

import gzip
import json

import pytest

from record_example import example_record
from vis_bench import json_file
from vis_bench.cli import main
from vis_bench.data.results_file import read_results
from vis_bench.errors import InputError
from vis_bench.records.predictions import pack_predictions, predictions_path
from vis_bench.records.store import RecordStore, read_record

CONTENT = json.dumps([{"video_id": 1, "category_id": 1, "score": 0.5, "segmentations": [None]}])


@pytest.fixture
def record_path(tmp_path):
    (tmp_path / "ifc.results.json").write_text(CONTENT)
    return RecordStore(tmp_path).write(example_record(predictions="ifc.results.json"))


def test_packing_names_the_file_in_the_record(record_path):
    before = read_record(record_path)
    packed = pack_predictions(record_path)
    assert sorted(path.name for path in record_path.parent.iterdir()) == [
        "ifc.results.json.gz", record_path.name,
    ]  # fmt: skip
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


def test_the_command_packs_what_is_there(record_path, capsys):
    store = RecordStore(record_path.parent)
    store.write(example_record(predictions="gone.results.json", config_sha256="ef" * 32))
    store.write(example_record(predictions=None, config_sha256="12" * 32))
    assert main(["pack-predictions", "--records", str(store.folder)]) == 0
    assert capsys.readouterr().out == "packed 1 results files: 0.0 MB\n"
    assert main(["pack-predictions", "--records", str(store.folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"packed": [], "bytes": 0}


def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_file, "UNPACKED_LIMIT", 1 << 20)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b" " * (1 << 20)))
    assert len(json_file.read_bytes(path)) == 1 << 20
    for content in (b" " * ((1 << 20) + 1), b" " * (50 << 20)):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(InputError, match=r"bomb\.json\.gz unpacks to more than 1 MiB"):
            read_results(path)


@pytest.mark.parametrize("content", [b"no gzip", b"", gzip.compress(b"[]" * 99)[:-9],
                                     gzip.compress(b"[]")[:10] + b"????????????"])  # fmt: skip
def test_a_damaged_file_is_one_sentence(tmp_path, content):
    path = tmp_path / "r.json.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"r\.json\.gz"):
        read_results(path)
