"""Converts annotations between YouTube-VIS, COCO with tracks, indexed PNG masks and MOTS text.

Every form is read into `LabelledVideo`s, one at a time, and written from them; masks of one video
are in memory, and a JSON file that is read.
"""

from __future__ import annotations

import secrets
import shutil
from collections import Counter
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from vis_bench.data.convert.coco import coco_file, read_coco
from vis_bench.data.convert.labelled import LabelledVideo, LabelledVideos, Losses, files_below
from vis_bench.data.convert.mots import is_wide, read_mots, write_mots
from vis_bench.data.convert.png import read_png, write_png
from vis_bench.data.convert.ytvis import read_predictions, read_ytvis, ytvis_file
from vis_bench.data.frames import frame_paths
from vis_bench.data.video import frame_files
from vis_bench.errors import InputError
from vis_bench.files import read_json, write_atomically
from vis_bench.progress import Bars

FORMS = ("ytvis", "coco", "png", "mots")
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
) -> tuple[int, Losses]:
    """Writes annotations, or a results file as annotations, in another form.

    The output appears when it is whole, and not at all where anything is wrong.

    Args:
        source: an annotations file in YouTube-VIS form or COCO's, a results file, a folder of
            indexed PNG masks, or MOTS text.
        output: a file for `ytvis` and `coco`, a new folder for `png` and `mots`.
        form: one of `FORMS`.
        annotations: lists the videos of a results file.
        frames: folder with the frames of each video, from which frames have their names.
        min_score: tracks of a results file below are left out.
        bars: shows progress.

    Returns:
        the number of videos, and counts of what the form does not hold, each by a phrase that
        follows the number.

    Raises:
        InputError: for malformed input, naming the place, or content that the form cannot hold.
    """
    if form in _FOLDERS and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output} exists; expected a new folder")
    opened = open_source(source, annotations, min_score, frames)
    losses = opened.losses
    names: list[str] = []

    def counted() -> Iterator[LabelledVideo]:
        with (bars or Bars(quiet=True)).bar(f"converting {source}", opened.num_videos) as advance:
            for video in opened.videos:
                if video.length:
                    if frames is not None and not opened.named:
                        video = _named_after(video, frames)
                    if form in _FOLDERS:
                        _refuse_name(video.name, names, opened.name)
                    names.append(video.name)
                    yield video
                else:
                    losses["videos without frames"] += 1
                advance()

    content = replace(opened, videos=counted())
    if form in _FILES:
        write_atomically(output, _FILES[form](content, losses))
    else:
        with new_folder(output) as folder:
            _FOLDERS[form](content, folder, losses)
    return len(names), Counter({key: number for key, number in losses.items() if number})


def _named_after(video: LabelledVideo, frames: Path) -> LabelledVideo:
    """The video with file names of the frames in its folder, found without their endings."""
    folder = frames / video.name
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; expected the frames of video {video.name}")
    stems = [PurePosixPath(name).stem for name in video.file_names]
    found = {path.stem: path.name for path in frame_files(folder)}
    missing = [stem for stem in stems if stem not in found]
    if missing:
        held = ", ".join([*found.values()][:2]) or "nothing"
        raise InputError(
            f"{folder} has no frame {missing[0]}, as the mask is named; it holds {held}"
            + ", .." * (len(found) > 2)
        )
    return replace(video, file_names=[f"{video.name}/{found[stem]}" for stem in stems])


def _refuse_name(name: str, known: Container[str], source: str) -> None:
    """Refuses a name that cannot be a folder of its own."""
    if name in known:
        raise InputError(f"{source} has two videos named {name!r}; expected a name for each")
    frame_paths([name], Path(), f"a video of {source}")


def open_source(
    source: Path, annotations: Path | None, min_score: float, frames: Path | None = None
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
        return read_predictions(content, str(source), annotations, min_score)
    if annotations is not None:
        raise InputError(f"{source} is not a results file; --annotations is for those alone")
    if isinstance(content, dict) and "images" in content and "annotations" in content:
        return read_coco(content, str(source))
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
