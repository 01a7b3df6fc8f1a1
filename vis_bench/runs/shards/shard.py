"""A part of a job: some of its videos."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vis_bench.data.video import Video
from vis_bench.runs.jobs import Job

# Few enough that a crash loses little, enough that the overhead of a shard does not count.
SHARD_VIDEOS = 4


@dataclass(frozen=True)
class Shard:
    """Videos of a job, by id, in the job's order; `digest` is the job's."""

    digest: str
    video_ids: tuple[int, ...]

    @property
    def key(self) -> str:
        """Names the shard: what is measured, and which videos it holds."""
        text = f"{self.digest} {' '.join(map(str, self.video_ids))}"
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def only(self, video_ids: Collection[int]) -> Shard:
        """Those of its videos that are among the given ones."""
        return Shard(self.digest, tuple(v for v in self.video_ids if v in video_ids))

    def one_by_one(self) -> list[Shard]:
        """A shard for each video."""
        return [Shard(self.digest, (video_id,)) for video_id in self.video_ids]


def cut(job: Job, *, done: Collection[int] = (), size: int = SHARD_VIDEOS) -> list[Shard]:
    """The shards of what is left of a job.

    Groups start at fixed places of the job's list of videos, whatever is done: runs that go on side
    by side agree on them.

    Args:
        done: ids of videos whose tracks are known.
        size: videos of a shard at most.
    """
    groups = (job.videos[start : start + size] for start in range(0, len(job.videos), size))
    left = ([video.id for video in group if video.id not in done] for group in groups)
    return [Shard(job.digest, tuple(ids)) for ids in left if ids]


def videos_of(job: Job, shard: Shard) -> Sequence[Video]:
    """The shard's videos."""
    wanted = set(shard.video_ids)
    return [video for video in job.videos if video.id in wanted]
