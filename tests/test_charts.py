"""Charts: data of AP against FPS, labels beside points and masks, and files."""

import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from drawing_case import H, W, square
from record_example import example_record
from vis_bench.charts import chart_style, label_points, place_labels
from vis_bench.cli import main
from vis_bench.record.store import RecordStore
from vis_bench.show import front_chart
from vis_bench.show.curves import cost_curves, draw_curves
from vis_bench.show.speed_chart import (
    Panel,
    Point,
    data_digest,
    digest_of_svg,
    speed_panels,
    speed_picture,
)

SWEEP = [
    example_record(
        clip_length=length, clip_stride=stride, fps=length / 2, gflops_per_frame=40 - length,
        timed_region="model", config_sha256=f"{length:02d}" * 32, predictions=None,
    )
    for length, stride in ((5, 3), (10, 5), (20, 10))
]  # fmt: skip


def speed_svg(panels):
    return speed_picture(panels, "svg").decode()


def test_a_bar_that_ends_at_zero_or_that_no_record_has():
    ends = ((0.0, 0.02), (0.1, 0.3), (None, None))
    records = [
        example_record(method="ifc", clip_length=length, ap=ap, ap_low=low, ap_high=high)
        for length, ap, (low, high) in zip((5, 10, 20), (0.01, 0.2, 0.2), ends, strict=True)
    ]
    axis = Figure().subplots()
    front_chart.by_clip_length(axis, records, front_chart.LIGHT[2])
    ((_, _, (bars,)),) = axis.containers
    assert [[y for _, y in bar] for bar in bars.get_segments()] == [
        pytest.approx(bar) for bar in ([0, 2], [10, 30], [20, 20])
    ]


def texts_of(svg):
    return {element.text for element in ET.fromstring(svg).iter() if element.text}


PUBLISHED = "YouTube-VIS 2019 val, published, hardware differs"


def test_published_figures_have_a_panel_of_their_own():
    panels = speed_panels([])
    assert [panel.title for panel in panels] == [
        "YouTube-VIS 2019 val, published, hardware differs"
    ]
    assert len(panels[0].points) == 12
    assert Point("STEm-Seg", "R101", "STEm-Seg R101", 3.0, 34.6) in panels[0].points
    released = Point("IFC", "R50, T=36", "IFC R50, T=36", 107.1, 42.8)
    assert released in panels[0].points


def test_a_panel_holds_one_data_set_on_one_device_and_ranked_records_only():
    records = [
        example_record(fps=10.0),
        example_record(fps=99.0, device="a GPU"),
        example_record(fps=11.0, dataset="ytvis2019"),
        example_record(fps=12.0, reconstruction=True),
        example_record(fps=13.0, git_dirty=True),
        example_record(fps=None),
        example_record(fps=14.0, ap=None),
    ]
    shown = {panel.title: [point.fps for point in panel.points] for panel in speed_panels(records)}
    shown.pop(PUBLISHED)
    assert shown == {
        "synthetic set val (24 videos), a CPU": [10.0],
        "synthetic set val (24 videos), a GPU": [99.0],
        "YouTube-VIS 2019 val (24 videos), a CPU": [11.0],
    }


def test_the_picture_is_the_same_bytes_and_names_its_data():
    panels = speed_panels([example_record(fps=10.0)])
    svg = speed_svg(panels)
    assert svg == speed_svg(panels)
    assert digest_of_svg(svg) == data_digest(panels)
    assert data_digest(panels) != data_digest(speed_panels([example_record(fps=10.5)]))
    assert {"T=5", "IFC, ResNet-50", "STEm-Seg R101"} <= texts_of(svg)
    assert digest_of_svg("<svg/>") is None


@pytest.mark.parametrize(
    ("panels", "text"),
    [([Panel("empty", ())], "empty"),
     (speed_panels([example_record(fps=fps) for fps in (1e-320, 1e308)]), "IFC, ResNet-50")],
)  # fmt: skip
def test_empty_panels_and_absurd_speeds_are_drawn(panels, text):
    assert text in texts_of(speed_svg(panels))


def test_a_curve_goes_from_short_clips_to_whole_videos():
    records = [
        example_record(fps=10.0 + n, clip_length=length, clip_stride=1, config_sha256=str(n) * 64)
        for n, length in enumerate(("whole", 20, 5, 10))
    ]
    panel = speed_panels(records)[0]
    assert [point.clip for point in panel.points] == ["T=5", "T=10", "T=20", "T=whole"]
    assert {point.curve for point in panel.points} == {"IFC, ResNet-50"}


def test_a_curve_says_what_else_tells_cells_apart():
    records = [
        example_record(fps=10.0, clip_stride=1),
        example_record(fps=11.0, clip_stride=3),
        example_record(fps=12.0, clip_stride=3, resolution=160, method="seqformer"),
        example_record(fps=13.0, clip_stride=3, resolution=320, method="seqformer"),
    ]
    shown = {(point.curve, point.clip) for point in speed_panels(records)[0].points}
    assert shown == {
        ("IFC, ResNet-50", "T=5 S=1"), ("IFC, ResNet-50", "T=5 S=3"),
        ("SeqFormer, ResNet-50, 160", "T=5"), ("SeqFormer, ResNet-50, 320", "T=5"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["$x$ and $y$", "_hidden", r"\frac{1}{2} $", "a & <b>", "a\x1b[31m"]
)
def test_a_name_is_drawn_as_it_is(name):
    svg = speed_svg(speed_panels([example_record(method=name, device=name, fps=10.0)]))
    shown = name.replace("\x1b", " ")
    assert f"{shown}, ResNet-50" in texts_of(svg)
    assert f"synthetic set val (24 videos), {shown}" in texts_of(svg)


def labeled(curves, text="T=whole"):
    """Points, and rendered boxes of the labels beside them, in pixels."""
    with chart_style():
        figure = Figure((4.6, 3.3))
        canvas, axis = FigureCanvasAgg(figure), figure.add_axes((0, 0, 1, 1))
        axis.set(xlim=(0, 100), ylim=(0, 100))
        for curve in curves:
            axis.plot(*np.reshape(curve, (-1, 2)).T)
        label_points(axis, [[text] * len(curve) for curve in curves])
        boxes = [label.get_window_extent(canvas.get_renderer()) for label in axis.texts]
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
@given(st.lists(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=6), max_size=6,
))  # fmt: skip
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


def test_points_of_cost_curves_say_clip_and_stride():
    svg = draw_curves(cost_curves(SWEEP), "svg").decode()
    for name in ("T=5 S=3", "T=10 S=5", "T=20 S=10"):
        assert len(re.findall(rf"<text [^>]*>{name}</text>", svg)) == 2


@pytest.mark.parametrize("draw", [
    lambda form: speed_picture(speed_panels([]), form),
    lambda form: draw_curves(cost_curves(SWEEP), form),
])  # fmt: skip
def test_a_pdf_embeds_fonts_that_publishers_take(draw):
    pdf = draw("pdf")
    assert pdf.startswith(b"%PDF")
    assert b"/TrueType" in pdf or b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf
    assert b"/Subtype /Image" not in pdf
    assert b"CreationDate" not in pdf
    assert pdf == draw("pdf")


@pytest.fixture
def records(tmp_path):
    store = RecordStore(tmp_path / "records")
    for record in SWEEP:
        store.write(record)
    return tmp_path / "records"


def leaderboard(records, *arguments):
    return main(["leaderboard", "--records", *map(str, [records, *arguments])])


def test_the_command_writes_what_the_ending_asks_for(records, tmp_path, capsys):
    pdf, png = tmp_path / "new" / "speed.PDF", tmp_path / "curves.png"
    assert leaderboard(records, "--picture", pdf, "--curves", png) == 0
    assert capsys.readouterr().out == f"wrote {pdf}\nwrote {png}\n"
    assert pdf.read_bytes().startswith(b"%PDF")
    with Image.open(io.BytesIO(png.read_bytes())) as picture:
        assert picture.format == "PNG"


def test_curves_need_a_sweep(tmp_path, capsys):
    RecordStore(tmp_path / "records").write(SWEEP[0])
    assert leaderboard(tmp_path / "records", "--curves", tmp_path / "c.svg") == 2
    assert "expected a sweep over one of them" in capsys.readouterr().err
