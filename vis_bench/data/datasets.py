"""Opens data sets as videos: known ones by name, any other in YouTube-VIS or COCO's form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import orjson

from vis_bench.data import nominal, synthetic
from vis_bench.data.annotation_files import (
    Cut,
    VideoEntry,
    annotations_checksum,
    as_videos,
    asked_categories,
    category_names,
    check_kind,
    cut_lists,
    cut_of,
    is_of_images,
    join_short_and_long,
    video_entries,
)
from vis_bench.data.annotations import GroundTruth, read_videos
from vis_bench.data.categories import (
    CATEGORIES,
    TRAINING_PARTS,
    check_dataset_name,
    contradiction,
)
from vis_bench.data.frames import ImageFiles, frame_paths, is_file, turned_warning
from vis_bench.data.layout import (
    find_annotations,
    find_frames,
    find_list,
    find_short_and_long,
)
from vis_bench.data.official import PUBLIC_ANNOTATIONS
from vis_bench.data.video import Video
from vis_bench.digests import PinnedFile
from vis_bench.errors import InputError
from vis_bench.files import parse_json, read_json

DRAWN = ("synthetic", "synthetic_images", nominal.NAME)


@dataclass(frozen=True)
class Dataset:
    """A split of a data set.

    `videos` decode their frames when indexed. `categories`: id -> name, in order. `content` makes
    the content of the annotations file, read from `annotations` where there is one. `drawn`:
    synthetic videos, of which masks are drawn up to the last video that is asked for.
    `has_annotations` is False for the public validation and test files, which list videos only.
    `cut` is what the command `split` wrote into a file that it made.
    `of_images`: the videos are single images, a frame each; results are written in COCO's form.
    """

    name: str
    split: str
    videos: Sequence[Video]
    categories: Mapping[int, str]
    has_annotations: bool
    annotations: PinnedFile | None
    content: Callable[[], dict[str, Any]]
    cut: Cut | None = None
    of_images: bool = False
    drawn: synthetic.SyntheticVideos | None = None

    @property
    def annotations_path(self) -> Path | None:
        """The annotations file, where there is one."""
        return None if self.annotations is None else self.annotations.path

    @property
    def part(self) -> str | None:
        """`heldout` or `rest` of a training split that `split` cut."""
        return self.cut.part if self.cut else None

    @property
    def full_name(self) -> str:
        """`data set/split`, named by the file rather than by the config."""
        return f"{self.name}/{self.part or self.split}"

    @property
    def category_ids(self) -> list[int]:
        """The category id of each column of the class probabilities."""
        return list(self.categories)

    @cached_property
    def annotations_sha256(self) -> str:
        """The checksum of the annotations file, or of the JSON it would be."""
        if self.drawn is not None and self.drawn.annotations_sha256 is not None:
            return self.drawn.annotations_sha256
        file = self.annotations
        return annotations_checksum(orjson.dumps(self.content()) if file is None else file.read())

    def first(self, num_videos: int) -> Dataset:
        """The data set as it would be with fewer synthetic videos; any other as it is."""
        if self.drawn is None or not 0 < num_videos < self.drawn.num_videos:
            return self
        drawn = replace(self.drawn, num_videos=num_videos)
        content = partial(_drawn_content, drawn, of_images=False)
        return replace(self, videos=drawn.videos, content=content, drawn=drawn)

    def ground_truth(self, videos: Sequence[Video] | None = None) -> GroundTruth:
        """The annotations of some of the videos (default: all), checked for evaluation."""
        name = str(self.annotations_path or f"{self.name} {self.split}")
        needed = self.first(max(video.id for video in videos)) if videos else self
        content = needed.content()
        some = videos is not None and len(videos) < len(self.videos)
        if not (some and self.has_annotations):
            return GroundTruth.of(content, name)
        if self.annotations_path is not None:
            GroundTruth.of(content, name)  # a defect anywhere in the file counts
        return GroundTruth.of(cut_lists(content, {video.id for video in videos or ()})[0], name)

    def check_frames(self, videos: Sequence[Video]) -> list[str]:
        """Look at the files of the frames of some videos, without decoding them.

        Returns:
            Warnings, a sentence each.

        Raises:
            InputError: for the first frame that is missing, is not an image, or has another size
                than its video.
        """
        in_files = [video.frames for video in videos if isinstance(video.frames, ImageFiles)]
        turned = [path for frames in in_files for path in frames.check()]
        if not turned:
            return []
        of = f"of {self.full_name}, in {turned[0].parent} and elsewhere,"
        return [turned_warning(turned, sum(map(len, in_files)), of)]


def load_dataset(
    name: str,
    split: str,
    *,
    plain: bool = False,
    annotations: Path | None = None,
    frames: Path | None = None,
    data_root: Path | None = None,
) -> Dataset:
    """Open a split of a data set by name.

    Args:
        name: one of `categories.DATASETS`; or any other, with both `annotations` and `frames`.
        split: `train`, `val` or `test`; `heldout` or `rest`, which the command `split` writes; of
            `saco_veval` `sav_val`, `yt1b_test` and the like.
        plain: the easy variant of the synthetic videos.
        annotations: a file in YouTube-VIS form or COCO's; default: found below `data_root` (see
            `layout`), where the validation set of `ytvis2022` has two, which are joined.
        frames: the folder that the file names start from; default as above.
        data_root: the folder with the data sets. Synthetic videos are drawn in memory without
            any of the three.

    Raises:
        InputError: for an unknown name or split, files that are missing, malformed, or of another
            data set; it names the option that changes that.
    """
    if annotations is None or frames is None:
        check_dataset_name(name)
    if plain and name != "synthetic":
        raise InputError(f"plain is true for {name}; expected synthetic videos or plain: false")
    if annotations is None and frames is None and name in DRAWN and split not in TRAINING_PARTS:
        return _drawn(name, split, plain)
    if annotations is not None and frames is not None:
        return read_dataset(name, split, annotations, frames)
    root = _required(data_root, name, "annotations" if annotations is None else "frames")
    if annotations is not None:
        return read_dataset(name, split, annotations, find_frames(root, name, split))
    return _found(name, split, root, frames)


def _found(name: str, split: str, root: Path, frames: Path | None) -> Dataset:
    """The data set whose annotations lie below a folder; `frames` may lie elsewhere."""
    if both := find_short_and_long(root, name, split):
        content = partial(join_short_and_long, *map(PinnedFile, both))
        frames = frames or find_frames(root, name, split)
        dataset = _opened(name, split, content, f"{both[0]} and {both[1]}", frames)
        _check_listed(dataset, both[0], root)
        return dataset
    annotations = find_annotations(root, name, split)
    dataset = read_dataset(name, split, annotations, frames or find_frames(root, name, split))
    if annotations.name == PUBLIC_ANNOTATIONS.get(name):
        _check_listed(dataset, annotations, root)
    return dataset


def read_dataset(name: str, split: str, annotations: Path, frames: Path) -> Dataset:
    """Open a data set in YouTube-VIS form, or of images in COCO's form, from its annotations file
    and its folder of frames.

    A data set of known categories has all of them, and the file's must not contradict them; any
    other has the file's.
    """
    file = PinnedFile(annotations)
    return _opened(name, split, partial(_read_content, file), str(annotations), frames, file)


def _read_content(annotations: PinnedFile) -> Any:
    return as_videos(parse_json(annotations.read(), str(annotations.path)))


def _opened(
    name: str,
    split: str,
    read: Callable[[], Any],
    title: str,
    frames: Path,
    annotations: PinnedFile | None = None,
) -> Dataset:
    """The data set of an annotations file, or of two that were joined, called `title`."""
    content = read()
    check_kind(content, title, needs_annotations=False)
    entries = list(video_entries(content, title).values())
    if not entries:
        raise InputError(f"{title} lists no videos; expected at least one")
    categories = category_names(content, title) if content.get("categories") else {}
    if name in CATEGORIES:
        problem = contradiction(name, categories)
        if problem:
            raise InputError(f"{title} is not for data set {name}: {problem}")
        categories = dict(CATEGORIES[name])
    elif not categories:
        raise InputError(f"{title} lists no categories; expected an id and a name for each")
    asked = asked_categories(content, title)
    videos = [
        replace(
            _video(entry, frames),
            asked=None if asked is None else asked.get(entry.id, frozenset()),
        )
        for entry in entries
    ]
    _check_first_frame(frames, str(entries[0].file_names[0]))
    return Dataset(
        name,
        split,
        videos,
        dict(sorted(categories.items())),
        bool(content.get("annotations")),
        annotations,
        read,
        cut_of(content),
        is_of_images(content),
    )


def read_categories(annotations: Path) -> dict[int, str]:
    """The categories of an annotations file, id -> name, in the order of their ids."""
    content = read_json(annotations)
    listed = isinstance(content, dict) and content.get("categories")
    if not listed:
        raise InputError(f"{annotations} lists no categories; expected an id and a name for each")
    return dict(sorted(category_names(content, str(annotations)).items()))


def _drawn(name: str, split: str, plain: bool) -> Dataset:
    """A data set that is drawn in memory."""
    categories = dict(CATEGORIES[name])
    if name == nominal.NAME:
        content = partial(nominal.nominal_content, split)
        videos = nominal.nominal_videos(split)
        return Dataset(name, split, videos, categories, False, None, content)
    of_images = name == "synthetic_images"
    first = synthetic.FIRST_VIDEOS if of_images and split == "val" else None
    drawn = synthetic.generate(split, plain=plain, num_videos=first)
    return Dataset(
        name,
        split,
        synthetic.image_videos(drawn) if of_images else drawn.videos,
        categories,
        True,
        None,
        partial(_drawn_content, drawn, of_images),
        of_images=of_images,
        drawn=None if of_images else drawn,
    )


@cache
def _drawn_content(drawn: synthetic.SyntheticVideos, of_images: bool) -> dict[str, Any]:
    return as_videos(synthetic.image_annotations(drawn)) if of_images else drawn.annotations()


def _required(data_root: Path | None, name: str, key: str) -> Path:
    if data_root is None:
        raise InputError(
            f"data set {name} is read from files: give --data-root DIR, or dataset.{key} in the "
            "config"
        )
    if not data_root.is_dir():
        raise InputError(
            f"--data-root {data_root} is not a folder; expected the one with the data sets"
        )
    return data_root


def _video(entry: VideoEntry, frames: Path) -> Video:
    assert entry.size_HW is not None, "refused if malformed"
    assert entry.length is not None, "refused if malformed"
    if not entry.file_names:
        raise InputError(f"{entry.where} has no file_names; expected a list of at least one")
    if entry.length != len(entry.file_names):
        raise InputError(
            f"{entry.where} has length {entry.length} but {len(entry.file_names)} file_names"
        )
    files = ImageFiles(
        frame_paths(entry.file_names, frames, entry.where), entry.name, entry.size_HW
    )
    return Video(entry.id, entry.name, *entry.size_HW, files)


def _check_first_frame(frames: Path, first: str) -> None:
    """Check the first frame only; missing others fail when they are decoded."""
    if not frames.is_dir():
        raise InputError(f"folder of frames {frames} does not exist; dataset.frames names another")
    if not is_file(frames / first):
        raise InputError(
            f"folder of frames {frames} does not hold {first}; expected the folder that the "
            "annotations' file_names start from (dataset.frames)"
        )


def _check_listed(dataset: Dataset, annotations: Path, data_root: Path) -> None:
    """Refuse public annotations of other videos than the list that predictions are made for."""
    listing = find_list(data_root, dataset.name, dataset.split)
    if listing is None:
        return
    ids, listed = {video.id for video in dataset.videos}, read_videos(listing).keys()
    if ids != listed:
        raise InputError(
            f"{annotations} and {listing} list different videos ({len(ids)} and {len(listed)}; the "
            f"first id in one alone is {min(ids ^ listed)}); expected the same ids in both, or "
            "dataset.annotations with the file to take"
        )
