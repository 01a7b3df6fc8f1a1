"""Maintains the files of `results/`, from a checkout: `python results/refresh.py [STEP ...]`.

Steps: `pack` compresses predictions beside records, `trim` puts matches in place of those that are
not the best of their method, `pages` fills the places of the pages (`places.py`), `pictures` draws
the pictures of the README, `flops` is `pages` with what takes a minute to count, `kernels` writes
the golden of the CUDA kernels. Default: pages.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from cuda_ops.build import BuildError
from cuda_ops.profile.resources import kernel_resources
from kernels_page import GOLDEN, golden_kernels, golden_text, kernel_tables, nvcc_release
from places import Pages, Twins
from vis_bench.cli import main as vis_bench
from vis_bench.data.frames import is_file
from vis_bench.errors import InputError
from vis_bench.files import write_atomically
from vis_bench.measures.flops.rules import operator_table
from vis_bench.metrics.matches_file import write_matches
from vis_bench.metrics.tracking import SCORE_THRESHOLD
from vis_bench.record.names import tie_break
from vis_bench.record.store import (
    RecordStore,
    StoredRecords,
    matches_file,
    pack_predictions,
    read_record,
)
from vis_bench.runs.sources import chosen_videos, figure_sources
from vis_bench.show.figures.strips import MethodStrip
from vis_bench.show.leaderboard import best_cells
from vis_bench.show.paired_ap import PairedAP
from vis_bench.show.speed_chart import published_panel
from vis_bench.table.number_format import points

# Of the README, and of docs/figures.md, which has their commands.
STRIP_VIDEO = "val_00196"
STRIP_ROWS = (
    "IFC=results/clip_lengths/records/ifc_mini_synthetic_val_Twhole_192_c0ff203072.results.json.gz",
    "SeqFormer=results/clip_lengths/records/"
    "seqformer_mini_synthetic_val_T20S10_192_9f7513ce26.results.json.gz",
)
STRIP = f"vis-bench figure strip {' '.join(STRIP_ROWS)} --video {STRIP_VIDEO}"
# On a phone.
NARROW = "--num-frames 2 --column 3.7in"
NARROW_ATTENTION = "--num-frames 3 --column 3.7in"
PICTURES = (
    *(
        f"{STRIP}{options}{dark} --output results/pictures/overlay{width}{suffix}.png"
        for options, width in (("", ""), (f" {NARROW}", "_narrow"))
        for dark, suffix in (("", ""), (" --dark", "_dark"))
    ),
    *(
        f"vis-bench figure {name} seqformer_mini_synthetic --video val_00009{options}{dark} "
        f"--output results/pictures/{name.replace('-', '_')}{width}{suffix}.png"
        for name in ("sampling-points", "time-weights")
        for options, width in (("", ""), (f" {NARROW_ATTENTION}", "_narrow"))
        for dark, suffix in (("", ""), (" --dark", "_dark"))
    ),
)  # fmt: skip


def pack(folder: Path) -> list[str]:
    """Compresses the predictions beside records; returns a line per file written."""
    written = []
    for path in RecordStore(folder).paths():
        name = read_record(path).predictions
        if name and is_file(path.parent / name):
            written.append(pack_predictions(path))
    return [f"wrote {path}" for path in written if path is not None]


def trim(folder: Path) -> list[str]:
    """Writes the matches of all predictions, and removes predictions whose record is not the best
    of its method; returns a line per file written or removed.
    """
    stored = records_of(folder)
    paired, lines = PairedAP(stored), []
    best = set(map(tie_break, best_cells(stored.records)))
    for record, path in zip(stored.records, stored.paths, strict=True):
        matches, kept = paired.matches(record), matches_file(record, path)
        if matches is None or record.predictions is None:
            continue
        if not is_file(kept):
            write_matches(matches, kept)
            lines.append(f"wrote {kept}")
        predictions = path.parent / record.predictions
        if tie_break(record) not in best and is_file(predictions):
            predictions.unlink()
            lines.append(f"removed {predictions}")
    return lines


def pages_of(folder: Path, slow: bool = False) -> Pages:
    """The pages of the folder, the README beside it and docs/, filled.

    Args:
        slow: as for `Pages`.
    """
    beside = folder.resolve().parent
    paths = [beside / "README.md", *sorted(beside.glob("docs/*.md")), *sorted(folder.rglob("*.md"))]
    filled = Pages(paths, TEXTS, slow)
    filled.charts.append(Twins(folder / "pictures" / "published.svg", [published_panel()]))
    return filled


def pages(folder: Path) -> list[str]:
    """Fills the places of all pages; returns a line per file written."""
    return [f"wrote {path}" for path in pages_of(folder).write()]


def flops(folder: Path) -> list[str]:
    """As `pages`, and counts the multiply-adds of every method."""
    return [f"wrote {path}" for path in pages_of(folder, slow=True).write()]


def pictures(folder: Path) -> list[str]:
    """Draws the README's pictures by the commands beside them; returns none."""
    for command in PICTURES:
        words = shlex.split(command)[1:]
        output = words.index("--output") + 1
        words[output] = str(folder / "pictures" / Path(words[output]).name)
        if code := vis_bench(words):
            raise InputError(f"exit code {code} of: {command}")
    return []


def strip_caption() -> str:
    """The README's strip in words."""
    aps = [f"{name} has {points(ap)} AP" for name, ap in strip_aps().items()]
    return (
        f"One of the bundled synthetic videos, {STRIP_VIDEO}: {' and '.join(aps)} in it. "
        f"Hatched: found only with a score below {SCORE_THRESHOLD:g}. Dashed: not found.\n"
    )


def strip_aps() -> dict[str, float | None]:
    """The AP of each row of the README's strip on its video; from the checkout's root."""
    sources = figure_sources(STRIP_ROWS)
    [video] = chosen_videos(sources.videos, [STRIP_VIDEO], sources.truth.name, "video")
    return MethodStrip.of(sources, video).aps()


def records_of(folder: Path) -> StoredRecords:
    """The records below the folder, and problems with other files."""
    return RecordStore(folder).readable()


def kernels(folder: Path) -> list[str]:
    """Compiles the CUDA kernels and writes the golden of their registers; returns a line for it."""
    try:
        compiled = golden_text(nvcc_release(), kernel_resources())
    except BuildError as error:
        raise InputError(str(error)) from None
    write_atomically(GOLDEN, compiled.encode())
    return [f"wrote {GOLDEN}"]


# Texts that no command prints, by the names of their places.
TEXTS = {
    "kernels": lambda: kernel_tables(*golden_kernels()),
    "operators": operator_table,
    "strip caption": strip_caption,
}
STEPS = {
    "pack": pack,
    "trim": trim,
    "pages": pages,
    "pictures": pictures,
    "flops": flops,
    "kernels": kernels,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the steps in order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", metavar="STEP", nargs="*", help=f"of {', '.join(STEPS)}")
    parser.add_argument("--folder", type=Path, default=Path("results"))
    options = parser.parse_args(arguments)
    try:
        for step in options.steps or ["pages"]:
            if step not in STEPS:
                raise InputError(f"step is {step!r}; expected some of: {', '.join(STEPS)}")
            lines = STEPS[step](options.folder)
            sys.stdout.write("".join(f"{line}\n" for line in [f"{step}:", *lines]))
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
