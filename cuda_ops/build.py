"""Shared libraries, compiled on first use and kept.

A library's file name contains a digest of everything that went into it: sources, compiler, flags
and, for code tuned to this machine, the processor's features. So a cache that several machines or
versions share never returns a wrong library, and nothing in it is replaced by something different.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CACHE_VARIABLE = "CUDA_OPS_CACHE"


class BuildError(RuntimeError):
    """A library could not be built; the message says why in one sentence."""


@dataclass(frozen=True)
class Compilation:
    """One way to compile a library: the compiler's command, and what its results depend on."""

    command: tuple[str, ...]
    identity: str


def cache_folder() -> Path:
    """`$CUDA_OPS_CACHE`, or a folder in the user's cache (`$XDG_CACHE_HOME`, `~/.cache`)."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "vis-bench" / "cuda_ops"


def build_library(name: str, source: Path, compilation: Compilation) -> Path:
    """Compiles `source` into a shared library unless the cache already holds it.

    Every file of the source's folder counts as part of the source. Two processes may build the
    same library at once: each compiles into a file of its own and then moves it into place.

    Raises:
        BuildError: the compiler fails or the cache cannot be written.
    """
    target = cache_folder() / f"{name}-{_digest(source.parent, compilation)}.so"
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as folder:
            built = Path(folder) / target.name
            _run([*compilation.command, "-o", str(built), str(source)])
            built.replace(target)
    except OSError as error:
        raise BuildError(f"the cache folder {target.parent} cannot be written ({error})") from error
    return target


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
            macros = _run([*command, "-E", "-dM", "-x", "c++", os.devnull])
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
    return Compilation(command, _run([nvcc, "--version"]))


def _cxx() -> list[str]:
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
    home = os.environ.get("CUDA_HOME")
    places = [os.environ.get("NVCC"), "nvcc", home and str(Path(home) / "bin" / "nvcc")]
    for place in places:
        if place and (found := shutil.which(place)):
            return found
    raise BuildError("no CUDA compiler was found: put nvcc on the path or set $CUDA_HOME")


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"{command[0]} cannot be run ({error})") from error
    if done.returncode != 0:
        raise BuildError(f"{Path(command[0]).name} failed: {_first_error(done.stderr)}")
    return done.stdout


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
