"""No module but those that CONTRIBUTING lists names a measurement or reads its fields."""

import ast
import re
from fnmatch import fnmatch

from paths import ROOT
from vis_bench.measures.registry import MEASURES
from vis_bench.record import schema

PACKAGE = ROOT / "vis_bench"
# Without names that other things share: keys of configs, the groups of a regular expression.
FIELDS = {
    field
    for kind in (
        schema.AccuracyFields, schema.CostFields, schema.SpeedFields, schema.MemoryFields,
        schema.StreamingFields,
    )
    for field in kind.model_fields
} - {"num_cpus", "groups", "max_tracks"}  # fmt: skip
# Words that mean something else: memory tokens, the memory of a machine, frames per second of a
# moving picture, a command, an argument, the gate's own counts, regions to ignore.
OTHER_MEANINGS = {
    "arguments.py": {"predictions"}, "attention.py": {"memory"},
    "commands/attention_figures.py": {"memory"},
    "contract.py": {"memory"}, "runs/predict.py": {"memory"}, "system_memory.py": {"memory"},
    "commands/draw.py": {"fps"}, "show/overlay/overlays.py": {"fps"},
    **{f"data/convert/{form}.py": {"regions"} for form in ("mots", "png", "results", "ytvis")},
    "data/results_file.py": {"predictions"},
    "cli.py": {"flops"}, "commands/flops.py": {"flops"}, "show/gate/check.py": {"num_timed"},
}  # fmt: skip


def names_in(text):
    """Measurements and fields that are read as attributes or stand as strings."""
    nodes = list(ast.walk(ast.parse(text)))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    strings = {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return (attributes | strings) & FIELDS | strings & MEASURES.keys()


def test_only_listed_modules_know_a_measurement():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [section] = re.findall(r"## Modules about measurements\n(.*?)\n## ", text, re.DOTALL)
    listed = re.findall(r"`([\w/*]+\.py)`", section.partition("this list:")[2])
    found = set()
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith(("measures/", "metrics/")) or name == "record/schema.py":
            continue
        if names_in(path.read_text(encoding="utf-8")) - OTHER_MEANINGS.get(name, set()):
            found.add(name)
    assert {name for name in found if not any(fnmatch(name, p) for p in listed)} == set()
    assert {p for p in listed if not any(fnmatch(name, p) for name in found)} == set()
    assert {"runs/jobs.py", "runs/harness.py", "commands/run.py", "show/gate/check.py"}.isdisjoint(
        found
    )
