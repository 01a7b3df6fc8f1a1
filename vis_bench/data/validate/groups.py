"""Equal problems together: one defect in two hundred places is one thing to mend."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vis_bench.data.validate.problem import Kind, Problem
from vis_bench.text import one_line

NUM_PLACES = 3


@dataclass(frozen=True)
class ProblemGroup:
    """Problems of one kind whose messages differ only in values, in the order they were found."""

    kind: Kind
    problems: Sequence[Problem]

    def text(self) -> str:
        """A line for one problem; for several their kind, their count and the first of them."""
        if len(self.problems) == 1:
            return _line(self.problems[0])
        lines = [f"{len(self.problems)} {self.kind} problems alike:"]
        lines += [f"  {_line(problem)}" for problem in self.problems[:NUM_PLACES]]
        more = len(self.problems) - NUM_PLACES
        return "\n".join([*lines, f"  and {more} more"] if more > 0 else lines)


def group_problems(problems: Iterable[Problem]) -> list[ProblemGroup]:
    """The groups, in the order of their first problems."""
    groups: dict[tuple[Kind, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        groups[problem.kind, message_pattern(problem.message)].append(problem)
    return [ProblemGroup(kind, found) for (kind, _), found in groups.items()]


def problems_text(problems: Sequence[Problem], *, show_all: bool = False) -> str:
    """The problems to read, grouped unless all are wanted, and their number at the end."""
    if not problems:
        return "no problems found"
    if show_all:
        return "\n".join(map(_line, problems))
    groups = group_problems(problems)
    lines = [group.text() for group in groups]
    if len(problems) > len(groups):
        lines.append(f"{len(problems)} problems in all; --all prints a line for each")
    return "\n".join(lines)


# What two messages about the same sort of defect may differ in.
_VALUES = (
    (re.compile(r" \(and in \d+ more frames\)"), ""),
    (re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""), "VALUE"),
    (re.compile(r"\[[^\[\]]*\]|\{[^{}]*\}"), "VALUE"),
    (re.compile(r"[^\s,;:]*[/\\][^\s,;:]*"), "VALUE"),
    (re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"), "VALUE"),
)


def message_pattern(message: str) -> str:
    """The message with its numbers, quoted texts, lists and paths left out."""
    for values, instead in _VALUES:
        message = values.sub(instead, message)
    return message


def _line(problem: Problem) -> str:
    return one_line(f"{problem.where}: {problem.message}")
