"""Charts as files for a page or a paper: SVG, PDF or PNG, by the ending of a file's name.

SVG and PDF are vector graphics whose texts stay texts, in an embedded font in a PDF, so that LaTeX
can include them as they are. Equal charts give equal bytes from the same library version.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vis_bench.errors import InputError
from vis_bench.show.figures.missing_letters import boxes_for_missing_letters

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_FORMATS = ("svg", "pdf", "png")
_DOTS_PER_INCH = 150
# 42 is TrueType, which LaTeX and publishers take; 3, the library's default, they refuse.
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "vis-bench", "svg.fonttype": "none", "pdf.fonttype": 42, "font.size": 8,
}  # fmt: skip


def picture_format(path: Path) -> str:
    """The format that a file's name asks for.

    Raises:
        InputError: for any other ending.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending not in PICTURE_FORMATS:
        known = ", ".join(f".{form}" for form in PICTURE_FORMATS)
        raise InputError(f"{path} ends in {path.suffix!r}; expected one of {known}")
    return ending


@contextmanager
def picture_style() -> Iterator[None]:
    """What charts are made and written in."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def picture_bytes(figure: Figure, form: str, description: str = "") -> bytes:
    """The chart as a file, without a date.

    Args:
        form: one of `PICTURE_FORMATS`.
        description: stands in an SVG's metadata.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out = io.BytesIO()
    with boxes_for_missing_letters():
        if form == "svg":
            metadata: dict[str, str | None] = {"Date": None, "Creator": None}
            if description:
                metadata["Description"] = description
            FigureCanvasSVG(figure).print_svg(out, metadata=metadata)
        elif form == "pdf":
            nothing = dict.fromkeys(("CreationDate", "Creator", "Producer"))
            FigureCanvasPdf(figure).print_pdf(out, metadata=nothing)
        else:
            figure.set_dpi(_DOTS_PER_INCH)
            FigureCanvasAgg(figure).print_png(out, metadata={"Software": None})
    return out.getvalue()
