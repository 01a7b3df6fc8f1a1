"""Files of charts and pictures, and the style that all charts have.

SVG and PDF are vector graphics whose texts stay texts, in an embedded font in a PDF, so that LaTeX
can include them as they are. Equal charts give equal bytes from the same library version.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from vis_bench.charts.fonts import fit_fonts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 150
_STYLE: dict[Any, Any] = {
    # 42 is TrueType, which LaTeX and publishers take; they refuse 3, the library's default.
    "svg.hashsalt": "vis-bench", "svg.fonttype": "none", "pdf.fonttype": 42,
    "font.size": 8, "text.parse_math": False, "legend.fontsize": 8, "legend.frameon": False,
    "legend.loc": "upper left", "legend.borderaxespad": 0,
    "axes.grid": True, "axes.axisbelow": True, "grid.alpha": 0.2, "grid.linewidth": 0.6,
    "lines.linewidth": 1.1, "lines.markersize": 5.5, "lines.markeredgewidth": 1.0,
}  # fmt: skip


def picture_format(path: Path) -> str:
    """Return the format that a file's ending names."""
    return path.suffix.lower().removeprefix(".")


@contextmanager
def chart_style(changes: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Draw in the style of all charts, without matplotlib's warnings about missing glyphs."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE | dict(changes or {})), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from")
        yield


def encode_figure(
    figure: Figure, form: str, description: str = "", dpi: int = _DOTS_PER_INCH
) -> bytes:
    """Return a figure as a file, without a date.

    Args:
        form: "png", "svg" or "pdf".
        description: stands in an SVG's metadata.
        dpi: of a PNG, and of pictures within an SVG or a PDF.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out = io.BytesIO()
    fit_fonts(figure)
    figure.set_dpi(dpi)
    if form == "svg":
        metadata: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        described = {"Description": description} if description else {}
        FigureCanvasSVG(figure).print_svg(out, metadata=metadata | described)
    elif form == "pdf":
        nothing = dict.fromkeys(("CreationDate", "Creator", "Producer"))
        FigureCanvasPdf(figure).print_pdf(out, metadata=nothing)
    else:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        return encode_picture(picture, "PNG", optimize=True)
    return out.getvalue()


def encode_picture(picture: Image.Image, form: str, **options: Any) -> bytes:
    """Return a picture as a file of a format that Pillow writes, with Pillow's options."""
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()
