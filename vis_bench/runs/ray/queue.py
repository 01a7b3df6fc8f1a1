"""Which shard comes next, and what becomes of one that failed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from vis_bench.runs.shards.shard import Shard


@dataclass(frozen=True)
class FailedVideo:
    """A video that could not be inferred, however often it was tried."""

    digest: str
    video_id: int
    reason: str


class ShardQueue:
    """Hands out shards until every video is inferred or given up.

    A shard that fails is cut into its videos, so that one that kills its worker every time takes no
    other with it; a video that has failed `retries` times after the first is given up.
    """

    def __init__(self, shards: Iterable[Shard], retries: int) -> None:
        self._waiting = deque(shards)
        self._failures: dict[Shard, int] = {}
        self._retries = retries
        self.given_up: list[FailedVideo] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self) -> Shard:
        """The next shard."""
        return self._waiting.popleft()

    def put_back(self, shard: Shard) -> None:
        """A shard that was taken and never begun."""
        self._waiting.appendleft(shard)

    def failed(self, shard: Shard, reason: str) -> list[FailedVideo]:
        """Takes note of a failure; the videos that are given up because of it."""
        if len(shard.video_ids) > 1:
            self._waiting.extend(shard.one_by_one())
            return []
        self._failures[shard] = self._failures.get(shard, 0) + 1
        if self._failures[shard] <= self._retries:
            self._waiting.append(shard)
            return []
        given_up = [FailedVideo(shard.digest, shard.video_ids[0], reason)]
        self.given_up += given_up
        return given_up
