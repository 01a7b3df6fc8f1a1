"""What a cell is called: in file names, messages, tables and pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from vis_bench.records.arithmetic import Computed, arithmetic_words

# A file name has at most 255 bytes; what endings and temporary names add to a stem needs the rest.
_STEM_BYTES = 180


class Named(Protocol):
    """What a name is made of; a record, a gated cell and a config's cell have it."""

    @property
    def method(self) -> str: ...
    @property
    def clip_length(self) -> int | str | None: ...
    @property
    def clip_stride(self) -> int | None: ...


class Measured(Named, Computed, Protocol):
    """What else is known once a cell is measured."""

    @property
    def options(self) -> Mapping[str, Any]: ...
    @property
    def backbone(self) -> str | None: ...
    @property
    def dataset(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def resolution(self) -> int | str | None: ...
    @property
    def training(self) -> str | None: ...


class Filed(Measured, Protocol):
    """What a file name needs beside it."""

    @property
    def config_sha256(self) -> str: ...


def clip_name(cell: Named) -> str:
    """Clip length and stride: `T=5 S=3`, `T=whole`; empty for results without clips."""
    if cell.clip_length is None:
        return ""
    stride = _stride(cell)
    return f"T={cell.clip_length}" + ("" if stride is None else f" S={stride}")


def short_name(cell: Named) -> str:
    """Method and clip, where everything else is the same."""
    return f"{cell.method} {clip_name(cell)}".strip()


def full_name(cell: Measured) -> str:
    """Everything that tells a cell from others, for a reader."""
    parts = [
        cell.method, cell.backbone, f"{cell.dataset} {cell.split}", clip_name(cell) or None,
        cell.resolution,
        ", ".join(arithmetic_words(cell)) or None,
        *(f"{key}={value}" for key, value in sorted(named_options(cell).items())),
        None if cell.training is None else f"({cell.training})",
    ]  # fmt: skip
    return " ".join(str(part) for part in parts if part is not None)


def named_options(cell: Measured) -> dict[str, Any]:
    """The options that a name shows: without the backbone and the variant that says it."""
    shown = {key: value for key, value in cell.options.items() if key != "backbone"}
    if "variant" in shown and shown["variant"] == cell.backbone:
        del shown["variant"]
    return shown


def file_stem(record: Filed) -> str:
    """The record's file name without ending: what was measured, then the config's checksum.

    What a record does not say is left out: results of other code have no clips and no resolution.
    """
    stride = _stride(record)
    clip = f"T{record.clip_length}" + ("" if stride is None else f"S{stride}")
    parts = [
        record.method, record.backbone, record.dataset, record.split,
        None if record.clip_length is None else clip,
        record.resolution,
    ]  # fmt: skip
    words = (_file_word(str(part)) for part in parts if part is not None)
    subject = "_".join(word for word in words if word)
    short = subject.encode()[:_STEM_BYTES].decode(errors="ignore")
    return f"{short}_{_file_word(record.config_sha256[:10])}".lstrip("_")


def _file_word(text: str) -> str:
    """A text as part of a file name on any system: letters, digits, `_`, `.`, `+` and `-`."""
    return re.sub(r"[^\w.+-]+", "-", text)[:60].strip(".-")


def _stride(cell: Named) -> int | None:
    return None if cell.clip_length == "whole" else cell.clip_stride
