"""The functions of `import vis_bench` give what the command line prints."""

import inspect
import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

import vis_bench
from paths import ROOT
from record_example import example_record
from short_videos import write_short_videos
from vis_bench import arguments
from vis_bench.cli import main
from vis_bench.errors import InputError
from vis_bench.progress import Bars
from vis_bench.record.store import RecordStore
from vis_bench.runs.measure_config import MeasureReport

CONFIG = "method: color_key\nresolution: native\ndataset: {name: synthetic, plain: true}\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Annotations of two videos, results that find all objects, and results that lack one."""
    folder = tmp_path_factory.mktemp("files")
    content = write_short_videos(folder)
    keys = "video_id", "category_id", "segmentations"
    tracks = [{**{key: a[key] for key in keys}, "score": 0.9} for a in content["annotations"]]
    for name, some in (("a.json", tracks), ("b.json", tracks[1:])):
        (folder / name).write_text(json.dumps(some))
    return folder / "val.json", folder / "a.json", folder / "b.json"


def groups_file(folder):
    """A file with a group of the first video."""
    path = folder / "groups.yaml"
    path.write_text("videos: {first: [1]}")
    return path


def printed(capsys, *words):
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_evaluate_is_eval(files, capsys):
    truth, _, results = files
    evaluation = vis_bench.evaluate(truth, results, tracking_threshold=0.5)
    shown = printed(capsys, "eval", "--annotations", truth, "--predictions", results, "--tracking")
    assert evaluation.summary()["ap"] == shown["ap"] < 1
    assert evaluation.tracking.headline()["hota"] == shown["tracking"]["det_averaged"]["hota"]


def test_compare_is_compare(files, capsys):
    truth, a, b = files
    own = groups_file(truth.parent)
    asked = {"boundary": True, "groups": own}
    report = vis_bench.compare(a, b, annotations=truth, num_resamples=20, **asked)
    words = ("compare", a, b, "--annotations", truth, "--resamples", 20)
    shown = printed(capsys, *words, "--boundary", "--groups", own)
    assert json.loads(json.dumps(report.as_json())) == shown
    assert shown["overall"]["boundary_ap"]["first"] > shown["overall"]["boundary_ap"]["second"]
    assert list(shown["by_group"]) == ["first"]
    assert report.finding() in report.as_text()
    assert "| Boundary AP " in report.as_text()


def test_compare_of_several_is_compare_of_several(files, capsys):
    truth, a, b = files
    found = vis_bench.compare(a, b, a, b, annotations=truth, num_resamples=20)
    words = ("compare", a, b, a, b, "--annotations", truth, "--resamples", 20)
    assert json.loads(json.dumps(found.as_json())) == printed(capsys, *words)
    assert main([*map(str, words)]) == 0
    assert found.as_text().strip() == capsys.readouterr().out.strip()
    texts = Cells(found._repr_html_()).texts
    assert (texts[0], repr(found)) == (found.finding(), f"<{found.finding()}>")
    assert "AP gain" in texts


def test_a_chart_is_what_the_commands_write(tmp_path):
    folder = ROOT / "results"
    for name, words in (
        ("leaderboard", ("leaderboard", "--picture")),
        ("memory", ("table", "memory", "--picture")),
    ):
        written = tmp_path / f"{name}.svg"
        assert main([*words, str(written), "--records", str(folder)]) == 0
        found = vis_bench.chart(name, folder)
        assert found.save(tmp_path / "own.svg").read_bytes() == written.read_bytes()
        assert found._repr_svg_().encode() == written.read_bytes()
        assert repr(found) == f"<{found.finding()}>"
    words = [f"--{key}={field}" for key, field in FIELDS.items()] + ["--where=resolution=192"]
    folder /= "clip_lengths"
    picture = tmp_path / "sweep.svg"
    assert main(["table", "sweep", str(folder), *words, "--picture", str(picture)]) == 0
    found = vis_bench.chart("sweep", folder, **FIELDS, where={"resolution": 192})
    assert found.drawn("svg") == picture.read_bytes()
    with pytest.raises(InputError, match=r"own\.gif"):
        found.save(tmp_path / "own.gif")


def test_a_chart_of_nothing_is_refused(tmp_path):
    RecordStore(tmp_path).write(example_record(ap=0.5))
    for name, told in (
        ("memry", "did you mean memory"),
        ("memory", "no record holds memory"),
        ("curves", "sweep"),
    ):
        with pytest.raises(InputError, match=told):
            vis_bench.chart(name, tmp_path)
    with pytest.raises(InputError, match=r"^rows is an option of sweep; got memory"):
        vis_bench.chart("memory", tmp_path, rows="ap")


def test_measure_writes_what_records_reads(tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    outcome = vis_bench.measure(
        tmp_path / "c.yaml", ["measure=accuracy"], limit=1, device="cpu", output=tmp_path / "r"
    )
    assert outcome.failures == []
    assert outcome.folder == tmp_path / "r"
    table = vis_bench.records(tmp_path / "r")
    assert table.ap.tolist() == [record.ap for record in outcome.records]
    assert table.method.tolist() == ["color_key"]


def test_records_names_what_it_leaves_out(tmp_path):
    RecordStore(tmp_path).write(example_record(ap=0.5))
    (tmp_path / "x.json").write_text("{")
    with pytest.warns(UserWarning, match=r"skipped: .*x\.json"):
        assert vis_bench.records(tmp_path).ap.tolist() == [0.5]


def test_wrong_input_is_an_error_of_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no bundled config"):
        vis_bench.measure("nope")
    with pytest.raises(InputError, match="does not exist"):
        vis_bench.records(tmp_path / "nope")


NAN = float("nan")
FIELDS = {"rows": "clip_length", "columns": "method", "value": "ap"}
WRONG = {
    "annotations": lambda f, t: vis_bench.evaluate(None, f[1]),
    "results": lambda f, t: vis_bench.evaluate(f[0], b"r.json"),
    "long_annotations": lambda f, t: vis_bench.evaluate(f[0], f[1], long_annotations=b"x"),
    "tracking_threshold": lambda f, t: vis_bench.evaluate(f[0], f[1], tracking_threshold=t),
    "first": lambda f, t: vis_bench.compare(3, f[1]),
    "second": lambda f, t: vis_bench.compare(f[1], {}),
    "others": lambda f, t: vis_bench.compare(f[1], f[2], b"c.json"),
    "score_threshold": lambda f, t: vis_bench.compare(f[1], f[2], score_threshold=t),
    "num_resamples": lambda f, t: vis_bench.compare(f[1], f[2], num_resamples=t),
    "seed": lambda f, t: vis_bench.compare(f[1], f[2], seed=t),
    "config": lambda f, t: vis_bench.measure(None),
    "limit": lambda f, t: vis_bench.measure("gate", limit=t),
    "output": lambda f, t: vis_bench.measure("gate", output=t),
    "data_root": lambda f, t: vis_bench.measure("gate", data_root=b"d"),
    "weights": lambda f, t: vis_bench.measure("gate", weights=""),
    "trace": lambda f, t: vis_bench.measure("gate", trace=3),
    "device": lambda f, t: vis_bench.measure("gate", device=3),
    "folder": lambda f, t: vis_bench.records(None),
    "boundary": lambda f, t: vis_bench.evaluate(f[0], f[1], boundary=t),
    "resume": lambda f, t: vis_bench.measure("gate", resume=t),
    "path": lambda f, t: vis_bench.chart("leaderboard", ROOT / "results/memory").save(t),
    "videos": lambda f, t: vis_bench.draw(f[1], ROOT, "drawn", annotations=f[0], videos=t),
    "where": lambda f, t: vis_bench.chart("sweep", ROOT / "results/memory", **FIELDS, where="a=b"),
}
VALUES = {
    "tracking_threshold": (NAN, -math.inf, 1, 2.0, "0.5", True),
    "score_threshold": (NAN, math.inf, 2.0, b"0"),
    "num_resamples": (2.5, 0, -1, 100_001, True, None, NAN),
    "seed": (-1, 2**63, 1.0, None),
    "limit": (0, -1, 1.5, "3", False),
    "output": ("", b"out", 3),
    "boundary": ("no", 0, 1.0, None, []),
    "resume": ("yes", 1, np.array([True])),
    "path": (b"x.svg", 3, ""),
    "videos": (3, True, b"x", [None], [3], "one"),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in WRONG for value in VALUES.get(name, [None])]
)
def test_a_wrong_argument_is_named_with_its_value(files, tmp_path, monkeypatch, name, value):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"^{name} is .*; expected .*$") as error:
        WRONG[name](files, value)
    assert value is None or repr(value) in str(error.value)
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy_are_numbers():
    assert arguments.COUNT.check("limit", np.int64(3)) == 3
    assert arguments.THRESHOLD.check("score_threshold", np.float32(0.5)) == 0.5


@pytest.mark.parametrize("name", sorted({*vis_bench.__all__} - {"InputError"}))
def test_what_is_described_is_what_a_function_takes(name):
    function = getattr(vis_bench, name)
    described = re.findall(
        r"^        ([a-z_, ]+):", function.__doc__.partition("Returns:")[0], re.M
    )
    names = [word for words in described for word in words.split(", ")]
    parameters = list(inspect.signature(function).parameters)
    assert names == parameters if name != "records" else parameters == ["folder"]


def test_messages_do_not_speak_of_the_command_line(files):
    for call in (lambda: vis_bench.compare(*files[1:]), lambda: vis_bench.measure("gate", ["m"])):
        with pytest.raises(InputError) as error:
            call()
        assert "--" not in str(error.value)


def test_settings_are_a_mapping_texts_or_one_text(tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    lengths = []
    for place, settings in enumerate(
        [
            {"clip_length": 5, "measure": ["accuracy"]},
            ["clip_length=5", "measure=accuracy"],
            "clip_length=5",
        ]
    ):
        outcome = vis_bench.measure(
            tmp_path / "c.yaml", settings, limit=1, device="cpu", output=tmp_path / str(place)
        )
        lengths.append(outcome.records[0].clip_length)
    assert lengths == [5, 5, 5]


def test_importing_it_imports_no_library():
    code = "import sys, vis_bench; print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


class Cells(HTMLParser):
    """Texts of a notebook's HTML, and a check that every tag is closed."""

    def __init__(self, html):
        super().__init__()
        self.texts, self.open = [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert tag in ("p", "b", "br", "table", "tr", "th", "td")
        assert attributes == []
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def shown(files, tmp_path_factory):
    """What the three functions return."""
    folder = tmp_path_factory.mktemp("shown")
    truth, a, b = files
    (folder / "c.yaml").write_text(CONFIG)
    return {
        "evaluate": vis_bench.evaluate(truth, b, tracking_threshold=0.5),
        "compare": vis_bench.compare(a, b, annotations=truth, num_resamples=20),
        "measure": vis_bench.measure(
            folder / "c.yaml", "measure=accuracy", limit=3, device="cpu", output=folder / "r"
        ),
    }


@pytest.mark.parametrize("name", ["evaluate", "compare", "measure"])
def test_a_notebook_shows_the_finding_and_a_small_table(shown, name):
    value = shown[name]
    html = value._repr_html_()
    assert len(html) <= 1500
    texts = Cells(html).texts
    assert texts[0] == value.finding()
    assert "AP" in texts
    assert repr(value) == f"<{value.finding()}>"
    assert len(repr(value)) < 200


def test_the_table_of_a_notebook_has_the_values_and_their_intervals(shown, tmp_path):
    evaluation = shown["evaluate"]
    ap = f"{100 * evaluation.summary()['ap']:.1f}"
    assert any(text.startswith(ap) for text in Cells(evaluation._repr_html_()).texts[1:])
    records = [example_record(ap=0.5, ap_low=0.4, ap_high=0.625)] * 3
    outcome = MeasureReport(records, ["ifc: it failed"], tmp_path)
    texts = Cells(outcome._repr_html_()).texts
    assert texts.count("50.0 (40.0\u201162.5)") == 3
    assert texts[:2] == [f"3 records in {tmp_path}; 1 failure.", "ifc: it failed"]


def test_text_from_data_is_escaped_in_a_notebook(files, tmp_path):
    truth, a, _ = files
    hostile = tmp_path / "<script>x.json"
    hostile.write_text(a.read_text())
    report = vis_bench.compare(a, hostile, annotations=truth, num_resamples=5)
    assert "<script>x" in "".join(Cells(report._repr_html_()).texts)


def test_progress_is_shown_where_someone_watches(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert Bars.watched().is_quiet
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    assert not Bars.watched().is_quiet
    monkeypatch.delitem(sys.modules, "ipykernel")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert not Bars.watched().is_quiet


def test_bars_of_another_type_are_refused(files):
    truth, a, b = files
    with pytest.raises(InputError, match=r"^bars is True; expected vis_bench\.progress\.Bars"):
        vis_bench.compare(a, b, annotations=truth, bars=True)


def test_the_examples_of_the_page_pass_mypy_strict(tmp_path):
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(examples) >= 3
    for place, example in enumerate(examples):
        (tmp_path / f"example_{place}.py").write_text(example)
    (tmp_path / "wrong.py").write_text("import vis_bench\nvis_bench.evaluate(1, 2).nothing\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--python-executable"]
    files = map(str, sorted(tmp_path.glob("*.py")))
    done = subprocess.run(
        [*command, sys.executable, *files], capture_output=True, text=True, cwd=tmp_path
    )
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert errors
    assert all(line.startswith("wrong.py:2:") for line in errors), done.stdout


def test_report_and_draw_write_what_the_commands_write(files, tmp_path):
    truth, a, b = files
    frames = truth.parent / "val" / "JPEGImages"
    asked = {"boundary": True, "groups": groups_file(tmp_path), "output": tmp_path / "r.html"}
    page = vis_bench.report(a, b, annotations=truth, frames=frames, **asked)
    assert page == tmp_path / "r.html"
    text = page.read_text(encoding="utf-8")
    assert all(part in text for part in ("<html", "Boundary AP", ">first, AR100<"))
    paths = vis_bench.draw(a, frames, tmp_path / "d", annotations=truth, videos=["val_00001"])
    assert {path.suffix for path in paths} == {".png", ".webp"}
    assert all(path.is_file() for path in paths)
    with pytest.raises(InputError):
        vis_bench.report(a, output=a, annotations=truth)


def test_an_option_in_a_message_becomes_the_argument(files, tmp_path):
    @arguments.speaks_of_arguments
    def function(data_root=None, num_resamples=1):
        raise InputError("give --data-root or --resamples; --other stays")

    with pytest.raises(InputError, match=r"^give data_root or num_resamples; --other stays$"):
        function()
    with pytest.raises(InputError) as error:
        vis_bench.report(files[1], annotations=files[0], frames=tmp_path / "nowhere")
    assert "--" not in str(error.value)
    assert "frames" in str(error.value)
