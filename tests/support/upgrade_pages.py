"""Names of other tools' figures, as the pages docs/from_*.md map them to this project's."""

import json
import re

from paths import ROOT
from vis_bench.cli import main

NAMES = re.compile(r"`([^`]+)`")


def same_figures(page):
    """{the tool's name: the key here} of the page's first table, without rows marked unequal."""
    table = (ROOT / "docs" / page).read_text().partition("\n|")[2].partition("\n\n")[0]
    rows = [row.split("|")[:2] for row in table.split("\n|")[2:] if "not equal" not in row]
    pairs = [[NAMES.findall(cell) for cell in row] for row in rows]
    return {theirs: own for names, keys in pairs for theirs, own in zip(names, keys, strict=True)}


def evaluated(capsys, annotations, predictions, *options):
    """The object that `vis-bench eval --json` prints."""
    files = ["--annotations", str(annotations), "--predictions", str(predictions)]
    capsys.readouterr()
    assert main(["eval", *files, *options, "--json"]) == 0
    return json.loads(capsys.readouterr().out)
