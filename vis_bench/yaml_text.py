"""Reads YAML strictly."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from vis_bench.errors import InputError

MAX_BYTES = 1 << 20
MAX_DEPTH = 100
# Most values that all aliases of a file together stand for.
MAX_ALIASED = 10_000


def read_yaml(path: Path, kind: str = "config") -> Any:
    """Return the value of a YAML file; `kind` is what messages call it."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        nearby = sorted(str(p) for p in path.parent.glob("*.yaml"))[:20]
        others = f"; in {path.parent} there are: {', '.join(nearby)}" if nearby else ""
        raise InputError(f"{kind} {path} does not exist{others}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{kind} {path} cannot be read: {reason}") from None
    return parse_yaml(content, f"{kind} {path}")


def parse_yaml(text: str | bytes, name: str) -> Any:
    """Return the value of a YAML text, read by the core schema of YAML 1.2 (yaml.org/spec/1.2.2).

    Values are mappings, lists, text, numbers, true, false and null; keys are text or whole numbers.
    `<<: *name` merges a mapping. Refuses tags, keys given twice, several documents, and whole
    numbers with a leading 0, which YAML 1.1 reads as octal.

    Args:
        text: bytes are UTF-8.
        name: the text's name in messages.
    """
    if len(text) > MAX_BYTES:
        raise InputError(f"{name} has more than {MAX_BYTES} bytes; expected a small YAML text")
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        return _YamlReader(decoded.removeprefix("\ufeff")).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark and mark.line else ""
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise InputError(f"{name} is not valid YAML{line}: {' '.join(problem.split())}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{name} is not valid YAML: {' '.join(str(error).split())}") from None


# Plain scalars of the core schema that are not text.
_WORDS = {"": None, "~": None, ".nan": math.nan, ".NaN": math.nan, ".NAN": math.nan} | {
    form: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for form in (word, word.title(), word.upper())
}
_INFINITY = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


class _YamlReader:
    """Builds the value of a YAML text from PyYAML's events."""

    def __init__(self, text: str) -> None:
        self._events = yaml.parse(io.StringIO(text), Loader=yaml.SafeLoader)
        self._size = 0  # values so far, including those that aliases stand for
        self._aliased = 0
        # Value and size of each anchor; None while its value is being read.
        self._anchors: dict[str, tuple[Any, int] | None] = {}

    def document(self) -> Any:
        value = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _refused(event, "more than one document; expected one")
                value = self._value(next(self._events), 1)
        return value

    def _value(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")[:40]
            raise _refused(event, f"the tag {tag} is not read; expected a value without")
        if depth > MAX_DEPTH:
            raise _refused(event, f"nested more than {MAX_DEPTH} levels deep")
        before = self._size
        self._size += 1
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            value = _plain_value(event) if event.implicit[0] else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            value = [self._value(entry, depth + 1) for entry in self._until(yaml.SequenceEndEvent)]
        else:
            value = self._mapping(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._size - before)
        return value

    def _mapping(self, depth: int) -> dict[str | int, Any]:
        values: dict[str | int, Any] = {}
        merged: dict[str | int, Any] | None = None
        for event in self._until(yaml.MappingEndEvent):
            key = self._value(event, depth + 1)
            if isinstance(key, bool) or not isinstance(key, (str, int)):
                typed = event.value if isinstance(event, yaml.ScalarEvent) else "a list or mapping"
                raise _refused(event, f"a key is {typed[:40] or 'empty'}; expected text")
            is_merge = key == "<<" and isinstance(event, yaml.ScalarEvent) and event.implicit[0]
            if key in values or (is_merge and merged is not None):
                raise _refused(event, f"the key {str(key)[:40]} is given twice")
            following = next(self._events)
            value = self._value(following, depth + 1)
            if is_merge:
                merged = _merged(value, following)
            else:
                values[key] = value
        return (merged or {}) | values

    def _until(self, end: type[yaml.Event]) -> Iterator[Any]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise _refused(event, f"*{event.anchor[:40]} has no anchor")
        anchor = self._anchors[event.anchor]
        if anchor is None:
            raise _refused(event, f"*{event.anchor[:40]} stands inside of itself")
        value, size = anchor
        self._size += size
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise _refused(event, f"aliases stand for more than {MAX_ALIASED} values")
        return value


def _plain_value(event: yaml.ScalarEvent) -> Any:
    """The value of a scalar without quotes."""
    text = event.value
    if text in _WORDS:
        return _WORDS[text]
    if infinity := _INFINITY.fullmatch(text):
        return float(f"{infinity[1]}inf")
    if _INTEGER.fullmatch(text):
        digits = text.lstrip("+-")
        if digits[0] == "0" and digits[1:].isdigit():
            problem = "has a leading 0; expected a number without, or quotes around text"
            raise _refused(event, f"{text[:40]} {problem}")
        number = None if len(digits) > 66 else int(text, 0)
        if number is None or not -(1 << 63) <= number < 1 << 64:
            raise _refused(event, f"{text[:40]} needs more than 64 bits")
        return number
    return float(text) if _FLOAT.fullmatch(text) else text


def _merged(value: Any, event: yaml.Event) -> dict[str | int, Any]:
    """The mappings behind `<<`, of which earlier ones win."""
    merged: dict[str | int, Any] = {}
    for mapping in value if isinstance(value, list) else [value]:
        if not isinstance(mapping, dict):
            raise _refused(event, "<< is followed by something else than mappings")
        merged = mapping | merged
    return merged


def _refused(event: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
