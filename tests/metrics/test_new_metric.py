"""A plain metric is a function and a field of the record: then all know it."""

import json

import pytest

import package_copy
from compare_workload import generate
from package_copy import copy_package, replace

METRIC = '''
def _toy_share(matches: Matches, counts_BV: np.ndarray) -> np.ndarray:
    """Share of the first video in those that count."""
    return counts_BV[:, 0] / np.maximum(1, counts_BV.sum(1))


PLAIN: Mapping[str, Callable[[Matches, np.ndarray], np.ndarray]] = {"toy_share": _toy_share}
# Of an option, over every other video.
TOYS = {
    f"toy_{part}": lambda matches, counts_BV, n=n: counts_BV[:, n::2].sum(1) / counts_BV.sum(1)
    for n, part in enumerate(("even", "odd"))
}
'''
FIELDS = (
    ('    hota: Fraction = None\n    """HOTA, ', '    toy_share: Fraction = None\n'),
    ('    hota: Fraction = None\n    """HOTA, ', "    toy_even: Fraction = None\n"),
    ('    hota: Fraction = None\n    """HOTA, ', "    toy_odd: Fraction = None\n"),
    ("    ap_high: Fraction = None\n    hota_low", "    toy_share_low: Fraction = None\n"),
    ("    ap_high: Fraction = None\n    hota_low", "    toy_share_high: Fraction = None\n"),
)  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the package with the toy in two files, an option with toys in one more, annotations
    and two results files.
    """
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
    replace(
        scores, "    clear: bool = False\n", "    clear: bool = False\n    toys: bool = False\n"
    )
    replace(scores, "return PLAIN\n", "return {**PLAIN, **(TOYS if self.toys else {})}\n")
    flag = '        self.flag("--boundary"'
    options = source / "vis_bench" / "commands" / "options.py"
    replace(options, flag, f'        self.flag("--toys", "halves")\n{flag}')
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


def test_an_option_asks_for_a_metric_of_parts(source):
    files = ("--annotations", "gt.json", "--toys")
    found = json.loads(vis_bench(source, "eval", "--predictions", "a.json", *files, "--json"))
    assert found["toy_even"] == found["toy_odd"] == 0.5
    assert found["toy_even_low"] < 0.5 < found["toy_odd_high"]
    record = ("--record", "Other", "--dataset", "mine", "--output", "toys", "--json")
    vis_bench(source, "eval", "--predictions", "a.json", *files, *record)
    [path] = [p for p in (source / "toys").glob("*.json") if "results" not in p.name]
    assert json.loads(path.read_text())["toy_odd"] == 0.5
    pair = ("a.json", "b.json", *files, "--resamples", "20")
    assert json.loads(vis_bench(source, "compare", *pair, "--json"))["overall"]["toy_odd"]
    assert "toy odd" in vis_bench(source, "compare", *pair, "--format", "csv").splitlines()[0]
    assert "toy_odd" not in json.loads(vis_bench(source, "compare", *pair[:4], "--json"))["overall"]
