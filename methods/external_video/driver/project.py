"""A project's place on the import path; its sources are read anew, never from bytecode."""

import functools
import sys
from importlib import machinery
from pathlib import Path

# Folders of an environment that may stand below a project.
INSTALLED = {"site-packages", "dist-packages"}


def put_first(folder):
    """Put a project first on the import path."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
    for path in [*sys.path_importer_cache]:
        if is_below(folder, path):
            del sys.path_importer_cache[path]
    sys.path_hooks.insert(0, functools.partial(_finder, folder, _states(folder)))


def is_below(folder, path):
    """True for a project's folder and what is in it, but for an environment's packages."""
    try:
        parts = Path(path).relative_to(folder).parts
    except ValueError:
        return False
    return INSTALLED.isdisjoint(parts)


def _states(folder):
    """State of each source file of a folder, by path; a later edit changes it."""
    return {str(path): _state(path) for path in Path(folder).rglob("*.py") if path.is_file()}


def _state(path):
    status = Path(path).stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _finder(folder, states, path):
    """The _finder of modules in `path`, which must be in a project's folder.

    Args:
        states: of source files that may not change any more, see `_states`.
    """
    if not is_below(folder, path):
        raise ImportError(f"{path} is not in {folder}", path=path)
    return machinery.FileFinder(
        path,
        (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
        (functools.partial(_SourceLoader, states), machinery.SOURCE_SUFFIXES),
        (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
    )


class _SourceLoader(machinery.SourceFileLoader):
    """Reads source alone: bytecode is also taken for that of an edit within the same second.

    A file that has changed since the project was opened, which is imported only now, is refused.
    """

    def __init__(self, states, name, path):
        super().__init__(name, path)
        self._state = states.get(path)

    def get_data(self, path):
        """The bytes of a file."""
        content = super().get_data(path)
        if path == self.path and self._state not in (None, _state(path)):
            raise ImportError(
                f"{path} has changed since the project was opened; expected the same file until "
                "the end of the run",
                name=self.name,
                path=path,
            )
        return content

    def path_stats(self, path):
        """Refuse, so that no bytecode is looked for."""
        raise OSError(f"bytecode of {path} is not used")
