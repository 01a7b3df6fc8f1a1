"""Groups of categories and subsets of the videos, whose AP is asked for alone.

`partition` makes LV-VIS's groups from the `partition` of each category in the annotations: base, 0
and 1, and novel, 2 and 3. A YAML file names groups of one's own, whose categories and videos are
called by their ids or names; a name that several have means all of them:

    animals: [cat, dog, 7]
    videos:
      night: [0043f083b5, 12]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.files import shown

PARTITION = "partition"
_SIDES = {"base": (0, 1), "novel": (2, 3)}
_KINDS: tuple[Literal["categories", "videos"], ...] = ("categories", "videos")


@dataclass(frozen=True)
class Group:
    """Categories or videos that are evaluated alone; `ids` are theirs."""

    name: str
    kind: Literal["categories", "videos"]
    ids: frozenset[int]

    def as_json(self) -> list[Any]:
        """Name, kind and sorted ids, for digests."""
        return [self.name, self.kind, sorted(self.ids)]


def read_groups(
    source: str | Path, truth: GroundTruth, videos: Sequence[Video] | None = None
) -> tuple[Group, ...]:
    """Read the groups that `source` names: the word `partition`, or a YAML file.

    Args:
        videos: those that a file may name, if more than the annotations' own.

    Raises:
        InputError: for a file of another form, and categories or videos that are not there.
    """
    if str(source) == PARTITION:
        return _of_partition(truth)
    from vis_bench.yaml_text import read_yaml

    content = read_yaml(Path(source), "groups")
    if not isinstance(content, dict) or not content:
        raise InputError(f"{source} holds {shown(content)}; expected lists by names of groups")
    listed = {
        "categories": list(truth.categories.items()),
        "videos": [(video.id, video.name) for video in videos or truth.videos],
    }
    groups: list[Group] = []
    for kind, name, members in _entries(content, source):
        if any(name == group.name for group in groups):
            raise InputError(f"{source} gives group {name!r} twice; expected a name for each")
        ids = frozenset(_ids(members, listed[kind], f"{source}, {name}: {kind}", truth.name))
        groups.append(Group(name, kind, ids))
    return tuple(groups)


def _of_partition(truth: GroundTruth) -> tuple[Group, ...]:
    partitions = truth.partitions
    for key in truth.categories:
        if (number := partitions.get(key)) not in range(4) or type(number) is not int:
            raise InputError(
                f"category {key} of {truth.name} has partition {shown(number)}; expected 0 to 3 as "
                "in LV-VIS, or a YAML file of groups"
            )
    return tuple(
        Group(name, "categories", frozenset(k for k, number in partitions.items() if number in own))
        for name, own in _SIDES.items()
    )


def _entries(
    content: Mapping[Any, Any], source: str | Path
) -> Iterable[tuple[Literal["categories", "videos"], str, list[Any]]]:
    """Kind, name and members of each group."""
    for key, value in content.items():
        nested = next((kind for kind in _KINDS if kind == key), None)
        if nested is None:
            named: Any = {key: value}
        else:
            named = value
        if not isinstance(named, dict):
            raise InputError(
                f"{source}: {key} is {shown(named)}; expected lists of {key} by names of groups"
            )
        for name, members in named.items():
            if not isinstance(members, list):
                raise InputError(
                    f"{source}: group {name!r} is {shown(members)}; expected a list of ids or names"
                )
            yield nested or "categories", str(name), members


def _number(name: str) -> int | None:
    """The whole number that YAML reads where a name has no quotes; None for other names."""
    try:
        return None if "_" in name else int(name, 0)
    except ValueError:
        return None


def _ids(
    members: Iterable[Any], listed: Sequence[tuple[int, str]], where: str, source: str
) -> Iterable[int]:
    """Ids of members that are ids (whole numbers) or names."""
    for member in members:
        is_id = type(member) is int
        other = [key for key, name in listed if is_id and key != member and _number(name) == member]
        if other and any(member == key for key, _ in listed):
            raise InputError(
                f"{where} has {shown(member)}, which is the id of one and the name of another (id "
                f"{other[0]}) in {source}; expected the name as a text, '{member}', or another name"
            )
        found = [key for key, name in listed if member == (key if is_id else name)]
        if not found:
            some = ", ".join(f"{name} ({key})" for key, name in listed[:3])
            raise InputError(
                f"{where} has {shown(member)}, which {source} does not list; expected names or ids "
                f"such as {some}"
            )
        yield from found
