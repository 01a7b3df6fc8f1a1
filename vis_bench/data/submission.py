"""A results file as a challenge server takes it: checked, and alone in a zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from vis_bench.data.annotations import read_videos
from vis_bench.data.results_file import Results, entry_name, parse_results
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.files import read_bytes, write_atomically


def write_submission(results_path: Path, zip_path: Path, annotations: Path | None = None) -> None:
    """Check a results file and pack it, as `results.json` and alone, into a zip.

    Args:
        results_path: the results file.
        zip_path: what is written.
        annotations: the server's list of videos, such as its valid.json; every prediction has to
            be of one of them, with a mask or null per frame, at the video's size.

    Raises:
        InputError: as `read_results`; for a file without predictions, a category id below 1,
            tracks of one video that differ in length or mask size, or predictions that do not fit
            the list of videos; when the zip cannot be written. Nothing is written then.
    """
    content = read_bytes(Path(results_path))
    results = parse_results(content, str(results_path))
    _check_alone(results)
    if annotations is not None:
        _check_against(results, read_videos(annotations), str(annotations))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("results.json"), content, zipfile.ZIP_DEFLATED)
    write_atomically(Path(zip_path), packed.getvalue())


def _check_alone(results: Results) -> None:
    if not results.tracks:
        raise InputError(f"{results.name} holds no predictions; expected at least one")
    results.refuse_images()
    length_of: dict[int, int] = {}
    size_of: dict[int, tuple[int, int]] = {}
    for index, track in enumerate(results.tracks):
        where = entry_name(results.name, index, track.video_id)
        if track.category_id < 1:
            raise InputError(f"{where} has category_id {track.category_id}; expected 1 or more")
        length = len(track.segmentations)
        if length_of.setdefault(track.video_id, length) != length:
            raise InputError(
                f"{where} has segmentations of length {length} where others of that video have "
                f"{length_of[track.video_id]}; expected one length"
            )
        for size in results.tubes.sizes_of(index):
            if size_of.setdefault(track.video_id, size) != size:
                raise InputError(
                    f"{where} has masks of size {list(size)} where others of that video have "
                    f"{list(size_of[track.video_id])}; expected one size"
                )


def _check_against(results: Results, videos: Mapping[int, Video], listed: str) -> None:
    misfits = list(_misfits(results, videos, listed))
    if misfits:
        raise InputError(
            f"{misfits[0]} ({len(misfits)} of {len(results.tracks)} entries do not fit {listed})"
        )


def _misfits(results: Results, videos: Mapping[int, Video], listed: str) -> Iterator[str]:
    """A sentence for each track that does not fit its video."""
    for index, track in enumerate(results.tracks):
        where = entry_name(results.name, index, track.video_id)
        video = videos.get(track.video_id)
        if video is None:
            yield f"{where} is of a video that {listed} does not list"
        elif len(track.segmentations) != video.length:
            number = len(track.segmentations)
            yield f"{where} has {number} segmentations, but its video has {video.length} frames"
        else:
            for height, width in results.tubes.sizes_of(index):
                if (height, width) != (video.height, video.width):
                    yield (
                        f"{where} has a mask of {height}x{width}, but its video is "
                        f"{video.height}x{video.width}"
                    )
                    break
