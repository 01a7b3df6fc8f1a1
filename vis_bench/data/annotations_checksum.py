"""The checksum by which measurements know each other's annotations."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from vis_bench.files import parse_json

LABELS = "occlusion"


def annotations_checksum(data: bytes) -> str:
    """The SHA-256 of an annotations file, from what AP and AR depend on.

    Occlusion labels sort the objects that are there and leave AP and AR as they are, so they do not
    count: a file with labels has the checksum of the same file, written without spaces, without
    them. A file without any has the checksum of its bytes.

    Args:
        data: the file's bytes.

    Raises:
        InputError: for a file with labels that is not JSON.
    """
    if f'"{LABELS}"'.encode() in data:
        content = parse_json(data, "an annotations file")
        without = without_labels(content)
        data = data if without == content else orjson.dumps(without)
    return hashlib.sha256(data).hexdigest()


def without_labels(content: Any) -> Any:
    """The content of an annotations file without occlusion labels."""
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        return content
    return {
        **content,
        "annotations": [
            {key: value for key, value in entry.items() if key != LABELS}
            if isinstance(entry, dict)
            else entry
            for entry in content["annotations"]
        ],
    }
