"""`pack-predictions DIR`: the results files of a folder of records as .gz, to be shipped."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands.arguments import RECORDS, Options
from vis_bench.commands.output import print_json, print_text

DESCRIPTION = "compress the predictions beside records, so that they can be shipped with them"


def add_arguments(options: Options) -> None:
    """The folder of records."""
    options.value("--records", "DIR", "folder of records to pack", Path, default=RECORDS)


def run(options: argparse.Namespace) -> None:
    """Packs all that are there, and says how large they are together."""
    from vis_bench.data.frames import is_file
    from vis_bench.records.store import RecordStore, pack_predictions, read_record

    packed = []
    for path in RecordStore(options.records).paths():
        name = read_record(path).predictions
        if name and is_file(path.parent / name):
            packed.append(pack_predictions(path))
    written = [path for path in packed if path is not None]
    size = sum(path.stat().st_size for path in written)
    if options.json:
        print_json({"packed": [str(path) for path in written], "bytes": size})
    else:
        print_text(f"results files packed: {len(written)}, {size / 1e6:.1f} MB in all")
