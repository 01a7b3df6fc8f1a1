"""YAML that a user gave, read strictly: plain values of a bounded size, and no surprises.

Refused in a sentence are tags (`!!binary`), keys given twice, whole numbers that YAML 1.1 reads in
another base than people do (`010`, `1:30`) or that need more than 64 bits, and files that are
larger, nested deeper or repeat more through aliases than the limits below. Dates stay text.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import yaml

from vis_bench.errors import InputError

MAX_BYTES = 1 << 20
MAX_DEPTH = 100
# How many values the aliases of a file may stand for, all together.
MAX_ALIASED = 10_000


def read_yaml(path: Path) -> Any:
    """The value that a config file holds.

    Raises:
        InputError: for a file that is missing, cannot be read, or as `parse_yaml`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        nearby = sorted(str(p) for p in path.parent.glob("*.yaml"))[:20]
        there = f"; in {path.parent} there are: {', '.join(nearby)}" if nearby else ""
        raise InputError(f"config {path} does not exist{there}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"config {path} cannot be read: {reason}") from None
    return parse_yaml(content, f"config {path}")


def parse_yaml(text: str | bytes, name: str) -> Any:
    """The value that a YAML text holds: mappings, lists, text, numbers, true, false and null.

    Keys are text or whole numbers.

    Args:
        text: bytes are UTF-8.
        name: what messages call it.

    Raises:
        InputError: for what is not YAML, or what this project does not read.
    """
    if len(text) > MAX_BYTES:
        raise InputError(f"{name} has more than {MAX_BYTES} bytes; expected a small YAML text")
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        return _read(decoded.removeprefix("\ufeff"))
    except _Refused as error:
        raise InputError(f"{name}{_line(error)}: {error.problem}") from None
    except yaml.MarkedYAMLError as error:
        reason = " ".join(
            ", ".join(part for part in (error.context, error.problem) if part).split()
        )
        raise InputError(f"{name} is not valid YAML{_line(error)}: {reason}") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{name} is not valid YAML: {reason}") from None


def _read(text: str) -> Any:
    loader = _Loader(io.StringIO(text))
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _line(error: yaml.MarkedYAMLError) -> str:
    """Where it is, unless that is the first line, which may be the only one."""
    mark = error.problem_mark or error.context_mark
    return f", line {mark.line + 1}" if mark and mark.line else ""


class _Refused(yaml.MarkedYAMLError):
    """YAML that is valid and yet not read here."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(problem=problem, problem_mark=mark)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses more."""

    def __init__(self, stream: io.StringIO) -> None:
        super().__init__(stream)
        self._depth = 0
        self._values = 0  # so far, those that aliases stand for included
        self._aliased = 0
        self._sizes: dict[str, int | None] = {}  # values of an anchor, None before its end

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            self._count_alias(event)
            return super().compose_node(parent, index)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise _Refused(f"the tag {tag[:40]} is not read; expected a value without", _at(event))
        if self._depth >= MAX_DEPTH:
            raise _Refused(f"nested more than {MAX_DEPTH} levels deep", _at(event))
        before = self._values
        self._values += 1
        if event.anchor is not None:
            self._sizes[event.anchor] = None
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if event.anchor is not None:
            self._sizes[event.anchor] = self._values - before
        return node

    def _count_alias(self, event: yaml.AliasEvent) -> None:
        anchor = str(event.anchor)
        size = self._sizes.get(anchor, 0)
        if size is None:
            raise _Refused(f"*{anchor[:40]} stands inside of itself", _at(event))
        self._values += size
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise _Refused(f"aliases stand for more than {MAX_ALIASED} values", _at(event))

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key_node, _ in node.value:
            key = _MERGE if key_node.tag == _MERGE else self._key(key_node)
            if key in seen:
                shown = "<<" if key is _MERGE else key
                raise _Refused(f"the key {str(shown)[:40]} is given twice", key_node.start_mark)
            seen.add(key)
        return node

    def _key(self, node: yaml.Node) -> str | int:
        key = self.construct_object(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            what = node.value[:40] if isinstance(node, yaml.ScalarNode) else "a list or mapping"
            raise _Refused(f"a key is {what or 'empty'}; expected text", node.start_mark)
        return key

    def construct_number(self, node: yaml.ScalarNode) -> int:
        """A whole number; refuses those that are not what they look like."""
        text = node.value.replace("_", "").lstrip("+-")
        start = node.start_mark
        self._refuse_base_60(node)
        if len(text) > 1 and text[0] == "0" and text[1].isdigit():
            raise _Refused(
                f"{node.value[:40]} is an octal number in YAML; expected one without a leading 0, "
                "or quotes around text", start,
            )  # fmt: skip
        number = None if len(text) > 66 else self.construct_yaml_int(node)
        if number is None or not -(1 << 63) <= number < 1 << 64:
            raise _Refused(f"{node.value[:40]} needs more than 64 bits", start)
        return number

    def construct_float(self, node: yaml.ScalarNode) -> float:
        """A number with a fraction or exponent, infinity, or NaN."""
        self._refuse_base_60(node)
        return self.construct_yaml_float(node)

    def _refuse_base_60(self, node: yaml.ScalarNode) -> None:
        if ":" in node.value:
            problem = f"{node.value[:40]} is a number to base 60 in YAML; quote it to mean text"
            raise _Refused(problem, node.start_mark)


def _at(event: yaml.Event) -> Any:
    return event.start_mark


_MERGE = "tag:yaml.org,2002:merge"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_float)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
