"""Draws panels: the one place that knows the layout and the look of charts."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vis_bench.charts.encode import chart_style, encode_figure
from vis_bench.charts.fonts import fit_fonts
from vis_bench.charts.labels import LABEL_SIZE, label_points
from vis_bench.charts.looks import DARK, LIGHT, PAPER, Looks, Theme, looks_of
from vis_bench.charts.panels import Panel, Series, digest
from vis_bench.charts.series import draw_series, mark_points
from vis_bench.errors import InputError, without_package
from vis_bench.text import single_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.text import Annotation

_SIZE, _ALONE = (4.3, 3.4), (6.5, 4.0)  # of a panel beside others and alone, in inches
_CATEGORY_HEIGHT, _CATEGORY_ROOM, _LINE_HEIGHT = 0.24, 0.8, 0.2
_TITLE_CHARACTERS = 12  # for each inch of a panel
_ROOM_AROUND_ZERO = 16  # points, of words below the title
_NAME_CHARACTERS, _LEGEND_CHARACTERS = 18, 60
_LONGEST = 90  # of a name; longer ones are cut
_CATEGORY_CHARACTERS = 36  # of a category, and of a line of one in a panel that is sideways
# Names at the ends of lines: their left edge, in the frame's widths, and the room of each.
_NAME_PLACE, _NAME_ROOM = 1.03, 1.1


def draw(
    panels: Sequence[Panel],
    form: str,
    *,
    theme: Theme = PAPER,
    columns: int = 2,
    size: tuple[float, float] | None = None,
    methods: Sequence[str] = (),
) -> bytes:
    """Draw panels beside and below each other; an SVG names the digest of its data.

    Args:
        form: "png", "svg" or "pdf".
        methods: of all charts of a page, so that a method has one color in all.
        size: of a panel, in inches; one with categories below each other is as tall as they need.

    Raises:
        InputError: if more series than can be told apart share categories.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise without_package(error) from None
    if not panels:
        raise InputError("nothing to draw; expected at least one panel")
    columns = min(columns, len(panels))
    size = size or (_ALONE if columns == 1 else _SIZE)
    rows = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    heights = [max(_height(panel, size) for panel in row) for row in rows]
    named = ([(own.method, own.name) for own in panel.named] for panel in panels)
    looks = looks_of([[(method, "") for method in methods], *named])
    with chart_style(_theme_style(theme)):
        figure = Figure((size[0] * columns, sum(heights)), layout="constrained")
        axes = list(figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights).flat)
        drawn = [
            _draw_panel(axis, panel, looks, theme, int(size[0] * _TITLE_CHARACTERS))
            for axis, panel in zip(axes, panels, strict=False)
        ]
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        ends = [
            _write_ends(axis, panel, lines) if panel.names == "ends" else []
            for axis, panel, lines in zip(axes, panels, drawn, strict=False)
        ]
        _add_legend(figure, panels, drawn)
        fit_fonts(figure)
        figure.draw_without_rendering()  # labels need the places of the axes
        figure.set_layout_engine("none")
        for axis, panel, lines, names in zip(axes, panels, drawn, ends, strict=False):
            label_points(axis, _labels(axis, panel, lines))
            _move_ends(axis, names)
            if panel.is_sideways:
                _move_title(axis, _title_pad(panel))
            if panel.xscale == "symlog":
                _break_axis(axis, panel, theme)
        return encode_figure(figure, form, f"data sha256 {digest(panels)}")


def draw_twins(panels: Sequence[Panel], **layout: Any) -> dict[str, bytes]:
    """Draw a chart as transparent SVG twice, by the names of the page's schemes."""
    themes = {"light": LIGHT, "dark": DARK}
    return {name: draw(panels, "svg", theme=theme, **layout) for name, theme in themes.items()}


def add_legend(
    parent: Axes | Figure, handles: Sequence[Any], names: Sequence[str], **options: Any
) -> None:
    """Add a legend. Names are set late, since matplotlib hides those with a leading underscore."""
    if names:
        numbers = list(map(str, range(len(names))))
        legend = parent.legend(handles, numbers, **options)
        for text, name in zip(legend.get_texts(), names, strict=True):
            text.set_text(name)


def _theme_style(theme: Theme) -> dict[str, Any]:
    ground = theme.ground or "none"
    return {
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
        "axes.edgecolor": theme.line,
        "grid.color": theme.line,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": ground,
        "axes.facecolor": ground,
        "savefig.facecolor": ground,
    }


def _height(panel: Panel, size: tuple[float, float]) -> float:
    """Inches of a panel, with room for its categories and what is written around them."""
    width, height = size
    if not panel.is_sideways:
        return height
    bars = max(1, sum(series.kind == "bars" for series in panel.series))
    names = [series.name for series in panel.named if panel.names == "legend"]
    texts = (panel.title, panel.remark, " ".join(f"{_cut(name)}......" for name in names))
    lines = sum(math.ceil(len(text) / (width * _TITLE_CHARACTERS)) for text in texts)
    of_lines = _of_lines(int(width * _TITLE_CHARACTERS))
    further = sum(_wrapped(_cut(name), of_lines).count("\n") for name in panel.categories)
    categories = _CATEGORY_HEIGHT * bars**0.5 * len(panel.categories)
    return _CATEGORY_ROOM + _LINE_HEIGHT * (lines + further) + categories


def _of_lines(characters: int) -> int:
    """Characters of a line of a category's name, in a panel with lines of so many."""
    return min(_CATEGORY_CHARACTERS, characters // 2)


def _draw_panel(axis: Axes, panel: Panel, looks: Looks, theme: Theme, characters: int) -> list[Any]:
    """Draw the series of a panel, its axes and its title; return `draw_series`'.

    Args:
        characters: of a line of text.
    """
    lines = draw_series(axis, panel, looks, theme)
    _set_axes(axis, panel, characters)
    for series, line in zip(panel.series, lines, strict=True):
        if series.goes_on and series.x:
            ends = [series.x[-1], axis.get_xlim()[1]], [series.y[-1]] * 2
            [level] = axis.plot(*ends)
            level.update_from(line)  # with its dashes, which `get_linestyle` does not tell
            level.set(marker="", label="_")
    mark_points(axis, panel, lines, theme)
    if panel.is_sideways:
        _write_values(axis, panel, lines)
    if panel.around_zero is not None:
        _write_around_zero(axis, panel.around_zero, theme)
    return lines


def _write_values(axis: Axes, panel: Panel, drawn: Sequence[Any]) -> None:
    """Write the labels of a panel with categories below each other: behind bars, or else right of
    the frame.
    """
    for series, artist in zip(panel.series, drawn, strict=True):
        labels = list(map(_cut, series.labels))
        if series.kind in ("bars", "stack"):
            axis.bar_label(artist, labels or [""] * len(series.x), padding=3, size=LABEL_SIZE)
            continue
        for label, y in zip(labels, artist.get_ydata(), strict=False):
            axis.annotate(
                label,
                (_NAME_PLACE, y),
                xycoords=("axes fraction", "data"),
                va="center",
                size=LABEL_SIZE,
                annotation_clip=False,
            )


def _write_around_zero(axis: Axes, words: tuple[str, str], theme: Theme) -> None:
    left, right = axis.get_xlim()
    room = 0.1 * max(abs(left), abs(right))
    axis.set_xlim(min(left, -room), max(right, room))
    axis.axvline(0, color=theme.ink, linewidth=0.8, zorder=1)
    for text, side, shift in zip(words, ("right", "left"), (-5, 5), strict=True):
        axis.annotate(
            text,
            (0, 1),
            xytext=(shift, 3),
            textcoords="offset points",
            ha=side,
            xycoords=("data", "axes fraction"),
            size=LABEL_SIZE,
            annotation_clip=False,
        )


def _set_axes(axis: Axes, panel: Panel, characters: int) -> None:
    below = panel.ylabel if panel.is_sideways else panel.xlabel
    below = "\n".join(filter(None, (below, _wrapped(panel.remark, characters))))
    axis.set_title(_wrapped(_cut(panel.title, 3 * _LONGEST), characters), pad=_title_pad(panel))
    if panel.categories:
        _set_categories(axis, panel, below, _of_lines(characters))
    else:
        _set_numbers(axis, panel, below)


def _set_categories(axis: Axes, panel: Panel, below: str, characters: int) -> None:
    number = len(panel.categories)
    longest = _LONGEST if panel.is_sideways else _CATEGORY_CHARACTERS
    ticks = [(n, _cut(name, longest)) for n, name in enumerate(panel.categories) if name]
    places, names = zip(*ticks, strict=True) if ticks else ((), ())
    if panel.is_sideways:
        axis.set_yticks(places, [_wrapped(name, characters) for name in names])
        axis.margins(x=0.1)
        axis.set(ylim=(number - 0.5, -0.5), xlim=panel.ylim, xlabel=below, ylabel=panel.xlabel)
    else:
        axis.set_xticks(places, names)
        axis.set(xlim=(-0.35, number - 0.65), ylim=panel.ylim, xlabel=below, ylabel=panel.ylabel)


def _set_numbers(axis: Axes, panel: Panel, below: str) -> None:
    from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

    options = {"linthresh": panel.linear_below, "linscale": 0.5}
    axis.set_xscale(panel.xscale, **(options if panel.xscale == "symlog" else {}))
    if panel.yscale == "log":
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter("{x:g}")
    axis.set(xlim=panel.xlim, ylim=panel.ylim, xlabel=below, ylabel=panel.ylabel)
    if panel.xticks:
        axis.xaxis.set_major_locator(FixedLocator(list(panel.xticks)))
    elif panel.xscale == "log":
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter("{x:g}")


def _add_legend(figure: Figure, panels: Sequence[Panel], drawn: Sequence[Sequence[Line2D]]) -> None:
    """Add one legend above the panels; a name stands there once."""
    entries = {
        (series.method, series.name): line
        for panel, lines in zip(panels, drawn, strict=True)
        if panel.names == "legend"
        for series, line in zip(panel.series, lines, strict=True)
        if series.kind != "dotted"
    }
    names = [_wrapped(_cut(name), _LEGEND_CHARACTERS) for _, name in entries]
    longest = max((len(line) for name in names for line in name.split("\n")), default=1)
    inches = figure.get_size_inches()[0]
    columns = max(1, min(len(names), int(inches * 13 / (longest + 6))))
    add_legend(
        figure,
        list(entries.values()),
        names,
        loc="outside upper left",
        ncols=columns,
        handlelength=2.6,
    )


def _labels(axis: Axes, panel: Panel, drawn: Sequence[Any]) -> list[Sequence[str]]:
    """Labels of the points of all lines of an axis; lines that are of no series have none."""
    known: dict[Any, list[str]] = {}
    if not panel.is_sideways:
        for line, series in zip(drawn, panel.series, strict=True):
            known[line] = list(map(_cut, series.labels))
    return [known.get(line) or [""] * len(np.asarray(line.get_xdata())) for line in axis.lines]


def _write_ends(axis: Axes, panel: Panel, lines: Sequence[Line2D]) -> list[Annotation]:
    """Write each name right of the frame, with a thin line to the end of its series."""
    named = {(series.method, series.name) for series in panel.named}
    drawn = zip(panel.series, lines, strict=True)
    ends = {(s.method, s.name): (s, line) for s, line in drawn if s.x}  # of several the last
    return [
        axis.annotate(
            _wrapped(_cut(series.name), _NAME_CHARACTERS),
            _end_of(axis, series, line),
            xytext=(_NAME_PLACE, 0.5),
            textcoords="axes fraction",
            color=line.get_color(),
            va="center",
            size=LABEL_SIZE,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": line.get_color(),
                "linewidth": 0.5,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 0 if series.goes_on else 4,
            },
        )
        for key, (series, line) in ends.items()
        if key in named
    ]


def _end_of(axis: Axes, series: Series, line: Line2D) -> tuple[float, float]:
    x, y = np.asarray(line.get_xydata())[-1]
    return (axis.get_xlim()[1] if series.goes_on else x), y


def _title_pad(panel: Panel) -> float | None:
    """Points between frame and title, with room for the words at zero; None for the usual ones."""
    return _ROOM_AROUND_ZERO if panel.around_zero else None


def _move_title(axis: Axes, pad: float | None) -> None:
    """Move the title over the names of the categories, so that it has the width of the panel."""
    frame, names = axis.get_window_extent(), axis.yaxis.get_tightbbox()
    left = frame.x0 if names is None else names.x0
    axis.set_title(axis.get_title("left"), x=(left - frame.x0) / frame.width, pad=pad)


def _move_ends(axis: Axes, ends: Sequence[Annotation]) -> None:
    """Move names to the height of the ends that they name, none over another."""
    from matplotlib.text import Text

    frame = axis.get_window_extent()
    heights = {end: float(axis.transData.transform(end.xy)[1]) for end in ends}
    ordered = sorted(ends, key=heights.__getitem__)
    # An annotation's own extent holds its line, too.
    sizes = [Text.get_window_extent(end).height * _NAME_ROOM for end in ordered]
    middles = spread([heights[end] for end in ordered], sizes, frame.y0, frame.y1)
    for end, middle in zip(ordered, middles, strict=True):
        end.set_position((_NAME_PLACE, (middle - frame.y0) / frame.height))


def spread(
    middles: Sequence[float], sizes: Sequence[float], least: float, most: float
) -> list[float]:
    """Middles of boxes in ascending order, moved as little as needed so that none overlap.

    Boxes that push each other share a middle; none begins below `least`, and none ends above `most`
    where there is room for all.
    """
    groups: list[list[float]] = []  # lower end that suits most, size, number
    for middle, size in zip(middles, sizes, strict=True):
        groups.append([middle - size / 2, size, 1])
        while len(groups) > 1 and sum(groups[-2][:2]) > groups[-1][0]:
            low, tall, number = groups.pop()
            below = groups[-1]
            below[0] = (below[0] * below[2] + (low - below[1]) * number) / (below[2] + number)
            below[1] += tall
            below[2] += number
    placed: list[float] = []
    start = least
    for low, _, number in groups:
        start = max(low, start)
        for size in sizes[len(placed) : len(placed) + int(number)]:
            placed.append(start + size / 2)
            start += size
    for n in reversed(range(len(placed))):
        room = sum(sizes[:n]) + sizes[n] / 2  # what the boxes below it take
        most = min(most, placed[n] + sizes[n] / 2)
        placed[n] = max(most - sizes[n] / 2, least + room)
        most = placed[n] - sizes[n] / 2
    return placed


def _break_axis(axis: Axes, panel: Panel, theme: Theme) -> None:
    """Mark where the axis turns from linear to logarithmic."""
    middle = axis.transData.transform((panel.linear_below / 2, 0))[0]
    place = axis.transAxes.inverted().transform((middle, 0))[0]
    axis.annotate(
        "//", (place, 0), xycoords="axes fraction", ha="center", va="center", color=theme.line
    )


def _cut(text: str, longest: int = _LONGEST) -> str:
    """A name from a record on one line, cut if it would leave no room for the chart."""
    line = single_line(text)
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def _wrapped(name: str, characters: int) -> str:
    return textwrap.fill(single_line(name), characters)
