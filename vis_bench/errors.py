"""The error that users see, and any other exception as a sentence."""

from pathlib import Path
from traceback import extract_tb, format_exception


class InputError(ValueError):
    """Wrong input of the user.

    The message is one sentence: what was wrong, the value, and what is expected. The command line
    prints it without a traceback and exits with code 2.
    """


def reason(error: BaseException) -> str:
    """An exception as a sentence; any but an `InputError` with its place in the code."""
    if isinstance(error, InputError):
        return str(error)
    places = extract_tb(error.__traceback__)
    place = f" in {Path(places[-1].filename).name}:{places[-1].lineno}" if places else ""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}{place}" + (f": {message}" if message else "")


def root_traceback(error: BaseException) -> str:
    """The traceback of the exception that an error was raised for, or of the error itself."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return "".join(format_exception(error))


def unusable_path(error: OSError) -> str:
    """The operating system's error about a path, as a sentence that names it."""
    message = error.strerror or str(error) or type(error).__name__
    return f"cannot use {error.filename}: {message}" if error.filename else reason(error)
