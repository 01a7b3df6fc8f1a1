"""Every number of a record is compared by the gate, declared as no result, or named."""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from record_example import example_record
from vis_bench.record.schema import Record
from vis_bench.record.store import RecordStore
from vis_bench.show.gate.check import check
from vis_bench.show.gate.differences import (
    NO_RESULTS,
    comparisons,
    differences,
    figures_of,
    figures_without_rule,
)

# Without noise every change is one.
CERTAIN = {"speed_spread": 0.0, "frame_latency_spread": 0.0}


def filled(annotation: Any, name: str = "") -> Any:
    """A value of a field's type, with a number for every number in it."""
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if name in CERTAIN:
        return CERTAIN[name]
    if origin is Annotated:
        return filled(arguments[0])
    if origin in (Union, types.UnionType):
        return filled(next(a for a in arguments if a is not type(None)))
    if origin is tuple:
        return tuple(filled(a) for a in arguments if a is not ...)
    if origin is dict:
        return {"a": filled(arguments[1])}
    if origin is Literal:
        return arguments[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return annotation(**{n: filled(field.annotation, n) for n, field in fields})
    return {float: 0.5, int: 3, str: "a", bool: True}.get(annotation)


def doubled(value: Any, path: str) -> Any:
    """A copy in which the numbers of one field are doubled."""
    if isinstance(value, BaseModel):
        field, _, rest = path.partition(".")
        return value.model_copy(update={field: doubled(getattr(value, field), rest)})
    if isinstance(value, dict):
        return {key: doubled(inner, path) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(doubled(inner, path) for inner in value)
    return 2 * value


# The record's own speed is that of the region b.
FULL = filled(Record).model_copy(update={"timed_region": "b", "unknown": {"of_later": 0.5}})
PATHS = sorted(figures_of(FULL) - {"schema_version"})
# Ranges of runs and processes go with their value.
TOGETHER = {
    "streaming.ap": tuple(
        f"streaming.ap_{of}_{end}" for of in ("pass", "draws") for end in ("low", "high")
    ),
    **{f"{place}fps": (f"{place}fps_low", f"{place}fps_high") for place in ("", "regions.")},
}


def test_the_full_record_has_every_number_of_the_schema():
    for name, field in Record.model_fields.items():
        numeric = "float" in str(field.annotation) or "int" in str(field.annotation)
        assert not numeric or any(p.partition(".")[0] == name for p in PATHS), name
    assert {"ap", "unknown", "regions.fps", "streaming.ap", "memory_points.peak_bytes"} <= {*PATHS}


@pytest.mark.parametrize("trace", ["one trace", "two traces"])
@pytest.mark.parametrize("path", PATHS)
def test_a_number_is_compared_declared_or_named(path, trace):
    now = FULL
    for changed in (path, *TOGETHER.get(path, ())):
        now = doubled(now, changed)
    if trace == "two traces":
        now = now.model_copy(update={"streaming_trace_sha256": "another"})
    compared = list(comparisons(FULL, now))
    named = figures_without_rule(FULL, now, compared)
    declared = path in NO_RESULTS or path.partition(".")[0] in NO_RESULTS
    assert not (declared and path in named)
    findings = list(differences("a cell", compared))
    assert findings or declared or path in named
    for finding in findings:
        if finding.verdict in ("worse", "better", "changed"):
            assert finding.baseline_value is not None
            assert finding.baseline_value != finding.current_value


def test_a_figure_without_a_rule_is_in_the_text_and_in_the_json(tmp_path):
    timed = {
        "fps": 40.0, "speed_spread": 0.04, "timed_region": "model", "energy_joules_per_frame": 3.5,
    }  # fmt: skip
    folder = RecordStore(tmp_path / "records")
    folder.write(example_record(**timed, of_a_later_version=0.25))
    report = check(folder.folder, folder.folder)
    assert report.passed
    assert report.as_json()["without_rule"] == {
        "energy_joules_per_frame": 1,
        "of_a_later_version": 1,
    }
    assert "`energy_joules_per_frame`" in report.details().replace("\\", "")
