"""AP and AR of groups of categories and of subsets of the videos, with intervals.

A group's numbers are those of annotations and results that hold its categories, or its videos,
alone: matches are made within a video and category, so a group only selects among them. Base and
novel categories of LV-VIS (Wang et al., arXiv 2304.01715) are such groups; haochenheheda/LVVIS
prints the same plain means over the categories that have objects.

Shape letters: S samples, of which the first is all videos of the group once and the others are
half-samples of them; V videos, n detections of one category.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from vis_bench.data.groups import Group
from vis_bench.metrics.half_samples import NUM_RESAMPLES, count_samples, interval_of
from vis_bench.metrics.matching import CategoryMatches, Matches, num_holding, occurring
from vis_bench.metrics.precision_recall import official_numbers
from vis_bench.metrics.resample import resample
from vis_bench.text import count

WITH_INTERVAL = ("ap", "ap50", "ap75", "ar1", "ar10", "ar100")


@dataclass(frozen=True)
class GroupNumbers:
    """Numbers of one group, as fractions; None where it has no object.

    Attributes:
        matches: of its categories and videos.
        num_resamples, seed: of the half-samples of its videos.
    """

    group: Group
    matches: Matches
    num_resamples: int = NUM_RESAMPLES
    seed: int = 0

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

    @property
    def num_objects(self) -> int:
        """Objects that are no crowds."""
        return sum(int(own.num_objects_VA[:, 0].sum()) for own in self.matches.categories)

    @cached_property
    def samples(self) -> Mapping[str, np.ndarray]:
        """The numbers `WITH_INTERVAL` of all videos and of half-samples, (S,); NaN if empty."""
        if not self.num_objects:
            return dict.fromkeys(WITH_INTERVAL, np.full(1 + self.num_resamples, np.nan))
        counts_SV = count_samples(self.num_videos, self.num_resamples, self.seed)
        return resample(self.matches, counts_SV, num_ranges=1).numbers()

    def numbers(self) -> dict[str, float | None]:
        """The official 12 numbers."""
        if not self.num_objects:
            return dict.fromkeys(official_numbers(replace(self.matches, categories=[])))
        found = official_numbers(self.matches)
        return {key: None if value == -1 else value for key, value in found.items()}

    def interval(self, key: str) -> tuple[float, float] | None:
        """The 95 % interval of one of `WITH_INTERVAL`; None without one."""
        return interval_of(self.samples[key], self.num_videos, num_holding=self.num_holding)

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

    def as_json(self) -> dict[str, Any]:
        """Counts (of categories that have objects), the 12 numbers, the ends of the intervals, and
        the reason of an empty group.
        """
        return {
            "kind": self.group.kind,
            "num_categories": len(self.matches.with_objects().categories),
            "num_videos": self.num_videos,
            "num_objects": self.num_objects,
            **self.numbers(),
            **{
                f"{key}_{end}": ends and ends[place]
                for key in WITH_INTERVAL
                for ends in [self.interval(key)]
                for place, end in enumerate(("low", "high"))
            },
            "reason": self.reason,
        }


def evaluate_groups(
    matches: Matches, groups: Iterable[Group], num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> dict[str, GroupNumbers]:
    """The numbers of each group, by its name.

    Of annotations in two files, as of YouTube-VIS 2022, groups are of all videos together.
    """
    return {
        group.name: GroupNumbers(group, _within(matches, group), num_resamples, seed)
        for group in groups
    }


def _within(matches: Matches, group: Group) -> Matches:
    """The matches of a group's categories, or of its videos."""
    if group.kind == "categories":
        chosen = [own for own in occurring(matches.categories) if own.id in group.ids]
        return replace(matches, categories=chosen, parts={})
    return of_videos(matches, np.array([video.id in group.ids for video in matches.videos], bool))


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
