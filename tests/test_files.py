"""Reading JSON and YAML strictly, and writing files atomically."""

import gzip
import math
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import orjson
import pytest
import yaml

from paths import CONFIGS, ROOT
from vis_bench import files
from vis_bench.errors import InputError
from vis_bench.files import parse_json, read_json, write_atomically
from vis_bench.runs.config import load_cells
from vis_bench.yaml_text import MAX_ALIASED, MAX_BYTES, MAX_DEPTH, parse_yaml, read_yaml

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{key}: &{key} [{', '.join(['*' + before] * 10)}]\n"
    for before, key in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGED = "a: &a {k0: 0, k1: 1}\n" + "".join(
    f"{key}: &{key} {{<<: [{', '.join(['*' + before] * 10)}]}}\n"
    for before, key in zip("abcdefgh", "bcdefghi", strict=True)
)

REFUSED = {
    "!!bool x": "the tag !!bool is not read",
    "!!int ''": "the tag !!int is not read",
    "!!binary 'a'": "the tag !!binary is not read",
    "!!timestamp 2020-99-99": "the tag !!timestamp is not read",
    "!!python/name:os.system": "the tag !!python/name:os.system is not read",
    "!mine x": "the tag !mine is not read",
    "[!!set {a, b}]": "the tag !!set is not read",
    "&a [*a]": "*a stands inside of itself",
    "&a {b: [*a]}": "*a stands inside of itself",
    "[" * 3000: f"nested more than {MAX_DEPTH} levels deep",
    "{a: " * 3000: f"nested more than {MAX_DEPTH} levels deep",
    "- " * 3000: f"nested more than {MAX_DEPTH} levels deep",
    "? " * 3000: f"nested more than {MAX_DEPTH} levels deep",
    LAUGHS: f"aliases stand for more than {MAX_ALIASED} values",
    MERGED: f"aliases stand for more than {MAX_ALIASED} values",
    "a: 1\nb: 2\na: 3": "line 3: the key a is given twice",
    "{b: {c: 1, 'c': 2}}": "the key c is given twice",
    "{<<: {a: 1}, <<: {b: 1}}": "the key << is given twice",
    "010": "010 has a leading 0",
    "-08": "-08 has a leading 0",
    str(1 << 64): f"{1 << 64} needs more than 64 bits",
    str(-(1 << 63) - 1): "needs more than 64 bits",
    "1" * 5000: "needs more than 64 bits",
    "0x" + "f" * 5000: "needs more than 64 bits",
    "{true: 1}": "a key is true; expected text",
    "{null: 1}": "a key is null; expected text",
    "{[a]: 1}": "a key is a list or mapping; expected text",
    "a\0b": "is not valid YAML",
    "\ud800": "is not valid YAML",
    "---\na\n---\nb": "is not valid YAML, line 3",
    "a: [1": "is not valid YAML",
    "*a": "is not valid YAML",
    "<<: 1": "is not valid YAML",
    "#" * (MAX_BYTES + 1): f"has more than {MAX_BYTES} bytes",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused_is_refused_in_a_sentence(text):
    with pytest.raises(InputError) as error:
        parse_yaml(text, "the text")
    message = str(error.value)
    assert message.startswith("the text")
    assert REFUSED[text] in message
    assert "\n" not in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2020-01-01", "2020-01-01"),
        ("a: 2020-99-99", {"a": "2020-99-99"}),
        ("0", 0),
        ("-1", -1),
        ("'010'", "010"),
        ("0x10", 16),
        ("0o10", 8),
        (str((1 << 64) - 1), (1 << 64) - 1),
        ("1e-4", 1e-4),
        ("1E4", 1e4),
        ("+.5", 0.5),
        ("1.", 1.0),
        ("00.5", 0.5),
        ("-.inf", -math.inf),
        ("1e", "1e"),
        (".", "."),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("0b1", "0b1"),
        ("=", "="),
        ("[yes, No, on, OFF, y]", ["yes", "No", "on", "OFF", "y"]),
        ("on: off", {"on": "off"}),
        ("[true, False, NULL, ~, '']", [True, False, None, None, ""]),
        ("{a: }", {"a": None}),
        ("{<<: {}, a: 1}", {"a": 1}),
        ("{<<: {a: 1}, '<<': 1}", {"a": 1, "<<": 1}),
        (
            "{a: &x {k: 1}, b: &y {k: 2, l: 2}, c: {<<: [*x, *y]}, '<<': 1}",
            {"a": {"k": 1}, "b": {"k": 2, "l": 2}, "c": {"k": 1, "l": 2}, "<<": 1},
        ),
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, yaml.safe_load("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
        ("{a: &x {k: 1, l: 2}, b: {<<: *x, k: 3}}", {"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}}),
        ("a: &x [1]\nb: [*x, *x]", {"a": [1], "b": [[1], [1]]}),
        ("", None),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_plain_values_are_what_they_look_like(text, value):
    assert parse_yaml(text, "the text") == value


def test_nan_is_a_number():
    assert math.isnan(parse_yaml(".NaN", "the text"))


def test_overrides_are_yaml(tmp_path):
    (tmp_path / "c.yaml").write_text("method: m\ndataset: {name: synthetic}\noptions: {a: 2e-5}\n")
    [cell] = load_cells(tmp_path / "c.yaml", ["options.b=1e-4", "options.c=yes"])
    assert cell.options == {"a": 2e-5, "b": 1e-4, "c": "yes"}


def test_aliases_up_to_the_limit_are_read():
    text = "a: &a [" + "0," * (MAX_ALIASED // 10 - 1) + "]\nb: [" + "*a," * 10 + "]\n"
    assert len(parse_yaml(text, "the text")["b"]) == 10
    with pytest.raises(InputError, match=f"more than {MAX_ALIASED}"):
        parse_yaml(text + "c: *a", "the text")


@pytest.mark.parametrize(
    "path",
    sorted([*CONFIGS.rglob("*.yaml"), *ROOT.glob("vis_bench/show/papers/*.yaml")]),
    ids=lambda p: p.stem,
)
def test_every_file_of_this_project_reads_as_pyyaml_reads_it(path):
    assert read_yaml(path) == yaml.safe_load(path.read_text(encoding="utf-8"))


def test_a_file_that_never_ends_is_refused_at_the_limit():
    with pytest.raises(InputError, match=f"/dev/zero has more than {MAX_BYTES} bytes"):
        read_yaml(Path("/dev/zero"))


def test_bytes_that_are_not_utf8_are_refused(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(InputError, match=r"c\.yaml is not valid YAML: 'utf-8' codec"):
        read_yaml(tmp_path / "c.yaml")


@pytest.mark.parametrize("before", ["", "é", "日本語" * 9, "\n" * 3])
@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_json_without_numbers_of_its_own_is_named(before, word):
    text = f'["{before}"' if "\n" not in before else f"{before}[0"
    with pytest.raises(InputError, match=f"holds {word.lstrip('-')}, which JSON does not allow"):
        parse_json(f"{text}, {word}]".encode(), "the text")


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


def test_a_killed_write_leaves_the_old_file_and_what_it_left_is_swept_a_day_later(tmp_path):
    path, other = tmp_path / "r.json", tmp_path / "r.json.html"
    write_atomically(path, b"old")
    killed_write(path)
    killed_write(other)
    assert path.read_bytes() == b"old"
    assert len(names(tmp_path)) == 3
    for name in names(tmp_path):
        os.utime(tmp_path / name, (0, time.time() - 86500))
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    kept, new = names(tmp_path)
    assert kept.startswith(".r.json.html.")
    assert new == "r.json"


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


TRACK = b'{"video_id":1,"category_id":1,"score":0.5,"segmentations":[%s]},'
MASK = b'{"size":[4,4],"counts":"04"},'
BOMBS = {
    "lists": b"[],", "objects": b"{},", "nested": b"[" * 500 + b"]" * 500 + b",",
    "spaced": b"[ ],", "keys": b'{"":0},', "tracks": TRACK % b"[[]],[[]],[[]],[[]],[[]],[[]]",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("packed", [False, True])
def test_json_of_more_lists_and_objects_than_any_results_is_refused_before_it_is_parsed(
    tmp_path, monkeypatch, name, packed
):
    monkeypatch.setattr(orjson, "loads", None)
    content = b"[" + BOMBS[name] * (32_000_000 // len(BOMBS[name])) + b"0]"
    path = tmp_path / ("r.json.gz" if packed else "r.json")
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    with pytest.raises(InputError, match="objects and lists"):
        read_json(path)


def test_a_file_that_gzip_packed_needs_no_ending(tmp_path):
    (tmp_path / "r.json").write_bytes(gzip.compress(b"[1]"))
    assert read_json(tmp_path / "r.json") == [1]


@pytest.mark.parametrize("masks", [b"null,", b"[],", MASK, b"null," * 30 + MASK])
def test_results_of_small_masks_and_of_none_are_read(masks):
    entry = TRACK % (masks * 30 + b"null")
    content = b"[" + entry * (3_000_000 // len(entry)) + b"0]"
    assert len(parse_json(content, "r")) == content.count(b"video_id") + 1


@pytest.mark.parametrize("value", [b"null", b"0", b"1e5", b'"a"', b"[1]"])
def test_json_of_too_many_values_or_for_too_little_memory_is_refused(monkeypatch, value):
    content = b"[" + b",".join([value] * 1_000_000) + b"]"
    if len(content) < 2 << 20:
        content += b" " * (2 << 20)
    assert len(parse_json(content, "r")) == 1_000_000
    monkeypatch.setattr(files, "address_space_left", lambda: 20 << 20)
    with pytest.raises(InputError, match="memory"):
        parse_json(content, "r")
    monkeypatch.setattr(files, "VALUES_LIMIT", 999_998)
    with pytest.raises(InputError, match="999,999 values"):
        parse_json(content, "r")


@pytest.mark.parametrize("error", [MemoryError, SystemError])
def test_a_parser_without_memory_is_an_error_of_one_sentence(monkeypatch, error):
    def loads(content):
        raise error

    monkeypatch.setattr(orjson, "loads", loads)
    with pytest.raises(InputError, match=r"^r does not fit"):
        parse_json(b"[]", "r")


def test_a_file_above_the_limit_is_not_read(tmp_path):
    with (tmp_path / "r.json").open("wb") as file:
        file.truncate((4 << 30) + 1)
    with pytest.raises(InputError, match="4096 MiB"):
        read_json(tmp_path / "r.json")


def test_a_pipe_is_read_once_within_a_command_and_anew_by_the_next(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def given(text):
        threading.Thread(target=pipe.write_text, args=(text,), daemon=True).start()

    for text in ("1", "2"):
        given(text)
        with files.pipes_kept():
            with files.pipes_kept():  # a call of the Python interface in a command
                first = read_json(pipe)
            assert (first, read_json(pipe)) == (int(text),) * 2
    given("3")
    assert read_json(pipe) == 3


@pytest.mark.parametrize("letter", ["a", "\u00e4", "\U0001f600"])
@pytest.mark.parametrize("num_bytes", [236, 237, 238, 245, 255])
def test_names_may_be_as_long_as_the_file_system_takes(tmp_path, letter, num_bytes):
    name = letter * (num_bytes // len(letter.encode()))
    path = tmp_path / (name + "b" * (num_bytes - len(name.encode())))
    for content in (b"one", b"two"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert [*tmp_path.iterdir()] == [path]
    left = files.temporary_name(path)
    left.touch()
    os.utime(left, (0, 0))
    write_atomically(path, b"three")
    assert not left.exists()
