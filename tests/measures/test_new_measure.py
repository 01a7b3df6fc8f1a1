"""A measurement is a folder, a class of fields and a line of the registry: then all know it."""

import json
import os
import re
import subprocess
import sys

import pytest

import package_copy
from package_copy import copy_package, replace
from vis_bench.record.store import RecordStore

FACTS = '''
"""A toy: the number of videos, times a setting."""

from pydantic import BaseModel, ConfigDict

from vis_bench.charts import Panel, Series
from vis_bench.measures.comparison import exactly
from vis_bench.measures.figure import Figure
from vis_bench.measures.measure import Measure
from vis_bench.record.metrics import Metric
from vis_bench.record.schema import ToyFields
from vis_bench.table.model import Column, Page, Table


class ToySettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    factor: int = 2


def page(records):
    rows = [[r.method, str(r.toy_product)] for r in records if r.toy_product is not None]
    table = Table.of([Column("Method", numeric=False), Column("Product")], rows)
    return Page("Toy products", (table,))


def panels(records):
    products = tuple(float(r.toy_product) for r in records)
    series = Series("a toy", records[0].method, tuple(map(float, range(len(records)))), products)
    return [Panel("Toy chart", "record", "product", (series,))]


def compare(old, new, points):
    yield exactly("toy_product", old.toy_product, new.toy_product, new, "toy")


def figures(record):
    metric = Metric("toy_product", "Toy product")
    return [Figure(metric, metric.of(record), compared="toy_product")]


MEASURE = Measure(
    "toy",
    runner="vis_bench.measures.toy.run",
    fields=ToyFields,
    needs=frozenset({"one process"}),
    page=page,
    panels=panels,
    compare=compare,
    figures=figures,
    words=lambda record: f"toy {record.toy_product}",
    settings=ToySettings,
)
'''
RUN = '''
"""Measure the toy."""

from vis_bench.record.schema import ToyFields


def check(cell, dataset, method):
    pass


def measure(attempt, record):
    job = attempt.job
    product = job.cell.toy.factor * len(job.videos)
    return ToyFields(toy_product=product, toy_ratio=product / 8, toy_noise=0.5)
'''
FIELDS = '''class ToyFields(Fields):
    """The toy's product, a result that nothing compares, and a condition."""

    toy_product: Count | None = None
    toy_ratio: Number | None = None
    toy_noise: Annotated[Number | None, CONDITION] = None


class Record(
    ToyFields,
'''
CONFIG = """
method: color_key
dataset: {name: synthetic, split: val, plain: true}
resolution: native
measure: [accuracy, toy]
toy: {factor: 3}
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the package with the toy."""
    source = copy_package(tmp_path_factory.mktemp("source"))
    folder = source / "vis_bench" / "measures" / "toy"
    folder.mkdir()
    for name, text in (("__init__", ""), ("facts", FACTS), ("run", RUN)):
        (folder / f"{name}.py").write_text(text)
    replace(
        source / "vis_bench/measures/registry.py",
        '    "accuracy",\n',
        '    "accuracy",\n    "toy",\n',
    )
    replace(source / "vis_bench/record/schema.py", "class Record(\n", FIELDS)
    (source / "toy.yaml").write_text(CONFIG)
    return source


@pytest.fixture(scope="module")
def measured(source):
    """Output of `run`, and its record."""
    printed = vis_bench(
        source, "run", "toy.yaml", "--limit", "2", "--device", "cpu", "--output", "records"
    )
    [path] = RecordStore(source / "records").paths()
    return printed, path


def vis_bench(source, *arguments, code=0):
    """Both outputs of a command on the copy."""
    return "".join(package_copy.vis_bench(source, *arguments, code=code))


def test_run_measures_it_and_prints_its_words_and_its_table(measured):
    printed, path = measured
    record = json.loads(path.read_text())
    assert "Toy chart" in (path.parent / "toy.svg").read_text()
    assert (record["toy_product"], record["failures"]) == (6, {})
    assert record["config"]["toy"] == {"factor": 3}
    assert "toy 6" in printed
    assert re.search(r"\| Product +\| +6", printed)


def test_a_config_knows_its_settings(source):
    printed = vis_bench(source, "run", "toy.yaml", "--set", "toy.factr=2", code=2)
    assert "toy.factr" in printed
    assert "factor" in printed


def test_the_table_and_the_report_show_it(source, measured):
    assert "Toy products" in vis_bench(source, "table", "toy", "--records", "records")
    vis_bench(source, "report", str(measured[1]), "--output", "report.html")
    page = (source / "report.html").read_text()
    assert "Toy products" in page
    assert 'aria-label="Toy chart."' in page
    vis_bench(source, "table", "toy", "records", "--picture", "toy.svg")
    assert "Toy chart" in (source / "toy.svg").read_text()
    both = [str(measured[1])] * 2
    vis_bench(source, "report", *both, "--output", "report.html")
    (table,) = re.findall(
        r"Toy products</caption>(.*?)</table>", (source / "report.html").read_text(), re.DOTALL
    )
    assert re.findall(r"<th scope=\"row\"[^>]*>([^<]*)", table) == ["A", "B"]


def test_its_fields_are_columns_of_sweeps_and_of_papers_tables(source, measured):
    sweep = "table", "sweep", "--records", "records", "--rows", "clip_length", "--columns", "method"
    for field, printed in (("toy_product", "6"), ("toy_ratio", "0.750"), ("toy_noise", "0.500")):
        rows = vis_bench(source, *sweep, "--value", field, "--format", "csv").splitlines()
        assert rows[1].split(",")[1] == printed
    table = (
        "title: Toy\nlabels: {Method: method}\ndataset: synthetic\nsplit: val\n"
        "columns: [{title: Ratio, metric: toy_ratio}]\nrows: [{labels: [a toy], values: [0.5]}]\n"
    )
    (source / "paper.yaml").write_text(table)
    assert " 0.500 " in vis_bench(source, "table", "paper.yaml", "--records", "records")
    (source / "paper.yaml").write_text(table.replace("toy_ratio", "toy_noise"))
    refusal = vis_bench(source, "table", "paper.yaml", "--records", "records", code=2)
    assert "toy_ratio" in refusal


def test_the_gate_and_the_history_compare_it(source, measured):
    record = json.loads(measured[1].read_text())
    for number, changes in enumerate(({}, {"toy_product": 5}), 1):
        changed = {**record, "created_at": f"2026-01-0{number}T00:00:00+00:00", **changes}
        folder = source / "history" / (f"abc{number}" * 10)
        folder.mkdir(parents=True)
        (folder / "record.json").write_text(json.dumps(changed))
    before, after = sorted((source / "history").iterdir())
    baseline = str(source / "baseline.json")
    vis_bench(source, "check", "--baseline", baseline, "--current", str(before), "--update")
    for path in (baseline, str(before)):
        printed = vis_bench(source, "check", "--baseline", path, "--current", str(after), code=1)
        assert "toy product" in printed
        assert "`toy_ratio`" in printed.replace("\\", "")
        assert "toy_noise" not in printed
    [kept] = json.loads((source / "baseline.json").read_text())["cells"]
    assert (kept["toy_product"], kept["toy_ratio"], "toy_noise" in kept) == (6, 0.75, False)
    found = json.loads(vis_bench(source, "history", "history", "--json"))
    moves, [cell] = found["moves"], found["cells"]
    assert [(move["figure"], move["current"]) for move in moves] == [("toy_product", "5")]
    assert [record["toy_product"] for record in cell["records"]] == [6, 5]
    assert "Toy product" in vis_bench(source, "history", "history")


def test_the_python_interface_has_its_column_and_ray_refuses_it(source, measured):
    """Ray's check comes before Ray is imported."""
    script = """
import json, sys, torch
import vis_bench
from methods import build_method
from vis_bench.errors import InputError
from vis_bench.progress import Bars
from vis_bench.runs.config import load_cells
from vis_bench.runs.jobs import RunSettings, resolve_jobs
from vis_bench.runs.ray.ray_run import run_on_ray
from pathlib import Path
run = RunSettings("run", torch.device("cpu"), limit=1)
jobs = resolve_jobs(load_cells(Path("toy.yaml")), run, build_method, print)
try:
    run_on_ray(jobs, None, Bars(quiet=True), None)
except InputError as error:
    refusal = str(error)
print(json.dumps([[*vis_bench.records("records")["toy_product"]], refusal]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    column, refusal = json.loads(done.stdout.splitlines()[-1])
    assert column == [6]
    assert "toy" in refusal
