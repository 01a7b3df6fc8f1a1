"""JSON Schemas (draft 2020-12) of annotations and of results files, as the readers take them.

They say what a file looks like; that ids are unique and name something, and that lists are as long
as their video, `validate` checks.
"""

from __future__ import annotations

from typing import Any

from vis_bench.data.annotation_files import MAX_FRAMES, OCCLUSION
from vis_bench.data.annotations import CATEGORY_KEYS, LABEL_SCORES, PIXEL_KEYS

Schema = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"

_ID: Schema = {"type": "integer"}
_SIDE: Schema = {"type": "integer", "minimum": 1}
_ABSENT: Schema = {
    "description": "null; whatever is empty counts as well",
    "enum": [None, [], {}, "", 0, False],
}
_RLE: Schema = {
    "description": "run lengths of pycocotools: compressed text, or a list of numbers",
    "type": "object",
    "properties": {
        "size": {"type": "array", "items": _SIDE, "minItems": 2, "maxItems": 2},
        "counts": {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "integer", "minimum": 0}},
            ]
        },
    },
    "required": ["size", "counts"],
}
_POLYGONS: Schema = {
    "description": "polygons of COCO: x, y, x, y, .. in pixels",
    "type": "array",
    "items": {"type": "array", "items": {"type": "number"}, "minItems": 6},
}
_MASKS: Schema = {
    "description": "a mask per frame, or null where there is none",
    "items": {"anyOf": [_ABSENT, _RLE, _POLYGONS]},
}
_VIDEO: Schema = {
    "type": "object",
    "properties": {
        "id": _ID,
        "height": _SIDE,
        "width": _SIDE,
        "length": {"type": "integer", "minimum": 0, "exclusiveMaximum": MAX_FRAMES},
        "file_names": {"type": ["array", "null"]},
        **{key: {"type": ["array", "null"], **_MASKS} for key in PIXEL_KEYS},
        **{key: {"type": ["array", "null"], "items": _ID} for key in CATEGORY_KEYS},
    },
    "required": ["id", "height", "width"],
}
_CATEGORY: Schema = {"type": "object", "properties": {"id": _ID, "name": {}}, "required": ["id"]}
_OBJECT: Schema = {
    "type": "object",
    "properties": {
        "id": _ID,
        "video_id": _ID,
        "category_id": _ID,
        "iscrowd": {"enum": [0, 1, False, True, "0", "1", "false", "true", None]},
        "segmentations": {"type": "array", **_MASKS},
        "areas": {
            "description": "pixels of the masks; computed where they are missing",
            "type": ["array", "null"],
            "items": {"type": ["number", "null"], "minimum": 0},
        },
        OCCLUSION: {
            "type": ["array", "null"],
            "items": {"enum": [*LABEL_SCORES, None]},
        },
    },
    "required": ["id", "video_id", "category_id", "segmentations"],
}
_TRACK: Schema = {
    "type": "object",
    "properties": {
        "video_id": _ID,
        "category_id": _ID,
        "score": {"type": "number"},
        "segmentations": {
            "description": "a mask at the video's size per frame, or null where nothing is seen",
            "type": "array",
            "items": {"anyOf": [_ABSENT, _RLE]},
        },
    },
    "required": ["video_id", "category_id", "score", "segmentations"],
}


def annotations_schema() -> Schema:
    """Schema of an annotations file in YouTube-VIS form."""
    lists = {"videos": _VIDEO, "categories": _CATEGORY, "annotations": _OBJECT}
    return {
        "$schema": DRAFT,
        "title": "annotations in YouTube-VIS form",
        "type": "object",
        "properties": {key: {"type": "array", "items": item} for key, item in lists.items()},
        "required": list(lists),
    }


def results_schema() -> Schema:
    """Schema of a results file in YouTube-VIS form."""
    return {
        "$schema": DRAFT,
        "title": "results in YouTube-VIS form",
        "type": "array",
        "items": _TRACK,
    }
