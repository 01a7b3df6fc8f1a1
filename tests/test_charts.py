"""Charts as data: looks of methods, dodges, digests, twins, and labels beside points and masks."""

import re
import warnings
import xml.etree.ElementTree as ET
from dataclasses import replace
from importlib import import_module
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from drawing_case import H, W, square
from vis_bench.charts import (
    DARK,
    LIGHT,
    MOST_SERIES,
    Panel,
    Series,
    chart_style,
    css_colors,
    digest,
    digest_of_svg,
    draw,
    draw_inline,
    draw_twins,
    label_points,
    look_of,
    place_labels,
)
from vis_bench.charts.draw import spread
from vis_bench.charts.looks import looks_of
from vis_bench.charts.series import dodges, draw_series, mark_points
from vis_bench.errors import InputError
from vis_bench.record.names import method_title


def panel(*series, **changes):
    return Panel("title", "x axis", "y axis", series, **changes)


def series(name="ours", method="ours", number=3, **changes):
    places = {"x": tuple(map(float, range(1, number + 1))), "y": (1.0,) * number}
    return Series(name, method, **{**places, **changes})


def texts_of(svg):
    return [element.text for element in ET.fromstring(svg).iter() if element.text]


METHODS = [
    "ifc", "ms_sts", "seqformer", "vistr", "idol", "masktrack_rcnn", "minvis", "videomt",
    "color_key", "color_follow",
]  # fmt: skip


def test_bundled_methods_differ_and_their_titles_look_like_them():
    looks = [look_of(method) for method in METHODS]
    assert len(set(looks)) == len(looks)
    assert [look_of(method_title(method)) for method in METHODS] == looks


@given(st.text())
def test_any_method_has_a_look_of_its_own_name_alone(name):
    look = look_of(name)
    assert look == look_of(name)
    assert {look.color} <= LIGHT.colors.keys() == DARK.colors.keys()


def test_other_methods_take_none_of_the_looks_of_bundled_ones():
    bundled = {look_of(method) for method in METHODS}
    assert not bundled & {look_of(f"plug-in {n}") for n in range(500)}


def luminance(color):
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


@pytest.mark.parametrize(("theme", "ground"), [(LIGHT, "#ffffff"), (DARK, "#0d1117")])
def test_every_color_has_a_contrast_of_4_5_on_its_ground(theme, ground):
    for color in (*theme.colors.values(), theme.ink):
        dim, bright = sorted((luminance(color), luminance(ground)))
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, color


def test_variants_of_a_method_keep_its_color_and_differ_within_a_panel():
    names = [("ifc", f"T={n}") for n in range(MOST_SERIES)]
    looks = looks_of([names, [("IFC", "published")], names])
    assert {(look.color, look.marker) for look in looks.values()} == {("orange", "s")}
    assert len({looks[name] for name in names}) == MOST_SERIES
    assert looks["IFC", "published"] == look_of("ifc")


def test_no_two_methods_of_a_chart_share_a_color_while_there_are_enough():
    names = [
        ("colorkey", "a"),
        ("plug-in 1", "b"),
        ("plug-in 2", "c"),
        ("SipMask", "d"),
        ("IFC", "e"),
    ]
    looks = looks_of([names, [("ifc", "published")]])
    assert len({looks[name].color for name in names}) == 5
    assert looks["IFC", "e"].color == looks["ifc", "published"].color == "orange"


def test_series_of_no_one_method_have_the_ink_and_different_markers():
    looks = looks_of([[("", name) for name in "abc"]]).values()
    assert {look.color for look in looks} == {"ink"}
    assert len({look.marker for look in looks}) == 3


@pytest.mark.parametrize("number", range(1, MOST_SERIES + 1))
def test_a_dodge_stays_within_a_fifth_and_none_coincide(number):
    shifts = dodges(number)
    assert abs(shifts).max() <= 0.2
    assert len(set(shifts)) == number
    assert shifts.sum() == pytest.approx(0)


def test_more_series_than_fit_beside_each_other_are_refused():
    names = [series(str(n), number=1) for n in range(MOST_SERIES + 1)]
    with pytest.raises(InputError, match=f"{MOST_SERIES + 1} series"):
        draw([panel(*names, categories=("a", "b"))], "svg")
    assert draw([panel(*names)], "svg")
    with pytest.raises(InputError):
        draw([], "svg")


def test_the_digest_is_that_of_the_data():
    one = panel(series())
    assert digest_of_svg(draw([one], "svg").decode()) == digest([one])
    assert digest_of_svg("<svg/>") is None
    nudged = replace(series(), y=(1.0 + 1e-12, 1.0, 1.0))
    assert digest([panel(nudged)]) == digest([one])
    assert digest([panel(replace(series(), y=(1.001, 1.0, 1.0)))]) != digest([one])
    assert digest([replace(one, title="other")]) != digest([one])


def test_twins_show_the_same_in_the_colors_of_their_page():
    twins = {name: svg.decode() for name, svg in draw_twins([panel(series("a", "ifc"))]).items()}
    assert texts_of(twins["light"]) == texts_of(twins["dark"])
    for name, theme in (("light", LIGHT), ("dark", DARK)):
        assert theme.colors["orange"] in twins[name]
        assert theme.ink in twins[name]
        assert "#ffffff" not in twins[name]
    assert twins == {n: svg.decode() for n, svg in draw_twins([panel(series("a", "ifc"))]).items()}


@pytest.mark.parametrize("names", ["ends", "legend"])
@pytest.mark.parametrize(
    "name", ["$x$ and $y$", "_hidden", r"\frac{1}{2} $", "a & <b>", "a\x1b[31m"]
)
def test_a_name_is_drawn_as_it_is(name, names):
    texts = texts_of(draw([panel(series(name), names=names)], "svg"))
    assert name.replace("\x1b", " ") in texts


@pytest.mark.parametrize("changes", [
    {}, {"xscale": "log", "xlim": (1, 9)}, {"xscale": "symlog", "linear_below": 0.1},
    {"yscale": "log"}, {"categories": tuple("abcd")},
    {"categories": tuple("abcd"), "is_sideways": True},
])  # fmt: skip
@pytest.mark.parametrize("names", ["ends", "legend", "none"])
def test_every_kind_of_panel_is_drawn(changes, names):
    ends = {"low": (0.5, None, 0.5), "high": (1.5, None, 2.0), "labels": ("p", "", "q")}
    drawn = panel(series(goes_on=True, **ends), series("none", number=0), names=names, **changes)
    texts = texts_of(draw([drawn], "svg"))
    assert ("ours" in texts) == (names != "none")
    assert {"title", "p", "q"} <= set(texts)


def test_a_line_goes_on_with_its_own_dashes():
    drawn = panel(series("dotted", kind="dotted", goes_on=True), names="none", xlim=(0, 9))
    svg = draw([drawn], "svg").decode()
    dashes = re.findall(r"stroke-dasharray: ([^;]+); stroke-dashoffset: 0; stroke: #", svg)
    assert len(dashes) == 2
    assert len({*dashes}) == 1


@pytest.mark.parametrize("is_sideways", [False, True])
def test_a_remark_stands_below_the_axis(is_sideways):
    below = {"categories": ("p", "q"), "is_sideways": is_sideways, "remark": "a remark below"}
    svg = draw([panel(series(x=(0.0, 1.0), y=(1.0, 2.0)), **below)], "svg").decode()
    [remark] = re.findall(r"<text[^>]*>a remark below<", svg)
    assert "rotate(-90" not in remark
    height = float(re.search(r'viewBox="0 0 \S+ (\S+)"', svg).group(1))
    _, y = re.search(r"translate\((\S+) (\S+)\)", remark).groups()
    assert float(y) > 0.8 * height


@pytest.mark.parametrize("kind", ["line", "points", "curve", "dotted", "bars"])
def test_every_kind_of_series_is_drawn_and_dotted_ones_are_not_named(kind):
    texts = texts_of(draw([panel(series(), series("this", kind=kind))], "svg"))
    assert ("this" in texts) == (kind != "dotted")


@pytest.mark.parametrize("is_sideways", [False, True])
def test_bars_stand_beside_each_other_and_the_parts_of_a_stack_behind(is_sideways):
    parts = [series(name, "", x=(0.0, 1.0), y=(1.0, 2.0), kind="stack") for name in "abc"]
    bars = [series(name, name, x=(0.0, 1.0), y=(1.0, 2.0), kind="bars") for name in "de"]
    axis = Figure().subplots()
    drawn = draw_series(
        axis,
        panel(*parts, *bars, categories=("p", "q"), is_sideways=is_sideways),
        looks_of([[(one.method, one.name) for one in bars]]),
        LIGHT,
    )
    boxes = [[bar.get_bbox() for bar in container] for container in drawn]
    if is_sideways:
        boxes = [[Bbox([[b.y0, b.x0], [b.y1, b.x1]]) for b in own] for own in boxes]
    assert [[b.y0 for b in own] for own in boxes[:3]] == [[0, 0], [1, 2], [2, 4]]
    assert [[b.y1 for b in own] for own in boxes[:3]] == [[1, 2], [2, 4], [3, 6]]
    for own in boxes[3:]:
        assert all(abs((b.x0 + b.x1) / 2 - n) <= 0.2 + 1e-9 for n, b in enumerate(own))
    assert boxes[3][0].x1 <= boxes[4][0].x0


def test_points_are_hollow_or_ringed_alone():
    axis = Figure().subplots()
    marked = panel(series(hollow_at=(1,), ringed_at=(0, 2)))
    drawn = draw_series(axis, marked, looks_of([[("ours", "ours")]]), LIGHT)
    mark_points(axis, marked, drawn, LIGHT)
    line, hollow, ring = axis.lines
    assert line.get_markevery() == [0, 2]
    assert (hollow.get_xdata().tolist(), hollow.get_fillstyle()) == ([2], "none")
    assert (ring.get_xdata().tolist(), ring.get_color()) == ([1, 3], LIGHT.ink)


def test_series_without_a_common_category_stay_in_its_middle():
    apart = [series(str(n), x=(float(n),), y=(1.0,)) for n in range(MOST_SERIES + 2)]
    axis = Figure().subplots()
    wide = panel(*apart, categories=("a",) * len(apart))
    looks = looks_of([[(one.method, one.name) for one in apart]])
    drawn = draw_series(axis, wide, looks, LIGHT)
    assert [line.get_xdata().tolist() for line in drawn] == [[n] for n in range(len(apart))]


def test_a_dotted_line_has_the_color_of_its_series_and_takes_no_room_of_others():
    one, other = series(number=1), series("other", "other", number=1)
    beyond = replace(one, x=(1.0, 2.0), y=(1.0, 2.0), kind="dotted")
    limit = Series("limit", "", (0.0, 3.0), (2.0, 2.0), kind="dotted")
    drawn = panel(one, other, *[beyond] * MOST_SERIES, limit, categories=tuple("abc"))
    svg = draw([drawn], "svg").decode()
    assert svg.count(f"stroke: {LIGHT.colors[look_of('ours').color]}") >= MOST_SERIES


def test_an_inline_chart_has_the_pages_colors_and_ids_of_its_own():
    worded = panel(series(), series("b"), alt="A <chart>.")
    drawn = [draw_inline([worded], name) for name in "ab"]
    ids = [identity for chart in drawn for identity in re.findall(r'\bid="([^"]+)"', chart)]
    assert len(ids) == len(set(ids))
    variables = set(re.findall(r"--chart-\w+", css_colors()))
    for chart in drawn:
        assert set(re.findall(r"--chart-\w+", chart)) <= variables
        assert f"var(--chart-{look_of('ours').color})" in chart
        assert not re.search(r"#[0-9a-f]{6}\b", chart)
        assert chart.startswith('<svg viewBox="0 0 ')
        assert 'role="img" aria-label="A &lt;chart&gt;."' in chart
        for used in re.findall(r"url\(#([^)]+)\)", chart):
            assert f'id="{used}"' in chart


def test_values_that_are_unknown_have_no_point():
    found = Series.of("a", "a", (1.0, 2.0, 3.0), [(0.5, 0.0, 1.0), (None,) * 3, (0.7, None, None)])
    assert (found.x, found.y, found.low) == ((1.0, 3.0), (0.5, 0.7), (0.0, None))
    assert Series.of("a", "a", (1.0,), [(None,) * 3]).x == ()


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.5, 20)), min_size=1, max_size=8))
def test_spread_names_do_not_overlap_and_keep_their_order(boxes):
    middles, sizes = zip(*sorted(boxes), strict=True)
    placed = spread(middles, sizes, 0.0, 120.0)
    ends = [(m - s / 2, m + s / 2) for m, s in zip(placed, sizes, strict=True)]
    assert all(one[1] <= other[0] + 1e-6 for one, other in pairwise(ends))
    assert ends[0][0] >= -1e-9
    assert ends[-1][1] <= max(120.0, sum(sizes)) + 1e-6
    if all(abs(a - b) > 20 for a, b in combinations(middles, 2)) and middles[0] > 20:
        assert placed == pytest.approx(middles)


def labeled(curves, text="T=whole"):
    """Points, and rendered boxes of the labels beside them, in pixels."""
    with chart_style():
        figure = Figure((4.6, 3.3))
        canvas, axis = FigureCanvasAgg(figure), figure.add_axes((0, 0, 1, 1))
        axis.set(xlim=(0, 100), ylim=(0, 100))
        for curve in curves:
            axis.plot(*np.reshape(curve, (-1, 2)).T)
        label_points(axis, [[text] * len(curve) for curve in curves])
        renderer = canvas.get_renderer()
        for label in axis.texts:
            label.update_positions(renderer)
        boxes = [Text.get_window_extent(label, renderer) for label in axis.texts]  # no leaders
        at = [axis.transData.transform(point) for curve in curves for point in curve]
    return at, boxes, figure.bbox


def test_coinciding_points_have_labels_at_different_places():
    _, boxes, _ = labeled([[(10, 40)], [(10, 40)], [(10, 40)], [(20, 60)]])
    assert len({box.bounds for box in boxes}) == 4


def test_a_chart_with_very_many_points_has_no_labels():
    assert labeled([[(n / 4, 50) for n in range(400)]])[1] == []


def test_a_label_goes_beside_a_line_where_it_can():
    ((_, y), _), boxes, _ = labeled([[(10, 40), (80, 40)]])
    assert len(boxes) == 2
    assert all(box.y0 > y or box.y1 < y for box in boxes)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=6),
        max_size=6,
    )
)
def test_no_label_of_a_chart_crosses_another_a_point_or_the_frame(curves):
    points, boxes, frame = labeled(curves)
    for place, box in enumerate(boxes):
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert frame.y0 <= box.y0
        assert box.y1 <= frame.y1
        assert not any(box.overlaps(other) for other in boxes[:place])
        assert not any(box.contains(*point) for point in points)


def pixels(place, size):
    covered = np.zeros((H, W), bool)
    covered[place.y : place.y + size[1], place.x : place.x + size[0]] = True
    assert covered.sum() == size[0] * size[1], "the label lies within the frame"
    return covered


def test_a_label_stands_right_above_its_object():
    (place,) = place_labels(square(30, 40)[None], [[(30, 10)]], {})
    assert not place.covers
    assert 14 <= place.y < 30 - 10
    assert abs(place.x + 15 - 48) <= 4


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 44), st.integers(0, 80)), min_size=1, max_size=4))
def test_labels_of_masks_cover_nothing_unless_they_say_so(corners):
    masks = np.stack([square(*corner) for corner in corners])
    size = (24, 10)
    labels = [
        pixels(p, size) for p in place_labels(masks, [[size]] * len(masks), {}) if not p.covers
    ]
    assert not (np.any(masks, 0) & np.any([np.zeros((H, W), bool), *labels], 0)).any()
    assert np.sum(labels, 0).max(initial=0) <= 1


def test_a_shorter_form_is_taken_where_the_first_does_not_fit():
    mask = np.ones((1, H, W), bool)
    mask[0, 20:40, 30:62] = False
    (place,) = place_labels(mask, [[(60, 10), (20, 10)]], {})
    assert (place.form, place.covers) == (1, False)
    assert not (mask[0] & pixels(place, (20, 10))).any()


def test_where_no_place_is_free_the_least_is_covered():
    mask = np.ones((1, H, W), bool)
    mask[0, 20:40, 30:62] = False
    (place,) = place_labels(mask, [[(40, 10)]], {})
    assert place.covers
    assert (mask[0] & pixels(place, (40, 10))).sum() <= 0.35 * 400


def test_a_label_stays_where_it_was_beside_its_object():
    mask = square(22, 40)[None]
    (above,) = place_labels(mask, [[(30, 10)]], {})
    (below,) = place_labels(mask, [[(30, 10)]], {0: (-15.0, 12.0)})
    assert above.y < 22
    assert below.y >= 38
    moved = square(22, 44)[None]
    (again,) = place_labels(moved, [[(30, 10)]], {0: below.offset})
    assert (again.x - below.x, again.y - below.y) == (4, 0)


def test_an_empty_mask_has_no_label():
    masks = np.stack([np.zeros((H, W), bool), square(10, 10)])
    places = place_labels(masks, [[(20, 10)]] * 2, {})
    assert places[0] is None
    assert places[1] is not None
    assert place_labels(np.zeros((0, H, W), bool), [], {}) == []


@pytest.mark.parametrize("size", [(500, 10), (10, 500), (500, 500)])
def test_a_label_larger_than_the_frame_does_no_harm(size):
    (place,) = place_labels(square(10, 10)[None], [[size]], {})
    assert 0 <= place.x < W
    assert 0 <= place.y < H


def test_zero_is_in_a_panel_around_it_wherever_the_points_lie():
    series = Series("B - A", "B", (0.0,), (-11.2,), kind="points")
    panel = Panel(
        "",
        "",
        "points",
        (series,),
        categories=("small objects",),
        is_sideways=True,
        around_zero=("A better", "B better"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib's, where no room is left
        assert draw([panel], "svg")


@pytest.fixture
def figures(monkeypatch):
    """Figures that `draw` has drawn, in place of their bytes."""
    drawn = []
    monkeypatch.setattr(
        import_module("vis_bench.charts.draw"),
        "encode_figure",
        lambda figure, *_: drawn.append(figure) or b"",
    )
    return drawn


def test_long_categories_and_their_title_have_the_width_of_a_narrow_panel(figures):
    names = tuple(f"communication, trained on clips of {n} frames" for n in (10, 20, 30))
    series = Series("", "", (0.0, 1.0, 2.0), (0.1, 0.2, 0.3), kind="points")
    title = "Communication with clips of twenty frames: no difference found over all six seeds"
    panel = Panel(title, "", "AP", (series,), categories=names, is_sideways=True, names="none")
    panel = replace(panel, around_zero=("lower", "higher"))
    draw([panel], "svg", columns=1, size=(4.1, 3.5))
    [figure] = figures
    [axis] = figure.axes
    labels = axis.get_yticklabels()
    assert [" ".join(label.get_text().split()) for label in labels] == [*names]
    boxes = [label.get_window_extent() for label in labels]
    assert all(upper.y0 > lower.y1 for upper, lower in pairwise(boxes))
    above = axis._left_title
    words = [Text.get_window_extent(text).y1 for text in axis.texts]
    assert len(words) == 2
    assert max(words) <= above.get_window_extent().y0
    assert " ".join(above.get_text().split()) == title
    for box in (*boxes, above.get_window_extent()):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


def test_names_at_the_ends_of_lines_stand_below_the_title(figures):
    lines = tuple(
        Series(f"method {n} with a long name", f"m{n}", (0.0, 1.0), (0.0, 9.0 + n / 9))
        for n in range(4)
    )
    draw([Panel("A title", "x", "y", lines, ylim=(0.0, 9.4), names="ends")], "svg")
    [axis] = figures[0].axes
    top = axis.get_window_extent().y1
    ends = [Text.get_window_extent(t).y1 for t in axis.texts if "method" in t.get_text()]
    assert len(ends) == 4
    assert max(ends) <= top + 1
