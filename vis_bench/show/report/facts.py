"""Facts about the records of a report: methods, data, settings, machines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.categories import dataset_title
from vis_bench.record.metrics import PARAMS
from vis_bench.record.names import (
    arithmetic_name,
    caveats,
    clip_name,
    measured_again,
    measured_code,
    named_options,
)
from vis_bench.record.schema import Record
from vis_bench.runs.sources import Side
from vis_bench.show.report.sides import LETTERS
from vis_bench.table.number_format import figure
from vis_bench.text import count

UNKNOWN = "not known"
# A title, and its value for each side.
Fact = tuple[str, Sequence[str]]


def base_names(command: str) -> str:
    """Return a command line without the folders of absolute paths."""
    try:
        given = shlex.split(command)
    except ValueError:  # a quote without its second one
        return command
    kept = [re.sub(r"(^|=)/.*/(?=[^/])", r"\1", word) for word in given]
    return command if kept == given else shlex.join(kept)


def describe_sides(sides: Sequence[Side]) -> list[dict[str, Any]]:
    """Letter, name, setting in brief and caveats of each side, without those of `shared_by`."""
    shared = shared_by(sides)
    return [
        {
            "letter": letter,
            "name": side.name,
            **{kind: [x for x in words if x not in shared[kind]] for kind, words in own.items()},
        }
        for letter, side in zip(LETTERS, sides, strict=False)
        for own in [_in_brief(side.record)]
    ]


def shared_by(sides: Sequence[Side]) -> dict[str, list[str]]:
    """Setting and caveats that both sides have; of one side none."""
    first, *others = (_in_brief(side.record) for side in sides)
    return {
        kind: [x for x in words if others and all(x in other[kind] for other in others)]
        for kind, words in first.items()
    }


def measured_facts(records: Sequence[Record | None], truth: GroundTruth) -> list[Fact]:
    """Methods, data and settings; facts that no record has are left out."""
    data = f"{count(len(truth.videos), 'video')}, {count(len(truth.objects), 'object')}"
    return [*_facts(records, _MEASURED), ("Annotated", [data] * len(records))]


def machine_facts(records: Sequence[Record | None]) -> list[Fact]:
    """Devices, versions and the source; facts that no record has are left out."""
    return _facts(records, _MACHINE)


def _facts(
    records: Sequence[Record | None], parts: Mapping[str, Callable[[Record], Any]]
) -> list[Fact]:
    facts: list[Fact] = []
    for title, part in parts.items():
        values = [None if record is None else part(record) for record in records]
        if any(value not in (None, "") for value in values):
            facts.append((title, [UNKNOWN if v in (None, "") else str(v) for v in values]))
    return facts


def _in_brief(record: Record | None) -> dict[str, list[str]]:
    """Backbone, resolution, precision and device, and the caveats."""
    if record is None:
        return {"setting": [], "marks": []}
    computed = None if record.precision is None else arithmetic_name(record)
    on = f"on {record.device}" if record.device else None
    parts = (record.backbone, _resolution(record), computed, on)
    return {"setting": [part for part in parts if part], "marks": list(caveats(record))}


def _options(record: Record) -> str:
    options = {**record.resolved_options, **named_options(record)}
    return ", ".join(f"{key}={value}" for key, value in sorted(options.items()))


def _weights(record: Record) -> str | None:
    digest = record.weights_sha256
    return record.weights_source and record.weights_source.rpartition("/")[2] + (
        f" (sha256 {digest[:12]})" if digest else ""
    )


def _dataset(record: Record) -> str:
    digest = record.annotations_sha256
    known = f" (annotations sha256 {digest[:12]})" if digest else ""
    return f"{dataset_title(record.dataset)} {record.split}{known}"


def _resolution(record: Record) -> str | None:
    if isinstance(record.resolution, int):
        return f"short side {record.resolution} px"
    return record.resolution


def _joined(*parts: object) -> str:
    """The parts that are known."""
    return ", ".join(str(part) for part in parts if part)


def _source(record: Record) -> str:
    return _joined(
        record.vis_bench_version and f"vis-bench {record.vis_bench_version}",
        record.git_commit and _commit_words(record.git_commit, bool(record.git_dirty)),
    )


def _commit_words(commit: str | None, is_dirty: bool) -> str:
    return f"commit {str(commit)[:12]}" + (" with uncommitted changes" if is_dirty else "")


def _project(record: Record) -> str:
    """Code and environment of a method of other people."""
    source = record.method_source or {}
    return _joined(
        source.get("distribution") and f"{source['distribution']} {source.get('version')}",
        source.get("git_commit") and _commit_words(*measured_code(record)),
        source.get("sha256") and f"sources sha256 {str(source['sha256'])[:12]}",
        source.get("environment"),
    )


def _processors(record: Record) -> str:
    load = record.load_average
    return _joined(
        record.num_threads and count(record.num_threads, "thread"),
        record.num_cpus and f"{record.num_cpus} CPUs",
        load is not None and f"load {load:.1f} before the first run",
    )


def _versions(record: Record) -> str:
    parts = {"Python": record.python, "torch": record.torch, **record.packages}
    parts |= {"CUDA": record.cuda, "driver": record.driver}
    return _joined(*(value and f"{name} {value}" for name, value in parts.items()))


def _arithmetic(record: Record) -> str:
    tf32 = None if record.tf32 is None else f"TF32 {'on' if record.tf32 else 'off'}"
    kernels = record.kernel_backend and f"kernels {record.kernel_backend}"
    mode = record.compile
    compiled = None if mode in (None, "none") else f"torch.compile {mode}"
    return _joined(record.precision, tf32, compiled, kernels)


def _gpu(record: Record) -> str:
    return ", ".join(f"{key} {value}" for key, value in (record.gpu or {}).items())


_MEASURED: Mapping[str, Callable[[Record], Any]] = {
    "Method": lambda r: r.method + (f", {r.note}" if r.note else ""),
    "Backbone": lambda r: r.backbone,
    "Clips": clip_name,
    "Resolution": _resolution,
    "Data": _dataset,
    "Weights": _weights,
    "Training": lambda r: r.training,
    "Options": _options,
    "Parameters": lambda r: None if PARAMS.of(r) is None else f"{figure(r, PARAMS)} million",
    "Config": lambda r: f"sha256 {r.config_sha256[:12]}",
    "Measured at": lambda r: r.created_at,
    "Command": lambda r: r.command and base_names(r.command),
    "Results from": lambda r: r.url,
}
_MACHINE: Mapping[str, Callable[[Record], Any]] = {
    "Device": lambda r: r.device,
    "Processors": _processors,
    "GPU": _gpu,
    "Arithmetic": _arithmetic,
    "Versions": _versions,
    "Source": _source,
    "Measured again": lambda r: measured_again(r) or None,
    "Method's source": _project,
    "Seed": lambda r: r.seed,
}
