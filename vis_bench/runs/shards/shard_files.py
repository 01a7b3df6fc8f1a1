"""Shards in files: each written atomically when its videos are inferred, and merged at the end."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from vis_bench.data.results_file import Track, encoded, results_of
from vis_bench.errors import InputError
from vis_bench.files import parse_json, read_bytes, write_atomically
from vis_bench.progress import Bars
from vis_bench.runs.jobs import Job
from vis_bench.runs.shards.shard import Shard

FOLDER = "shards"
_KEYS = {"digest", "videos", "tracks"}


@dataclass(frozen=True)
class ShardFiles:
    """The shards of one job, in a folder of their own below the folder of records."""

    records: Path
    digest: str

    @classmethod
    def of(cls, records: Path, job: Job) -> ShardFiles:
        """Those of a job."""
        return cls(records, job.digest)

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self.records / FOLDER / self.digest[:16]

    def write(self, shard: Shard, tracks: Sequence[Track]) -> Path:
        """Writes a shard whose videos are inferred."""
        path = self.folder / f"{shard.key}.json"
        write_atomically(path, _pieces(shard, tracks))
        return path

    def read(self, job: Job) -> dict[int, list[Track]]:
        """The tracks of every video that is in a file, by video id.

        Raises:
            InputError: for a file that is not one of these, or is of another job, or two files that
                differ about a video.
        """
        known = {video.id for video in job.videos}
        found: dict[int, list[Track]] = {}
        for path in sorted(self.folder.glob("*.json")):
            for video_id, tracks in _read_shard(path, self.digest).items():
                if video_id not in known:
                    raise InputError(f"shard {path} holds video {video_id}, which the job does not")
                if found.setdefault(video_id, tracks) != tracks:
                    raise InputError(
                        f"shard {path} has other tracks of video {video_id} than another shard in "
                        "the folder; remove one of them"
                    )
        return found

    def remove(self) -> None:
        """Removes them, once their record is written."""
        shutil.rmtree(self.folder, ignore_errors=True)
        parent = self.records / FOLDER
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


def merged(job: Job, tracks_by_video: Mapping[int, Iterable[Track]]) -> list[Track]:
    """All tracks of a job in the order in which one process finds them.

    Raises:
        InputError: naming the videos that are missing.
    """
    missing = [video.name for video in job.videos if video.id not in tracks_by_video]
    if missing:
        raise InputError(
            f"{job.name}: {len(missing)} of {len(job.videos)} videos are not inferred yet; the "
            f"first is {missing[0]}"
        )
    return [track for video in job.videos for track in tracks_by_video[video.id]]


def foreign_shards(records: Path, jobs: Iterable[Job]) -> list[Path]:
    """Folders of shards that belong to none of these jobs; they are left alone."""
    own = {ShardFiles.of(records, job).folder for job in jobs}
    folders = (path for path in sorted((records / FOLDER).glob("*")) if path.is_dir())
    return [path for path in folders if path not in own]


def say_foreign(records: Path, jobs: Sequence[Job], bars: Bars) -> None:
    """Names the folders of shards that are left alone."""
    for path in foreign_shards(records, jobs):
        bars.say(f"{path} holds shards of another run or config; it is left alone")


def _pieces(shard: Shard, tracks: Iterable[Track]) -> Iterator[bytes]:
    """The file, with the absent masks of one track at a time in memory."""
    yield orjson.dumps({"digest": shard.digest, "videos": shard.video_ids})[:-1]
    yield b',"tracks":'
    yield from encoded(tracks)
    yield b"}"


def _read_shard(path: Path, digest: str) -> dict[int, list[Track]]:
    content = parse_json(read_bytes(path), str(path))
    if not isinstance(content, dict) or content.keys() != _KEYS:
        raise InputError(f"{path} is not a shard; remove it, and its videos are inferred again")
    if content["digest"] != digest:
        raise InputError(
            f"shard {path} has digest {str(content['digest'])[:16]!r}; expected {digest[:16]!r}, "
            "that of the folder"
        )
    videos: Any = content["videos"]
    if not isinstance(videos, list) or not all(type(number) is int for number in videos):
        raise InputError(f"shard {path} has videos {videos!r}; expected a list of ids")
    results = results_of(content["tracks"], str(path))
    tracks: dict[int, list[Track]] = {video_id: [] for video_id in videos}
    for track in results.tracks:
        if track.video_id not in tracks:
            raise InputError(
                f"shard {path} has a track of video {track.video_id}; expected one of {videos}"
            )
        tracks[track.video_id].append(track)
    return tracks
