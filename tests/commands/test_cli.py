"""Commands as users run them: each once, with records, tables and pages that follow."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import warnings
import zipfile

import pytest

from hostile_calls import call
from methods import method_names
from record_example import example_record
from vis_bench.cli import COMMANDS
from vis_bench.data.synthetic.videos import NUM_VIDEOS
from vis_bench.record.store import RecordStore
from vis_bench.runs.bundled import bundled_configs
from vis_bench.show.gate import check as verdict

PLAIN = """
method: color_key
dataset: {name: synthetic, split: val, plain: true}
resolution: native
clip_length: [whole, 10]
clip_stride: 5
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "plain.yaml"
    path.write_text(PLAIN)
    return path


def test_run_measures_every_cell_and_prints_a_table(config, tmp_path):
    code, out, err = call(
        "run", config, "--limit", 3, "--output", tmp_path / "r", "--device", "cpu"
    )
    assert code == 0, err
    assert "| color key" in out
    for path in RecordStore(tmp_path / "r").readable().paths:
        assert f"record: {path}" in err
    records = [
        json.loads(p.read_text())
        for p in (tmp_path / "r").glob("*.json")
        if not p.name.endswith(".results.json")
    ]
    assert {r["clip_length"] for r in records} == {"whole", 10}
    for record in records:
        assert record["ap"] > 0.95
        assert record["hota"] > 0.9
        assert record["num_videos"] == 3
        assert (tmp_path / "r" / record["predictions"]).is_file()


def test_limited_runs_stay_apart_unless_told_otherwise(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(NUM_VIDEOS, "val", 2)
    some = ("run", config, "--set", "clip_length=whole", "--device", "cpu", "--json")
    code, out, err = call(*some, "--limit", 1)
    assert code == 0, err
    assert "--limit: records go to runs/limited; --output names another folder" in err
    assert json.loads(out)[0]["limited"]
    assert len(written(tmp_path / "runs" / "limited")) == 1
    assert not (tmp_path / "results").exists()
    code, out, err = call(*some, "--limit", 2)
    assert code == 0, err
    assert not json.loads(out)[0]["limited"]
    assert "runs/limited" not in err
    assert len(written(tmp_path / "results" / "records")) == 1


def test_table_and_leaderboard_show_what_was_run(config, tmp_path):
    records = tmp_path / "r"
    call("run", config, "--limit", 1, "--output", records, "--set", "clip_length=whole")
    code, out, _ = call("table", "measured", "--records", records, "--format", "csv")
    assert code == 0
    [row] = csv.DictReader(out.splitlines())
    assert row["Method"].startswith("color key")
    shown = [row[title] for title in ("Data", "First videos", "Clip")]
    assert shown == ["plain synthetic set val", "1", "whole"]
    code, _, _ = call("leaderboard", "--records", records, "--output", tmp_path / "L.md")
    assert code == 0
    assert "color key" in (tmp_path / "L.md").read_text()


def test_resume_measures_nothing_twice(config, tmp_path):
    arguments = ("run", config, "--limit", 1, "--output", tmp_path / "r", "--json")
    _, first, _ = call(*arguments, "--set", "clip_length=whole")
    _, both, err = call(*arguments, "--resume")
    assert json.loads(first)[0] in json.loads(both)
    assert len(json.loads(both)) == 2
    assert "measured before" in err


def test_cells_without_their_weights_are_left_out_where_the_config_says_so(tmp_path):
    config = tmp_path / "two.yaml"
    cells = "[{weights: none.pth, skip_without_weights: true}, {clip_length: whole}]"
    config.write_text(PLAIN.replace("[whole, 10]", "10") + f"cells: {cells}\n")
    code, out, err = call("run", config, "--limit", 1, "--output", tmp_path / "r", "--json")
    assert code == 0, err
    assert [record["clip_length"] for record in json.loads(out)] == ["whole"]
    assert "left out, weights file none.pth does not exist" in err


def written(folder):
    return [p for p in folder.glob("[!.]*.json") if not p.name.endswith(".results.json")]


def test_synth_validate_eval_predict_submit(tmp_path):
    """The whole way over files: frames written, checked, predicted on, evaluated, zipped."""
    data = tmp_path / "data"
    code, out, err = call("synth", data, "--plain", "--json", "--split", "val", "--videos", 2)
    assert code == 0, err
    (annotations,) = data.glob("**/val.json")
    frames = annotations.parent / "val" / "JPEGImages"
    code, out, err = call("validate", annotations, "--frames", frames)
    assert code == 0, err
    assert out.startswith("no problems found in 2 videos with ")
    config = tmp_path / "c.yaml"
    config.write_text(PLAIN.replace("[whole, 10]", "whole"))
    results = tmp_path / "out" / "results.json"
    code, out, err = call("predict", config, "--frames", frames, "--output", results)
    assert code == 0, err
    code, out, err = call("eval", "--annotations", annotations, "--predictions", results, "--json")
    assert code == 0, err
    assert json.loads(out)["ap"] > 0.95
    code, out, err = call("submit", results, tmp_path / "s.zip")
    assert code == 0, err
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert archive.namelist() == ["results.json"]
        assert json.loads(archive.read("results.json")) == json.loads(results.read_text())


def test_predict_on_a_single_folder_of_frames(tmp_path, config):
    call("synth", tmp_path / "d", "--plain", "--split", "val", "--videos", 1)
    folder = next(path.parent for path in (tmp_path / "d").rglob("00000.*"))
    code, out, err = call(
        "predict",
        config,
        "--frames",
        folder,
        "--output",
        tmp_path / "r.json",
        "--json",
        "--set",
        "clip_length=whole",
    )
    assert code == 0, err
    assert json.loads(out)["num_videos"] == 1
    assert {track["video_id"] for track in json.loads((tmp_path / "r.json").read_text())} == {1}


def test_leaderboard_in_every_format(tmp_path):
    store = RecordStore(tmp_path / "r")
    store.write(example_record())
    store.write(example_record(dataset="ytvis2019", ap=0.4, config_sha256="cd" * 32))
    texts = {}
    for form in ("markdown", "csv", "latex", "html"):
        code, texts[form], err = call("leaderboard", "--records", store.folder, "--format", form)
        assert code == 0, err
    assert call("leaderboard", "--records", store.folder)[1] == texts["markdown"]
    assert texts["markdown"].startswith("# Leaderboard\n\n## ")
    header, *rows = texts["csv"].splitlines()
    assert header.startswith("Data,Rank,Method,Backbone,Resolution,Device,Clip,Stride,AP,")
    assert sorted(row.split(",")[8] for row in rows) == ["40.0", "50.0"]
    assert texts["latex"].count(r"\begin{tabular}") == 2
    assert texts["html"].count("<caption>") == 2
    code, out, _ = call(
        "leaderboard",
        "--records",
        store.folder,
        "--format",
        "html",
        "--output",
        tmp_path / "board.html",
    )
    assert (code, out) == (0, "")
    assert (tmp_path / "board.html").read_text() == texts["html"]


def test_the_leaderboard_shows_best_cells_or_all(tmp_path):
    store = RecordStore(tmp_path / "r")
    store.write(example_record(ap=0.31))
    store.write(example_record(ap=0.42, clip_length=10, config_sha256="cd" * 32))
    store.write(example_record(ap=0.53, training="afresh", config_sha256="ef" * 32))
    arguments = ("leaderboard", "--records", store.folder)
    _, best, _ = call(*arguments)
    assert [text in best for text in ("31.0", "42.0", "53.0")] == [False, True, False]
    _, every, _ = call(*arguments, "--all")
    assert all(text in every for text in ("31.0", "42.0", "53.0"))
    assert [record["ap"] for record in json.loads(call(*arguments, "--json")[1])] == [0.42]
    assert len(json.loads(call(*arguments, "--json", "--all")[1])) == 3


@pytest.mark.parametrize(
    "arguments",
    [["leaderboard"], ["leaderboard", "--json"], ["table", "measured"], ["table", "comparison"],
     ["table", "ifc-stride", "--format", "csv"]],
)  # fmt: skip
def test_an_unreadable_record_is_named_and_skipped(arguments, tmp_path):
    store = RecordStore(tmp_path / "r")
    store.write(example_record(ap=0.31))
    code, before, _ = call(*arguments, "--records", store.folder)
    assert code == 0
    (store.folder / "broken.json").write_text('{"schema_version": 1}')
    code, out, err = call(*arguments, "--records", store.folder)
    assert (code, out) == (1, before)
    assert err == f"skipped: record {store.folder / 'broken.json'} lacks the field 'method'\n"


def test_check_refuses_an_unreadable_record(tmp_path):
    store = RecordStore(tmp_path / "r")
    path = store.write(example_record())
    (store.folder / "broken.json").write_text("{")
    code, out, err = call("check", "--baseline", path, "--current", store.folder)
    assert (code, out) == (2, "")
    assert "broken.json" in err


def test_a_table_is_written_to_a_file(tmp_path):
    code, printed, _ = call("table", "comparison", "--format", "latex")
    assert code == 0
    code, out, _ = call("table", "comparison", "--format", "latex", "--output", tmp_path / "t.tex")
    assert (code, out) == (0, "")
    assert (tmp_path / "t.tex").read_text() == printed


@pytest.mark.parametrize("name", ["a/t.json", "t.json.gz"])
def test_a_trace_of_a_bundled_model(tmp_path, name):
    """Its weights have six classes, those of its config's data set."""
    code, out, err = call(
        "profile-kernels",
        "--config",
        "ifc_mini_synthetic",
        "--trace",
        tmp_path / name,
        "--device",
        "cpu",
        "--set",
        "clip_length=2",
        "--json",
    )
    assert code == 0, err
    assert json.loads(out)
    start = b"\x1f\x8b" if name.endswith(".gz") else b"{"
    assert (tmp_path / name).read_bytes().lstrip().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name.partition("/")[0]]


def test_training_prints_a_summary_or_json(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = [
        "train",
        "backbone_mini_synthetic",
        "--set",
        "steps=1",
        "--set",
        "videos=2",
        "--set",
        "clips=2",
    ]
    code, out, err = call(*arguments)
    assert code == 0, err
    weights = "runs/backbone_mini_synthetic/weights.safetensors"
    assert out.startswith("trained to step 1 in ")
    assert weights in out
    code, out, err = call(*arguments, "--json")
    assert code == 0, err
    assert json.loads(out)["weights"] == weights


@pytest.mark.parametrize("place", ["missing/summary.md", "", "\0", "/dev/full"])
@pytest.mark.parametrize(("now", "code"), [(0.5, 0), (0.3, 1)])
def test_a_summary_that_cannot_be_written_changes_no_exit_code(
    place, now, code, tmp_path, monkeypatch
):
    for name, ap in (("before", 0.5), ("after", now)):
        RecordStore(tmp_path / name).write(example_record(ap=ap))
    summary = place if place.startswith("/dev") else f"{tmp_path}/{place}"
    monkeypatch.setattr(verdict, "SUMMARY_VARIABLE", "SUMMARY")
    monkeypatch.setattr("os.environ", {"SUMMARY": summary})
    done, out, err = call(
        "check", "--baseline", tmp_path / "before", "--current", tmp_path / "after"
    )
    assert done == code
    assert out.startswith("failed" if code else "passed")
    assert err.startswith("warning: cannot write the step summary ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [["leaderboard"], ["table", "ifc-stride"]])
def test_tables_without_records_name_the_folder_and_take_columns(command, tmp_path):
    (tmp_path / "r").mkdir()
    code, _, err = call(*command, "--records", tmp_path / "r")
    assert code == 0
    assert str(tmp_path / "r") in err
    RecordStore(tmp_path / "r").write(example_record())
    code, out, _ = call(*command, "--records", tmp_path / "r", "--columns", "ap", "--format", "csv")
    assert (code, "Method" in out, "AP" in out) == (0, False, True)
    code, _, err = call(*command, "--records", tmp_path / "r", "--columns", "speed")
    assert (code, err.count("\n")) == (2, 1)
    assert "'speed'" in err


def test_a_table_without_rows_and_an_empty_history_say_so(tmp_path):
    folder = tmp_path / "r"
    folder.mkdir()
    assert call("history", folder)[::2] == (0, f"no record in {folder}\n")
    RecordStore(folder).write(example_record())
    code, _, err = call("table", "memory", folder)
    assert (code, err) == (0, f"no record in {folder} holds memory\n")


def test_the_html_leaderboard_links_the_report_beside_a_record(tmp_path):
    path = RecordStore(tmp_path / "r s").write(example_record())
    arguments = ("leaderboard", "--records", tmp_path / "r s", "--format", "html")
    call(*arguments, "--output", tmp_path / "a.html")
    assert "href=" not in (tmp_path / "a.html").read_text()
    path.with_suffix(".html").touch()
    call(*arguments, "--output", tmp_path / "a.html")
    assert f'href="r%20s/{path.stem}.html"' in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("OMP_WAIT_POLICY", None, "PASSIVE"),
        ("OMP_WAIT_POLICY", "ACTIVE", "ACTIVE"),
        ("OPENBLAS_THREAD_TIMEOUT", None, "4"),
        ("OPENBLAS_THREAD_TIMEOUT", "26", "26"),
    ],
)
def test_idle_threads_do_not_spin_unless_asked_to(name, before, after, monkeypatch):
    monkeypatch.setenv(name, before or "")
    if before is None:
        monkeypatch.delenv(name)
    call("--version")
    assert os.environ[name] == after


def test_a_python_warning_is_a_sentence(config, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "vis_bench.commands.flops.run", lambda options: warnings.warn("slow\nhere", stacklevel=1)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, _, err = call("flops", config)
    assert code == 0
    assert err.startswith("warning: slow")
    assert "test_cli.py" not in err
    assert err.count("\n") == 1


def test_an_interrupt_while_an_object_is_cleaned_up_is_not_lost(config, monkeypatch):
    class Interrupted:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def run(options):
        Interrupted()
        return 3 if all(number < 10**8 for number in range(10**8)) else 4  # goes on for seconds

    monkeypatch.setattr("vis_bench.commands.flops.run", run)
    code, _, err = call("flops", config)
    assert (code, err) == (130, "interrupted\n")


def test_the_list_of_everything_is_short_and_names_the_longer_ones():
    code, out, _ = call("list")
    lines = out.splitlines()
    assert code == 0
    assert len(lines) <= 62
    text = "\n".join(lines)
    for method in method_names():
        assert f"| {method} " in text
    for config in ("demo", "clip_lengths"):
        assert f"| {config} " in text
    num_gpu = sum(name.startswith("gpu_") for name in bundled_configs())
    assert f"| gpu (+{num_gpu}) " in text
    num_ifc = sum(name.startswith("ifc_") for name in bundled_configs())
    assert re.search(rf"\| ifc +\| built in +\| +{num_ifc} \|", text)
    assert "tables/" in text
    assert "num_queries" not in text
    assert "list methods" in lines[-1]
    assert len(json.loads(call("list", "--json")[1])["configs"]) == len(bundled_configs())


def test_a_mistyped_command_gets_a_suggestion():
    code, _, err = call("evl")
    assert code == 2
    assert "'evl'" in err
    assert "did you mean eval?" in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ru"], {"run"}),
        (["run", "ifc_mini"], {"ifc_mini_synthetic"}),
        (["run", "--lim"], {"--limit"}),
        (["figure", "failure"], {"failure-cases"}),
        (["figure", "strip", "--col"], {"--column"}),
        (["draw", "--labels", "fir"], {"first"}),
    ],
)
def test_bash_completes(completion, words, expected):
    typed = " ".join(f"'{word}'" for word in ["vis-bench", *words])
    script = f"{completion}\nCOMP_WORDS=({typed}); COMP_CWORD={len(words)}\n_vis_bench\n"
    shown = subprocess.run(
        ["bash", "-c", script + 'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, text=True
    )
    assert shown.stderr == ""
    assert expected <= set(shown.stdout.split())
    assert all(word.startswith(words[-1]) for word in shown.stdout.split())


@pytest.fixture(scope="module")
def completion():
    code, script, _ = call("--completion", "bash")
    assert code == 0
    return script


def test_other_shells_have_every_command_and_unknown_ones_are_refused(completion):
    for shell in ("zsh", "fish"):
        code, script, _ = call("--completion", shell)
        assert code == 0
        assert all(name in script for name in COMMANDS)
    for words in (["bsh"], [], ["bash", "zsh"]):
        code, _, err = call("--completion", *words)
        assert code == 2
        assert "bash" in err


STUCK = """
import types
import vis_bench.cli as cli

def run(options):
    print("begun", flush=True)
    {code}

module = types.SimpleNamespace(add_arguments=lambda options: None, run=run)
cli.command_module = lambda name: module
cli.start()
"""
# With the interpreter's lock, without it, and in Python.
C_FUNCTIONS = {
    "lock": "sum(range(10**13))",
    "no lock": "import hashlib; hashlib.pbkdf2_hmac('sha256', b'x', b'y', 2**31 - 1)",
    "python": "import time; time.sleep(1e6)",
    "forked": "import os, signal; os.kill(os.fork() or os.getpid(), 0); sum(range(10**13))",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process that watches")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("name", C_FUNCTIONS)
def test_a_signal_ends_a_command_inside_a_c_function(tmp_path, name, number):
    script = tmp_path / "vis-bench"
    script.write_text(STUCK.format(code=C_FUNCTIONS[name]))
    command = [sys.executable, str(script), "list"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            process.stdout.readline()
            process.send_signal(number)
            process.wait(60)
        finally:
            os.killpg(process.pid, signal.SIGKILL) if name == "forked" else process.kill()
        # 128 more where it came before the function began.
        assert process.returncode in (128 + number, *([] if name == "python" else [-number]))
        assert "Traceback" not in process.stderr.read()
