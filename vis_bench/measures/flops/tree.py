"""Multiply-adds as a tree of modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from vis_bench.measures.flops.counter import MacCount

# The operations of a module itself, or in methods of its parts other than `forward`.
ITSELF = "(itself)"


@dataclass(frozen=True)
class ModuleNode:
    """One module with everything below it.

    `macs`: one value for each count that the tree was made of. The operations of a module outside
    of its parts are a child of their own, `ITSELF`, so that children add up to their parent.
    """

    name: str
    num_params: int
    macs: tuple[float, ...]
    children: tuple[ModuleNode, ...]

    def walk(self, depth: int, level: int = 0) -> Iterator[tuple[int, ModuleNode]]:
        """(level, node) of this node and those below it, at most `depth` levels down."""
        yield level, self
        if level < depth:
            for child in self.children:
                yield from child.walk(depth, level + 1)

    def as_json(self) -> dict[str, Any]:
        """The whole tree in plain types."""
        return {
            "name": self.name,
            "num_params": self.num_params,
            "macs": list(self.macs),
            "children": [child.as_json() for child in self.children],
        }


def module_tree(
    module: nn.Module, counts: Sequence[MacCount], divisors: Sequence[float], *, name: str
) -> ModuleNode:
    """The modules that cost something or hold parameters, in the order of their definition.

    Args:
        module: what was counted.
        counts: one column of the tree each.
        divisors: each column is divided by its own, so that it can be per frame or per clip.
        name: of the root.
    """

    def columns(macs: Callable[[MacCount], float]) -> tuple[float, ...]:
        return tuple(macs(c) / divisor for c, divisor in zip(counts, divisors, strict=True))

    def node(part: nn.Module, path: str, label: str) -> ModuleNode:
        inner = [
            node(child, f"{path}.{key}".lstrip("."), key) for key, child in part.named_children()
        ]
        if inner:
            inner.append(ModuleNode(ITSELF, 0, columns(lambda c: c.of(path)), ()))
        return ModuleNode(
            label,
            sum(parameter.numel() for parameter in part.parameters()),
            columns(lambda c: c.within(path)),
            tuple(child for child in inner if child.num_params or any(child.macs)),
        )

    return node(module, "", name)
