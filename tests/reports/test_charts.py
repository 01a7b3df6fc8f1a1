"""The AP-against-FPS picture: what it shows, and that it is the same each time."""

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from record_example import example_record
from vis_bench.reports.charts import (
    Panel,
    Point,
    data_digest,
    digest_of_svg,
    label_places,
    speed_panels,
    speed_svg,
)

PUBLISHED = "YouTube-VIS 2019 val, published, hardware differs"


def test_published_figures_have_a_panel_of_their_own():
    panels = speed_panels([])
    assert [panel.title for panel in panels] == [
        "YouTube-VIS 2019 val, published, hardware differs"
    ]
    assert len(panels[0].points) == 16
    assert Point("STEm-Seg", "ResNet-101", 3.0, 34.6) in panels[0].points


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
    texts = {element.text for element in ET.fromstring(svg).iter() if element.text}
    assert {"r50 T=5", "ifc", "STEm-Seg"} <= texts
    assert digest_of_svg("<svg/>") is None


def test_a_panel_without_points_is_drawn():
    assert "empty" in speed_svg([Panel("empty", ())])


def test_labels_of_coinciding_points_go_to_different_places():
    points = [Point("m", "r50 T=5", 10.0, 40.0)] * 3 + [Point("m", "r50", 20.0, 60.0)]
    places = label_places(points)
    assert len(set(places[:3])) == 3


@given(st.lists(st.tuples(st.floats(0.1, 1e3), st.floats(0, 100)), max_size=12))
def test_every_point_has_a_label(pairs):
    assert len(label_places([Point("m", "r50", fps, ap) for fps, ap in pairs])) == len(pairs)
