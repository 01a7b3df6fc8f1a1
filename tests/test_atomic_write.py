"""Files appear whole or not at all, with the mode and in the place that the user expects."""

import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from paths import ROOT
from vis_bench.errors import InputError
from vis_bench.files import write_atomically

KILLED = """
import os, signal, sys
from pathlib import Path
from vis_bench.files import write_atomically
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
write_atomically(Path(sys.argv[1]), b"half")
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def killed_write(path):
    done = subprocess.run([sys.executable, "-c", KILLED, path], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL


def test_makes_the_folder_and_replaces_what_is_there(tmp_path):
    path = tmp_path / "a" / "b" / "r.json"
    for content in (b"old", b"new"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert names(path.parent) == ["r.json"]


def test_pieces_are_joined_and_a_failing_one_leaves_the_old_file(tmp_path):
    def failing():
        yield b"ne"
        raise TypeError("no third piece")

    write_atomically(tmp_path / "r.json", iter([b"o", b"ld"]))
    with pytest.raises(TypeError):
        write_atomically(tmp_path / "r.json", failing())
    assert (tmp_path / "r.json").read_bytes() == b"old"
    assert names(tmp_path) == ["r.json"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "r.json", b"")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "r.json") == mode


def test_a_replaced_file_keeps_its_mode(tmp_path):
    path = tmp_path / "r.json"
    path.write_bytes(b"old")
    path.chmod(0o600)
    write_atomically(path, b"new")
    assert (path.read_bytes(), mode_of(path)) == (b"new", 0o600)


def test_a_failing_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    write_atomically(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["r.json"]


def test_the_next_write_sweeps_what_a_killed_one_left(tmp_path):
    path, other = tmp_path / "r.json", tmp_path / "r.json.html"
    write_atomically(path, b"old")
    killed_write(path)
    killed_write(other)
    assert path.read_bytes() == b"old"
    assert len(names(tmp_path)) == 3
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    left = [name for name in names(tmp_path) if name != "r.json"]
    assert len(left) == 1
    assert left[0].startswith(".r.json.html.")


def test_a_write_that_goes_on_is_not_swept(tmp_path, monkeypatch):
    path, fsync = tmp_path / "r.json", os.fsync

    def write_meanwhile(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        write_atomically(path, b"meanwhile")

    monkeypatch.setattr(os, "fsync", write_meanwhile)
    write_atomically(path, b"last")
    assert path.read_bytes() == b"last"
    assert names(tmp_path) == ["r.json"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path, exists):
    target = tmp_path / "elsewhere" / "r.json"
    target.parent.mkdir()
    if exists:
        target.write_bytes(b"old")
    (tmp_path / "second").symlink_to("elsewhere/r.json")
    (tmp_path / "first").symlink_to(tmp_path / "second")
    write_atomically(tmp_path / "first", b"new")
    assert (tmp_path / "first").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert target.read_bytes() == b"new"
    assert not target.is_symlink()
    assert names(target.parent) == ["r.json"]


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, b"through")
    reader.join()
    assert read == [b"through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_devices_are_written_to(tmp_path):
    write_atomically(type(tmp_path)("/dev/null"), b"gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)  # noqa: PTH116
    with pytest.raises(InputError, match="cannot write /dev/full: No space left"):
        write_atomically(type(tmp_path)("/dev/full"), b"x")


@pytest.mark.parametrize("to_file", [True, False])
def test_standard_output_gets_what_is_written_after_what_it_has(tmp_path, to_file):
    code = (
        "from pathlib import Path; from vis_bench.files import write_atomically; "
        "write_atomically(Path('/dev/stdout'), b'second')"
    )
    if not to_file:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True
        )
        assert done.stdout == b"second"
        return
    path = tmp_path / "out"
    path.write_bytes(b"first ")
    with path.open("ab") as out:
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=out, check=True)
    assert path.read_bytes() == b"first second"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("folder", "it is a folder; expected a file"), ("file/r.json", "Not a directory"),
     ("loop", "Too many levels"), ("a\0b", "embedded null"), ("x" * 300, "File name too long")],
)  # fmt: skip
def test_what_cannot_be_written_gets_a_sentence(tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    before = names(tmp_path)
    with pytest.raises(InputError, match="cannot write") as error:
        write_atomically(tmp_path / name, b"")
    assert reason in str(error.value)
    assert names(tmp_path) == before
