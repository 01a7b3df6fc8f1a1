"""The error that users see, and any other exception as a sentence."""

from pathlib import Path
from sys import stdlib_module_names
from traceback import format_exception, walk_tb

# Of a sentence that names a place in code.
HINT = "--traceback shows the whole traceback"
_NEVER_AT_FAULT = ("vis_bench", "cuda_ops", "torch", "numpy", "lightning")


class InputError(ValueError):
    """Wrong input of the user.

    The message is one sentence: what was wrong, the value, and what is expected. The command line
    prints it without a traceback and exits with code 2.
    """


class MissingPackageError(InputError):
    """A package that only an extra brings is not installed."""


# Extras that bring what evaluation does without: package, its name in sentences, extra.
_EXTRAS = {
    "torch": ("PyTorch", "models"),
    "safetensors": ("safetensors", "models"),
    "pynvml": ("nvidia-ml-py", "models"),
    "matplotlib": ("Matplotlib", "plots"),
    "pandas": ("pandas", "plots"),
}


def without_package(error: ModuleNotFoundError) -> Exception:
    """The sentence that says which extra brings a missing package; otherwise the error itself."""
    title, extra = _EXTRAS.get((error.name or "").partition(".")[0], ("", ""))
    if not extra:
        return error
    return MissingPackageError(
        f"this needs {title}, which is not installed: pip install 'vis-bench[{extra}]'"
    )


def reason(error: BaseException) -> str:
    """An exception as a sentence; any but an `InputError` with its place in the code."""
    if isinstance(error, InputError):
        return str(error)
    place = _place(error)
    message = " ".join(str(error).split())
    return f"{type(error).__name__}{place}" + (f": {message}" if message else "")


def _place(error: BaseException) -> str:
    """File and line of the code that a method's author wrote, not of a library that it called.

    The author's package is the first outside of any environment, or else the first, of those that
    are neither this project nor what every method calls; its deepest line is named.
    """
    if isinstance(error, SyntaxError) and error.filename:  # its message has the place
        return ""
    frames = list(walk_tb(error.__traceback__))
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in frames]
    packages = [module.partition(".")[0] for module in modules]
    files = [Path(frame.f_code.co_filename) for frame, _ in frames]
    own = [
        n
        for n, (module, package) in enumerate(zip(modules, packages, strict=True))
        if not (package in _NEVER_AT_FAULT or package in stdlib_module_names or module == "methods")
    ]
    outside = [n for n in own if not {"site-packages", "dist-packages"} & {*files[n].parts}]
    author = packages[(outside or own)[0]] if own else None
    n = max((n for n in own if packages[n] == author), default=len(frames) - 1)
    if n < 0:
        return ""
    file = "/".join(files[n].parts[-2:]) if files[n].stem == "__init__" else files[n].name
    return f" in {file}:{frames[n][1]}"


def _chain(error: BaseException) -> list[BaseException]:
    """The error and those that it was raised for."""
    chain = [error]
    while cause := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(cause)
    return chain


def names_code(error: BaseException) -> bool:
    """True for a failure of code, and for a sentence about one, of which a traceback says more."""
    failures = [cause for cause in _chain(error) if not isinstance(cause, InputError)]
    return any(cause is error or reason(cause) in str(error) for cause in failures)


def root_traceback(error: BaseException) -> str:
    """The traceback of the exception that an error was raised for, or of the error itself."""
    return "".join(format_exception(_chain(error)[-1]))


def unusable_path(error: OSError) -> str:
    """The operating system's error about a path, as a sentence that names it."""
    message = error.strerror or str(error) or type(error).__name__
    return f"cannot use {error.filename}: {message}" if error.filename else reason(error)
