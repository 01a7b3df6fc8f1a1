"""Closed pipes, full disks and missing streams change neither the work nor the exit code."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from paths import GOLDEN, ROOT
from record_example import example_record
from vis_bench.cli import main
from vis_bench.commands.output import SafeStream, print_result, say
from vis_bench.record.store import RecordStore

FULL = Path("/dev/full")
VIS_BENCH = [sys.executable, str(ROOT / "run_bench.py")]


@pytest.fixture
def failing_check(tmp_path):
    """A `check` of records that got worse: exit code 1."""
    for name, ap in (("before", 0.5), ("after", 0.3)):
        RecordStore(tmp_path / name).write(example_record(ap=ap))
    return ["check", "--baseline", str(tmp_path / "before"), "--current", str(tmp_path / "after")]


def test_the_check_fails(failing_check):
    assert main(failing_check) == 1


def closed_pipe(arguments, **options):
    """The exit code and standard error of a process whose standard output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*VIS_BENCH, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, **options
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr


def test_a_closed_pipe_changes_no_exit_code(failing_check):
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
    assert closed_pipe(failing_check) == closed_pipe(failing_check, env=unbuffered) == (1, "")
    assert closed_pipe(["list"]) == closed_pipe(["--help"]) == (0, "")
    assert closed_pipe(["validate", "none.json"])[0] == 2


def test_a_command_ends_its_work_where_nobody_reads(tmp_path):
    """Both cells are measured and the cost curves written, although the table finds no reader."""
    config = tmp_path / "c.yaml"
    config.write_text(
        "method: color_key\ndataset: {name: synthetic, plain: true}\nresolution: native\n"
        "clip_length: [5, 10]\nmeasure: flops\n"
    )
    output = tmp_path / "r"
    code, errors = closed_pipe(["run", str(config), "--limit", "1", "--output", str(output)])
    assert code == 0, errors
    assert len(list(output.glob("color_key*.json"))) == 2
    assert (output / "curves.svg").is_file()


def full_disk(arguments, full_stream):
    """A finished process one of whose output streams has no space left."""
    with FULL.open("w") as full:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, full_stream: full}
        return subprocess.run([*VIS_BENCH, *arguments], text=True, **streams)


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_gets_a_sentence(failing_check):
    for arguments, code in ((["list"], 2), (["--help"], 2), (failing_check, 1)):
        done = full_disk(arguments, "stdout")
        assert done.returncode == code
        reason = os.strerror(errno.ENOSPC)
        assert done.stderr == f"error: cannot write to standard output: {reason}\n"
    for arguments, code in ((failing_check, 1), (["validate", "none.json"], 2), (["list"], 0)):
        done = full_disk(arguments, "stderr")
        assert done.returncode == code
        assert bool(done.stdout) == (code < 2)


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_file_that_cannot_be_written_is_no_success(tmp_path, capsys):
    RecordStore(tmp_path).write(example_record())
    assert main(["leaderboard", "--records", str(tmp_path), "--output", str(FULL)]) == 2
    assert capsys.readouterr().err == f"error: cannot write {FULL}: {os.strerror(errno.ENOSPC)}\n"


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize(("closing", "arguments", "code"), [
    (">&-", "list", 0), (">&-", "nope", 2), ("2>&-", "nope", 2), (">&- 2>&-", "--help", 0),
])  # fmt: skip
def test_closed_streams(closing, arguments, code):
    command = f'"{VIS_BENCH[0]}" "{VIS_BENCH[1]}" {arguments} {closing}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == code
    assert "Traceback" not in done.stdout + done.stderr


def test_output_that_only_takes_ascii(tmp_path):
    """In sentences, in tables, and from paths that are not text."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    results = str(GOLDEN / "eval_quirks.preds.json")
    for name in ("résumé.zip", "missing/ô/résumé.zip"):
        done = subprocess.run(
            [*VIS_BENCH, "submit", results, name],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"wrote {name.encode('ascii', 'backslashreplace').decode()}\n"
    RecordStore(tmp_path / "r").write(example_record(method="résumé ×"))
    (tmp_path / os.fsdecode(b"r/\xff.json")).write_text("{")
    done = subprocess.run(
        [*VIS_BENCH, "table", "measured", "--records", "r"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
    )
    assert done.returncode == 1
    assert rb"r\xe9sum\xe9 \xd7" in done.stdout
    assert rb"r/\udcff.json" in done.stderr


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_a_terminal_gets_sentences_broken_between_words(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    path = "a/path/that/is/longer/than/a/line"
    terminal, errors = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", errors)
    text = f"  the file {path} is missing here\n| a row of a table | 1 |"
    print_result(SimpleNamespace(json=False), {}, text)
    say(f"error: {path} and\nmore words than fit")
    assert terminal.getvalue() == (
        f"  the file\n  {path}\n  is missing here\n| a row of a table | 1 |\n"
    )
    assert errors.getvalue() == f"error:\n{path}\nand\\nmore words than\nfit\n"
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    print_result(SimpleNamespace(json=False), {}, text)
    assert sys.stdout.getvalue() == f"{text}\n"


def test_a_stream_passes_everything_on_until_it_fails():
    stream = io.StringIO()
    safe = SafeStream(stream)
    assert safe.write("AP ×") == 4
    safe.flush()
    assert (stream.getvalue(), safe.failure, safe.isatty()) == ("AP ×", None, False)
    safe = SafeStream(None)
    assert safe.write("text") == 4
    assert safe.failure is None
