"""Official splits: their sizes, the files in which their annotations came out, and their servers.

No checksum of these files or of their videos' ids has been published, and of YouTube-VIS 2022 and
HQ-YTVIS no number of videos is at hand. So a file is recognized by its categories and its number of
videos, and its ids are compared with those of the public list of videos where that lies beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vis_bench.data.annotation_files import category_names, is_of_images
from vis_bench.data.categories import DATASETS, OF_IMAGES, dataset_of, dataset_title
from vis_bench.data.doubts import MOST_TRACKS
from vis_bench.errors import InputError

# Videos, or images, of each official split (youtube-vos.org; arXiv 1905.04804, 2102.01558;
# cocodataset.org).
OFFICIAL_VIDEOS: Mapping[str, Mapping[str, int]] = {
    "ytvis2019": {"train": 2238, "val": 302, "test": 343},
    "ytvis2021": {"train": 2985, "val": 421, "test": 453},
    "ovis": {"train": 607, "val": 140, "test": 154},
    "coco": {"train": 118287, "val": 5000},
}

# Validation annotations that came out after the lists without annotations: OVIS's in its download
# folder (qjy981010/CMaskTrack-RCNN issue 9), those of YouTube-VIS 2021 as the authors of VidEoMT
# evaluate them (tue-mps/videomt, utils/yt2021_eval.py).
PUBLIC_ANNOTATIONS: Mapping[str, str] = {
    "ytvis2021": "validation_gt.json", "ovis": "validGT.json",
}  # fmt: skip

# Categories of LV-VIS by their partition, of which 0 and 1 are base, 2 and 3 novel
# (haochenheheda/LVVIS).
LVVIS_PARTITIONS: Mapping[int, int] = {0: 77, 1: 564, 2: 240, 3: 315}

SERVERS_CLOSED = (
    "the servers of YouTube-VIS and OVIS take no submissions any more (CodaLab closed on 31 "
    "December 2025); docs/reproduce.md says which annotations are public"
)


def official_split(
    categories: Mapping[int, str], num_videos: int, *, of_images: bool
) -> tuple[str, str] | None:
    """Data set and split with these categories and as many videos; None if there is none."""
    name = dataset_of(categories, of_images=of_images) or ""
    for split, number in OFFICIAL_VIDEOS.get(name, {}).items():
        if number == num_videos:
            return name, split
    return None


def recognize(content: Mapping[str, Any], path: Path) -> tuple[str | None, str | None]:
    """Data set and split of an annotations file, None each where nothing tells them.

    HQ-YTVIS, whose categories are those of YouTube-VIS 2019, is known by its files' names.
    """
    if path.name.startswith("ytvis_hq-"):
        return "hqytvis", path.stem.removeprefix("ytvis_hq-")
    if "video_np_pairs" in content:
        return "saco_veval", path.stem.removeprefix("saco_veval_")
    partitions = [entry.get("partition") for entry in content["categories"]]
    if Counter(number for number in partitions if type(number) is int) == LVVIS_PARTITIONS:
        return "lvvis", path.stem.removesuffix("_instances")
    names, of_images = category_names(content, str(path)), is_of_images(content)
    num_videos = len(content["images" if of_images else "videos"])
    official = official_split(names, num_videos, of_images=of_images)
    return official or (dataset_of(names, of_images=of_images), None)


# Data sets of videos with an official evaluator.
_RULED = set(DATASETS) - {*OF_IMAGES, "synthetic", "nominal"}


def check_max_tracks(max_tracks: int, dataset: str | None) -> None:
    """Refuse another limit of tracks than the official one on a public data set."""
    if max_tracks != MOST_TRACKS and dataset in _RULED:
        raise InputError(
            f"--max-tracks (accuracy.max_tracks) is {max_tracks} on {dataset_title(dataset)}, "
            f"whose evaluator counts the {MOST_TRACKS} best tracks of a category and video; "
            "expected another limit on data of your own alone"
        )
