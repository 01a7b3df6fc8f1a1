"""The registry of methods: a built-in method's file name is its name.

The module or package has a function `build(*, num_classes, ...options)` that returns a `VISMethod`,
and may have `VARIANTS`: sets of options by name, over the defaults of `build`. A third party's
method is an entry point of the group `vis_bench.methods` that names such a function; a name that is
already taken is refused.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import torch

from vis_bench.attention import AttentionPart, RecordsAttention
from vis_bench.errors import InputError
from vis_bench.method import VISMethod
from vis_bench.plugins import PlugIn, find_plug_ins

VARIANT = "variant"
# The other packages in this folder are not methods.
BUILT_IN = {module.name for module in pkgutil.iter_modules(__path__)} - {"layers", "training"}


def method_names() -> list[str]:
    """Names of all registered methods, built-ins and plug-ins, sorted."""
    return sorted(BUILT_IN | {plug_in.name for plug_in in find_plug_ins()})


def method_options(name: str) -> dict[str, inspect.Parameter]:
    """Options by name that a method's `build` takes beside `num_classes`."""
    build = _builder(name)
    try:
        parameters = inspect.signature(build).parameters
    except (TypeError, ValueError) as error:
        raise InputError(f"method {name}: its parameters cannot be read, {error}") from None
    return {key: value for key, value in parameters.items() if key != "num_classes"}


def method_variants(name: str) -> Mapping[str, Mapping[str, object]]:
    """Named sets of options that a method's option `variant` chooses from; plug-ins have none."""
    return getattr(_module(name), "VARIANTS", {}) if name in BUILT_IN else {}


def describe_methods() -> list[dict[str, str]]:
    """Name, origin and options (with their defaults) of every registered method.

    If any cannot be used, all have a `Problem`, which is empty for those that can.
    """
    rows = []
    for name in method_names():
        row = {"Method": name, "Origin": "built in" if name in BUILT_IN else "plug-in"}
        try:
            row |= {"Options": _options_text(name), "Problem": ""}
        except InputError as error:
            row |= {"Options": "", "Problem": str(error)}
        rows.append(row)
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
    """
    parameters, variants = method_options(name), method_variants(name)
    known = [VARIANT, *parameters] if variants else list(parameters)
    for option in options:
        if option not in known:
            listed = ", ".join(known) or "none"
            raise InputError(f"method {name} has no option {option!r}; its options are: {listed}")
    resolved = {
        key: option.default
        for key, option in parameters.items()
        if option.default is not inspect.Parameter.empty
    }
    given = dict(options)
    variant = given.pop(VARIANT, None) if variants else None
    if variant is not None:
        if variant not in variants:
            listed = ", ".join(variants)
            raise InputError(f"method {name} has no variant {variant!r}; expected one of: {listed}")
        resolved |= variants[variant]
    return resolved | given


def build_method(
    name: str, /, *, num_classes: int, weights_config: Path | None = None, **options: object
) -> VISMethod:
    """Build a method with random weights.

    Args:
        name: a built-in's file name or a plug-in's entry-point name.
        num_classes: K, the number of the data set's categories.
        weights_config: the config.json beside the weights that will be loaded; the options that it
            states win over defaults.
        options: the method's own, see `method_options`, and `variant`, see `method_variants`.
    """
    resolved = resolve_options(name, options)
    if weights_config is None:
        return _build(name, num_classes, resolved)
    method = _build_to_ask(name, num_classes, resolved)
    given = {**method_variants(name).get(str(options.get(VARIANT)), {}), **options}
    stated = method.check_stated_options(weights_config, given)
    changed = {key: value for key, value in stated.items() if _plain(resolved.get(key)) != value}
    return _build(name, num_classes, {**resolved, **changed})


def _build_to_ask(name: str, num_classes: int, resolved: dict[str, object]) -> VISMethod:
    """A method without values, or with them if its code needs some."""
    try:
        with torch.device("meta"):
            return _build(name, num_classes, resolved)
    except Exception:  # a plug-in's own code may raise anything where there are no values
        return _build(name, num_classes, resolved)


def _build(name: str, num_classes: int, resolved: Mapping[str, object]) -> VISMethod:
    method = _builder(name)(num_classes=num_classes, **resolved)
    if not isinstance(method, VISMethod):
        raise InputError(f"method {name} built a {type(method).__name__}, which is not a VISMethod")
    plug_in = _plug_in(name)
    method.remember_build(name, resolved, plug_in.source() if plug_in else None, checkpoint_signs)
    return method


def checkpoint_signs() -> dict[str, str]:
    """The `VISMethod.checkpoint_signs` of all methods; those that cannot be imported have none."""
    for name in method_names():
        with suppress(InputError):
            _builder(name)
    signs: dict[str, str] = {}
    classes: list[type[VISMethod]] = [VISMethod]
    while classes:
        one = classes.pop()
        signs |= one.checkpoint_signs
        classes += one.__subclasses__()
    return signs


def _plain(value: object) -> object:
    """A value as JSON holds it: lists for tuples."""
    return list(value) if isinstance(value, tuple) else value


def methods_recording(part: AttentionPart) -> list[str]:
    """Built-in methods whose default build records a part of their attention, for a message."""
    found = []
    with torch.device("meta"):
        for name in sorted(BUILT_IN):
            try:
                method = _module(name).build(num_classes=1)
            except Exception:  # it needs a package that is not installed, or values
                continue
            if isinstance(method, RecordsAttention) and part in method.recorded_layers:
                found.append(name)
    return found


def _options_text(name: str) -> str:
    variants = method_variants(name)
    texts = [f"{VARIANT} ({', '.join(variants)})"] if variants else []
    for option in method_options(name).values():
        has_default = option.default is not inspect.Parameter.empty
        texts.append(f"{option.name}={option.default}" if has_default else option.name)
    return ", ".join(texts)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


def _builder(name: str) -> Callable[..., VISMethod]:
    plug_in = _plug_in(name)
    if plug_in is not None:
        return plug_in.load()
    if name in BUILT_IN:
        return _module(name).build
    raise InputError(f"unknown method {name!r}; registered are: {', '.join(method_names())}")


def _plug_in(name: str) -> PlugIn | None:
    """The plug-in of a name, if any; refuses a name that several methods have."""
    found = [plug_in for plug_in in find_plug_ins() if plug_in.name == name]
    origins = [f"built in (methods.{name})"] if name in BUILT_IN else []
    origins += [plug_in.title for plug_in in found]
    if len(origins) > 1:
        raise InputError(
            f"method name {name!r} means {' and '.join(origins)}; "
            "expected a plug-in with a unique entry point"
        )
    return found[0] if found else None
