"""The registry of methods.

A built-in method is a module or package in this folder, named like the method, with a function
`build(*, num_classes, ...options)` that returns a `VISMethod`. It may have `VARIANTS`: sets of
options by name, over the defaults of `build`. A third party's method is an entry point of the group
`vis_bench.methods` that names such a function.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoints, entry_points
from types import ModuleType

from vis_bench.errors import InputError
from vis_bench.inference.method import VISMethod

ENTRY_POINT_GROUP = "vis_bench.methods"
VARIANT = "variant"
# Packages beside the methods.
NOT_METHODS = frozenset({"layers", "training", "weights"})


def method_names() -> list[str]:
    """The names of all registered methods, built-ins and plug-ins, sorted."""
    return sorted(_built_in_names() | {point.name for point in _plug_ins()})


def method_options(name: str) -> dict[str, inspect.Parameter]:
    """The options that a method's `build` takes, by name, without `num_classes`."""
    parameters = inspect.signature(_builder(name)).parameters
    return {key: value for key, value in parameters.items() if key != "num_classes"}


def method_variants(name: str) -> Mapping[str, Mapping[str, object]]:
    """The named sets of options of a method, which its option `variant` chooses from.

    Empty for methods that have none, plug-ins among them.
    """
    return getattr(_module(name), "VARIANTS", {}) if name in _built_in_names() else {}


def describe_methods() -> list[dict[str, str]]:
    """Name, origin and options (with their defaults) of every registered method."""
    return [
        {
            "Method": name,
            "Origin": "built in" if name in _built_in_names() else "plug-in",
            "Options": ", ".join(_option_texts(name)),
        }
        for name in method_names()
    ]


def resolve_options(name: str, options: Mapping[str, object]) -> dict[str, object]:
    """All options of a method: its defaults, over them its variant's, over them those given.

    Args:
        name: the method.
        options: as a config or a record has them; `variant` names a set of `method_variants`.

    Returns:
        Every option of `build` by name, without `variant`.

    Raises:
        InputError: for an unknown method, option or variant.
    """
    defaults = {
        key: option.default
        for key, option in method_options(name).items()
        if option.default is not inspect.Parameter.empty
    }
    _check_known(name, options)
    if not method_variants(name):
        return {**defaults, **options}
    given = {key: value for key, value in options.items() if key != VARIANT}
    return {**defaults, **_variant_options(name, options.get(VARIANT)), **given}


def build_method(name: str, *, num_classes: int, **options: object) -> VISMethod:
    """Builds a method with random weights.

    Args:
        name: a built-in's file name or a plug-in's entry-point name.
        num_classes: K, the number of the data set's categories.
        options: the method's own, see `method_options`, and `variant`, see `method_variants`.

    Raises:
        InputError: for an unknown name, option or variant, or an option's value that the method
            refuses.
    """
    resolved = resolve_options(name, options)
    method = _builder(name)(num_classes=num_classes, **resolved)
    if not isinstance(method, VISMethod):
        raise InputError(f"method {name} built a {type(method).__name__}, which is not a VISMethod")
    method.remember_options(resolved)
    return method


def _check_known(name: str, options: Mapping[str, object]) -> None:
    known = [*([VARIANT] if method_variants(name) else []), *method_options(name)]
    for option in options:
        if option not in known:
            listed = ", ".join(known) or "none"
            raise InputError(f"method {name} has no option {option!r}; its options are: {listed}")


def _variant_options(name: str, variant: object) -> Mapping[str, object]:
    if variant is None:
        return {}
    variants = method_variants(name)
    if variant not in variants:
        listed = ", ".join(variants)
        raise InputError(f"method {name} has no variant {variant!r}; expected one of: {listed}")
    return variants[variant]


def _option_texts(name: str) -> list[str]:
    variants = method_variants(name)
    texts = [f"{VARIANT} ({', '.join(variants)})"] if variants else []
    return texts + [_option_text(option) for option in method_options(name).values()]


def _option_text(option: inspect.Parameter) -> str:
    has_default = option.default is not inspect.Parameter.empty
    return f"{option.name}={option.default}" if has_default else option.name


def _built_in_names() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(__path__)} - NOT_METHODS


def _plug_ins() -> EntryPoints:
    return entry_points(group=ENTRY_POINT_GROUP)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


def _builder(name: str) -> Callable[..., VISMethod]:
    if name in _built_in_names():
        return _module(name).build
    for point in _plug_ins():
        if point.name == name:
            return point.load()
    raise InputError(f"unknown method {name!r}; registered are: {', '.join(method_names())}")
