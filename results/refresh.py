"""Maintains the files of `results/`, from a checkout: `python results/refresh.py [STEP ...]`.

Steps: `pack` compresses predictions beside records, `pages` writes the generated pages, `pictures`
the pictures of the README. Default: pages.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from methods import build_method
from vis_bench.cli import main as vis_bench
from vis_bench.data.frames import is_file
from vis_bench.errors import InputError
from vis_bench.records.store import RecordStore, pack_predictions, read_record
from vis_bench.show.pages import Pages, records_of

# As the README shows them.
PICTURES = (
    "vis-bench figure strip IFC=ifc_mini_synthetic SeqFormer=seqformer_mini_synthetic "
    "MS-STS=ms_sts_mini_synthetic --video val_00013 --output results/overlay.png",
    "vis-bench figure sampling-points seqformer_mini_synthetic --video val_00009 "
    "--output results/sampling_points.png",
    "vis-bench figure time-weights seqformer_mini_synthetic --video val_00009 "
    "--output results/time_weights.png",
)  # fmt: skip


def pack(folder: Path) -> list[str]:
    """Compresses the predictions beside records; returns a line per file written."""
    written = []
    for path in RecordStore(folder / "records").paths():
        name = read_record(path).predictions
        if name and is_file(path.parent / name):
            written.append(pack_predictions(path))
    return [f"wrote {path}" for path in written if path is not None]


def pages(folder: Path) -> list[str]:
    """Writes the pages that follow from the records; returns a line per problem and page."""
    stored = records_of(folder)
    written = Pages.of(folder, stored, build_method)
    problems = [f"skipped: {problem}" for problem in (*stored.problems, *written.problems)]
    return [*problems, *(f"wrote {path}" for path in written.write())]


def pictures(folder: Path) -> list[str]:
    """Draws the README's pictures by the commands beside them; returns none."""
    for command in PICTURES:
        words = shlex.split(command)[1:]
        output = words.index("--output") + 1
        words[output] = str(folder / Path(words[output]).name)
        if code := vis_bench(words):
            raise InputError(f"exit code {code} of: {command}")
    return []


STEPS = {"pack": pack, "pages": pages, "pictures": pictures}


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
