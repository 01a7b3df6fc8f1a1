"""The registry of methods.

A built-in method is a module of this package named like the method, with a function
`build(*, num_classes, ...options)` that returns a `VISMethod`. A third party's method is an entry
point of the group `vis_bench.methods` that names such a function.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from importlib.metadata import EntryPoints, entry_points

from vis_bench.errors import InputError
from vis_bench.inference.method import VISMethod

ENTRY_POINT_GROUP = "vis_bench.methods"


def method_names() -> list[str]:
    """The names of all registered methods, built-ins and plug-ins, sorted."""
    return sorted(_built_in_names() | {point.name for point in _plug_ins()})


def method_options(name: str) -> dict[str, inspect.Parameter]:
    """The options that a method's `build` takes, by name, without `num_classes`."""
    parameters = inspect.signature(_builder(name)).parameters
    return {key: value for key, value in parameters.items() if key != "num_classes"}


def describe_methods() -> list[dict[str, str]]:
    """Name, origin and options (with their defaults) of every registered method."""
    return [
        {
            "Method": name,
            "Origin": "built in" if name in _built_in_names() else "plug-in",
            "Options": ", ".join(_option_text(option) for option in method_options(name).values()),
        }
        for name in method_names()
    ]


def build_method(name: str, *, num_classes: int, **options: object) -> VISMethod:
    """Builds a method with random weights.

    Args:
        name: a built-in's file name or a plug-in's entry-point name.
        num_classes: K, the number of the data set's categories.
        options: the method's own, see `method_options`.

    Raises:
        InputError: for an unknown name or option, or an option's value the method refuses.
    """
    builder = _builder(name)
    allowed = method_options(name)
    for option in options:
        if option not in allowed:
            known = ", ".join(allowed) or "none"
            raise InputError(f"method {name} has no option {option!r}; its options are: {known}")
    method = builder(num_classes=num_classes, **options)
    if not isinstance(method, VISMethod):
        raise InputError(f"method {name} built a {type(method).__name__}, which is no VISMethod")
    return method


def _option_text(option: inspect.Parameter) -> str:
    has_default = option.default is not inspect.Parameter.empty
    return f"{option.name}={option.default}" if has_default else option.name


def _built_in_names() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg}


def _plug_ins() -> EntryPoints:
    return entry_points(group=ENTRY_POINT_GROUP)


def _builder(name: str) -> Callable[..., VISMethod]:
    if name in _built_in_names():
        return importlib.import_module(f"{__name__}.{name}").build
    for point in _plug_ins():
        if point.name == name:
            return point.load()
    raise InputError(f"unknown method {name!r}; registered are: {', '.join(method_names())}")
