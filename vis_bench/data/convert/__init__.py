"""Converts annotations between YouTube-VIS, COCO with tracks, PNG masks and MOTS text.

SA-V's and BURST's are read, too.

Every form is read into `LabelledVideo`s, one at a time, and written from them; masks of one video
are in memory, and a JSON file that is read.
"""

from __future__ import annotations

import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from vis_bench.data.annotation_files import cut_lists
from vis_bench.data.convert.burst import SEQUENCES, read_burst
from vis_bench.data.convert.coco import coco_file, read_coco
from vis_bench.data.convert.detections import read_detections
from vis_bench.data.convert.labelled import (
    LabelledVideo,
    LabelledVideos,
    Lost,
    files_below,
    number_of,
)
from vis_bench.data.convert.mots import is_wide, read_mots, write_mots
from vis_bench.data.convert.png import read_png, write_png
from vis_bench.data.convert.results import predicted_tracks
from vis_bench.data.convert.sav import MASKS, read_sav
from vis_bench.data.convert.ytvis import read_predictions, read_ytvis, ytvis_file
from vis_bench.data.doubts import doubts
from vis_bench.data.frames import frame_paths, plain_name
from vis_bench.data.results_file import write_results
from vis_bench.data.video import frame_files
from vis_bench.errors import InputError
from vis_bench.files import read_json, write_atomically
from vis_bench.grouping import grouped
from vis_bench.progress import Bars

FORMS = ("ytvis", "coco", "png", "mots")
RESULTS = "results"
_FILES = {"ytvis": ytvis_file, "coco": coco_file}
_FOLDERS = {"png": write_png, "mots": write_mots}


def convert(
    source: Path,
    output: Path,
    form: str,
    *,
    annotations: Path | None = None,
    frames: Path | None = None,
    min_score: float = 0.0,
    bars: Bars | None = None,
    warn: Callable[[str], None] = lambda sentence: None,
) -> tuple[int, Lost]:
    """Write annotations, or a results file as annotations, in another form; or predictions in any
    form as a results file.

    The output appears when it is whole, and not at all where anything is wrong.

    Args:
        source: an annotations file in YouTube-VIS form, COCO's, SA-V's or BURST's, a results file,
            a folder of indexed PNG masks, or MOTS text.
        output: a file for `ytvis`, `coco` and `results`, a new folder for `png` and `mots`.
        form: one of `FORMS`, or `RESULTS`.
        annotations: lists the videos of a results file, which is read or written.
        frames: folder with the frames of each video, from which frames have their names.
        min_score: tracks of a results file below are left out.
        bars: shows progress.
        warn: is given sentences about what was assumed, about objects that all are crowds, or have
            no pixel, and about scores and categories that predictions do not have.

    Returns:
        the number of videos, and counts of what the form does not hold, each by a phrase that
        follows the number.

    Raises:
        InputError: for malformed input, naming the place, or content that the form cannot hold.
    """
    if form in _FOLDERS and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output} exists; expected a new folder")
    if form == RESULTS:
        return _write_results(source, output, annotations, frames, min_score, warn)
    opened = open_source(source, annotations, min_score, frames)
    losses = opened.losses
    written: dict[str, int] = {}  # ids of videos by name
    ids: list[int] = []
    rows: list[tuple[int, bool, bool]] = []

    def counted() -> Iterator[LabelledVideo]:
        with (bars or Bars(quiet=True)).bar(f"converting {source}", opened.num_videos) as advance:
            for video in opened.videos:
                if video.length:
                    if frames is not None and not opened.named:
                        video = _named_after(video, frames)
                    if form in _FOLDERS:
                        video = _named_apart(video, written, opened.name)
                    written[video.name] = video.id
                    ids.append(video.id)
                    rows.extend((i.category_id, i.is_crowd, bool(i.masks)) for i in video.instances)
                    yield video
                else:
                    losses["videos without frames"] += 1
                advance()
        kept, cut = cut_lists(keys, ids)
        keys.update(kept)
        losses.update(
            {f"entries of {key!r} of videos that are not written": n for key, n in cut.items()}
        )

    keys = dict(opened.keys)
    content = replace(opened, videos=counted(), keys=keys)
    if form in _FILES:
        write_atomically(output, _FILES[form](content, losses))
    else:
        with new_folder(output) as folder:
            _FOLDERS[form](content, folder, losses)
    for sentence in [*opened.remarks, *doubts(rows, opened.categories)]:
        warn(sentence)
    return len(ids), +losses


def _write_results(
    source: Path,
    output: Path,
    annotations: Path | None,
    frames: Path | None,
    min_score: float,
    warn: Callable[[str], None],
) -> tuple[int, Lost]:
    if annotations is None:
        raise InputError(
            "--to results needs --annotations GT.json with the predicted videos and categories"
        )
    opened = open_source(source, annotations, 0.0, frames, RESULTS)
    truth = _of_content(_content_of(annotations), annotations)
    tracks = predicted_tracks(opened, truth, min_score, warn)
    write_results(tracks, output)
    return len({track.video_id for track in tracks}), +opened.losses


def _content_of(annotations: Path) -> Any:
    """The content of annotations, which may list videos only."""
    content = read_json(annotations)
    if isinstance(content, dict):
        return {**content, "annotations": content.get("annotations") or []}
    return content


def _images_of(annotations: Path) -> Any:
    """The same in COCO's form; images of videos count from 1."""
    content = _content_of(annotations)
    if _lists_images(content):
        return content
    return orjson.loads(b"".join(coco_file(_of_content(content, annotations), Counter())))


def _named_after(video: LabelledVideo, frames: Path) -> LabelledVideo:
    """The video with file names of the frames in its folder, found without their endings, or by
    their numbers where names differ.

    The folder is the video's name, or that of its frames' names, which may be `frames` itself.
    """
    names = [PurePosixPath(plain_name(name)) for name in video.file_names]
    folders = [frames / name.lstrip("/") for name in (video.name, str(names[0].parent))]
    listings: list[tuple[Path, dict[Any, list[Path]]]] = [
        (folder, grouped(frame_files(folder) if folder.is_dir() else [], lambda path: path.stem))
        for folder in folders
    ]
    folder, files = max(
        listings, key=lambda pair: (sum(name.stem in pair[1] for name in names), len(pair[1]) > 0)
    )
    if not files:
        looked = " and ".join(dict.fromkeys(map(str, folders)))
        raise InputError(f"{looked} hold no frames; expected those of video {video.name}")
    keys: Sequence[Any] = [name.stem for name in names]
    missing = [key for key in keys if key not in files]
    if missing and None not in (numbers := [number_of(name) for name in names]):
        by_number = grouped(frame_files(folder), number_of)
        if by_number.keys() >= {*numbers}:
            keys, files, missing = numbers, by_number, []
    if missing:
        held = ", ".join(map(str, [*files][:2])) or "nothing"
        raise InputError(
            f"{folder} has no frame {missing[0]}, as the mask is named; it holds {held}"
            + ", .." * (len(files) > 2)
        )
    pairs = zip(keys, names, strict=True)
    found = [_one_file(files[key], folder / name.name) for key, name in pairs]
    return replace(video, file_names=[path.relative_to(frames).as_posix() for path in found])


def _one_file(files: Sequence[Path], named: Path) -> Path:
    """The file of a frame: the one that is named, or the only one with another ending."""
    if named in files:
        return named
    if len(files) > 1:
        names = " and ".join(path.name for path in files)
        raise InputError(f"{named.parent} has {names}; expected one file for the frame")
    return files[0]


def _named_apart(video: LabelledVideo, written: Mapping[str, int], source: str) -> LabelledVideo:
    """The video with a name that can be a folder of its own, with its id where it is taken."""
    frame_paths([video.name], Path(), f"a video of {source}")
    video = replace(video, name=str(PurePosixPath(plain_name(video.name))))
    if video.name in written:
        video = replace(video, name=f"{video.name}_{video.id}")
    if video.name in written:
        raise InputError(f"{source} has two videos named {video.name!r}; expected a name for each")
    return video


def open_source(
    source: Path,
    annotations: Path | None,
    min_score: float,
    frames: Path | None = None,
    form: str = "",
) -> LabelledVideos:
    """The labelled videos of a file or folder, whose form is recognized by its content."""
    if source.is_dir() or source.suffix == ".txt":
        pictures = files_below(source, ".png") if source.is_dir() else []
        if pictures and not is_wide(pictures[0]):
            return read_png(source)
        return read_mots(source, frames)
    content = read_json(source)
    if isinstance(content, list):
        if annotations is None:
            raise InputError(
                f"{source} is a JSON list, a results file; expected --annotations with its videos"
            )
        if any(isinstance(e, dict) and "segmentations" not in e for e in content[:1]):
            truth = _images_of(annotations)
            return read_detections(content, str(source), truth, str(annotations))
        return read_predictions(content, str(source), annotations, min_score)
    if annotations is not None and form != RESULTS:
        raise InputError(f"{source} is not a results file; --annotations is only for results files")
    return _of_content(content, source)


def _lists_images(content: Any) -> bool:
    """True where images are listed; an empty list beside videos is a key of another form."""
    if not isinstance(content, dict) or "images" not in content:
        return False
    return bool(content["images"]) or "videos" not in content


def _of_content(content: Any, source: Path) -> LabelledVideos:
    """The labelled videos of the content of an annotations file."""
    if _lists_images(content) and {"annotations", "videos"} & content.keys():
        return read_coco(content, str(source))
    if isinstance(content, dict) and MASKS in content:
        return read_sav(content, str(source))
    if isinstance(content, dict) and SEQUENCES in content:
        return read_burst(content, str(source))
    return read_ytvis(content, str(source))


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder that gets its name when the block ends, and is removed if it fails."""
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    try:
        temporary.mkdir(parents=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
