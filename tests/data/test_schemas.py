"""JSON Schemas against the readers: what is read fits, and what none takes does not."""

import copy
import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from vis_bench.cli import main
from vis_bench.data.annotations import CATEGORY_KEYS, PIXEL_KEYS, GroundTruth
from vis_bench.data.results_file import results_of
from vis_bench.data.schemas import annotations_schema, results_schema
from vis_bench.errors import InputError
from vis_bench.runs.bundled import bundled_configs
from vis_bench.runs.config import Cell, config_schema, load_cells

MASK = {"size": [4, 6], "counts": "5220007"}
ANNOTATIONS = {
    "info": {"parts": {"short": [1]}},
    "videos": [
        {
            **{"id": 1, "height": 4, "width": 6, "length": 4, "file_names": ["a/0.jpg"] * 4},
            **{key: [MASK, None, [], [[0, 0, 2, 0, 2, 2]]] for key in PIXEL_KEYS},
            **{key: [1] for key in CATEGORY_KEYS},
        }
    ],
    "categories": [{"id": 1, "name": "cat"}],
    "annotations": [
        {
            "id": 1,
            "video_id": 1,
            "category_id": 1,
            "iscrowd": 0,
            "segmentations": [
                MASK,
                None,
                [[0, 0, 2, 0, 2, 2]],
                {"size": [4, 6], "counts": [4, 4, 16]},
            ],
            "areas": [4, None, 2.0, 4],
            "occlusion": ["no_occlusion", None, "slight_occlusion", "severe_occlusion"],
        }
    ],
}
RESULTS = [{"video_id": 1, "category_id": 1, "score": 0.9, "segmentations": [MASK, None]}]
CONFIG = {
    "method": "ifc",
    "options": {"variant": "mini"},
    "dataset": {"name": "synthetic", "split": "val"},
    "clip_length": [5, "whole"],
    "clip_stride": 3,
    "resolution": 192,
    "measure": ["accuracy", "speed"],
    "speed": {"warmup": 1},
    "cells": [{"seed": 1}, {"precision": ["float32", "bfloat16"]}],
}
VALUES = st.sampled_from(
    [
        *(None, True, False, 0, -1, 1, 7, 1.5, "", "0", "true", "x", "\u00e9", [], [None], {}),
        *([0], [1.5], [True], ["a"], [1, 2], [[0, 0, 1]], [[0, 0, 1, 1, 2, 2]], {"a": 1}),
        *(1 << 24, 1 << 31, 1 << 32, 1 << 40, 1 << 53, (1 << 64) - 1, 10**6 + 1),
        *({"size": size, "counts": "5220007"} for size in ([4, 6], [4.5, 6], [4, 6, 1], [24])),
        *({"size": [4, 6], "counts": counts} for counts in ("", [24], [], [-1], [12.5], None)),
        {"size": [4, 6]},
    ]
)


def places(content, path=()):
    """The path of every value in some content."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def changed(content, path, value, *, remove=False):
    """The content with another value at a place, or without it."""
    content = copy.deepcopy(content)
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    if remove:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return content


def fits(schema, content):
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema).is_valid(content)


def is_read(read, content):
    try:
        read(copy.deepcopy(content))
    except InputError:
        return False
    return True


def read_config(content, folder):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_cells(path)


FILES = [
    (ANNOTATIONS, annotations_schema(), GroundTruth.of),
    (RESULTS, results_schema(), lambda content: results_of(content, "results")),
]


@pytest.mark.parametrize(("content", "schema", "read"), FILES, ids=["annotations", "results"])
@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_what_is_read_fits_and_what_fits_is_read(content, schema, read, data):
    assert is_read(read, content)
    assert fits(schema, content)
    path = data.draw(st.sampled_from(list(places(content))))
    other = changed(content, path, data.draw(VALUES), remove=data.draw(st.booleans()))
    if is_read(read, other):
        assert fits(schema, other)
    elif fits(schema, other):
        assert is_beyond_a_schema(read, other)


def is_beyond_a_schema(read, content):
    """True if masks and lists are refused for their numbers, not for what they are."""
    with pytest.raises(InputError) as refused:
        read(copy.deepcopy(content))
    words = "add up to", "malformed RLE", "a product below", "even number", "frames", "has size"
    return any(word in str(refused.value) for word in words)


@pytest.mark.parametrize(("content", "schema", "read"), FILES, ids=["annotations", "results"])
def test_what_is_missing_or_of_another_kind_does_not_fit(content, schema, read):
    """Every required key of every list, without it and with a value of another kind."""
    number = 0
    parts = (
        [((), schema["items"])]
        if schema["type"] == "array"
        else [
            ((key,), part["items"]) for key, part in schema["properties"].items() if "items" in part
        ]
    )
    for path, item in parts:
        for key in item["required"]:
            place = (*path, 0, key)
            for other in (changed(content, place, 0, remove=True), changed(content, place, "x")):
                assert not fits(schema, other), place
                assert not is_read(read, other), place
                number += 1
    assert number == (16 if content is ANNOTATIONS else 8)


def test_bundled_configs_fit():
    schema = config_schema()
    measured = {n: path for n, path in bundled_configs().items() if not n.startswith("train/")}
    assert len(measured) > 50
    for name, path in measured.items():
        assert fits(schema, yaml.safe_load(path.read_text())), name


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_a_config_that_is_read_fits(tmp_path_factory, data):
    schema, folder = config_schema(), tmp_path_factory.mktemp("config")
    path = data.draw(st.sampled_from(list(places(CONFIG))))
    other = changed(CONFIG, path, data.draw(VALUES), remove=data.draw(st.booleans()))
    if is_read(lambda content: read_config(content, folder), other):
        assert fits(schema, other)


def test_configs_with_other_keys_do_not_fit(tmp_path):
    schema = config_schema()
    assert fits(schema, CONFIG)
    assert len(read_config(CONFIG, tmp_path)) == 6
    for path in (("clip_lenght",), ("dataset", "x"), ("speed", "x"), ("cells", 0, "clip_lenght")):
        assert not fits(schema, changed(CONFIG, path, 5)), path
    for path in (("method",), ("measure",), ("resolution",)):
        assert not fits(schema, changed(CONFIG, path, {"x": 1})), path
    assert set(schema["properties"]) == {*Cell.model_fields, "cells", "base"}


@pytest.mark.parametrize("name", ["annotations", "results", "config"])
def test_the_command_prints_a_schema(capsys, name):
    assert main(["validate", "--schema", name]) == 0
    Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))
    assert main(["validate"]) == 2
