"""AP and AR of groups of categories and of subsets of the videos.

A group's numbers are those of annotations and results that hold its categories, or its videos,
alone: matches are made within a video and category, so a group only selects among them. Base and
novel categories of LV-VIS (Wang et al., arXiv 2304.01715) are such groups; haochenheheda/LVVIS
prints the same plain means over the categories that have objects.

Shape letters: V videos, n detections of one category.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from vis_bench.data.groups import Group
from vis_bench.metrics.matching import (
    CategoryMatches,
    Matches,
    num_holding,
    num_objects,
    occurring,
)
from vis_bench.metrics.precision_recall import official_numbers
from vis_bench.text import count


@dataclass(frozen=True)
class GroupMatches:
    """Matches of one group's categories and videos; its numbers are fractions, None without an
    object.
    """

    group: Group
    matches: Matches

    @property
    def num_videos(self) -> int:
        """All videos, or those of a group of videos."""
        return len(self.matches.videos)

    @property
    def num_holding(self) -> int:
        """The videos that give degrees of freedom: all of a group of videos, as of all videos, and
        those that hold an object of a group of categories.
        """
        if not self.num_objects:
            return 0
        is_of_videos = self.group.kind == "videos"
        return self.num_videos if is_of_videos else num_holding(self.matches.categories)

    @cached_property
    def num_objects(self) -> int:
        """Objects that are no crowds."""
        return num_objects(self.matches.categories)

    def numbers(self) -> dict[str, float | None]:
        """The official 12 numbers."""
        if not self.num_objects:
            return dict.fromkeys(official_numbers(replace(self.matches, categories=[])))
        found = official_numbers(self.matches)
        return {key: None if value == -1 else value for key, value in found.items()}

    @property
    def size(self) -> str:
        """Its categories or videos, and its objects, in words."""
        return f"{len(self.group.ids)} {self.group.kind}, {count(self.num_objects, 'object')}"

    @property
    def reason(self) -> str | None:
        """Why an empty group has no numbers."""
        if self.num_objects:
            return None
        if not self.group.ids:
            return f"it lists no {self.group.kind}"
        return f"none of its {self.group.kind} has an annotated object"

    def as_json(self, ends: Mapping[str, float | None]) -> dict[str, Any]:
        """Counts (of categories that have objects), the 12 numbers, the ends of their intervals,
        and the reason of an empty group.
        """
        return {
            "kind": self.group.kind,
            "num_categories": len(self.matches.with_objects().categories),
            "num_videos": self.num_videos,
            "num_objects": self.num_objects,
            **self.numbers(),
            **ends,
            "reason": self.reason,
        }


def of_group(matches: Matches, group: Group) -> GroupMatches:
    """Select the matches of a group's categories, or of its videos.

    Of annotations in two files, as of YouTube-VIS 2022, groups are of all videos together.
    """
    if group.kind == "categories":
        chosen = [own for own in occurring(matches.categories) if own.id in group.ids]
        return GroupMatches(group, replace(matches, categories=chosen, parts={}))
    inside_V = np.array([video.id in group.ids for video in matches.videos], bool)
    return GroupMatches(group, of_videos(matches, inside_V))


def of_videos(matches: Matches, inside_V: np.ndarray) -> Matches:
    """The matches of some of the videos, as of files that hold these alone."""
    place_V = np.cumsum(inside_V) - 1
    own = [_of_videos(category, inside_V, place_V) for category in occurring(matches.categories)]
    return replace(
        matches,
        videos=[video for video, inside in zip(matches.videos, inside_V, strict=True) if inside],
        categories=[one for one in own if one.video_n.size or one.num_objects_VA.any()],
        parts={},
    )


def _of_videos(
    category: CategoryMatches, inside_V: np.ndarray, place_V: np.ndarray
) -> CategoryMatches:
    kept = np.flatnonzero(inside_V[category.video_n])
    return replace(
        category,
        video_n=place_V[category.video_n[kept]],
        rank_n=category.rank_n[kept],
        score_n=category.score_n[kept],
        hits_ATn=np.ascontiguousarray(category.hits_ATn[:, :, kept]),
        misses_ATn=np.ascontiguousarray(category.misses_ATn[:, :, kept]),
        num_objects_VA=category.num_objects_VA[inside_V],
    )
