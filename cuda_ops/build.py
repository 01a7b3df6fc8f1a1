"""Shared libraries, compiled on first use and kept.

A library's file name contains a digest of everything that went into it: sources, compiler, flags
and, for code tuned to this machine, the processor's features. So a cache that several machines or
versions share never returns a wrong library. A digest of the library's own bytes lies beside it; a
library without a matching one is built again. Code is loaded from the cache only if this user alone
can write there.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CACHE_VARIABLE = "CUDA_OPS_CACHE"
# A compiler that runs longer is stopped; kernels take it seconds, or a few minutes with nvcc.
MOST_SECONDS = 600.0


class BuildError(RuntimeError):
    """A library could not be built; the message says why in one sentence."""


class CompilerTimeoutError(BuildError):
    """The compiler was stopped after `MOST_SECONDS`; other flags would not help."""


@dataclass(frozen=True)
class Compilation:
    """One way to compile a library: the compiler's command, and what its results depend on."""

    command: tuple[str, ...]
    identity: str

    @property
    def title(self) -> str:
        """The compiler's name and its flags."""
        return shlex.join([Path(self.command[0]).name, *self.command[1:]])


def cache_folder() -> Path:
    """`$CUDA_OPS_CACHE`, or a folder in the user's cache (`$XDG_CACHE_HOME`, `~/.cache`)."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "vis-bench" / "cuda_ops"


def load_library(name: str, source: Path, compilation: Compilation) -> ctypes.CDLL:
    """Load a library, compiled unless the cache holds it, and again if that one does not load.

    Raises:
        BuildError: the compiler fails, the cache cannot be written, or the new library fails too.
    """
    with suppress(OSError):  # from the cache, and of a machine with other system libraries
        return ctypes.CDLL(str(build_library(name, source, compilation)))
    try:
        return ctypes.CDLL(str(build_library(name, source, compilation, anew=True)))
    except OSError as error:
        raise BuildError(f"the library that {compilation.title} built fails: {error}") from error


def build_library(name: str, source: Path, compilation: Compilation, *, anew: bool = False) -> Path:
    """Compile `source` into a shared library unless the cache already holds it.

    Every file of the source's folder counts as part of the source. Two processes may build the
    same library at once: each compiles into a file of its own and then moves it into place.

    Args:
        anew: compile it in any case.

    Raises:
        BuildError: the compiler fails or the cache cannot be written.
    """
    target = cache_folder() / f"{name}-{_digest(source.parent, compilation)}.so"
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(target.parent):
            target = _private_folder(target.parent) / target.name
        if not anew and _is_whole(target):
            return target
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as folder:
            built = Path(folder) / target.name
            run_compiler([*compilation.command, "-o", str(built), str(source)])
            _checksum_file(built).write_text(_sha256(built))
            for path in (built, _checksum_file(built)):
                _finish(path)
                path.replace(target.with_name(path.name))
    except OSError as error:
        raise BuildError(f"the cache folder {target.parent} cannot be written ({error})") from error
    return target


def _is_private(path: Path) -> bool:
    """True if this user owns a file or folder and nobody else can write it; links are refused."""
    status = path.lstat()
    others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.getuid() and not others and not stat.S_ISLNK(status.st_mode)


@cache
def _private_folder(refused: Path) -> Path:
    """A folder of this process alone, which replaces a cache that others could have written."""
    warnings.warn(
        f"the cache folder {refused} is not used: it belongs to another user, others can write it, "
        "or it is a symbolic link; libraries are built for this process alone",
        RuntimeWarning,
        stacklevel=2,
    )
    return Path(_temporary_folder().name)


@cache
def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="cuda_ops-")  # removed when the process ends


def _is_whole(library: Path) -> bool:
    """True if a library is this user's own and has the bytes that were built."""
    checksum = _checksum_file(library)
    try:
        own = _is_private(library) and _is_private(checksum)
        return own and checksum.read_bytes() == _sha256(library).encode()
    except OSError:
        return False


def _checksum_file(library: Path) -> Path:
    return library.with_suffix(".sha256")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _finish(path: Path) -> None:
    """Write a file through to the disk, for this user alone."""
    path.chmod(0o600)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def cxx_compilations() -> list[Compilation]:
    """Ways to compile C++ for this machine's processor, the best one first.

    The compiler is `$CXX`, else g++, c++ or clang++. Not every compiler knows OpenMP or the flag
    for the machine's own processor, so there are versions without them.

    Raises:
        BuildError: no compiler works.
    """
    compiler = _cxx()
    # Neither of the -fno- flags changes the result of a comparison with NaN.
    base = ("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared")
    native = "-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native"
    compilations = []
    for extra in ((native, "-fopenmp"), (native,), ("-fopenmp",), ()):
        command = (*compiler, *base, *extra)
        try:
            # All predefined macros: the compiler, its version and the processor's features.
            macros = run_compiler([*command, "-E", "-dM", "-x", "c++", os.devnull])
        except CompilerTimeoutError:
            raise
        except BuildError:
            continue
        compilations.append(Compilation(command, macros))
    if not compilations:
        raise BuildError(f"the C++ compiler {shlex.join(compiler)} does not work")
    return compilations


def cuda_compilation(capability: tuple[int, int]) -> Compilation:
    """The compilation of CUDA C++ for GPUs of a compute capability, such as (9, 0).

    The compiler is `$NVCC`, else nvcc on the path or in `$CUDA_HOME/bin`.

    Raises:
        BuildError: there is no compiler.
    """
    nvcc = _nvcc()
    architecture = f"-arch=sm_{capability[0]}{capability[1]}"
    command = (nvcc, "-std=c++17", "-O3", architecture, "-Xcompiler=-fPIC", "-shared")
    return Compilation(command, run_compiler([nvcc, "--version"]))


def _check_system() -> None:
    if not hasattr(os, "killpg"):
        raise BuildError(f"kernels are not compiled on {sys.platform}; expected Linux or macOS")


def _cxx() -> list[str]:
    _check_system()
    if chosen := os.environ.get("CXX"):
        words = shlex.split(chosen)
        if words and shutil.which(words[0]):
            return words
        raise BuildError(f"the C++ compiler {chosen!r} that $CXX names does not exist")
    for name in ("g++", "c++", "clang++"):
        if shutil.which(name):
            return [name]
    raise BuildError("no C++ compiler was found: install g++ or set $CXX")


def _nvcc() -> str:
    _check_system()
    home = os.environ.get("CUDA_HOME")
    places = [os.environ.get("NVCC"), "nvcc", home and str(Path(home) / "bin" / "nvcc")]
    for place in places:
        if place and (found := shutil.which(place)):
            return found
    raise BuildError("no CUDA compiler was found: put nvcc on the path or set $CUDA_HOME")


def compiler_versions() -> dict[str, str | None]:
    """Versions of the C++ and the CUDA compiler as they print them; None for one that fails."""
    return {
        "c++": _version_line(_cxx, "(?m)^.*$"),
        "cuda": _version_line(lambda: [_nvcc()], "release .*"),
    }


def _version_line(find: Callable[[], list[str]], pattern: str) -> str | None:
    try:
        line = re.search(pattern, run_compiler([*find(), "--version"]))
    except BuildError:
        return None
    return line and line[0]


def run_compiler(command: Sequence[str]) -> str:
    compiler, pipe = Path(command[0]).name, subprocess.PIPE
    try:
        # In a group of its own: a compiler's driver starts programs, which must end with it.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except OSError as error:
        raise BuildError(f"{command[0]} cannot be run ({error})") from error
    with process:
        try:
            output, errors = process.communicate(timeout=MOST_SECONDS)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise CompilerTimeoutError(
                f"{compiler} was stopped after {MOST_SECONDS:g} s without a result"
            ) from None
    if process.returncode != 0:
        raise BuildError(f"{compiler} failed: {_first_error(errors.decode(errors='replace'))}")
    return output.decode(errors="replace")


def _first_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return next(iter(errors or lines), "without a reason")


def _digest(folder: Path, compilation: Compilation) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(f"{path.name}\0".encode())
        digest.update(path.read_bytes())
    digest.update("\0".join((*compilation.command, compilation.identity)).encode())
    return digest.hexdigest()[:24]
