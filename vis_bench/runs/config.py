"""Configs: strict YAML read into typed cells.

A list where one value is expected is a sweep, and `cells` lists overrides that are measured one
after the other; every combination is one cell. `base` names another config, whose keys apply unless
this one sets them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from vis_bench.data.categories import DATASETS
from vis_bench.data.schemas import DRAFT
from vis_bench.errors import InputError
from vis_bench.files import shown
from vis_bench.inference.clips import check_clip_plan
from vis_bench.measures.registry import MEASURES
from vis_bench.record.fields import LATER, NO_PART, marked
from vis_bench.runs.bundled import find_config
from vis_bench.runs.overrides import Overrides, apply_overrides
from vis_bench.text import did_you_mean
from vis_bench.yaml_text import read_yaml

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# Keys that sweep over a list of values, in the order in which the cells run.
SWEPT_KEYS = ("dataset", "method", "resolution", "clip_length", "clip_stride", "precision",
              "tf32", "compile", "kernel_backend")  # fmt: skip

# A sweep of more is a mistake, which would run for weeks.
MAX_CELLS = 10_000
# Pixels of the short side: four times that of 4K.
MAX_RESOLUTION = 8640
MAX_CLIP_LENGTH = 100_000

# What a value should be, by pydantic's types of errors.
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping of keys",
    "float_type": "a number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number from {ge} up",
    "int_type": "a whole number",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number up to {le}",
    "literal_error": "{expected}",
    "model_type": "a mapping of keys",
    "string_type": "text",
    "tuple_type": "a list",
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetConfig(_Strict):
    """A data set and its split.

    `annotations` and `frames` are relative to the working directory, and found below --data-root
    unless given; a name that is not in `categories.DATASETS` needs both. `plain` chooses the
    synthetic set's easy variant.
    """

    name: StrictStr
    split: StrictStr = "val"
    annotations: StrictStr | None = None
    frames: StrictStr | None = None
    plain: StrictBool = False

    @model_validator(mode="after")
    def _known_or_in_files(self) -> DatasetConfig:
        if self.name not in DATASETS and not (self.annotations and self.frames):
            raise ValueError(
                f"expected one of the names {', '.join(DATASETS)}, or any name with annotations "
                "and frames in YouTube-VIS form"
            )
        return self


# Sections of the measurements that have settings.
SECTIONS = {name: m.settings for name, m in MEASURES.items() if m.settings is not None}


def _known_measure(name: str) -> str:
    if name not in MEASURES:
        raise ValueError(f"expected one of {', '.join(MEASURES)}")
    return name


class _Cell(_Strict):
    """One combination of settings, measured into one record.

    `label` names the method in tables and charts. `training` labels the weights' training data, for
    tables with a row for each; `weights_trained_on` lists its splits as `data set/split`.
    `trained_by` is the training config that tells how to make weights that are not bundled. With
    `skip_without_weights` a cell whose weights file is missing is left out of the run. `tf32` lets
    a GPU round the factors of float32 products; `compile` runs the method through `torch.compile`.
    `groups`, the word `partition` or a YAML file, names groups of categories or videos whose AP is
    measured alone (see `data.groups`).
    """

    method: StrictStr
    label: Annotated[StrictStr | None, NO_PART] = None
    options: dict[StrictStr, Any] = Field(default_factory=dict)
    weights: StrictStr | None = None
    training: StrictStr | None = None
    weights_trained_on: tuple[StrictStr, ...] = ()
    trained_by: Annotated[StrictStr | None, NO_PART] = None
    skip_without_weights: Annotated[StrictBool, NO_PART] = False
    dataset: DatasetConfig
    clip_length: StrictInt | Literal["whole"] = "whole"
    clip_stride: StrictInt = 1
    resolution: StrictInt | Literal["native"] = 360
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    tf32: Annotated[StrictBool, LATER] = False
    compile: Annotated[Literal["none", "default", "cuda_graphs"], LATER] = "none"
    kernel_backend: Literal["auto", "reference", "cpu", "cuda", "triton"] = "auto"
    measure: tuple[Annotated[StrictStr, AfterValidator(_known_measure)], ...] = Field(
        default=(next(iter(MEASURES)),), min_length=1
    )
    groups: Annotated[StrictStr | None, LATER] = None
    seed: StrictInt = Field(default=0, ge=0, lt=1 << 63)

    @field_validator("measure", "weights_trained_on", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("weights_trained_on")
    @classmethod
    def _full_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            data_set, slash, split = name.partition("/")
            if not (data_set and slash and split) or "/" in split:
                raise ValueError("expected data set/split, such as [ytvis2019/train]")
        return value

    @field_validator("resolution")
    @classmethod
    def _in_range(cls, value: int | str) -> int | str:
        if isinstance(value, int) and not 1 <= value <= MAX_RESOLUTION:
            raise ValueError(f"expected 'native' or a number of pixels from 1 to {MAX_RESOLUTION}")
        return value

    @field_validator("clip_length")
    @classmethod
    def _not_endless(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value > MAX_CLIP_LENGTH:
            raise ValueError(f"expected 'whole' or a number of frames from 1 to {MAX_CLIP_LENGTH}")
        return value

    @field_validator("options")
    @classmethod
    def _plain(cls, value: dict[str, Any]) -> dict[str, Any]:
        check_plain(value)
        return value

    @model_validator(mode="after")
    def _frames_are_covered(self) -> _Cell:
        check_clip_plan(self.clip_length, self.clip_stride)
        return self

    @property
    def stride(self) -> int | None:
        """The clip stride, or None where a whole video is one clip."""
        return None if self.clip_length == "whole" else self.clip_stride


if TYPE_CHECKING:

    class Cell(_Cell):
        """A cell, with a section for every measurement that has settings."""

        def __getattr__(self, name: str) -> Any: ...
else:
    _sections = {name: (kind, kind()) for name, kind in SECTIONS.items()}
    Cell = create_model(
        "Cell", __base__=_Cell, __module__=__name__, __doc__=_Cell.__doc__, **_sections
    )


def check_plain(value: Any) -> None:
    """Raise ValueError for numbers that are not finite and keys that are not text, at any depth."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("expected finite numbers")
    if isinstance(value, dict):
        if any(not isinstance(key, str) for key in value):
            raise ValueError("expected keys that are text")
        check_plain(list(value.values()))
    elif isinstance(value, list):
        for inner in value:
            check_plain(inner)


def _variants(cells: Any, path: Path) -> list[dict[str, Any]]:
    if not cells or not isinstance(cells, list) or not all(isinstance(own, dict) for own in cells):
        raise InputError(
            f"config {path}: cells is not a list of mappings, such as [{{method: ifc}}]"
        )
    return cells


def load_cells(path: Path, overrides: Overrides = ()) -> list[Cell]:
    """Load the cells of a config file, in the order in which they are measured.

    Args:
        path: the YAML file.
        overrides: take precedence over the file, its `cells` too.
    """
    raw = _read_settings(path)
    cells: list[Cell] = []
    for variant in _variants(raw.pop("cells", [{}]), path):
        settings = {**raw, **variant}
        apply_overrides(settings, overrides)
        swept = {key: settings[key] for key in SWEPT_KEYS if isinstance(settings.get(key), list)}
        if empty := [key for key, values in swept.items() if not values]:
            raise InputError(
                f"config {path}: {empty[0]} is an empty list; expected values to sweep"
            )
        if len(cells) + math.prod(map(len, swept.values())) > MAX_CELLS:
            raise InputError(
                f"config {path} has more than {MAX_CELLS} cells; expected a sweep of at most that"
            )
        for values in itertools.product(*swept.values()):
            combination = dict(zip(swept, values, strict=True))
            cells.append(_check_cell({**settings, **combination}, path))
    return _without_repeats(cells)


def load_cell(path: Path, overrides: Overrides, user: str) -> Cell:
    """Load the cell of a config that has one; `user` names what takes no more, for a message."""
    cells = load_cells(path, overrides)
    if len(cells) != 1:
        raise InputError(f"{path} has {len(cells)} cells; {user} takes a config of one")
    return cells[0]


def _read_settings(path: Path) -> dict[str, Any]:
    settings = _read_mapping(path)
    base = settings.pop("base", None)
    if base is None:
        return settings
    if not isinstance(base, str):
        raise InputError(f"config {path}: base is {shown(base)}; expected the name of a config")
    beside = path.parent / base
    try:
        inherited = _read_mapping(beside if beside.is_file() else find_config(base))
    except OSError as error:  # longer than a file's name can be
        raise InputError(
            f"config {path}: base is {shown(base)}, {error.strerror}; expected the name of a config"
        ) from None
    if "base" in inherited:
        raise InputError(f"config {path}: its base {base} also has a base; expected one without")
    return {**inherited, **settings}


def _read_mapping(path: Path) -> dict[str, Any]:
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        kind = "nothing" if raw is None else f"a {type(raw).__name__}"
        raise InputError(f"config {path} holds {kind}; expected a mapping of keys")
    return raw


def _drop_unmeasured(settings: dict[str, Any], kind: type[BaseModel]) -> None:
    """Drop what is no part of a cell's identity, and the defaults of keys that are later than the
    records in results/.
    """
    later = {key: kind.model_fields[key].default for key in marked(kind, LATER)}
    for key in {*marked(kind, NO_PART), *(k for k, value in later.items() if settings[k] == value)}:
        del settings[key]


def cell_digest(cell: Cell, place_options: Collection[str] = (), **more: Any) -> str:
    """SHA-256 of everything that defines a cell's measurement; 64 hexadecimal digits.

    Args:
        place_options: options that only say where something lies, which are left out.
        more: what the config only refers to, such as the checksums of weights and annotations. An
            absolute path of weights is left out where `weights_file` has their checksum, and the
            file of `groups` where these are given.
    """
    measured = cell.model_dump(mode="json")
    options = measured["options"].items()
    measured["options"] = {key: value for key, value in options if key not in place_options}
    if more.get("weights_file") and Path(cell.weights or "").expanduser().is_absolute():
        measured["weights"] = None
    if more.get("groups"):
        measured["groups"] = None
    _drop_unmeasured(measured, _Cell)
    for name, kind in SECTIONS.items():
        _drop_unmeasured(measured[name], kind)
        asked = measured[name] and name in cell.measure
        if not (asked or MEASURES[name].always_digested):
            del measured[name]
    values = {**measured, **more}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _without_repeats(cells: list[Cell]) -> list[Cell]:
    """Drop repeated cells; on whole videos the stride makes no difference."""
    unique: dict[str, Cell] = {}
    for cell in cells:
        if cell.clip_length == "whole":
            cell = cell.model_copy(update={"clip_stride": 1})
        unique.setdefault(cell_digest(cell), cell)
    return list(unique.values())


def _check_cell(values: dict[str, Any], path: Path) -> Cell:
    unknown = [str(key) for key in values if key not in Cell.model_fields]
    if unknown:
        allowed = ", ".join([*Cell.model_fields, "cells", "base"])
        meant = did_you_mean(unknown[0], [*Cell.model_fields, "cells", "base"])
        raise InputError(
            f"config {path}: unknown key {unknown[0]!r}{meant}; expected one of: {allowed}"
        )
    try:
        return Cell.model_validate(values)
    except ValidationError as error:
        raise InputError(f"config {path}: {_first_problem(error)}") from None


def _first_problem(error: ValidationError) -> str:
    problems = error.errors()
    problem, key = problems[0], _key_of(problems[0])
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"key {key} is missing"
    if problem["type"] == "extra_forbidden":
        parts: dict[str, type[BaseModel]] = {"dataset": DatasetConfig, **SECTIONS}
        allowed = parts.get(str(problem["loc"][0]), Cell).model_fields
        meant = did_you_mean(str(problem["loc"][-1]), allowed)
        return f"unknown key {key!r}{meant}; expected one of: {', '.join(allowed)}"
    if not key:
        return message
    if problem["type"] in _EXPECTED:  # by every branch of a union
        forms = {
            _EXPECTED[other["type"]].format(**other.get("ctx", {})): None
            for other in problems
            if _key_of(other) == key and other["type"] in _EXPECTED
        }
        message = f"expected {' or '.join(forms)}"
    return f"{key} is {shown(problem['input'])}; {message[:1].lower()}{message[1:]}"


def _key_of(problem: ErrorDetails) -> str:
    return ".".join(str(part) for part in problem["loc"] if not _is_union_branch(part))


def _is_union_branch(part: int | str) -> bool:
    """True for the parts of a location that pydantic adds to name the branch of a union."""
    return isinstance(part, str) and (part in ("int", "str") or "[" in part)


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
