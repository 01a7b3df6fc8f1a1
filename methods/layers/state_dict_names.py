"""Renaming a checkpoint's keys while it is loaded.

Every module of this project carries names of its own. The authors' files carry theirs, so the
module that owns a name says what the file calls it, and the file itself stays as it is.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Renames:
    """A hook that rewrites the keys below a module before the module loads them.

    `rules` holds pairs of a regular expression and its replacement; the first that matches at the
    start of a key (without the module's own prefix) is applied once. Keys that no rule matches
    stay as they are, so weights saved under this project's names load too.
    """

    rules: tuple[tuple[re.Pattern[str], str], ...]

    def __call__(self, module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object):
        for key in [key for key in state if key.startswith(prefix)]:
            name = key.removeprefix(prefix)
            renamed = self.rename(name)
            if renamed != name:
                state[prefix + renamed] = state.pop(key)

    def rename(self, name: str) -> str:
        """The name that this project gives to a key."""
        for pattern, replacement in self.rules:
            if pattern.match(name):
                return pattern.sub(replacement, name, count=1)
        return name


@dataclass(frozen=True)
class Unused:
    """A hook that takes keys out of a checkpoint which inference has no use for.

    `names` are regular expressions that match a whole key, without the module's prefix.
    """

    names: tuple[re.Pattern[str], ...]

    def __call__(self, module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object):
        for key in [key for key in state if key.startswith(prefix)]:
            if any(pattern.fullmatch(key.removeprefix(prefix)) for pattern in self.names):
                del state[key]


@dataclass(frozen=True)
class Empty:
    """A hook that takes tensors without a single number out of a checkpoint.

    `names` as those of `Unused`. A tensor of these names that holds numbers stays, so that loading
    names it as one too many.
    """

    names: tuple[re.Pattern[str], ...]

    def __call__(self, module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object):
        for key in [key for key in state if key.startswith(prefix) and not state[key].numel()]:
            if any(pattern.fullmatch(key.removeprefix(prefix)) for pattern in self.names):
                del state[key]


@dataclass(frozen=True)
class Alias:
    """A hook for a module that a checkpoint holds under two names.

    The published code loads both copies into one module, so the second one counts. A file that
    holds only the first (safetensors drops duplicates) loads too.
    """

    first: re.Pattern[str]
    second: str

    def __call__(self, module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object):
        differing = 0
        for key in [key for key in state if self.first.match(key.removeprefix(prefix))]:
            twin = prefix + self.first.sub(self.second, key.removeprefix(prefix))
            value = state.pop(key)
            if twin in state:
                differing += _differ(value, state[twin])
            else:
                state[twin] = value
        if differing:
            warnings.warn(
                f"{differing} tensors differ between {self.first.pattern} and {self.second} of "
                "the weights; the latter count, as in the published code",
                stacklevel=2,
            )


def _differ(one: Tensor, other: Tensor) -> bool:
    if one.is_meta or other.is_meta:
        return one.shape != other.shape
    return not torch.equal(one, other)


def rename_on_load(module: nn.Module, rules: Sequence[tuple[str, str]]) -> None:
    """Registers `Renames` on a module."""
    compiled = tuple((re.compile(pattern), replacement) for pattern, replacement in rules)
    module.register_load_state_dict_pre_hook(Renames(compiled))


def drop_on_load(module: nn.Module, *names: str) -> None:
    """Registers `Unused` on a module."""
    module.register_load_state_dict_pre_hook(Unused(tuple(re.compile(name) for name in names)))


def drop_empty_on_load(module: nn.Module, *names: str) -> None:
    """Registers `Empty` on a module."""
    module.register_load_state_dict_pre_hook(Empty(tuple(re.compile(name) for name in names)))


def alias_on_load(module: nn.Module, first: str, second: str) -> None:
    """Registers `Alias` on a module; hooks run in the order of their registration."""
    module.register_load_state_dict_pre_hook(Alias(re.compile(first), second))
