"""Annotations of single images in COCO's form, read as videos of one frame.

COCO (cocodataset.org, "Data format") has `images` in place of `videos`, and one mask, area and box
per annotation in place of a list with an entry per frame. Everything behind this file sees videos.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Set in content that `as_videos` has made of images.
_MARK = "of_images"

# As an image's annotation has it -> as a video's has it, a list with an entry per frame.
_PER_FRAME = {"segmentation": "segmentations", "area": "areas", "bbox": "bboxes"}


def is_of_images(content: Any) -> bool:
    """Whether the content of an annotations file lists images, or did before `as_videos`."""
    if not isinstance(content, dict):
        return False
    if "videos" in content:
        return content.get(_MARK) is True
    return isinstance(content.get("images"), list)


def as_videos(content: Any) -> Any:
    """The content of an annotations file with each image as a video of one frame.

    An image's id becomes the video's. What is missing stays missing, and what is not an object
    stays as it is, so that whoever reads it names the defect. Content of videos is returned as it
    is.
    """
    if not is_of_images(content) or "videos" in content:
        return content
    changed = {"videos": [_video(image) for image in content["images"]], _MARK: True}
    if isinstance(content.get("annotations"), list):
        changed["annotations"] = [_object(entry) for entry in content["annotations"]]
    return {**{key: value for key, value in content.items() if key != "images"}, **changed}


def _video(image: Any) -> Any:
    if not isinstance(image, dict):
        return image
    video = {key: value for key, value in image.items() if key != "file_name"}
    names = [image["file_name"]] if "file_name" in image else []
    return {**video, "length": 1, "file_names": names}


def _object(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    kept = {key: value for key, value in entry.items() if key not in {"image_id", *_PER_FRAME}}
    return {**kept, **_renamed(entry)}


def _renamed(entry: Mapping[str, Any]) -> dict[str, Any]:
    number = {"video_id": entry["image_id"]} if "image_id" in entry else {}
    return number | {video: [entry[key]] for key, video in _PER_FRAME.items() if key in entry}
