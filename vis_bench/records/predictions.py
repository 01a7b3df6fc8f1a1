"""The results file beside a record: where it is, and how it is packed to be shipped."""

from __future__ import annotations

import gzip
from pathlib import Path, PurePosixPath, PureWindowsPath

from vis_bench.data.frames import is_file
from vis_bench.errors import InputError
from vis_bench.files import read_bytes, write_atomically
from vis_bench.records.schema import Record
from vis_bench.records.store import RESULTS_ENDING, read_record, record_json

PACKED_ENDING = f"{RESULTS_ENDING}.gz"


def predictions_path(record: Record, record_path: Path) -> Path:
    """The record's results file.

    Raises:
        InputError: for a record without predictions, predictions outside its folder, through a link
            too, or a file that is not there; it says how to get it.
    """
    name = record.predictions
    if not name:
        raise InputError(f"record {record_path} has no predictions: its accuracy was not measured")
    if not _stays_inside(name):
        raise InputError(
            f"record {record_path} has predictions {name!r}; expected a file in the record's folder"
        )
    path = record_path.parent / name
    if not is_file(path):
        # With --resume the record at hand would stand for the measurement.
        command = (record.command or "").replace(" --resume", "")
        again = f" with: {command}" if command else ""
        raise InputError(
            f"record {record_path} names predictions that are not beside it ({name}); not every "
            f"record is shipped with them, so measure again{again}"
        )
    target = path.resolve()
    if not target.is_relative_to(record_path.parent.resolve()):
        raise InputError(
            f"record {record_path} has predictions {name!r}, a link to {target}; expected a file "
            "in the record's folder"
        )
    return path


def pack_predictions(record_path: Path) -> Path | None:
    """Packs a record's results file as .gz, names it in the record, and removes the plain one.

    Returns:
        The packed file; None where the record has no predictions, or packed ones.

    Raises:
        InputError: as `predictions_path`, for predictions that are not called like a results file,
            and where the folder cannot be written to.
    """
    record = read_record(record_path)
    if not record.predictions or record.predictions.endswith(PACKED_ENDING):
        return None
    plain = predictions_path(record, record_path)
    if not plain.name.endswith(RESULTS_ENDING):
        raise InputError(
            f"record {record_path} has predictions {record.predictions!r}; expected a name that "
            f"ends with {RESULTS_ENDING}"
        )
    packed = plain.with_name(f"{plain.name}.gz")
    # Without a time in its header the file is the same each time.
    write_atomically(packed, gzip.compress(read_bytes(plain), compresslevel=9, mtime=0))
    renamed = record.model_copy(update={"predictions": f"{record.predictions}.gz"})
    write_atomically(record_path, record_json(renamed))
    plain.unlink()
    return packed


def _stays_inside(name: str) -> bool:
    """Whether a path leads nowhere else on any system."""
    kinds = (PurePosixPath(name), PureWindowsPath(name))
    outside = any(path.anchor or ".." in path.parts for path in kinds)
    return not outside and "\0" not in name
