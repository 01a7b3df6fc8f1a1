"""The AP-against-FPS picture: what it shows, and that it is the same each time."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from record_example import example_record
from vis_bench.show.chart_labels import Layout, label_box, label_places
from vis_bench.show.charts import (
    Panel,
    Point,
    data_digest,
    digest_of_svg,
    speed_panels,
    speed_svg,
)

PUBLISHED = "YouTube-VIS 2019 val, published, hardware differs"


def test_published_figures_have_a_panel_of_their_own():
    panels = speed_panels([])
    assert [panel.title for panel in panels] == [
        "YouTube-VIS 2019 val, published, hardware differs"
    ]
    assert len(panels[0].points) == 18
    assert Point("STEm-Seg", "ResNet-101", "", 3.0, 34.6) in panels[0].points
    assert Point("IFC", "ResNet-50, slides", "T=36", 107.1, 41.2) in panels[0].points


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
    assert {"T=5", "ifc, r50", "STEm-Seg, ResNet-101"} <= texts_of(svg)
    assert digest_of_svg("<svg/>") is None


def test_a_panel_without_points_is_drawn():
    assert "empty" in speed_svg([Panel("empty", ())])


def test_absurd_speeds_are_drawn():
    assert "T=5" in speed_svg(speed_panels([example_record(fps=fps) for fps in (1e-320, 1e308)]))


def test_a_curve_goes_from_short_clips_to_whole_videos():
    records = [
        example_record(fps=10.0 + n, clip_length=length, clip_stride=1, config_sha256=str(n) * 64)
        for n, length in enumerate(("whole", 20, 5, 10))
    ]
    panel = speed_panels(records)[0]
    assert [point.clip for point in panel.points] == ["T=5", "T=10", "T=20", "T=whole"]
    assert {point.curve for point in panel.points} == {"ifc, r50"}


def test_a_curve_says_what_else_tells_cells_apart():
    records = [
        example_record(fps=10.0, clip_stride=1),
        example_record(fps=11.0, clip_stride=3),
        example_record(fps=12.0, clip_stride=3, resolution=160, method="seqformer"),
        example_record(fps=13.0, clip_stride=3, resolution=320, method="seqformer"),
    ]
    shown = {(point.curve, point.clip) for point in speed_panels(records)[0].points}
    assert shown == {
        ("ifc, r50", "T=5 S=1"), ("ifc, r50", "T=5 S=3"),
        ("seqformer, r50, 160", "T=5"), ("seqformer, r50, 320", "T=5"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["$x$ and $y$", "_hidden", r"\frac{1}{2} $", "a & <b>", "a\x1b[31m"]
)
def test_a_name_is_drawn_as_it_is(name):
    svg = speed_svg(speed_panels([example_record(method=name, device=name, fps=10.0)]))
    shown = name.replace("\x1b", " ")
    assert f"{shown}, r50" in texts_of(svg)
    assert f"synthetic set val (24 videos), {shown}" in texts_of(svg)


def texts_of(svg):
    return {element.text for element in ET.fromstring(svg).iter() if element.text}


SIZE = (330.0, 240.0)


def placed(curves, text="T=whole"):
    """The boxes of the labels that have a place, and their points."""
    layout = Layout.around([point for curve in curves for point in curve], SIZE)
    positions = [[layout.position(*point) for point in curve] for curve in curves]
    places = label_places(positions, [[text] * len(curve) for curve in curves], SIZE)
    return [
        (label_box(position, place, text), position)
        for curve, own in zip(positions, places, strict=True)
        for position, place in zip(curve, own, strict=True)
        if place is not None
    ]


def test_lone_and_coinciding_points_have_labels_at_different_places():
    boxes = {
        box for box, _ in placed([[(10.0, 40.0)], [(10.0, 40.0)], [(10.0, 40.0)], [(20.0, 60.0)]])
    }
    assert len(boxes) == 4


def test_a_label_goes_beside_a_line_where_it_can():
    """To the right of the first point runs the line to the second."""
    ((left, bottom, right, top), (x, y)), _ = placed([[(10.0, 40.0), (80.0, 40.0)]])
    assert right <= x or bottom >= y or top <= y, (left, right)


@given(
    st.lists(
        st.lists(st.tuples(st.floats(0.1, 1e3), st.floats(0, 100)), min_size=1, max_size=6),
        max_size=6,
    )
)
def test_no_label_crosses_another_a_point_or_the_frame(curves):
    boxes = placed(curves)
    for place, (box, _) in enumerate(boxes):
        left, bottom, right, top = box
        assert left >= 0
        assert bottom >= 0
        assert right <= SIZE[0]
        assert top <= SIZE[1]
        for other, _ in boxes[:place]:
            assert right <= other[0] or other[2] <= left or top <= other[1] or other[3] <= bottom
        assert not any(left < x < right and bottom < y < top for _, (x, y) in boxes)
