"""The registry of methods.

A built-in method is a module or package in this folder, named like the method, with a function
`build(*, num_classes, ...options)` that returns a `VISMethod`. It may have `VARIANTS`: sets of
options by name, over the defaults of `build`. A third party's method is an entry point of the group
`vis_bench.methods` that names such a function; a name that is taken already is refused.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from types import ModuleType

import torch

from vis_bench.errors import InputError
from vis_bench.inference.attention import AttentionPart, RecordsAttention
from vis_bench.method import VISMethod
from vis_bench.plugins import PlugIn, find_plug_ins

VARIANT = "variant"
# Packages beside the methods.
NOT_METHODS = frozenset({"layers", "training", "weights"})


def method_names() -> list[str]:
    """The names of all registered methods, built-ins and plug-ins, sorted."""
    return sorted(_built_in_names() | {plug_in.name for plug_in in find_plug_ins()})


def method_options(name: str) -> dict[str, inspect.Parameter]:
    """The options that a method's `build` takes, by name, without `num_classes`.

    Raises:
        InputError: for an unknown method, or a plug-in whose function does not say what it takes.
    """
    try:
        parameters = inspect.signature(_builder(name)).parameters
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"method {name}: what it takes cannot be found out, {error}") from None
    return {key: value for key, value in parameters.items() if key != "num_classes"}


def method_variants(name: str) -> Mapping[str, Mapping[str, object]]:
    """The named sets of options of a method, which its option `variant` chooses from.

    Empty for methods that have none, plug-ins among them.
    """
    return getattr(_module(name), "VARIANTS", {}) if name in _built_in_names() else {}


def describe_methods() -> list[dict[str, str]]:
    """Name, origin and options (with their defaults) of every registered method.

    Where one cannot be used, all have a `Problem`, which is empty for those that can.
    """
    rows = [_description(name) for name in method_names()]
    if not any(row["Problem"] for row in rows):
        for row in rows:
            del row["Problem"]
    return rows


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


def build_method(name: str, /, *, num_classes: int, **options: object) -> VISMethod:
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
    plug_in = _plug_in(name)
    method.remember_build(name, resolved, plug_in.source() if plug_in else None)
    return method


def methods_recording(part: AttentionPart) -> list[str]:
    """The built-in methods that record a part of their attention, as they are built by default.

    For a message: a method that cannot be built here is left out.
    """
    found = []
    with torch.device("meta"):
        for name in sorted(_built_in_names()):
            try:
                method = _module(name).build(num_classes=1)
            except Exception:  # it needs a package that is not installed, or values
                continue
            if isinstance(method, RecordsAttention) and part in method.recorded_layers:
                found.append(name)
    return found


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


def _description(name: str) -> dict[str, str]:
    options = problem = ""
    try:
        options = ", ".join(_option_texts(name))
    except InputError as error:
        problem = str(error)
    origin = "built in" if name in _built_in_names() else "plug-in"
    return {"Method": name, "Origin": origin, "Options": options, "Problem": problem}


def _option_texts(name: str) -> list[str]:
    variants = method_variants(name)
    texts = [f"{VARIANT} ({', '.join(variants)})"] if variants else []
    return texts + [_option_text(option) for option in method_options(name).values()]


def _option_text(option: inspect.Parameter) -> str:
    has_default = option.default is not inspect.Parameter.empty
    return f"{option.name}={option.default}" if has_default else option.name


def _built_in_names() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(__path__)} - NOT_METHODS


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


def _builder(name: str) -> Callable[..., VISMethod]:
    plug_in = _plug_in(name)
    if plug_in is not None:
        return plug_in.load()
    if name in _built_in_names():
        return _module(name).build
    raise InputError(f"unknown method {name!r}; registered are: {', '.join(method_names())}")


def _plug_in(name: str) -> PlugIn | None:
    """The plug-in of that name, None where it is built in or unknown.

    Raises:
        InputError: for a name that several register.
    """
    found = [plug_in for plug_in in find_plug_ins() if plug_in.name == name]
    origins = [f"built in (methods.{name})"] if name in _built_in_names() else []
    origins += [plug_in.title for plug_in in found]
    if len(origins) > 1:
        raise InputError(
            f"method name {name!r} means {' and '.join(origins)}; "
            "expected a plug-in whose entry point has a name of its own"
        )
    return found[0] if found else None
