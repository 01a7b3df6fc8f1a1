"""The weights file that a cell or the command line names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vis_bench.data.categories import CATEGORIES, folded_name
from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import FOLDER_WEIGHTS, WeightsFile
from vis_bench.inference.weight_files import in_several
from vis_bench.method import VISMethod
from vis_bench.record.environment import SOURCE_ROOT
from vis_bench.runs.config import Cell


def find_file(named: Path) -> Path | None:
    """A file that a config names, relative to the working directory or else to `SOURCE_ROOT`."""
    return next((path for path in (named, SOURCE_ROOT / named) if path.is_file()), None)


def find_weights(cell: Cell, override: Path | None) -> WeightsFile | None:
    """Find the weights file: --weights, or the config's, relative to here or to the source tree.

    A folder means the `model.safetensors` in it, as Hugging Face's transformers saves models;
    FILE:KEY the weights under a key of a file that has several.
    """
    named = override or (Path(cell.weights) if cell.weights else None)
    if named is None:
        return None
    path, part = find_file(named) or find_file(named / FOLDER_WEIGHTS), None
    if path is None and (found := re.fullmatch(r"(.+):([A-Za-z_]\w*)", str(named))):
        path, part = find_file(Path(found[1])), found[2]
    if path is None:
        problem = "is not a regular file" if named.exists() else "does not exist"
        if named.is_dir():
            kind = in_several(named)
            problem = f"has {kind}" if kind else f"is a folder without {FOLDER_WEIGHTS}"
        way = f"--weights takes a .pth or .safetensors, or a folder with {FOLDER_WEIGHTS}"
        if cell.trained_by and override is None:
            config = f"the training config {cell.trained_by}"
            way = f"it is made by the commands at the top of {config}"
        raise InputError(f"weights file {named} {problem}; {way}")
    return WeightsFile.at(path, part)


def weights_remarks(
    method: VISMethod, cell: Cell, categories: Sequence[str], override: Path | None
) -> list[str]:
    """Sentences about the weights that a method has loaded: which, and classes of other names.

    Args:
        categories: names of the data set's, in the order of the columns.
        override: --weights, of which the config does not tell what it was trained on.
    """
    if method.loaded is None:
        return []
    known: dict[str, Sequence[str]] = {"their file": method.loaded.class_names or ()}
    if override is None and not method.loaded.class_names:
        sets = [split.partition("/")[0] for split in cell.weights_trained_on]
        known = {f"weights_trained_on: {n}": [*CATEGORIES.get(n, {}).values()] for n in sets}
    remarks, wanted = list(method.loaded.remarks), [folded_name(name) for name in categories]
    others = {
        source: names
        for source, names in known.items()
        if len(names) == len(wanted) and cell.dataset.name != "nominal"
    }
    if others and all([*map(folded_name, names)] != wanted for names in others.values()):
        source, names = next(iter(others.items()))
        n = next(n for n, name in enumerate(names) if folded_name(name) != wanted[n])
        same = {*map(folded_name, names)} == {*wanted}
        remarks.append(
            f"warning: the weights have other classes by {source}: class {n + 1} is {names[n]!r}, "
            f"but the data's is {categories[n]!r}{'; only the order differs' if same else ''}; AP "
            "means nothing unless they are the same"
        )
    return remarks
