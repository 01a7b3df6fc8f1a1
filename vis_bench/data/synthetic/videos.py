"""Data sets of synthetic videos: splits in memory and in files, and single frames of them.

Frames are drawn when they are indexed. On disk they have the layout of YouTube-VIS:

    DIR/<split>.json                               annotations
    DIR/<split>/JPEGImages/<video>/00000.png       frames

PNG frames decode to exactly the bytes that they have in memory; JPEG (quality 95, no chroma
subsampling) is smaller and changes colors slightly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from vis_bench.data.annotations import MOSTLY_HIDDEN, NOT_HIDDEN, PARTLY_HIDDEN
from vis_bench.data.categories import CATEGORIES
from vis_bench.data.frames import ImageFormat, LazyFrames, write_frame
from vis_bench.data.synthetic.appearance import CLASSES
from vis_bench.data.synthetic.random_draws import Draws
from vis_bench.data.synthetic.render import Scene, render, render_owners
from vis_bench.data.synthetic.scene_generator import draw_extent, draw_plain_scene, draw_scene
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.files import write_atomically
from vis_bench.masks.rle import area, box, encode_masks
from vis_bench.progress import Bars

VERSION = 1  # of the videos: goes up with every change that makes other pixels or masks
STREAMS = 2045  # first word of all entropy, chosen for classes of nearly equal size in `val`
SPLITS = {"train": 0, "val": 1}  # the number keeps the streams of the splits apart
NUM_VIDEOS = {"train": 200, "val": 240}
FIRST_VIDEOS = 24  # of `val`: those of the single images, the nominal videos and `demo --full`
EVERY = 5  # frames of a video from one image of the set of single images to the next
CACHED_SCENES = 16  # of half a megabyte each; reading ahead alternates between few


@dataclass(frozen=True)
class VideoKey:
    """Names one synthetic video; the same key always gives the same bytes."""

    split: str
    index: int
    plain: bool = False
    seed: int = 0

    def draws(self) -> Draws:
        """The video's own stream of draws."""
        return Draws([STREAMS, self.seed, SPLITS[self.split], self.plain, self.index])


@dataclass(frozen=True)
class SyntheticVideos:
    """A split of synthetic videos in YouTube-VIS form.

    Video ids count from 1. Splits are endless: any `num_videos` may be asked of them, and the first
    ones stay the same.
    """

    split: str
    plain: bool
    seed: int
    num_videos: int

    def key(self, index: int) -> VideoKey:
        """The key of the video with id `index` + 1."""
        return VideoKey(self.split, index, self.plain, self.seed)

    @property
    def annotations_sha256(self) -> str | None:
        """Checksum of the annotations where it is known without drawing them."""
        return CHECKSUMS.get(self)

    @property
    def videos(self) -> list[Video]:
        """The videos; their frames are drawn when indexed."""
        return [open_video(self.key(index)) for index in range(self.num_videos)]

    def annotations(self, suffix: str = "png") -> dict[str, Any]:
        """The whole annotations file, as a JSON-able dictionary in the official form.

        Draws the masks of every frame, and keeps only their run-length codes.

        Args:
            suffix: of the frames' file names.
        """
        records = [video_record(self.key(index), suffix) for index in range(self.num_videos)]
        return {
            "info": {
                "description": f"synthetic videos, {self.split}",
                "version": VERSION,
                "plain": self.plain,
                "seed": self.seed,
            },
            "licenses": [],
            "videos": records,
            "categories": [
                {
                    "supercategory": look.outline,
                    "id": number,
                    "name": CATEGORIES["synthetic"][number],
                }
                for number, look in CLASSES.items()
            ],
            "annotations": number_annotations(
                entry
                for index in range(self.num_videos)
                for entry in object_records(self.key(index))
            ),
        }


# `annotation_files.annotations_checksum` of validation videos, whose masks take seconds to draw.
CHECKSUMS = {
    SyntheticVideos("val", plain, 0, 240): checksum
    for plain, checksum in (
        (False, "4fc2a5459154c08a78217afa40d034752ce83e159734eee14739dfc215f4470c"),
        (True, "4767134bf5c200010e684228c1bd0899b37deae332e923a4862cf60cb02c63c6"),
    )
}


def generate(
    split: str, *, plain: bool = False, seed: int = 0, num_videos: int | None = None
) -> SyntheticVideos:
    """A split of synthetic videos.

    Args:
        split: `train` or `val`; they share no video under the same seed.
        plain: one color per class on an even background; no occlusion, no look-alikes.
        seed: 0 or more; another seed gives other videos.
        num_videos: default 200 of `train`, 240 of `val`.

    Raises:
        InputError: for another split, a negative seed, or fewer than one video.
    """
    if split not in SPLITS:
        raise InputError(
            f"unknown split {split!r}; expected train or val, which the synthetic videos have"
        )
    if seed < 0:
        raise InputError(f"seed is {seed}; expected a whole number from 0 up")
    count = NUM_VIDEOS[split] if num_videos is None else num_videos
    if count < 1:
        raise InputError(f"the number of videos is {count}; expected a whole number from 1 up")
    return SyntheticVideos(split, plain, seed, count)


@lru_cache(maxsize=CACHED_SCENES)
def scene_of(key: VideoKey) -> Scene:
    """The scene of a video: for training, `render` gives frame and visible owners at once."""
    return (draw_plain_scene if key.plain else draw_scene)(key.draws())


def video_name(key: VideoKey) -> str:
    """Name of the video and of its folder of frames."""
    return f"{key.split}_{key.index + 1:05d}"


def open_video(key: VideoKey) -> Video:
    """The video; nothing is drawn before a frame is indexed."""
    length, height, width = draw_extent(key.draws())
    frames = LazyFrames(length, partial(_frame, key))
    return Video(key.index + 1, video_name(key), height, width, frames)


def _frame(key: VideoKey, t: int) -> np.ndarray:
    return render(scene_of(key), t)[0]


def video_record(key: VideoKey, suffix: str) -> dict[str, Any]:
    """The video's entry in `videos` of the annotations file."""
    length, height, width = draw_extent(key.draws())
    name = video_name(key)
    return {
        "license": 0,
        "id": key.index + 1,
        "width": width,
        "height": height,
        "length": length,
        "file_names": [f"{name}/{t:05d}.{suffix}" for t in range(length)],
    }


def object_records(key: VideoKey) -> Iterator[dict[str, Any]]:
    """The video's entries in `annotations`, still without ids; none for what is never visible."""
    scene = scene_of(key)
    owners_THW, hidden_NT = visibility_of(scene)
    for owner, item in enumerate(scene.instances, start=1):
        masks_THW = owners_THW == owner
        if masks_THW.any():
            codes = [code if area(code) else None for code in encode_masks(masks_THW)]
            yield {
                "video_id": key.index + 1,
                "category_id": item.category_id,
                "iscrowd": 0,
                "height": scene.height,
                "width": scene.width,
                "length": scene.length,
                "segmentations": codes,
                "bboxes": [code and box(code) for code in codes],
                "areas": [code and area(code) for code in codes],
                "occlusion": occlusion_labels(hidden_NT[owner - 1]),
            }


def visibility_of(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Owners of all pixels, and the fraction of each instance that others hide.

    Pixels beyond the frame's edge are cut off rather than hidden.

    Returns:
        owners_THW: `owner_HW` of `render.render` in every frame.
        hidden_NT: the hidden fraction of each instance; NaN where it is out of the frame.
    """
    drawn = [render_owners(scene, t) for t in range(scene.length)]
    owners_THW = np.stack([owner_HW for owner_HW, _ in drawn])
    extent_NT = np.stack([extent_N for _, extent_N in drawn], 1)
    visible_TN = [
        np.bincount(owner_HW.ravel(), minlength=len(extent_NT) + 1)[1:] for owner_HW in owners_THW
    ]
    unknown_NT = np.full(extent_NT.shape, np.nan)
    hidden_NT = extent_NT - np.transpose(visible_TN)
    return owners_THW, np.divide(hidden_NT, extent_NT, out=unknown_NT, where=extent_NT > 0)


def occlusion_labels(hidden_T: np.ndarray) -> list[str | None]:
    """OVIS's label of an object in each frame, by its hidden fraction; None where none is seen.

    OVIS's labels were given by annotators, not counted. The scores that its evaluator gives them,
    .25 and .75, are the middles of "up to half hidden" and "more than half hidden", and so the
    labels are drawn here: not a pixel hidden, up to half, more than half.
    """
    return [
        NOT_HIDDEN
        if hidden == 0
        else PARTLY_HIDDEN
        if hidden <= 0.5
        else MOSTLY_HIDDEN
        if hidden < 1
        else None
        for hidden in hidden_T.tolist()
    ]


def number_annotations(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries with ids from 1 in front."""
    return [{"id": number, **entry} for number, entry in enumerate(entries, start=1)]


def image_videos(drawn: SyntheticVideos) -> list[Video]:
    """The images as videos of one frame, with ids from 1; their pixels are drawn when indexed."""
    return [
        Video(number, f"{video.name}/{t:05d}", video.height, video.width, video.frames[t : t + 1])
        for number, (video, t) in enumerate(_chosen(drawn), start=1)
    ]


def image_annotations(drawn: SyntheticVideos) -> dict[str, Any]:
    """The whole annotations file in COCO's form, as a JSON-able dictionary."""
    content = drawn.annotations()
    chosen = list(_chosen(drawn))
    objects = [
        {
            "image_id": number,
            "category_id": entry["category_id"],
            "iscrowd": 0,
            "segmentation": entry["segmentations"][t],
            "bbox": entry["bboxes"][t],
            "area": entry["areas"][t],
        }
        for number, (video, t) in enumerate(chosen, start=1)
        for entry in content["annotations"]
        if entry["video_id"] == video.id and entry["segmentations"][t] is not None
    ]
    info = content["info"]
    return {
        "info": {**info, "description": f"single frames of {info['description']}", "every": EVERY},
        "licenses": [],
        "images": [
            {
                "id": number,
                "height": video.height,
                "width": video.width,
                "file_name": f"{video.name}/{t:05d}.png",
            }
            for number, (video, t) in enumerate(chosen, start=1)
        ],
        "categories": content["categories"],
        "annotations": number_annotations(objects),
    }


def _chosen(drawn: SyntheticVideos) -> Iterator[tuple[Video, int]]:
    for video in drawn.videos:
        for t in range(0, video.length, EVERY):
            yield video, t


def write_dataset(
    directory: Path,
    bars: Bars,
    *,
    plain: bool = False,
    seed: int = 0,
    num_videos: dict[str, int] | None = None,
    image_format: ImageFormat = "png",
) -> dict[str, Any]:
    """Write both splits, and return where they are and how much they hold.

    Args:
        directory: made where it is missing.
        num_videos: per split; default 200 of `train` and 240 of `val`. Splits left out of it are
            not written.

    Raises:
        InputError: where a split's files exist already, so that nothing is overwritten.
    """
    counts = num_videos or dict.fromkeys(SPLITS)
    splits = [
        generate(split, plain=plain, seed=seed, num_videos=count) for split, count in counts.items()
    ]
    for videos in splits:
        for path in (directory / f"{videos.split}.json", directory / videos.split / "JPEGImages"):
            if path.exists():
                raise InputError(f"{path} already exists; choose an empty folder or remove it")
    written: dict[str, Any] = {"directory": str(directory), "plain": plain, "seed": seed}
    for videos in splits:
        written[f"{videos.split}_videos"] = videos.num_videos
        written[f"{videos.split}_frames"] = _write_split(videos, directory, bars, image_format)
    return written


def _write_split(
    drawn: SyntheticVideos, directory: Path, bars: Bars, image_format: ImageFormat
) -> int:
    """Write one split's frames, then its annotations; return the number of frames."""
    videos = drawn.videos
    num_frames = sum(video.length for video in videos)
    annotations = drawn.annotations(image_format)
    folder = directory / drawn.split / "JPEGImages"
    with bars.bar(f"synth {drawn.split}", num_frames) as advance:
        for video, record in zip(videos, annotations["videos"], strict=True):
            for name, frame_HW3 in zip(record["file_names"], video.frames, strict=True):
                write_frame(folder / name, frame_HW3, image_format)
                advance()
    write_atomically(directory / f"{drawn.split}.json", orjson.dumps(annotations))
    return num_frames
