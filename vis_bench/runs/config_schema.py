"""JSON Schema of a config, by which editors complete and check its keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vis_bench.data.schemas import DRAFT
from vis_bench.measures.registry import MEASURES
from vis_bench.runs.config import SWEPT_KEYS, Cell


def config_schema() -> dict[str, Any]:
    """Schema of a config: the keys of a cell, lists of them that are swept, `cells` and `base`.

    Where a list of values is expected, one value stands for a list of one.
    """
    schema = Cell.model_json_schema()
    keys = _one_or_many(schema["properties"])
    keys["measure"] = _or_one({"type": "array", "items": {"enum": list(MEASURES)}, "minItems": 1})
    for key in SWEPT_KEYS:
        many = {"type": "array", "items": keys[key], "minItems": 1}
        keys[key] = {"anyOf": [keys[key], many]}
    cell = {"type": "object", "properties": keys, "additionalProperties": False}
    cells = {"type": "array", "items": {"$ref": "#/$defs/cells"}, "minItems": 1}
    sections = {
        name: {**section, "properties": _one_or_many(section["properties"])}
        for name, section in schema["$defs"].items()
    }
    return {
        **cell,
        "$schema": DRAFT,
        "title": "config of vis-bench",
        "properties": {**keys, "cells": cells, "base": {"type": "string"}},
        "$defs": {**sections, "cells": cell},
    }


def _one_or_many(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _or_one(value) for key, value in properties.items()}


def _or_one(value: dict[str, Any]) -> dict[str, Any]:
    is_list = value.get("type") == "array" and "items" in value
    return {"anyOf": [value["items"], value]} if is_list else value
