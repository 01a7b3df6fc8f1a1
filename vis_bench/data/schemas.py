"""JSON Schemas (draft 2020-12) of annotations and of results files, as the readers take them.

A file fits exactly where the readers take it, but for what a schema cannot say: that ids are unique
and name something, that lists are as long as their video, that run lengths add up to the mask, and
that a number such as 1.0 is no whole one. `validate` checks these.
"""

from __future__ import annotations

from typing import Any

from vis_bench.data.annotation_files import MAX_FRAMES, OCCLUSION, PARTS_KEY
from vis_bench.data.annotations import CATEGORY_KEYS, LABEL_SCORES, PIXEL_KEYS
from vis_bench.data.video import MAX_PIXELS
from vis_bench.masks.polygons import COORDINATE_LIMIT

Schema = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"

# JSON readers take larger whole numbers for fractions.
_ID: Schema = {"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1}
_SIDE: Schema = {"type": "integer", "minimum": 1, "exclusiveMaximum": MAX_PIXELS}
_RUN: Schema = {"type": "integer", "minimum": 0, "exclusiveMaximum": 2**32}
_ABSENT: Schema = {
    "description": "null; an empty list and an empty object count as well",
    "enum": [None, [], {}],
}
_MASK_SIDE: Schema = {**_SIDE, "exclusiveMaximum": 2**32}
_SIZE: Schema = {"type": "array", "items": _MASK_SIDE, "minItems": 2, "maxItems": 2}
_RLE: Schema = {
    "description": "compressed run lengths of pycocotools",
    "type": "object",
    "properties": {"size": _SIZE, "counts": {"type": "string", "pattern": "^[0-o]+$"}},
    "required": ["size", "counts"],
}
_RUN_LENGTHS: Schema = {
    "description": "run lengths of pycocotools as a list of numbers",
    "type": "object",
    "properties": {
        "size": _SIZE,
        "counts": {"type": "array", "items": _RUN, "minItems": 1},
    },
    "required": ["size", "counts"],
}
_COORDINATE: Schema = {
    "type": "number",
    "minimum": -COORDINATE_LIMIT,
    "maximum": COORDINATE_LIMIT,
}
_POLYGONS: Schema = {
    "description": "polygons of COCO: x, y, x, y, .. in pixels",
    "type": "array",
    "items": {"type": "array", "items": _COORDINATE, "minItems": 6},
}
_MASKS: Schema = {
    "description": "a mask per frame, or null where there is none",
    "items": {"anyOf": [_ABSENT, _RLE, _RUN_LENGTHS, _POLYGONS]},
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
_PARTS: Schema = {
    "description": "ids of the videos of each part",
    "type": ["object", "null"],
    "additionalProperties": {"type": "array", "items": _ID},
}
_CATEGORY: Schema = {"type": "object", "properties": {"id": _ID, "name": {}}, "required": ["id"]}
_OBJECT: Schema = {
    "type": "object",
    "properties": {
        "id": {**_ID, "not": {"const": 0}},
        "video_id": _ID,
        "category_id": _ID,
        "iscrowd": {"enum": [0, 1, False, True, "0", "1", "false", "true", None]},
        "segmentations": {"type": "array", **_MASKS},
        "areas": {
            "description": "pixels of the masks; computed where they are missing",
            "type": ["array", "null"],
            "items": {"type": ["number", "null"], "minimum": 0, "exclusiveMaximum": 2**53},
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
        "properties": {
            **{key: {"type": "array", "items": item} for key, item in lists.items()},
            "info": {"properties": {PARTS_KEY: _PARTS}},
        },
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
