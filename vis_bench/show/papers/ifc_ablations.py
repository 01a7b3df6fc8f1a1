"""IFC's ablations over clip lengths: memory tokens, their decomposition, other encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vis_bench.records.metrics import AP, AP75, FPS
from vis_bench.show.papers.encoder_options import COMMUNICATION_TITLES, PUBLISHED_ENCODER
from vis_bench.show.papers.spec import (
    FigureColumn,
    PaperRow,
    PaperTable,
    mini_rows_of,
    rows_where,
)
from vis_bench.show.published import published_figures

# What the records of the mini models' variants say of their training: see
# configs/train/ifc_mini_variants_synthetic.yaml.
MINI_TRAINING = "encoder afresh"
_LENGTHS = (5, 10, 15, 20)
_AP_BY_LENGTH = tuple(FigureColumn(f"T={n}", AP, "AP", {"clip_length": n}) for n in _LENGTHS)
_ALL_BY_LENGTH = tuple(
    FigureColumn(kind_title, kind, f"T={n}", {"clip_length": n})
    for n in _LENGTHS
    for kind_title, kind in (("AP", AP), ("AP75", AP75), ("FPS", FPS))
)


def memory_tokens_table() -> PaperTable:
    """AP with 1 to 16 memory tokens per frame."""
    title = "IFC by number of memory tokens, ResNet-50"
    return _table("ifc-memory-tokens", title, "Memory tokens", "memory_tokens", _AP_BY_LENGTH)


def memory_decomposition_table() -> PaperTable:
    """AP where memory tokens talk to all others (unified), or to those of their own index."""
    title = "IFC by decomposition of the memory, ResNet-50"
    return _table("ifc-memory-decomposition", title, "Memory", "memory", _AP_BY_LENGTH)


def encoder_comparison_table() -> PaperTable:
    """AP, AP75 and FPS of other ways to let frames communicate."""
    title = "IFC by communication in the encoder, ResNet-50"
    columns = _ALL_BY_LENGTH
    table = _table("ifc-encoder-comparison", title, "Communication", "communication", columns)
    return replace(table, remarks=(_disagreement(),))


def _disagreement() -> str:
    """The FPS that two sources give the same model at T=5."""
    figures = published_figures()
    submission = next(
        row for row in figures["ifc_encoder_comparison"]["rows"] if row["communication"] == "ifc"
    )
    slides = next(
        row
        for row in figures["comparison"]
        if row["method"] == "IFC" and row["clip_length"] == 5 and row["source"] == "ifc-slides"
    )
    return (
        f"Sources disagree on the FPS of IFC at T=5: {submission[5][2]} in the submission, "
        f"{slides['fps']} in the slides; the comparison holds the latter."
    )


def _table(
    name: str, title: str, label: str, option: str, columns: tuple[FigureColumn, ...]
) -> PaperTable:
    figures = published_figures()[name.replace("-", "_")]
    rows = tuple(
        PaperRow(
            (_row_label(option, row[option]),),
            {**_memory(row[option]), f"options.{option}": row[option]},
            _figures(row),
            figures["source"],
        )
        for row in figures["rows"]
    )
    varied = {f"options.{option}"} | _without_meaning(option)
    fixed = {key: value for key, value in PUBLISHED_ENCODER.items() if key not in varied}
    return PaperTable(
        name,
        title,
        "YouTube-VIS 2019",
        "ytvis2019",
        "val",
        where={"method": "ifc", "clip_stride": 1, **fixed},
        label_titles=(label,),
        columns=columns,
        rows=rows_where(rows, backbone="r50"),
        mini_rows=mini_rows_of(rows, MINI_TRAINING),
    )


def _row_label(option: str, value: object) -> str:
    return COMMUNICATION_TITLES[str(value)] if option == "communication" else str(value)


def _without_meaning(option: str) -> set[str]:
    """Options of the memory, where encoders without a memory are compared too."""
    return {"options.memory_tokens", "options.memory"} if option == "communication" else set()


def _memory(value: object) -> dict[str, object]:
    """Among the communications, IFC's own stands for the published memory."""
    return PUBLISHED_ENCODER if value == PUBLISHED_ENCODER["options.communication"] else {}


def _figures(row: Mapping[Any, Any]) -> tuple[float, ...]:
    """The figures of all clip lengths in one row: one, or AP, AP75, FPS, for each."""
    figures: list[float] = []
    for length in _LENGTHS:
        value = row[length]
        figures += value if isinstance(value, list) else [value]
    return tuple(figures)
