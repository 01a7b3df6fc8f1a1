"""`gate(folder, before, after)`: the report of a gate over two lists of timed records."""

from record_example import example_record
from vis_bench.record.store import record_json
from vis_bench.show.gate.check import (
    Rules,
    check,
)

TIMED = {
    "gflops_per_frame": 91.25, "gflops_per_clip": 456.25, "flop_convention": "mac-fvcore",
    "fps": 40.0, "speed_spread": 0.04, "peak_memory_bytes": 2**30, "timed_region": "model+tracker",
    "load_average": 0.8, "num_cpus": 2,
    "regions": {"model+tracker": {"fps": 40.0, "speed_spread": 0.04, "peak_memory_bytes": 2**30}},
}  # fmt: skip


def measured(**changes):
    """A timed record; changes to speed fields reach its region too."""
    values = {**TIMED, **changes}
    if values["regions"]:
        fields = ("fps", "fps_low", "fps_high", "speed_spread", "peak_memory_bytes")
        values["regions"] = {"model+tracker": {key: values.get(key) for key in fields}}
    return example_record(**values)


def gate(tmp_path, before, after, **rules):
    for name, records in (("before", before), ("after", after)):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        for number, record in enumerate(records):
            path = tmp_path / name / f"{number}.json"
            path.write_bytes(record_json(record))
    return check(tmp_path / "before", tmp_path / "after", Rules(**rules))


def moved(report):
    return {finding.figure: finding.verdict for finding in report.findings}
