"""A plain metric is a function and a field of the record: then all know it."""

import json

import pytest

import package_copy
from compare_workload import generate
from package_copy import copy_package

METRIC = '''
def _toy_share(matches: Matches, counts_BV: np.ndarray) -> np.ndarray:
    """Share of the first video in those that count."""
    return counts_BV[:, 0] / np.maximum(1, counts_BV.sum(1))


PLAIN: Mapping[str, Callable[[Matches, np.ndarray], np.ndarray]] = {"toy_share": _toy_share}
'''
FIELDS = (
    ('    hota: Fraction = None\n    """HOTA, ', '    toy_share: Fraction = None\n'),
    ("    ap_high: Fraction = None\n    hota_low", "    toy_share_low: Fraction = None\n"),
    ("    ap_high: Fraction = None\n    hota_low", "    toy_share_high: Fraction = None\n"),
)  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the package with the toy in two files, annotations and two results files."""
    source = copy_package(tmp_path_factory.mktemp("source"))
    scores, schema = (
        source / "vis_bench" / name for name in ("metrics/scores.py", "record/schema.py")
    )
    text = scores.read_text()
    [line] = [line for line in text.splitlines() if line.startswith("PLAIN")]
    scores.write_text(text.replace(f"{line}\n", METRIC))
    text = schema.read_text()
    for where, field in FIELDS:
        [first] = [place for place in range(len(text)) if text.startswith(where, place)]
        text = text[:first] + field + text[first:]
    schema.write_text(text)
    for name, content in zip(("gt", "a", "b"), generate(1, 12, 4, 8), strict=True):
        (source / f"{name}.json").write_text(json.dumps(content))
    return source


@pytest.fixture(scope="module")
def records(source):
    """A record of each results file, the second one worse by hand."""
    paths = []
    for name in ("a", "b"):
        folder = source / f"records_{name}"
        files = ("--annotations", "gt.json", "--predictions", f"{name}.json")
        record = ("--record", "Net", "--dataset", "mine", "--output", str(folder))
        vis_bench(source, "eval", *files, *record)
        paths += [path for path in folder.glob("*.json") if "results" not in path.name]
    changed = json.loads(paths[1].read_text())
    paths[1].write_text(json.dumps({**changed, "toy_share": 0.01}))
    return paths


def vis_bench(source, *arguments, code=0):
    return package_copy.vis_bench(source, *arguments, code=code)[0]


def test_eval_and_the_record_hold_it(source, records):
    files = ("--annotations", "gt.json", "--predictions", "a.json")
    printed = vis_bench(source, "eval", *files)
    shown = json.loads(vis_bench(source, "eval", *files, "--json"))
    record = json.loads(records[0].read_text())
    assert shown["toy_share"] == record["toy_share"] == pytest.approx(1 / 12)
    assert shown["toy_share_low"] == record["toy_share_low"] < shown["toy_share"]
    assert shown["toy_share"] < shown["toy_share_high"] == record["toy_share_high"]
    assert "toy share" in printed
    assert " 8.3 " in printed
    assert f"toy share {100 * shown['toy_share_low']:.1f} to" in printed


def test_compare_the_report_and_a_table_show_it(source, records):
    files = ("a.json", "b.json", "--annotations", "gt.json", "--resamples", "20")
    assert "| toy share " in vis_bench(source, "compare", *files)
    found = json.loads(vis_bench(source, "compare", *files, "--json"))
    assert found["overall"]["toy_share"]["first"] == pytest.approx(1 / 12)
    several = json.loads(vis_bench(source, "compare", "a.json", *files, "--json"))
    assert several["rows"][2]["values"]["toy_share"] == pytest.approx(1 / 12)
    vis_bench(source, "report", *files, "--output", "report.html")
    assert "toy share" in (source / "report.html").read_text()
    axes = ("--rows", "method", "--columns", "dataset", "--value", "toy_share")
    table = vis_bench(source, "table", "sweep", "--records", str(records[0].parent), *axes)
    assert " 8.3 " in table


def test_the_gate_compares_it(source, records):
    before, after = (str(path.parent) for path in records)
    printed = vis_bench(source, "check", "--baseline", before, "--current", after, code=1)
    assert "toy share" in printed
