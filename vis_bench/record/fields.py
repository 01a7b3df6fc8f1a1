"""Types of fields of a record, and marks that say what a field is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Flag, auto
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr
from pydantic.fields import FieldInfo


class Role(Flag):
    """Role of a field. Lists of fields are comprehensions over it.

    IDENTITY: a setting that tells cells apart; DATA and MACHINE: those of one cell's measurements.
    RESULT: what the gate compares, or names as a number without a rule; SCHEDULE: one that follows
    from the times of clips alone. CONDITION: a setting, the noise or the size of a measurement.
    PROVENANCE: when, by which command and by which code it was made. KEPT: baseline files have it.
    """

    IDENTITY = auto()
    DATA = auto()
    MACHINE = auto()
    RESULT = auto()
    SCHEDULE = auto()
    CONDITION = auto()
    PROVENANCE = auto()
    KEPT = auto()


IDENTITY, DATA, MACHINE, RESULT, PROVENANCE = (
    role | Role.KEPT
    for role in (Role.IDENTITY, Role.DATA, Role.MACHINE, Role.RESULT, Role.PROVENANCE)
)
# A result that nothing compares; a condition that no comparison asks for, and one that some do.
UNCOMPARED, CONDITION, BASIS = Role.RESULT, Role.CONDITION, Role.CONDITION | Role.KEPT
SCHEDULED = RESULT | Role.SCHEDULE

# Marks of a field that names a file beside the record; of a fraction that is printed in points; of
# one that differs between any two records, or follows from others; of a setting that is later than
# records in results/, whose digests lack its default; and of one that says how often something is
# measured, or where its parts come from, and is no part of a cell's identity.
BESIDE, IN_POINTS, DIFFERS = "beside the record", "in points", "differs or follows"
LATER, NO_PART = "later than records", "no part of the identity"


@dataclass(frozen=True)
class LikeNull:
    """A mark with the value that means what null means in records before the field."""

    value: object


def _absent_as_none(value: Any) -> Any:
    """The evaluator's marks for "no ground truth" as None."""
    return None if isinstance(value, float) and (value == -1 or math.isnan(value)) else value


def _number(value: Any) -> Any:
    """Refuse texts and booleans, which pydantic would turn into numbers."""
    if isinstance(value, bool | str | bytes):
        raise ValueError("expected a number")
    return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
_Share = Annotated[Number, Field(ge=0, le=1)]
Fraction = Annotated[_Share | None, BeforeValidator(_absent_as_none), IN_POINTS]
Count = Annotated[StrictInt, Field(ge=0)]
Size = Annotated[StrictInt, Field(ge=1)]
FileName = Annotated[StrictStr | None, BESIDE, UNCOMPARED]


class Fields(BaseModel):
    """Fields of one subject in a record.

    `role`, behind the base of a class: that of its own fields without a mark.
    """

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    def __init_subclass__(cls, *, role: Role = RESULT, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, *, role: Role = RESULT, **kwargs: Any) -> None:
        """Give the class's own fields their role; inherited ones have that of their class."""
        super().__pydantic_init_subclass__(**kwargs)
        for field in cls.model_fields.values():
            if not any(isinstance(mark, Role) for mark in field.metadata):
                field.metadata.append(role)


def fields_with(kind: type[Fields], role: Role) -> list[str]:
    """The fields that have a role, in order."""
    return [name for name, field in kind.model_fields.items() if role in _role(field)]


def fields_without(kind: type[Fields], role: Role) -> set[str]:
    """The fields that lack a role, nested ones as `streaming.rate`."""
    names = kind.model_fields.keys() - fields_with(kind, role)
    for name, field in kind.model_fields.items():
        names |= {
            f"{name}.{own}"
            for inner in _kinds(field.annotation)
            for own in fields_without(inner, role)
        }
    return names


def kept_fields(kind: type[Fields]) -> dict[str, Any]:
    """The fields of baseline files, as pydantic's `include` has them."""
    return {name: _include(kind.model_fields[name]) for name in fields_with(kind, Role.KEPT)}


def _include(field: FieldInfo) -> Any:
    inner = [kept_fields(kind) for kind in _kinds(field.annotation)]
    if not inner or get_origin(field.annotation) not in (tuple, dict):
        return inner[0] if inner else True
    return {"__all__": inner[0]}


def marked(kind: type[BaseModel], mark: str) -> list[str]:
    """The fields that have a mark which is no role."""
    return [name for name, field in kind.model_fields.items() if mark in field.metadata]


def number_fields(kind: type[Fields]) -> dict[str, type]:
    """The fields that hold a number, a word in its place, or nothing; and the number's type."""
    types = {name: _members(field.annotation) for name, field in kind.model_fields.items()}
    return {name: first for name, (first, *_) in types.items() if first in (int, float)}


def _members(annotation: Any) -> list[Any]:
    """The types of a union but None, without their marks."""
    is_union = get_origin(annotation) in (Union, UnionType)
    members = get_args(annotation) if is_union else (annotation,)
    plain = [get_args(m)[0] if get_origin(m) is Annotated else m for m in members]
    return [member for member in plain if member is not type(None)]


def _role(field: FieldInfo) -> Role:
    return [mark for mark in field.metadata if isinstance(mark, Role)][-1]


def _kinds(annotation: Any) -> list[type[Fields]]:
    """The classes of fields in a type."""
    if inner := get_args(annotation):
        return [kind for part in inner for kind in _kinds(part)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, Fields) else []
