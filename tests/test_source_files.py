"""Digests of a project's files: links, cycles, weights, and folders that are not searched."""

import os

import pytest

from vis_bench import source_files
from vis_bench.source_files import WEIGHT_ENDINGS, data_sha256, find_source_files


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_a_linked_package_counts_and_cycles_end(tmp_path):
    write(tmp_path, "real/model.py", "project/run.py")
    project = tmp_path / "project"
    (project / "pkg").symlink_to("../real")
    (tmp_path / "real" / "back").symlink_to(project)
    assert [*find_source_files(project).files] == ["run.py", "pkg/model.py"]


def test_hidden_folders_environments_and_caches_are_not_searched(tmp_path):
    write(tmp_path, ".git/a.py", "env/pyvenv.cfg", "env/b.py", "__pycache__/c.py", "src/d.py")
    assert [*find_source_files(tmp_path).files] == ["src/d.py"]


def test_large_folders_are_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(source_files, "FOLDER_ENTRIES", 3)
    write(tmp_path, *(f"frames/{n}.py" for n in range(4)), "src/d.py")
    found = find_source_files(tmp_path)
    assert [*found.files] == ["src/d.py"]
    assert found.left_out == ("frames/",)


def test_json_counts_beside_code_alone(tmp_path):
    write(tmp_path, "a.py", "a.json", "records/b.json")
    assert [*find_source_files(tmp_path).json_beside_code()] == ["a.json"]


@pytest.mark.parametrize("limit", [None, 0])
def test_weights_have_a_digest_of_their_contents_or_their_time(tmp_path, monkeypatch, limit):
    if limit is not None:
        monkeypatch.setattr(source_files, "HASHED_BYTES", limit)
    write(tmp_path, "w.npy", "run.py")

    def digest():
        return data_sha256(find_source_files(tmp_path).ending(WEIGHT_ENDINGS))

    before = digest()
    os.utime(tmp_path / "w.npy", ns=(0, 0))
    assert (digest() == before) == (limit is None)
    before = digest()
    (tmp_path / "w.npy").write_text("w.npz")
    assert digest() != before
    (tmp_path / "w.npy").unlink()
    assert digest() is None
