"""Evaluation mode of a method, and of modules that it uses without holding them as parts."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from vis_bench.errors import InputError
from vis_bench.method import VISMethod

# Packages whose classes and functions hold no modules of a method.
_LIBRARIES = {*sys.stdlib_module_names, "numpy", "torch", "vis_bench"}


def put_in_evaluation(method: VISMethod) -> None:
    """Put a method and all modules that it can reach in evaluation mode, whatever they override.

    Raises:
        InputError: naming a module that stays in training mode.
    """
    found = list(_reached(method))
    for module in found:
        if _trains(module):
            with suppress(Exception):  # exported ones refuse it; what remains is set below
                module.eval()
    for module in found:
        if _trains(module):
            with suppress(Exception):  # it may be a property
                module.training = False
        if _trains(module):
            raise InputError(
                f"method {method.registered_name}: its {type(module).__name__} stays in training "
                "mode; expected a module whose `training` can be set to False"
            )


@contextmanager
def evaluation_forced(method: VISMethod) -> Iterator[None]:
    """Put a method in evaluation mode, and every module that runs inside, found or not."""

    def force(module: nn.Module, inputs: object) -> None:
        if _trains(module):
            module.training = False

    put_in_evaluation(method)
    hook = register_module_forward_pre_hook(force)
    try:
        yield
    finally:
        hook.remove()


def _trains(module: nn.Module) -> bool:
    return bool(getattr(module, "training", False))  # frozen parts of TorchScript have none


def _reached(method: VISMethod) -> Iterator[nn.Module]:
    """Modules among attributes, containers, closures and globals of the method's own packages."""
    methods = [part for part in method.modules() if isinstance(part, VISMethod)]
    classes = [cls for part in methods for cls in type(part).__mro__]
    packages = {_package(cls) for cls in classes} - _LIBRARIES
    code = [vars(module) for name, module in [*sys.modules.items()] if _root(name) in packages]
    waiting: list[Any] = [method, *code]
    seen: set[int] = set()
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, Tensor | ModuleType | CodeType | FrameType):
            continue
        seen.add(id(thing))
        if isinstance(thing, type | FunctionType) and _package(thing) not in packages:
            continue
        if isinstance(thing, nn.Module):
            yield thing
        waiting += filter(gc.is_tracked, gc.get_referents(thing))


def _package(thing: type | FunctionType) -> str:
    return _root(thing.__module__ or "")


def _root(name: str) -> str:
    return name.partition(".")[0]
