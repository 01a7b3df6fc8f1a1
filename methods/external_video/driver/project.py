"""A project's place on the import path; its sources are read anew, never from bytecode."""

import functools
import hashlib
import sys
from importlib import machinery
from pathlib import Path

# Folders of an environment that may stand below a project.
INSTALLED = {"site-packages", "dist-packages"}
# SHA-256 by path of the compiled modules that this process has loaded.
_COMPILED = {}


def put_first(folder):
    """Puts a project first on the import path."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
    for path in [*sys.path_importer_cache]:
        if is_below(folder, path):
            del sys.path_importer_cache[path]
    sys.path_hooks.insert(0, functools.partial(finder, folder))


def is_below(folder, path):
    """True for a project's folder and what is in it, but for an environment's packages."""
    try:
        parts = Path(path).relative_to(folder).parts
    except ValueError:
        return False
    return INSTALLED.isdisjoint(parts)


def finder(folder, path):
    """The finder of modules in `path`, which must be in a project's folder."""
    if not is_below(folder, path):
        raise ImportError(f"{path} is not in {folder}", path=path)
    return machinery.FileFinder(
        path,
        (_CompiledLoader, machinery.EXTENSION_SUFFIXES),
        (_SourceLoader, machinery.SOURCE_SUFFIXES),
        (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
    )


class _SourceLoader(machinery.SourceFileLoader):
    """Reads source alone: bytecode is also taken for that of an edit within the same second."""

    def path_stats(self, path):
        """Refuses, so that no bytecode is looked for."""
        raise OSError(f"bytecode of {path} is not used")


class _CompiledLoader(machinery.ExtensionFileLoader):
    """Refuses a compiled module that was built again: a process keeps the one that it has."""

    def create_module(self, spec):
        """Loads the module."""
        digest = hashlib.sha256(Path(self.path).read_bytes()).hexdigest()
        if _COMPILED.setdefault(self.path, digest) != digest:
            raise ImportError(
                f"{self.path} has changed since this process loaded it; expected a new process, "
                "as options.python gives",
                name=self.name, path=self.path,
            )  # fmt: skip
        return super().create_module(spec)
