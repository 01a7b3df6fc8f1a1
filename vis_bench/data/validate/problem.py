"""What a check finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vis_bench.files import shown

Kind = Literal[
    "file", "categories", "id", "length", "size", "frame", "mask", "area", "box", "value"
]


@dataclass(frozen=True)
class Problem:
    """One defect.

    `kind` groups defects of a sort. `where` names the file, and the video or annotation as far
    as they are known. `message` says what is wrong, and in which frame (counted from 0).
    """

    kind: Kind
    where: str
    message: str


def entries_of(
    content: Mapping[str, Any], key: str, where: str
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The JSON objects of the list `content[key]`, and a problem for everything else in it."""
    values = content.get(key)
    if not isinstance(values, list):
        return [], [Problem("file", where, f"{key} is {shown(values)} instead of a list")]
    problems = [
        Problem("value", f"{where}, {key}[{index}]", f"is {shown(value)} instead of an object")
        for index, value in enumerate(values)
        if not isinstance(value, dict)
    ]
    return [value for value in values if isinstance(value, dict)], problems


def id_problems(entries: Iterable[Mapping[str, Any]], key: str, where: str) -> Iterator[Problem]:
    """Ids that are not integers, are 0, or are given twice."""
    seen: set[int] = set()
    for index, entry in enumerate(entries):
        place = f"{where}, {key}[{index}]"
        number = entry.get("id")
        if type(number) is not int:
            yield Problem("id", place, f"has id {shown(number)} instead of an integer")
        elif number == 0:
            yield Problem("id", place, "has id 0, which evaluators read as 'none'; ids start at 1")
        elif number in seen:
            yield Problem("id", place, f"repeats id {number}")
        else:
            seen.add(number)


def is_integer(value: object) -> bool:
    """Whether a JSON value is an integer; true and false are not."""
    return type(value) is int


def in_frames(frames: list[int], message: str) -> str:
    """The message with the first of the frames, and how many more there are."""
    more = f" (and in {len(frames) - 1} more frames)" if len(frames) > 1 else ""
    return f"frame {frames[0]} {message}{more}"
