"""Identity of measurements: the settings of their cells, their data and their machines."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

from vis_bench.record.fields import NO_PART, LikeNull, Role, fields_with, marked
from vis_bench.record.names import arithmetic_words, identifying_options, measured_videos
from vis_bench.record.schema import Record
from vis_bench.runs.config import SECTIONS, Cell, DatasetConfig

# Values of a config's keys, where a record's config lacks them.
_DEFAULTS = Cell(method="", dataset=DatasetConfig(name="synthetic")).model_dump(mode="json")
_CELL, _MACHINE = (fields_with(Record, role) for role in (Role.IDENTITY, Role.MACHINE))
# Keys of a config that other parts of the identity hold, and those that are no part of it.
_HELD = {"weights", "tf32", "compile", *SECTIONS, *marked(Cell, NO_PART), *_CELL}
# Parts of a cell's identity in which a retraining or another precision may differ.
_RETRAINED = ("weights", "training", "seed", "precision", "arithmetic")


class Identity(NamedTuple):
    """Identity of what a record measures; records of equal ones differ by code and noise alone.

    Attributes:
        cell: settings, note, weights and package by name. Commit, time, machine and the version of
            a plug-in's source are no part of it.
        data: as `measured_videos`.
        machine: kernels, their build, device and threads; no speed is compared across them.
    """

    cell: dict[str, Any]
    data: tuple[Hashable, ...]
    machine: tuple[Any, ...]

    @property
    def key(self) -> str:
        """The cell as one string; measurements of equal keys are comparable."""
        return json.dumps(self.cell, sort_keys=True)

    @property
    def retrained_key(self) -> str:
        """The cell apart from its weights, their training and the arithmetic."""
        cell = {name: value for name, value in self.cell.items() if name not in _RETRAINED}
        return json.dumps(cell, sort_keys=True)

    @property
    def measurement(self) -> Hashable:
        """The cell with its device, its kernels and the data."""
        kernels, _, device, _ = self.machine
        return self.key, device, kernels, *self.data

    @property
    def series(self) -> Hashable:
        """The whole identity, which sets and mappings take."""
        return self.key, self.machine, self.data


def identity_of(record: Record) -> Identity:
    """The identity of a record's cell and of its measurement."""
    known = {name: Record.model_fields[name].metadata for name in _CELL}
    own = {name: getattr(record, name) for name in _CELL}
    cell = {
        **{name: None if LikeNull(v) in known[name] else v for name, v in own.items()},
        "options": identifying_options(record),
        "arithmetic": arithmetic_words(record),
        "weights": record.weights_sha256 or record.weights_source,
        "package": (record.method_source or {}).get("distribution"),
        **_other_settings(record.config),
    }
    machine = tuple(getattr(record, name) for name in _MACHINE)
    return Identity(cell, measured_videos(record), machine)


def _other_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a config that no other field holds, without defaults.

    Records from before a key was added have its default.
    """
    sections = {
        f"{name}.{key}": value
        for name, kind in SECTIONS.items()
        if isinstance(config.get(name), dict)
        for key, value in config[name].items()
        if value != _DEFAULTS[name].get(key) and key not in (*marked(kind, NO_PART), *_CELL)
    }
    others = {key: value for key, value in config.items() if key not in _HELD}
    return sections | {k: value for k, value in others.items() if value != _DEFAULTS.get(k)}
