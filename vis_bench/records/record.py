"""One measured cell is one record: a JSON file, written atomically as soon as it is measured."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vis_bench.atomic_write import write_atomically
from vis_bench.errors import InputError

SCHEMA_VERSION = 1

METRICS = ("ap", "ap50", "ap75", "ap_s", "ap_m", "ap_l", "ar1", "ar10", "ar100")

# Every field of a record, in the order of the file; a field not measured is null.
FIELDS = (
    "schema_version", "created_at", "command",
    "method", "options", "backbone", "reconstruction", "dataset", "split", "num_videos",
    "num_frames", "clip_length", "clip_stride", "resolution", "config", "config_sha256",
    "weights_source", "weights_sha256", "annotations_sha256", "predictions",
    *METRICS,
    "num_params", "gflops_per_clip", "gflops_per_frame", "flop_convention", "uncounted_ops",
    "fps", "latency_ms_p50", "latency_ms_p90", "latency_ms_p99", "timed_region", "num_warmup",
    "num_timed", "precision", "kernel_backend", "peak_memory_bytes", "energy_joules_per_frame",
    "device", "driver", "cuda", "torch", "python", "num_threads", "tf32",
    "git_commit", "git_dirty", "seed",
)  # fmt: skip

Record = dict[str, Any]


def make_record(values: Mapping[str, Any]) -> Record:
    """A record with every field, those not given null, further ones behind.

    NaN and infinity become null, and so does a metric of -1 (the evaluator's mark for "no ground
    truth").
    """
    record: Record = {field: values.get(field) for field in FIELDS}
    record["schema_version"] = SCHEMA_VERSION
    record.update({key: value for key, value in values.items() if key not in record})
    for key, value in record.items():
        absent = isinstance(value, float) and not math.isfinite(value)
        if absent or (key in METRICS and value == -1):
            record[key] = None
    return record


def record_name(record: Mapping[str, Any]) -> str:
    """The record's file name without ending: what was measured, then the config's checksum."""
    stride = record["clip_stride"]
    parts = [
        record["method"], record["backbone"], record["dataset"], record["split"],
        f"T{record['clip_length']}" + ("" if stride is None else f"S{stride}"),
        record["resolution"], record["config_sha256"][:10],
    ]  # fmt: skip
    return "_".join(str(part).replace("/", "-") for part in parts)


class RecordStore:
    """The records of a folder, one JSON file each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, record: Record) -> Path:
        """Writes one record atomically and returns its path."""
        path = self.folder / f"{record_name(record)}.json"
        write_atomically(path, json.dumps(record, indent=1, allow_nan=False).encode() + b"\n")
        return path

    def find(self, config_sha256: str) -> Record | None:
        """The record of a cell measured before, or None."""
        for path in self.folder.glob(f"*_{config_sha256[:10]}.json"):
            record = read_record(path)
            if record["config_sha256"] == config_sha256:
                return record
        return None

    def __iter__(self) -> Iterator[Record]:
        if not self.folder.is_dir():
            raise InputError(f"folder of records {self.folder} does not exist")
        for path in sorted(self.folder.rglob("*.json")):
            if not path.name.endswith(".results.json"):
                yield read_record(path)


def read_record(path: Path) -> Record:
    """Reads one record.

    Raises:
        InputError: for a file that is missing, no JSON, or no record of this schema.
    """
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"record {path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise InputError(f"record {path} is no valid JSON") from None
    if not isinstance(record, dict) or "schema_version" not in record:
        raise InputError(f"{path} is no record: it has no schema_version")
    if record["schema_version"] != SCHEMA_VERSION:
        version = record["schema_version"]
        raise InputError(
            f"record {path} has schema {version!r}; this version reads {SCHEMA_VERSION}"
        )
    missing = [field for field in FIELDS if field not in record]
    if missing:
        raise InputError(f"record {path} lacks the field {missing[0]!r}")
    return record
