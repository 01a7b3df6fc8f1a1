"""The modules of a project that runs in this process, which other projects never see."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from methods.external_video.driver.project import finder, is_below
from vis_bench.errors import InputError
from vis_bench.plugins import PACKAGES

# Packages that this process needs, and cannot load twice.
KEPT = {*PACKAGES, "numpy", "torch"}
IMPORT_STATE = ("path", "path_hooks", "meta_path", "path_importer_cache")
# Classes of detectron2, mmengine and their like that hold a project's classes by name, and the
# packages whose modules have such tables.
REGISTRIES = {"Registry", "_DatasetCatalog"}
WITH_REGISTRIES = {"detectron2", "fvcore", "mmcv", "mmdet", "mmengine", "mmtrack"}


class ProjectModules:
    """A project's modules, import path and entries in registries, in place between `enter` and
    `leave`.

    They are loaded as by a new process with the project first on its import path, belong to this
    object, and go with it. The environment's packages are loaded once and stay. One project is in
    place at a time: to enter another one leaves it.

    Args:
        folder: of the project.

    Raises:
        InputError: if the project has a package of a name in `KEPT`.
    """

    _inside: ProjectModules | None = None

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._modules: dict[str, Any] = {}
        self._registered: list[tuple[dict, Any, Any]] = []
        self._import_state = {
            "path": [folder, *sys.path],
            "path_hooks": [*sys.path_hooks],
            "meta_path": [*sys.meta_path],
            "path_importer_cache": {},
        }
        self._shadowed = self._provided()
        if refused := sorted(self._shadowed & KEPT):
            raise InputError(
                f"project_path {folder} has {refused[0]}, a name that this process needs itself; "
                "expected options.python, which gives the project its own process"
            )

    def enter(self) -> None:
        """Put the project in place."""
        if ProjectModules._inside is self:
            return
        if ProjectModules._inside is not None:
            ProjectModules._inside.leave()
        ProjectModules._inside = self
        self._outside = _import_state()
        _set_import_state(self._import_state)
        self._hidden = {
            name: module
            for name, module in sys.modules.items()
            if _top(name) in self._shadowed or name in self._modules
        }
        for name in self._hidden:
            del sys.modules[name]
        self._environment = {_top(name) for name in sys.modules}
        self._before = {*sys.modules}
        sys.modules.update(self._modules)
        for table, key, value in self._registered:
            table[key] = value

    def leave(self) -> None:
        """Take the project out of the process, which is then as it was before."""
        if ProjectModules._inside is not self:
            return
        ProjectModules._inside = None
        new = sys.modules.keys() - self._before
        self._modules = {n: sys.modules[n] for n in new if self._owns(n, sys.modules[n])}
        for name in self._modules:
            del sys.modules[name]
        sys.modules.update(self._hidden)
        self._registered = [*self._entries()]
        for table, key, _ in self._registered:
            del table[key]
        self._import_state = _import_state()
        _set_import_state(self._outside)

    def _provided(self) -> set[str]:
        """Top-level names of loaded modules that the project has, too, and that it would win."""
        search = finder(self._folder, {}, self._folder)
        found = set()
        for name in {_top(name) for name in sys.modules} - sys.stdlib_module_names:
            spec, loaded = search.find_spec(name), sys.modules.get(name)
            its_own = any(is_below(self._folder, place) for place in _places(loaded))
            is_regular = spec is not None and spec.loader is not None
            if (its_own and name not in KEPT) or (is_regular and not its_own):
                found.add(name)
        return found

    def _owns(self, name: str, module: Any) -> bool:
        """True for a module that was loaded inside, and that is the project's."""
        places, top = _places(module), _top(name)
        if top in KEPT:
            return False
        if any(is_below(self._folder, place) for place in places):
            return True
        if top in self._environment or top in sys.stdlib_module_names:
            return False
        if not places:
            return getattr(module, "__spec__", None) is None  # made by hand
        added = {*sys.path} - {*self._outside["path"]}  # by the project's code
        return any(is_below(Path(folder).absolute(), p) for folder in added for p in places)

    def _entries(self) -> Iterator[tuple[dict, Any, Any]]:
        """Entries of the environment's registries that are the project's: table, key, value."""
        modules = [m for name, m in sys.modules.items() if _top(name) in WITH_REGISTRIES]
        registries = _registries(modules)
        own = _registries(self._modules.values()).keys() - registries.keys()
        for registry in registries.values():
            for table in vars(registry).values():
                for key, value in [*table.items()] if isinstance(table, dict) else ():
                    if id(value) in own or _module_of(value) in self._modules:
                        yield table, key, value


def _registries(modules: Iterable[Any]) -> dict[int, Any]:
    """The registries that stand in modules, by identity."""
    values = [value for module in modules for value in [*_contents(module).values()]]
    return {id(value): value for value in values if type(value).__name__ in REGISTRIES}


def _import_state() -> dict[str, Any]:
    return {name: getattr(sys, name) for name in IMPORT_STATE}


def _set_import_state(state: dict[str, Any]) -> None:
    for name, value in state.items():
        setattr(sys, name, value)


@cache
def _top(name: str) -> str:
    return name.partition(".")[0]


def _module_of(value: Any) -> str | None:
    return getattr(value, "__module__", None)


def _places(module: Any) -> list[str]:
    """Files or folders of a module."""
    content = _contents(module)
    file, folders = content.get("__file__"), content.get("__path__") or ()
    return [*([file] if file else []), *folders]


def _contents(module: Any) -> dict[str, Any]:
    """A module's names; lazy modules answer `getattr` by imports."""
    return getattr(module, "__dict__", {})
