"""Shards: some videos of a job, inferred by any process, in a file of their own.

A file is named by the digest of the job and the videos it holds, never by a rank or a number of
workers: a run can go on with any other number of workers, and the merged tracks do not depend on
who inferred them, or in which order. Its header holds digests of the code and of the frames; files
of other code or frames are never merged.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from vis_bench.data.results_file import Track, encoded, results_of
from vis_bench.errors import InputError
from vis_bench.files import parse_json, read_bytes, write_atomically
from vis_bench.progress import Bars
from vis_bench.record.store import SHARDS

# Processes that only pass shards on need not wait for torch, which jobs import.
if TYPE_CHECKING:
    from vis_bench.data.video import Video
    from vis_bench.runs.jobs import Job

# Few enough that a crash loses little, enough that the overhead of a shard does not count.
SHARD_VIDEOS = 4

_KEYS = {"digest", "videos", "tracks"}


@dataclass(frozen=True)
class OutdatedShard:
    """A file of other code or frames, and the difference in words."""

    path: Path
    video_ids: frozenset[int]
    difference: str


@dataclass(frozen=True)
class Shard:
    """Ids of some videos of a job, in the job's order; `digest` is the job's."""

    digest: str
    video_ids: tuple[int, ...]

    @property
    def key(self) -> str:
        """Name of the shard: a hash of the job's digest and the videos."""
        text = f"{self.digest} {' '.join(map(str, self.video_ids))}"
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def only(self, video_ids: Collection[int]) -> Shard:
        """The shard without the videos that are not among the given ones."""
        return Shard(self.digest, tuple(v for v in self.video_ids if v in video_ids))

    def one_by_one(self) -> list[Shard]:
        """A shard for each video."""
        return [Shard(self.digest, (video_id,)) for video_id in self.video_ids]

    def videos(self, job: Job) -> list[Video]:
        """The shard's videos, of its job."""
        return [video for video in job.videos if video.id in self.video_ids]


def cut(job: Job, *, done: Collection[int] = (), size: int = SHARD_VIDEOS) -> list[Shard]:
    """Cut the videos of a job that needs their tracks into shards; none for any other job.

    Shard boundaries do not depend on `done`, so concurrent runs cut the job identically.

    Args:
        done: ids of videos that are left out.
        size: videos of a shard at most.
    """
    if "tracks" not in job.needs:
        return []
    groups = (job.videos[start : start + size] for start in range(0, len(job.videos), size))
    missing = ([video.id for video in group if video.id not in done] for group in groups)
    return [Shard(job.digest, tuple(ids)) for ids in missing if ids]


@dataclass(frozen=True)
class ShardFiles:
    """Shard files of one job, in a folder of their own below the folder of records."""

    records: Path
    job: Job

    @property
    def folder(self) -> Path:
        """Folder of the files."""
        return self.records / SHARDS / self.job.digest[:16]

    @property
    def results(self) -> Path:
        """Folder of results files until their record is written."""
        return self.folder / "results"

    def write(self, shard: Shard, tracks: Iterable[Track]) -> Path:
        """Write a shard's file, with the absent masks of one track at a time in memory."""

        def pieces() -> Iterator[bytes]:
            header = {
                "digest": shard.digest,
                "sources": self.job.sources_sha256,
                "frames": self.job.frames_sha256(shard.video_ids),
                "videos": shard.video_ids,
            }
            yield orjson.dumps(header)[:-1]
            yield b',"tracks":'
            yield from encoded(tracks)
            yield b"}"

        path = self.folder / f"{shard.key}.json"
        write_atomically(path, pieces())
        return path

    def read(self) -> dict[int, list[Track]]:
        """Read the tracks of every video that is in a file of the job's code and frames, by id.

        Raises:
            InputError: for a file that is not a shard of the job, or two files with other tracks
                of the same video.
        """
        known = {video.id for video in self.job.videos}
        found: dict[int, list[Track]] = {}
        for path, content in self._contents():
            if self._difference(content):
                continue
            for video_id, tracks in _tracks(path, content).items():
                if video_id not in known:
                    raise InputError(f"shard {path} holds video {video_id}, which the job does not")
                if found.setdefault(video_id, tracks) != tracks:
                    raise InputError(
                        f"shard {path} has other tracks of video {video_id} than another shard in "
                        "the folder; remove one of them"
                    )
        return found

    def outdated(self) -> list[OutdatedShard]:
        """The files of other code or frames."""
        return [
            OutdatedShard(path, frozenset(content["videos"]), difference)
            for path, content in self._contents()
            if (difference := self._difference(content))
        ]

    def discard_outdated(self, bars: Bars, among: Collection[int] | None = None) -> None:
        """Remove files of other code or frames, so that their videos are inferred anew.

        Args:
            among: ids of videos; files that hold any other are kept.
        """
        for shard in self.outdated():
            if among is None or shard.video_ids <= set(among):
                bars.say(f"shard {shard.path} has {shard.difference}; videos are measured again")
                shard.path.unlink(missing_ok=True)

    def _difference(self, content: Mapping[str, Any]) -> str | None:
        return self.job.difference(content.get("sources"), content.get("frames"), content["videos"])

    def _contents(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for path in sorted(self.folder.glob("*.json")):
            try:
                content = _read_shard(path, self.job.digest)
            except InputError:
                if not path.exists():  # removed by the process that infers its videos anew
                    continue
                raise
            yield path, content

    def remove(self) -> None:
        """Remove the files, once their record is written."""
        shutil.rmtree(self.folder, ignore_errors=True)
        parent = self.records / SHARDS
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


def report_foreign(records: Path, jobs: Sequence[Job], bars: Bars) -> None:
    """Name the folders of shards that belong to none of these jobs; they are left alone."""
    own = {ShardFiles(records, job).folder for job in jobs}
    for path in sorted((records / SHARDS).glob("*")):
        if path.is_dir() and path not in own:
            bars.say(f"{path} holds shards of another run or config; it is left alone")


def _read_shard(path: Path, digest: str) -> dict[str, Any]:
    content = parse_json(read_bytes(path), str(path))
    if not isinstance(content, dict) or not content.keys() >= _KEYS:
        raise InputError(f"{path} is not a shard; remove it, and its videos are inferred again")
    if content["digest"] != digest:
        raise InputError(
            f"shard {path} has digest {str(content['digest'])[:16]!r}; expected {digest[:16]!r}, "
            "the digest of the folder"
        )
    videos = content["videos"]
    if not isinstance(videos, list) or not all(type(number) is int for number in videos):
        raise InputError(f"shard {path} has videos {videos!r}; expected a list of ids")
    return content


def _tracks(path: Path, content: Mapping[str, Any]) -> dict[int, list[Track]]:
    videos = content["videos"]
    tracks: dict[int, list[Track]] = {video_id: [] for video_id in videos}
    for track in results_of(content["tracks"], str(path)).tracks:
        if track.video_id not in tracks:
            raise InputError(
                f"shard {path} has a track of video {track.video_id}; expected one of {videos}"
            )
        tracks[track.video_id].append(track)
    return tracks
