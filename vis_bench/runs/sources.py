"""Predictions, and the annotations and videos that belong to them.

`draw`, `figure failure-cases`, `compare` and `report` find here what they are about; whatever names
the annotations of a record goes through `find_annotations`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vis_bench.data.annotation_files import annotations_checksum, as_videos
from vis_bench.data.annotations import GroundTruth
from vis_bench.data.categories import CATEGORIES
from vis_bench.data.datasets import Dataset, load_dataset, read_categories
from vis_bench.data.frames import ImageFiles, frame_paths, is_file
from vis_bench.data.results_file import Results, read_results
from vis_bench.data.video import Video, find_videos
from vis_bench.errors import InputError
from vis_bench.files import parse_json, read_bytes, read_json
from vis_bench.record.names import with_marks
from vis_bench.record.schema import Record
from vis_bench.record.store import (
    NO_RESULTS,
    first_problem,
    predictions_path,
    read_record,
    record_beside,
)
from vis_bench.runs.config import DatasetConfig
from vis_bench.table.labels import cell_names, first_videos
from vis_bench.text import count, did_you_mean


@dataclass(frozen=True)
class Side:
    """One set of predictions, what it is called, and its record where there is one."""

    name: str
    results: Results
    record: Record | None = None


@dataclass(frozen=True)
class Sources:
    """Predictions, and the annotations and videos that belong to them.

    Attributes:
        truth: has no objects where there are no annotations; its `categories` name the classes.
        videos: in the order of `truth.videos`, or those that were chosen.
        has_frames: False where the videos are gray because their frames are not at hand.
    """

    sides: Sequence[Side]
    truth: GroundTruth
    videos: Sequence[Video]
    has_frames: bool = True

    @property
    def limited_to(self) -> int | None:
        """The number of videos that all sides were limited to, which their names leave out."""
        return _limited_to([side.record for side in self.sides])

    @property
    def annotated(self) -> GroundTruth | None:
        """The annotations, unless there are none."""
        return self.truth if self.truth.objects else None


def open_dataset(config: DatasetConfig, data_root: Path | None = None) -> Dataset:
    """Open the data set that a config names.

    Args:
        data_root: the folder with the data sets, for files that the config does not name.
    """
    return load_dataset(
        config.name,
        config.split,
        plain=config.plain,
        annotations=Path(config.annotations) if config.annotations else None,
        frames=Path(config.frames) if config.frames else None,
        data_root=data_root,
    )


def config_categories(config: DatasetConfig) -> Mapping[int, str]:
    """The categories of a config's data set, id -> name, in the order of their ids.

    The files of a data set of known categories need not be there; of any other the annotations are
    read.
    """
    if config.name in CATEGORIES:
        return dict(sorted(CATEGORIES[config.name].items()))
    if config.annotations is None:
        raise InputError(
            f"the categories of {config.name} come from its annotations; expected dataset."
            "annotations with the file"
        )
    return read_categories(Path(config.annotations))


def find_annotations(
    records: Sequence[Record], annotations: Path | None = None, data_root: Path | None = None
) -> tuple[GroundTruth, Dataset | None]:
    """The annotations of the videos that records were measured on, and the data set they are of.

    Args:
        records: of the same videos; none, where there are only results files.
        annotations: the ground truth; not needed where a record names a data set that is at hand.
        data_root: where data sets lie.

    Returns:
        The data set is None where `annotations` is enough.

    Raises:
        InputError: where they are not at hand, or not those that a record was measured with.
    """
    if annotations is not None:
        data = read_bytes(annotations)
        _check_digest(records, annotations_checksum(data), annotations)
        content = as_videos(parse_json(data, str(annotations)))
        listed = content.get("videos", ()) if isinstance(content, dict) else ()
        if not records or (isinstance(listed, list) and len(listed) == records[0].num_videos):
            return GroundTruth.of(content, str(annotations)), None
    if not records:
        raise InputError("results files need their annotations; records know their data set")
    record = records[0]
    dataset = _recorded_dataset(record, annotations, data_root)
    if record.annotations_sha256 not in (None, dataset.annotations_sha256):
        dataset = dataset.first(record.num_videos or 0)  # the split had fewer videos then
    _check_digest(records, dataset.annotations_sha256, dataset.annotations_path or dataset.name)
    return dataset.ground_truth(dataset.videos[: record.num_videos]), dataset


def _check_digest(records: Sequence[Record], digest: str, place: object) -> None:
    for record in records:
        if record.annotations_sha256 not in (None, digest):
            raise InputError(
                f"{place} has the checksum {digest[:12]}, but the record was measured with "
                f"{record.annotations_sha256[:12]}; give the same annotations"
            )


def _recorded_dataset(record: Record, annotations: Path | None, data_root: Path | None) -> Dataset:
    described = (record.config or {}).get("dataset")
    if not described:
        raise InputError("a record of other code does not name its data; expected annotations")
    try:
        config = DatasetConfig.model_validate(described)
    except ValidationError as error:
        raise InputError(f"the record's config.dataset {first_problem(error)}") from None
    if annotations is not None:
        config = config.model_copy(update={"annotations": str(annotations)})
    return open_dataset(config, data_root)


def compared_sources(
    given: Sequence[str | Path],
    *,
    annotations: Path | None = None,
    frames: Path | None = None,
    data_root: Path | None = None,
) -> Sources:
    """Find sides and the annotations of all, for `compare` and `report`.

    Args:
        given: a record (its predictions lie beside it) or a results file, each, or NAME=FILE. With
            annotations, results files are of the annotated videos, whatever their records say.
        annotations, data_root: as for `find_annotations`.
        frames: the folder that the annotations' file names start from; not needed where the data
            set is found without `annotations`.

    Raises:
        InputError: as `find_annotations`, and for records that were measured on different videos.
    """
    sides = _named_sides(given, beside=annotations is None)
    known = [side.record for side in sides if side.record is not None]
    _check_same_videos(known)
    truth, dataset = find_annotations(known, annotations, data_root)
    if frames is not None and dataset is not None:
        return Sources(sides, truth, _in_folder(dataset.content(), truth, frames))
    if frames is not None and annotations is not None:
        return Sources(sides, truth, listed_videos(annotations, frames)[1])
    if dataset is None:
        return Sources(sides, truth, truth.videos, has_frames=False)
    opened = {video.id: video.frames for video in dataset.videos}
    videos = [replace(video, frames=opened[video.id]) for video in truth.videos]
    return Sources(sides, truth, videos)


def _record_at(path: Path) -> Record | None:
    """The record in a file, or None where it holds a results list, which is parsed elsewhere."""
    return None if re.match(rb"\s*\[", read_bytes(path)) else read_record(path)


def _check_same_videos(records: Sequence[Record]) -> None:
    for key in ("annotations_sha256", "num_videos"):
        values = {getattr(record, key) for record in records}
        if len(values) > 1:
            shown = " and ".join(str(getattr(record, key))[:12] for record in records)
            raise InputError(f"the records differ in {key}: {shown}; compare needs the same videos")


def _limited_to(records: Sequence[Record | None]) -> int | None:
    known = [record for record in records if record is not None]
    return first_videos(known) if known and len(known) == len(records) else None


def drawn_sources(
    results: Sequence[str],
    frames: Path,
    annotations: Path | None = None,
    chosen: Sequence[str] | None = None,
    dataset: str | None = None,
) -> Sources:
    """Find the results, annotations and frames that `draw` is given.

    Args:
        results: paths of results files or records, or NAME=PATH.
        frames: the folder that the annotations' file names start from, or, without annotations,
            a folder of frames or of videos, or a video file.
        annotations: may list videos only, like the public valid.json.
        chosen: names or ids of videos; all if None.
        dataset: the data set whose class names to use.

    Raises:
        InputError: for files that are wrong, a video that is not there, or results and frames of
            different videos.
    """
    sides = _named_sides(results, marks=())
    if annotations is None:
        videos: Sequence[Video] = find_videos(frames, tolerant=True)[0]
        recorded = [side.record.dataset for side in sides if side.record is not None]
        categories = next((CATEGORIES[name] for name in recorded if name in CATEGORIES), {})
        truth = GroundTruth.without_objects(f"--frames {frames}", videos, categories)
    else:
        truth, videos = listed_videos(annotations, frames)
    if dataset is not None:
        truth = replace(truth, categories=CATEGORIES[dataset])
    for side in sides:
        _check_videos_known(side.results, videos, truth.name)
    videos = chosen_videos(videos, chosen, truth.name)
    if empty := {video.id: video.name for video in videos if not video.length}:
        some = f"{count(len(empty), 'video')} without frames, {next(iter(empty.values()))} first"
        truth = replace(
            truth, warnings=[*truth.warnings, f"{truth.name}: {some}, which cannot be drawn"]
        )
        sides = [replace(side, results=side.results.without(empty)) for side in sides]
        videos = [video for video in videos if video.length]
    for side in sides:
        _check_lengths(side.results, {video.id: video for video in videos})
    check_any_frame(videos)
    return Sources(sides, truth, videos)


def figure_sources(
    results: Sequence[str], frames: Path | None = None, annotations: Path | None = None
) -> Sources:
    """Find the same for `figure`; by default the videos of the records beside the results, or
    else the synthetic validation videos.

    Args:
        results: paths of results files or records, or NAME=PATH.
        frames, annotations: both or neither.
    """
    if frames is not None and annotations is not None:
        return drawn_sources(results, frames, annotations)
    if frames is not None or annotations is not None:
        given, other = ("--frames", "--annotations") if frames else ("--annotations", "--frames")
        raise InputError(f"{given} is given without {other}; expected both, or neither")
    sides = _named_sides(results, marks=())
    records = [side.record for side in sides if side.record is not None]
    _check_same_videos(records)
    dataset = find_annotations(records)[1] if records else load_dataset("synthetic", "val")
    assert dataset is not None, "a record without annotations names its data set"
    for side in sides:
        _check_videos_known(side.results, dataset.videos, f"{dataset.name} {dataset.split}")
    return Sources(sides, dataset.ground_truth(), dataset.videos)


def measured_only(sources: Sources) -> Sources:
    """Leave out the videos of one set of predictions that were not measured: all but the first
    ones of a limited record, or, without a record, those without a track.
    """
    [side], truth = sources.sides, sources.truth
    tracked = {track.video_id for track in side.results.tracks}
    videos = [video for video in sources.videos if video.id in tracked]
    if side.record is not None and side.record.num_videos is not None:
        videos = list(sources.videos[: side.record.num_videos])
    return replace(sources, truth=truth.of_videos(videos), videos=videos)


def check_has_objects(truth: GroundTruth) -> None:
    """Refuse annotations in which there is nothing to find."""
    if all(thing.is_crowd for thing in truth.objects):
        raise InputError(f"{truth.name} has no objects; expected at least one that is not a crowd")


def check_any_frame(videos: Sequence[Video]) -> None:
    """Refuse a video all of whose files are missing."""
    for video in videos:
        if video.files and not any(map(is_file, video.files)):
            raise InputError(
                f"found no frames of video {video.name} (id {video.id}): there is no file "
                f"{video.files[0]}; expected the folder of frames in --frames"
            )


def listed_videos(annotations: Path, folder: Path) -> tuple[GroundTruth, list[Video]]:
    """An annotations file, which may list videos only, and its videos with frames in a folder."""
    content = as_videos(read_json(annotations))
    if isinstance(content, dict) and isinstance(content.get("videos"), list):
        content = {**content, "annotations": content.get("annotations") or []}
    truth = GroundTruth.of(content, str(annotations))
    return truth, _in_folder(content, truth, folder)


def _in_folder(content: Mapping[str, Any], truth: GroundTruth, folder: Path) -> list[Video]:
    """The annotated videos with their frames in files, whose names start from a folder."""
    if not folder.is_dir():
        raise InputError(f"--frames {folder} is not a folder")
    names = {entry["id"]: entry.get("file_names") or () for entry in content["videos"]}
    videos = []
    for video in truth.videos:
        where = f"{truth.name}, video {video.name} (id {video.id})"
        listed = names[video.id]
        if len(listed) != video.length:
            raise InputError(
                f"{where} has {len(listed)} file_names; expected one for each of its "
                f"{video.length} frames"
            )
        size_HW = (video.height, video.width)
        files = ImageFiles(frame_paths(listed, folder, where), video.name, size_HW)
        videos.append(replace(video, frames=files))
    return videos


def split_name(text: str) -> tuple[str, Path]:
    """Split NAME=FILE at the last `=` that leaves an existing file, or else at the last one."""
    places = [place for place, letter in enumerate(text) if letter == "="][::-1]
    ways = [("", Path(text)), *((text[:place], Path(text[place + 1 :])) for place in places)]
    return next((way for way in ways if is_file(way[1])), ways[:2][-1])


def _named_sides(
    texts: Sequence[str | Path], marks: Collection[str] | None = None, *, beside: bool = True
) -> list[Side]:
    """The results of files, records or NAME=FILE; a record and the results that it names are one,
    and other files of a record none.

    Args:
        marks: caveats that names have; all unless given.
        beside: results files are of the records that lie beside them.
    """
    given = [split_name(str(text)) for text in texts if not str(text).endswith(NO_RESULTS)]
    records = {path: _record_at(path) for _, path in given}
    results = {path: predictions_path(own, path) for path, own in records.items() if own}
    whole = {path.resolve() for path in results.values()}
    called = {path.resolve(): name for name, path in given if name}
    kept = [(name, path) for name, path in given if path in results or path.resolve() not in whole]
    sides = []
    for name, path in kept:
        file = results.get(path, path)
        record = records[path] or (record_beside(path) if beside else None)
        name = name or called.get(file.resolve(), "")
        sides.append(Side(name, read_results(file), record))
    names = _names([side.record for side in sides], [path for _, path in kept], marks)
    return [replace(own, name=own.name or name) for own, name in zip(sides, names, strict=True)]


def _names(
    records: Sequence[Record | None], paths: Sequence[Path], marks: Collection[str] | None
) -> list[str]:
    """Distinct names: of the records, or else of the files."""
    known = [record for record in records if record is not None]
    left_out = ["git_dirty", *(["limited"] if _limited_to(records) else [])]
    of_records = iter(cell_names(known, marks=marks, leave_out=left_out))
    stems = [re.sub(r"(\.results)?(\.json)?(\.gz)?$", "", path.name) for path in paths]
    named = [next(of_records) if own else stem for stem, own in zip(stems, records, strict=True)]
    for others in (stems, map(str, paths)):
        if len(set(named)) < len(named):
            pairs = zip(others, records, strict=True)
            named = [text if own is None else with_marks(text, own) for text, own in pairs]
    return named


def _check_videos_known(results: Results, videos: Sequence[Video], source: str) -> None:
    known = {video.id for video in videos}
    if any(video.length != 1 for video in videos):
        results.refuse_images()
    for track in results.tracks:
        if track.video_id not in known:
            ids = f"{min(known)}" if len(known) == 1 else f"{min(known)} to {max(known)}"
            raise InputError(
                f"{results.name} has tracks of video {track.video_id}, but {source} has "
                f"{len(known)} videos, with ids {ids}; expected results and frames of the same "
                f"videos{', and --annotations with these ids' * source.startswith('--frames')}"
            )


def _check_lengths(results: Results, videos: Mapping[int, Video]) -> None:
    """Refuse tracks of other frames than the folder's, whose videos they may be none of."""
    for track, length in zip(results.tracks, results.tubes.lengths_N.tolist(), strict=True):
        video = videos.get(track.video_id)
        if video is not None and length != video.length:
            raise InputError(
                f"{results.name}, video {video.name} (id {video.id}) has a track of {length} "
                f"masks; expected {video.length}, one per frame"
            )


def chosen_videos(
    videos: Sequence[Video], chosen: Sequence[str] | None, source: str, option: str = "videos"
) -> Sequence[Video]:
    """The videos of some names or ids, or all; `source` and `option` name them in messages."""
    if chosen is None:
        return videos
    if not isinstance(chosen, list | tuple | set | dict) or not all(
        isinstance(name, str) for name in chosen
    ):
        raise InputError(f"--{option} is {chosen!r}; expected a list of names of videos")
    wanted: dict[int, Video] = {}
    for name in chosen:
        fitting = [video for video in videos if name in (video.name, str(video.id))]
        if not fitting:
            names = [video.name for video in videos]
            some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise InputError(
                f"--{option} names {name!r}{did_you_mean(name, names)}, which {source} does not "
                f"have; its videos are {some}"
            )
        wanted |= {video.id: video for video in fitting}
    return list(wanted.values())
