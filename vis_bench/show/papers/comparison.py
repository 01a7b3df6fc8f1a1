"""The comparison of methods on YouTube-VIS 2019 and 2021 val."""

from __future__ import annotations

from typing import Any

from vis_bench.records.metrics import AP, AP50, AP75, AR1, AR10, CHECKPOINT_ENTRIES, FPS
from vis_bench.show.papers.encoder_options import PUBLISHED_ENCODER
from vis_bench.show.papers.names import (
    BACKBONE_NAMES,
    METHOD_NAMES,
    MINI_METHODS,
    method_names,
    simplified,
)
from vis_bench.show.papers.other_systems import who_else_can_be_measured
from vis_bench.show.papers.spec import FigureColumn, PaperRow, PaperTable
from vis_bench.show.published import published_figures, source_text

_COLUMNS = {
    "params_m": FigureColumn(CHECKPOINT_ENTRIES.title, CHECKPOINT_ENTRIES),
    "fps": FigureColumn("FPS", FPS),
    "ap": FigureColumn("AP", AP),
    "ap50": FigureColumn("AP50", AP50),
    "ap75": FigureColumn("AP75", AP75),
    "ar1": FigureColumn("AR1", AR1),
    "ar10": FigureColumn("AR10", AR10),
}
_PARAMS = (
    "Params are every number in a checkpoint of the authors' code, as SeqFormer's are published: "
    "box heads twice and frozen norms included. What MS-STS VIS counts is not stated."
)
_MARKS = {"MS-STS VIS": " (reconstruction)"}
_LONGEST_VIDEO = 36  # of YouTube-VIS 2019: a clip of 36 frames is the whole video


def comparison_table() -> PaperTable:
    """Every system of the comparison on YouTube-VIS 2019."""
    hardware = published_figures()["fps_hardware"]
    fps = (f"{source_text(key)}: {text}" for key, text in hardware.items())
    return _table(
        "comparison",
        "ytvis2019",
        "YouTube-VIS 2019",
        f"Hardware of the published FPS. {'. '.join(fps)}.",
        "Where sources disagree, each has its row: the IFC slides give averages of several "
        "trainings, its README the released checkpoints, and the submission (in "
        "ifc-encoder-comparison and comparison-2021) figures of its own.",
        *who_else_can_be_measured(),
    )


def comparison_2021_table() -> PaperTable:
    """What is published on YouTube-VIS 2021."""
    return _table("comparison-2021", "ytvis2021", "YouTube-VIS 2021")


def _table(name: str, dataset: str, title: str, *remarks: str) -> PaperTable:
    figures = published_figures()
    rows = figures[name.replace("-", "_")]
    videos = figures["num_videos"][dataset]["val"]
    return PaperTable(
        name,
        f"Methods on {title} val ({videos} videos)",
        title,
        dataset,
        "val",
        where={},
        label_titles=("Method", "Backbone", "Clip", "Training"),
        columns=tuple(_COLUMNS.values()),
        rows=tuple(_row(row) for row in rows),
        mini_rows=_mini_rows(),
        remarks=(*remarks, _PARAMS, _claims()),
    )


def _row(row: dict[str, Any]) -> PaperRow:
    method, backbone = row["method"], row["backbone"]
    where = {
        "method": method_names(method),
        "backbone": (BACKBONE_NAMES[backbone], backbone),
        "training": row.get("training"),
        **_option_conditions(method),
        **_clip_conditions(method, row.get("clip_length")),
    }
    labels = (method, backbone, str(row.get("clip_length", "-")), row.get("training", "-"))
    return PaperRow(labels, where, tuple(row.get(key) for key in _COLUMNS), row["source"])


def _clip_conditions(method: str, length: int | None) -> dict[str, object]:
    """The published clip length; None, as in results from elsewhere, fits too.

    Methods of this bench without a published clip length see whole videos.
    """
    if length is None:
        whole = method in METHOD_NAMES
        return {"clip_length": ("whole", _LONGEST_VIDEO, None)} if whole else {}
    whole_too = ("whole",) if length == _LONGEST_VIDEO else ()
    return {"clip_length": (length, None, *whole_too)}


def _option_conditions(method: str) -> dict[str, object]:
    """The published encoder, for the method that has others; results from elsewhere name none."""
    published = PUBLISHED_ENCODER if METHOD_NAMES.get(method) == "ifc" else {}
    return {key: (value, None) for key, value in published.items()}


def _mini_rows() -> tuple[PaperRow, ...]:
    return tuple(
        PaperRow(
            (method + _MARKS.get(method, ""), "mini", str(length), "-"),
            {
                "method": simplified(METHOD_NAMES[method]),
                "backbone": "mini",
                "clip_length": length,
                "training": None,
                **_option_conditions(method),
            },
            (),
            None,
        )
        for method in MINI_METHODS
        for length in (5, "whole")
    )


def _claims() -> str:
    claims = published_figures()["ms_sts_claims"]
    stated = claims["youtube_vis_2019"]
    return (
        f"MS-STS VIS here is a reconstruction. Its abstract states {stated['resnet50_ap']} AP with "
        f"ResNet-50 on YouTube-VIS 2019, {stated['gain_ap']} AP and {stated['gain_ap75']} AP75 "
        f"above the state of the art, and {stated['swin_ap']} AP with Swin "
        f"({source_text(claims['source'])})."
    )
