"""`validate ANNOTATIONS`: every problem of a data set; `validate --schema NAME`: a JSON Schema."""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from vis_bench.commands.options import Options
from vis_bench.commands.output import json_text, print_result, print_text, warn
from vis_bench.data.annotations import read_annotations
from vis_bench.data.categories import CATEGORIES, dataset_title
from vis_bench.data.official import official_split
from vis_bench.data.schemas import annotations_schema, results_schema
from vis_bench.data.validate import problems_text, validate
from vis_bench.errors import InputError
from vis_bench.files import read_json
from vis_bench.progress import Bars
from vis_bench.text import count


def _config_schema() -> dict[str, Any]:
    from vis_bench.runs.config import config_schema

    return config_schema()


SCHEMAS = {
    "annotations": annotations_schema,
    "results": results_schema,
    "config": _config_schema,
}


def add_arguments(options: Options) -> None:
    options.argument(
        "annotations",
        "ANNOTATIONS",
        "annotations in YouTube-VIS form, or of images in COCO's",
        nargs="?",
    )
    options.annotated_frames(unless_given="frames are not checked")
    options.choice(
        "--name",
        tuple(CATEGORIES),
        "data set whose categories the file should have",
        unless_given="any",
    )
    options.flag("--all", "print a line for every problem instead of groups of similar ones")
    options.choice(
        "--schema",
        tuple(SCHEMAS),
        "print the JSON Schema of such a file instead, for editors and other tools",
        unless_given="none",
    )


def run(options: argparse.Namespace) -> int:
    """Print the problems, grouped unless all are wanted; 1 if there is one."""
    if options.schema is not None:
        print_text(json_text(SCHEMAS[options.schema]()))
        return 0
    if options.annotations is None:
        raise InputError("validate needs either ANNOTATIONS or --schema NAME")
    problems = validate(options.annotations, options.frames, options.name, Bars())
    text = problems_text(problems, show_all=options.all)
    if not problems:
        content = read_json(options.annotations)
        unit = "video" if "videos" in content else "image"
        text += f" in {count(len(content[f'{unit}s']), unit)}"
        text += f" with {count(len(content['annotations']), 'object')}"
        text += "" if options.frames else "; frames were not checked"
        names = {entry["id"]: str(entry.get("name")) for entry in content["categories"]}
        number = len(content[f"{unit}s"])
        if official := official_split(names, number, of_images=unit == "image"):
            title = f"{dataset_title(official[0])} {official[1]}"
            text += f"; recognized as {title} by its counts, as no official checksum is known"
    with suppress(InputError):  # which are problems
        warn(read_annotations(options.annotations).doubts())
    print_result(options, [asdict(problem) for problem in problems], text)
    return 1 if problems else 0
