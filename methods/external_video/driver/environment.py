"""Imports that fail with a sentence, and versions of this environment's packages."""

import importlib
import platform
import traceback
from pathlib import Path

# Of which records name the version.
PACKAGES = (
    "torch", "torchvision", "numpy", "detectron2", "mmdet", "mmengine", "mmcv", "mmcv-full",
    "mmcv-lite", "transformers", "timm",
)  # fmt: skip


class DriverError(ValueError):
    """A problem that the user can solve, in one sentence."""


def sentence(error):
    """An exception as a sentence; any but a `DriverError` with its place in the code."""
    if isinstance(error, DriverError):
        return str(error)
    places = traceback.extract_tb(error.__traceback__)
    places = [place for place in places if not place.filename.startswith("<frozen ")]
    place = f" in {Path(places[-1].filename).name}:{places[-1].lineno}" if places else ""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}{place}" + (f": {message}" if message else "")


def imported(path, why=""):
    """The function of "package.module:function".

    Args:
        why: ends the sentence about a module that cannot be imported.
    """
    module, _, name = path.partition(":")
    try:
        found = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a project's own code may raise anything
        raise DriverError(f"{module} cannot be imported, {sentence(error)}{why}") from error
    if not hasattr(found, name):
        raise DriverError(f"module {module} has no {name!r}; expected a function")
    return getattr(found, name)


def versions():
    """The version of Python and of each of `PACKAGES` that is installed; none is imported."""
    try:
        from importlib.metadata import PackageNotFoundError as Missing
        from importlib.metadata import version
    except ImportError:  # before Python 3.8
        from pkg_resources import DistributionNotFound as Missing
        from pkg_resources import get_distribution

        def version(name):
            return get_distribution(name).version

    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except Missing:
            continue
    return found
