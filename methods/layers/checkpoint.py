"""Load hooks that rename or drop a checkpoint's keys, and the count of its entries.

Modules of this project have names of their own. The module that owns a name also gives the one in
the authors' files, which stay as they are. Hooks run in the order of their registration; keys are
matched without the module's own prefix.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def rename_on_load(module: nn.Module, rules: Sequence[tuple[str, str]]) -> None:
    """Rename keys below a module before it loads them.

    Args:
        rules: pairs of a regular expression and its replacement; the first that matches at the
            start of a key is applied once. Keys that no rule matches keep their names, so weights
            saved by this project load too.
    """
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]

    def rename(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
        for key in _keys(state, prefix):
            name = key.removeprefix(prefix)
            rule = next((rule for rule in compiled if rule[0].match(name)), None)
            if rule and (renamed := rule[0].sub(rule[1], name, count=1)) != name:
                state[prefix + renamed] = state.pop(key)

    module.register_load_state_dict_pre_hook(rename)


def drop_on_load(
    module: nn.Module, *names: str, when: Callable[[Tensor], bool] = lambda tensor: True
) -> None:
    """Drop keys of a checkpoint that inference has no use for.

    Args:
        names: regular expressions that match a whole key.
        when: decides by the tensor; others of these names stay, and loading reports them.
    """
    pattern = re.compile("|".join(names))

    def drop(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
        for key in _keys(state, prefix):
            if pattern.fullmatch(key.removeprefix(prefix)) and when(state[key]):
                del state[key]

    module.register_load_state_dict_pre_hook(drop)


def alias_on_load(module: nn.Module, first: str, second: str) -> None:
    """Load a module that a checkpoint holds under two names.

    The published code loads both copies into one module, so the second one counts. A file that
    holds only the first (safetensors drops duplicates) loads too.

    Args:
        first: a regular expression that matches the start of the first name.
        second: its replacement in the second name.
    """
    pattern = re.compile(first)

    def merge(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
        differing = 0
        for key in _keys(state, prefix):
            name = key.removeprefix(prefix)
            if pattern.match(name):
                value = state.pop(key)
                twin = state.setdefault(prefix + pattern.sub(second, name), value)
                differing += twin is not value and _differ(value, twin)
        if differing:
            warnings.warn(
                f"{differing} tensors differ between {first} and {second} of the weights; the "
                "latter count, as in the published code",
                stacklevel=2,
            )

    module.register_load_state_dict_pre_hook(merge)


def checkpoint_entries(method: nn.Module, *, not_kept: int = 0) -> int:
    """Number of values in a checkpoint of the authors' code, which is how the papers count.

    These are the parameters, the buffers (four per channel of a frozen norm), and what the
    checkpoint has but the method does not: modules that it holds under two names, tables that
    follow from the sizes, weights of the training loss.

    Args:
        method: as it was built, before norms are folded.
        not_kept: values of the checkpoint that the method does not keep; a module gives its own
            number of them as `checkpoint_entries_not_kept`.
    """
    kept = sum(tensor.numel() for tensor in method.state_dict().values())
    below = sum(getattr(child, "checkpoint_entries_not_kept", 0) for child in method.modules())
    return kept + below + not_kept


def _keys(state: dict[str, Tensor], prefix: str) -> list[str]:
    return [key for key in state if key.startswith(prefix)]


def _differ(a: Tensor, b: Tensor) -> bool:
    if a.is_meta or b.is_meta:
        return a.shape != b.shape
    return not torch.equal(a, b)
