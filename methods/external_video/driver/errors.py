"""Problems as sentences, and imports that fail with one."""

import importlib
import traceback
from pathlib import Path


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
