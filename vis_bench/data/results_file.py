"""Tracks to and from YouTube-VIS results files, and instances to and from COCO's.

A results file is a JSON list of objects with `video_id`, `category_id`, `score` and
`segmentations`: one compressed RLE or null per frame. One of single images has `image_id` and
`segmentation` instead (cocodataset.org, "Results format"). Other keys, boxes too, are not read.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from vis_bench.errors import InputError
from vis_bench.files import integer_of, parse_json, read_bytes, shown, value_of, write_atomically
from vis_bench.masks.rle import RLE
from vis_bench.masks.tubes import MaskTubes, measure_tubes, without_absent


@dataclass(frozen=True)
class Track:
    """One instance over a whole video: one entry of a YouTube-VIS results file.

    `segmentations` holds one RLE at the video's original size per frame, or None where absent.
    """

    video_id: int
    category_id: int
    score: float
    segmentations: Sequence[RLE | None]


@dataclass(frozen=True)
class Results:
    """Tracks in file order with their masks checked and measured; `name` is for messages.

    Attributes:
        added: ids of the videos that were looked at; None where the tracks alone tell.
        first_image: the first entry that is an instance of a single image; None without one.
    """

    name: str
    tracks: Sequence[Track]
    tubes: MaskTubes
    added: Collection[int] | None = None
    first_image: int | None = None

    @classmethod
    def of(
        cls,
        tracks: Iterable[Track],
        name: str = "the predictions",
        *,
        added: Collection[int] | None = None,
        first_image: int | None = None,
    ) -> Results:
        """Check tracks and measure their masks.

        Raises:
            InputError: naming the first track or mask that a results file must not hold.
        """
        tracks = list(tracks)
        for index, track in enumerate(tracks):
            if not _is_score(track.score):
                raise InputError(
                    f"{entry_name(name, index, track.video_id)} has score {shown(track.score)}; "
                    "expected a finite number"
                )

        def place(index: int, frame: int) -> str:
            return f"{entry_name(name, index, tracks[index].video_id)}, frame {frame}: the mask"

        tubes = measure_tubes([track.segmentations for track in tracks], place)
        return cls(name, tracks, tubes, added, first_image)

    def without(self, videos: Collection[int]) -> Results:
        """The results without the tracks of some videos, by id."""
        rows = [row for row, track in enumerate(self.tracks) if track.video_id not in videos]
        tracks = [self.tracks[row] for row in rows]
        return replace(self, tracks=tracks, tubes=self.tubes.chosen(rows))

    def refuse_images(self) -> None:
        """Raise InputError for instances of images, where results of videos are expected."""
        if self.first_image is not None:
            raise InputError(
                f"{self.name}, entry {self.first_image} has image_id and one mask, as of single "
                f"images; expected video_id and segmentations: {_way_out(self.name)}"
            )


def read_results(path: Path) -> Results:
    """Read and check a results file in YouTube-VIS form or COCO's.

    An entry of an image becomes a track of one frame, its `image_id` the id of the video. While the
    file is read, memory grows with its nulls, one for each frame that a track is absent in, since
    JSON is parsed as a whole; what is returned grows with the masks alone.

    Raises:
        InputError: naming the file and, where they are known, the entry (counted from 0), the
            video and the frame (counted from 0) of the first thing that is wrong.
    """
    if path.is_dir() or path.suffix == ".txt":
        kind = "folder" if path.is_dir() else "text file"
        raise InputError(f"{path} is a {kind}; expected a results file: {_way_out(str(path))}")
    return parse_results(read_bytes(path), str(path))


def _way_out(name: str) -> str:
    """The command that makes a results file of other forms."""
    return (
        f"`vis-bench convert {name} OUT --to results --annotations GT.json` makes one of PNG "
        "masks, MOTS text and masks with a track_id"
    )


def parse_results(content: bytes, name: str) -> Results:
    """Parse the content of a results file; messages call it `name`."""
    return results_of(parse_json(content, name), name)


def results_of(entries: Any, name: str) -> Results:
    """Check parsed content, and release the entries of the list one by one."""
    if isinstance(entries, dict):
        hint, way_out = "", ""
        if "videos" in entries or "annotations" in entries:
            hint, way_out = " (an annotations file?)", f": {_way_out(name)}"
        elif isinstance(entries.get("predictions"), str):
            hint = f" (a record? its predictions are beside it, in {entries['predictions'][:99]!r})"
        raise InputError(f"{name} is a JSON object{hint}; expected a list of predictions{way_out}")
    if not isinstance(entries, list):
        raise InputError(f"{name} holds {shown(entries)}; expected a list of predictions")
    tracks = []
    first_image = None
    for index, entry in enumerate(entries):
        tracks.append(_track(entry, name, index))
        if first_image is None and _is_of_image(entry):
            first_image = index
        # Lets go of the list of a track that is stored without its absent masks.
        entries[index] = None
    return Results.of(tracks, name, first_image=first_image)


def write_results(tracks: Iterable[Track], path: Path, *, of_images: bool = False) -> None:
    """Write a results file; `path` holds the old or the new content at every moment.

    Every track's list is as long as its video: the official evaluator ends at the shorter of two
    lists, so that objects behind the end of a shorter one would cost nothing.

    Args:
        of_images: in COCO's form, without boxes; the tracks have one frame each, with a mask.
    """
    write_atomically(Path(path), encoded(tracks, of_images=of_images))


def encoded(tracks: Iterable[Track], *, of_images: bool = False) -> Iterator[bytes]:
    """A results file piece by piece, with the absent masks of one track at a time in memory."""
    entry_of = instance_entry if of_images else track_entry
    separator = b"["
    for track in tracks:
        yield separator
        yield orjson.dumps(entry_of(track))
        separator = b","
    yield b"]" if separator == b"," else b"[]"


def instance_entry(track: Track) -> dict[str, Any]:
    """A track of an image as it stands in a results file of images."""
    [segmentation] = track.segmentations
    return {
        "image_id": track.video_id,
        "category_id": track.category_id,
        "segmentation": segmentation,
        "score": track.score,
    }


def track_entry(track: Track) -> dict[str, Any]:
    """A track as it stands in a results file."""
    return {
        "video_id": track.video_id,
        "category_id": track.category_id,
        "score": track.score,
        "segmentations": list(track.segmentations),
    }


def entry_name(name: str, index: int, video_id: object) -> str:
    """Name of an entry of a results file in messages, counted from 0."""
    return f"{name}, entry {index} (video {shown(video_id)})"


def _track(entry: Any, name: str, index: int) -> Track:
    if not isinstance(entry, dict):
        raise InputError(f"{name}, entry {index} is {shown(entry)}; expected an object")
    if _names_image(entry):
        key, where = "image_id", f"{name}, entry {index} (image {shown(entry['image_id'])})"
        masks: Sequence[Any] = [value_of(entry, "segmentation", where)]
    else:
        key, where = "video_id", entry_name(name, index, entry.get("video_id"))
        if "segmentation" in entry and "segmentations" not in entry:
            raise InputError(
                f"{where} has one segmentation; expected segmentations, a list with one for each "
                f"frame: {_way_out(name)}"
            )
        segmentations = value_of(entry, "segmentations", where)
        if not isinstance(segmentations, list):
            raise InputError(
                f"{where} has segmentations {shown(segmentations)}; expected a list with one mask "
                "or null per frame"
            )
        masks = without_absent(segmentations)
    return Track(
        integer_of(entry, key, where),
        integer_of(entry, "category_id", where),
        value_of(entry, "score", where),
        masks,
    )


def _names_image(entry: Mapping[str, Any]) -> bool:
    """True if an entry is an instance of the image that its image_id names."""
    is_of_video = "video_id" in entry or "segmentation" not in entry
    return "image_id" in entry and not ("segmentations" in entry and is_of_video)


def _is_of_image(entry: Mapping[str, Any]) -> bool:
    """True if an entry has one mask, of an image that it names, whatever its other keys are."""
    return _names_image(entry) or ("image_id" in entry and len(entry["segmentations"]) == 1)


def _is_score(score: object) -> bool:
    is_number = isinstance(score, float) or type(score) is int
    return is_number and math.isfinite(score)  # type: ignore[arg-type]
