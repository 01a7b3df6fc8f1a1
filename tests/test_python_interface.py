"""The four functions of `import vis_bench` give what the command line prints."""

import json
import subprocess
import sys

import pytest

import vis_bench
from record_example import example_record
from short_videos import write_short_videos
from vis_bench.cli import main
from vis_bench.errors import InputError
from vis_bench.record.store import RecordStore

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
    report = vis_bench.compare(a, b, annotations=truth, num_resamples=20)
    words = ("compare", a, b, "--annotations", truth, "--resamples", 20)
    assert json.loads(json.dumps(report.as_json())) == printed(capsys, *words)
    assert report.finding() in report.as_text()


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


def test_importing_it_imports_no_library():
    code = "import sys, vis_bench; print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
