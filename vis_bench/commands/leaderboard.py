"""`leaderboard`: the ranking of what was measured, and the generated pages."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vis_bench.commands.arguments import Options
from vis_bench.commands.arguments.values import output_file, output_folder
from vis_bench.commands.output import deliver, print_json, print_line
from vis_bench.commands.output.paper_tables import encoder_counts, records_in, report_skipped
from vis_bench.commands.output.text import json_text
from vis_bench.errors import InputError

if TYPE_CHECKING:
    from vis_bench.records.store import StoredRecords

DESCRIPTION = "the leaderboard, or all generated pages"


def add_arguments(options: Options) -> None:
    """The records, and what is made of them."""
    options.records()
    options.flag(
        "--all", "show every cell, ablations too, instead of the best per method and backbone"
    )
    options.value(
        "--annotations", "GT.json", "annotations of records that do not say where theirs are",
        unless_given="those of the records' data sets",
    )  # fmt: skip
    options.data_root()
    options.format()
    options.output_file()
    options.value(
        "--picture", "FILE", "write AP against FPS to a .svg, .pdf or .png file instead",
        output_file, unless_given="only the leaderboard",
    )  # fmt: skip
    options.value(
        "--curves", "FILE", "write FPS and GFLOPs over clip length to such a file instead",
        output_file, unless_given="only the leaderboard",
    )  # fmt: skip
    options.value(
        "--pages", "DIR", "write all generated pages from DIR/records, such as results, instead",
        output_folder, unless_given="only the leaderboard",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Prints the leaderboard or writes it to a file; with --pages writes those.

    Returns 1 if a record could not be read.
    """
    from vis_bench.show.leaderboard import best_cells, leaderboard_text
    from vis_bench.show.paired_ap import PairedAP

    if options.pages:
        return _write_pages(options.pages, as_json=options.json)
    stored = records_in(options.records)
    if options.picture or options.curves:
        return _write_pictures(stored, options)
    records = stored.records if options.all else best_cells(stored.records)
    if options.json:
        deliver(json_text(records), options.output)
    else:
        difference = PairedAP(stored, options.annotations, options.data_root)
        deliver(leaderboard_text(records, options.format, difference), options.output)
        report_skipped(difference.problems)
    return 1 if stored.problems else 0


def _write_pictures(stored: StoredRecords, options: argparse.Namespace) -> int:
    """Writes the charts that were asked for, of all records or of those of no ablation."""
    from vis_bench.files import write_atomically
    from vis_bench.records.ranking import split_ablations
    from vis_bench.show.charts import picture_format
    from vis_bench.show.curve_chart import draw_curves
    from vis_bench.show.curves import cost_curves, has_curves
    from vis_bench.show.speed_chart import speed_panels, speed_picture

    records = stored.records if options.all else split_ablations(stored.records)[0]
    paths = [path for path in (options.picture, options.curves) if path]
    forms = {path: picture_format(path) for path in paths}
    pictures = {}
    if options.picture:
        panels = speed_panels(records)
        pictures[options.picture] = speed_picture(panels, forms[options.picture])
    if options.curves:
        if not has_curves(records):
            raise InputError(
                f"the records in {options.records} have cost at one clip length, stride and "
                "resolution; expected a sweep over one of them"
            )
        pictures[options.curves] = draw_curves(cost_curves(records), forms[options.curves])
    for path, content in pictures.items():
        write_atomically(path, content)
    written = [str(path) for path in pictures]
    if options.json:
        print_json({"written": written})
    else:
        for path in written:
            print_line(f"wrote {path}")
    return 1 if stored.problems else 0


def _write_pages(folder: Path, *, as_json: bool) -> int:
    from vis_bench.show.pages import RECORDS_FOLDER, Pages, records_of

    if not (folder / RECORDS_FOLDER).is_dir():
        raise InputError(
            f"--pages {folder} has no folder {RECORDS_FOLDER}; expected one whose pages follow "
            f"from the records in {folder / RECORDS_FOLDER}, such as results"
        )
    stored = records_of(folder)
    report_skipped(stored.problems)
    pages = Pages.of(folder, stored, encoder_counts())
    report_skipped(pages.problems)
    changed = [str(path) for path in pages.write()]
    if as_json:
        print_json({"written": changed})
    else:
        for line in [f"wrote {path}" for path in changed] or ["up to date"]:
            print_line(line)
    return 1 if stored.problems else 0
