"""The folder that a training run writes to."""

from __future__ import annotations

import shutil
from pathlib import Path

from vis_bench.errors import InputError
from vis_bench.files import write_atomically

MEGABYTE = 10**6


def check_output_folder(folder: Path) -> None:
    """Makes a folder and tries whether it can be written to.

    Raises:
        InputError: it cannot be made or written to.
    """
    trial = folder / ".write_test"
    write_atomically(trial, b"")
    trial.unlink(missing_ok=True)


def check_free_space(folder: Path, needed_bytes: int) -> None:
    """Checks that there is room for what a run will write.

    Raises:
        InputError: the disk has less free space.
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise InputError(
            f"the disk of output folder {folder} has {free_bytes / MEGABYTE:.1f} MB free, expected "
            f"at least {needed_bytes / MEGABYTE:.1f} MB for the checkpoint and the weights"
        )
