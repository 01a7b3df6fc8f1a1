"""The one error type that a user is meant to see, and any other as a sentence."""

from pathlib import Path
from traceback import extract_tb


class InputError(ValueError):
    """Something the user gave is wrong.

    The message is one sentence: what was wrong, the value, and what is expected. The command line
    prints it without a traceback and exits with code 2.
    """


def reason(error: BaseException) -> str:
    """An exception as a sentence: a user's mistake as it is, anything else with its place."""
    if isinstance(error, InputError):
        return str(error)
    places = extract_tb(error.__traceback__)
    place = f" in {Path(places[-1].filename).name}:{places[-1].lineno}" if places else ""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}{place}" + (f": {said}" if said else "")


def unusable_path(error: OSError) -> str:
    """What an operating system says of a path, as a sentence that names it."""
    said = error.strerror or str(error) or type(error).__name__
    return f"cannot use {error.filename}: {said}" if error.filename else reason(error)
