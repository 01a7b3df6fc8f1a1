"""Methods of third parties: entry points of the group `vis_bench.methods` in installed packages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from vis_bench.checkouts import commit_of
from vis_bench.digests import file_sha256
from vis_bench.errors import InputError, reason
from vis_bench.method import MethodSource, VISMethod
from vis_bench.source_files import SOURCE_ENDINGS, WEIGHT_ENDINGS, data_sha256, find_source_files

ENTRY_POINT_GROUP = "vis_bench.methods"

# This project's packages and the endings of their code.
PACKAGES = ("vis_bench", "methods", "cuda_ops")
CODE_ENDINGS = frozenset({".py", ".cpp", ".cu", ".cuh"})
# Code that computes no accuracy: nothing below imports it.
OUTPUT_CODE = ("vis_bench/commands/", "vis_bench/show/")

# Of a plug-in's package JSON is settings, wherever it lies.
PLUG_IN_ENDINGS = SOURCE_ENDINGS | {".json"}


@dataclass(frozen=True)
class PlugIn:
    """One entry point; nothing of it is imported before `load`."""

    point: EntryPoint

    @property
    def name(self) -> str:
        """The method's name in configs."""
        return self.point.name

    @property
    def title(self) -> str:
        """The package, its version and the entry point's value."""
        known = self.point.dist
        package = "of an unknown package" if known is None else f"{known.name} {known.version}"
        return f"plug-in {package} ({self.point.value})"

    def load(self) -> Callable[..., VISMethod]:
        """The plug-in's `build`, imported; an InputError names the reason where that fails."""
        try:
            build = self.point.load()
        except (Exception, SystemExit) as error:  # a plug-in's own code may raise anything
            raise InputError(
                f"method {self.name}: {self.title} cannot be imported, {reason(error)}"
            ) from None
        if not callable(build):
            raise InputError(
                f"method {self.name}: {self.title} is of type {type(build).__name__}; "
                "expected a function"
            )
        return build

    def source(self) -> MethodSource:
        """The package's version, a digest of its source files and the commit of their checkout.

        These are the files of the installed distribution and of its top-level packages. A file
        counts as it was when the process first read it.
        """
        files = {**dict(self._imported_files()), **dict(self._installed_files())}
        known = self.point.dist
        return MethodSource(
            _sha256(tuple(sorted(files.items()))),
            None if known is None else known.name,
            None if known is None else known.version,
            _commit(self.point.module),
            **self._own_data(),
        )

    def _own_data(self) -> dict[str, str | None]:
        """Digest of the weights in the package's folders, and folders that were not searched."""
        spec = find_spec(self.point.module.partition(".")[0])
        folders = (spec and spec.submodule_search_locations) or ()
        found = [find_source_files(Path(folder)) for folder in folders]
        return {
            "data_sha256": data_sha256(
                {name: path for one in found for name, path in one.ending(WEIGHT_ENDINGS).items()}
            ),
            "left_out": ", ".join(name for one in found for name in one.left_out) or None,
        }

    def _installed_files(self) -> Iterator[tuple[str, Path]]:
        for file in (self.point.dist and self.point.dist.files) or ():
            described = any(part.endswith((".dist-info", ".egg-info", "..")) for part in file.parts)
            path = Path(str(file.locate()))
            if file.suffix in PLUG_IN_ENDINGS and not described and path.is_file():
                yield file.as_posix(), path

    def _imported_files(self) -> Iterator[tuple[str, Path]]:
        listed = (self.point.dist and self.point.dist.read_text("top_level.txt")) or ""
        for package in sorted({self.point.module.partition(".")[0], *listed.split()}):
            spec = find_spec(package)
            yield from _package_files(package, PLUG_IN_ENDINGS)
            if spec and spec.has_location and not spec.submodule_search_locations:
                yield Path(str(spec.origin)).name, Path(str(spec.origin))


@cache
def sources_sha256(plug_in: MethodSource | None = None) -> str:
    """Digest of the code that computes accuracy: this project's, and a plug-in's source.

    A file counts as it was when the process first read it.
    """
    files = {
        name: path
        for package in PACKAGES
        for name, path in _package_files(package, CODE_ENDINGS)
        if not name.startswith(OUTPUT_CODE)
    }
    own = _sha256(tuple(sorted(files.items())))
    if plug_in is None:
        return own
    parts = [own, plug_in.sha256, plug_in.version, plug_in.environment]
    parts += [plug_in.data_sha256] if plug_in.data_sha256 else []
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()


def _package_files(package: str, endings: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Files of a package's folders with such endings, by their names in it."""
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        for name, path in find_source_files(Path(folder)).ending(endings).items():
            yield f"{package}/{name}", path


def find_plug_ins() -> list[PlugIn]:
    """All plug-ins that are installed."""
    return [PlugIn(point) for point in entry_points(group=ENTRY_POINT_GROUP)]


@cache
def _commit(module: str) -> str | None:
    """Commit of the checkout that holds a module, as it was when the process first asked."""
    spec = find_spec(module)
    return commit_of(Path(spec.origin)) if spec and spec.has_location and spec.origin else None


@cache
def _sha256(files: tuple[tuple[str, Path], ...]) -> str:
    """Over names and contents, in the order given."""
    total = hashlib.sha256()
    for name, path in files:
        total.update(f"{name}\n{file_sha256(path)}\n".encode())
    return total.hexdigest()
