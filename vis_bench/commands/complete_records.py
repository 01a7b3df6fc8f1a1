"""`complete-records`: what records of earlier versions lack, from their predictions."""

from __future__ import annotations

import argparse
from pathlib import Path

from vis_bench.commands.arguments import RECORDS, Options
from vis_bench.commands.output import print_json, print_text, say
from vis_bench.errors import InputError

DESCRIPTION = "add the interval of AP, and AP by level, to records that lack them"


def add_arguments(options: Options) -> None:
    """The folder of records, and where their annotations are."""
    options.value("--records", "DIR", "folder of records to complete", Path, default=RECORDS)
    options.value(
        "--annotations", "GT.json", "annotations of records that do not say where theirs are",
        unless_given="those of the records' data sets",
    )  # fmt: skip
    options.data_root()


def run(options: argparse.Namespace) -> None:
    """Completes all that can be, names those that cannot, and counts both."""
    from vis_bench.progress import Bars
    from vis_bench.records.store import RecordStore
    from vis_bench.runs.complete_record import complete_record

    added: dict[str, list[str]] = {}
    left: dict[str, str] = {}
    paths = RecordStore(options.records).paths()
    with Bars().bar("records", len(paths)) as advance:
        for path in paths:
            try:
                fields = complete_record(path, options.annotations, options.data_root)
            except InputError as error:
                left[str(path)] = str(error)
            else:
                added |= {str(path): fields} if fields else {}
            advance(1)
    for problem in left.values():
        say(f"left as it is: {problem}")
    if options.json:
        print_json({"added": added, "left": left})
    else:
        print_text(f"records completed: {len(added)}; left as they are: {len(left)}")
