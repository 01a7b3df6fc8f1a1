"""AP against FPS and the front page's chart as data, and their files."""

import io
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from record_example import example_record
from vis_bench.charts import Panel, digest, draw
from vis_bench.cli import main
from vis_bench.record.store import RecordStore
from vis_bench.show.curves import cost_curves, curves_panels
from vis_bench.show.speed_chart import PUBLISHED, SPEED_LAYOUT, speed_panels

SWEEP = [
    example_record(
        clip_length=length, clip_stride=stride, fps=length / 2, gflops_per_frame=40 - length,
        timed_region="model", config_sha256=f"{length:02d}" * 32, predictions=None,
    )
    for length, stride in ((5, 3), (10, 5), (20, 10))
]  # fmt: skip


def speed_svg(panels):
    return draw(panels, "svg", **SPEED_LAYOUT).decode()


def texts_of(svg):
    return {element.text for element in ET.fromstring(svg).iter() if element.text}


def test_published_figures_have_a_panel_of_their_own():
    [panel] = speed_panels([])
    assert panel.title == PUBLISHED
    points = {
        label: (series.method, fps, ap)
        for series in panel.series
        for label, fps, ap in zip(series.labels, series.x, series.y, strict=True)
    }
    assert len(points) == 23
    assert points["STEm-Seg R101"] == ("STEm-Seg", 3.0, 34.6)
    assert points["IFC R50, T=36"] == ("IFC", 107.1, 42.8)


def test_a_panel_holds_one_data_set_on_one_device_and_no_dirty_record():
    records = [
        example_record(fps=10.0),
        example_record(fps=99.0, device="a GPU"),
        example_record(fps=11.0, dataset="ytvis2019"),
        example_record(fps=12.0, reconstruction=True),
        example_record(fps=13.0, git_dirty=True),
        example_record(fps=None),
        example_record(fps=14.0, ap=None),
    ]
    shown = {
        panel.remark: {(fps, series.is_hollow) for series in panel.series for fps in series.x}
        for panel in speed_panels(records)
        if panel.title != PUBLISHED
    }
    assert shown == {
        "synthetic set val (24 videos), a CPU": {(12.0, True), (10.0, False)},
        "synthetic set val (24 videos), a GPU": {(99.0, False)},
        "YouTube-VIS 2019 val (24 videos), a CPU": {(11.0, False)},
    }


def test_the_title_names_the_cell_with_the_highest_ap():
    low, high = example_record(ap=0.5, fps=9.0), example_record(ap=0.6, fps=20.0, clip_length=9)
    first = speed_panels([low, high])[0].title
    assert "T=9, 60.0 " in first
    assert first.endswith(" at 20 FPS")
    moved = high.model_copy(update={"ap": 0.4, "ap_low": 0.3, "ap_high": 0.5})
    other = speed_panels([low, moved])[0].title
    assert "T=9" not in other
    assert other.endswith(" at 9 FPS")
    top = low.model_copy(update={"ap_low": 0.45, "ap_high": 0.55})
    assert "50.0 (95 %: 45.0 to 55.0)" in speed_panels([top, moved])[0].title


def test_a_curve_far_below_the_others_is_named_and_not_drawn():
    records = [
        example_record(fps=10.0, ap=0.6),
        example_record(fps=500.0, ap=0.001, method="color_key", backbone="none"),
    ]
    panel = speed_panels(records)[0]
    assert [series.method for series in panel.series] == ["ifc"]
    assert panel.remark.endswith("far below, not drawn: color key (0.1 AP, 500 FPS)")
    assert panel.xlim[1] < 100
    assert "color key" in speed_panels(records[1:])[0].series[0].name


def test_points_have_the_intervals_of_their_records():
    panel = speed_panels([example_record(fps=10.0, ap=0.5, ap_low=0.4, ap_high=0.6)])[0]
    [series] = panel.series
    assert (series.y, series.low, series.high) == ((50.0,), (40.0,), (60.0,))


def test_the_picture_is_the_same_bytes():
    panels = speed_panels([example_record(fps=10.0)])
    svg = speed_svg(panels)
    assert svg == speed_svg(panels)
    assert digest(panels) != digest(speed_panels([example_record(fps=10.5)]))
    assert {"T=5", "IFC, ResNet-50", "STEm-Seg R101"} <= texts_of(svg)


@pytest.mark.parametrize(
    ("panels", "text"),
    [
        ([Panel("empty", "", "", ())], "empty"),
        (speed_panels([example_record(fps=fps) for fps in (1e-320, 1e308)]), "IFC, ResNet-50"),
    ],
)
def test_empty_panels_and_absurd_speeds_are_drawn(panels, text):
    assert text in texts_of(speed_svg(panels))


def test_a_curve_goes_from_short_clips_to_whole_videos():
    records = [
        example_record(fps=10.0 + n, clip_length=length, clip_stride=1, config_sha256=str(n) * 64)
        for n, length in enumerate(("whole", 20, 5, 10))
    ]
    [series] = speed_panels(records)[0].series
    assert series.labels == ("T=5", "T=10", "T=20", "T=whole")
    assert series.name == "IFC, ResNet-50"


def test_a_curve_says_what_else_tells_cells_apart():
    records = [
        example_record(fps=10.0, clip_stride=1),
        example_record(fps=11.0, clip_stride=3),
        example_record(fps=12.0, clip_stride=3, resolution=160, method="seqformer"),
        example_record(fps=13.0, clip_stride=3, resolution=320, method="seqformer"),
    ]
    shown = {series.name: series.labels for series in speed_panels(records)[0].series}
    assert shown == {
        "IFC, ResNet-50": ("T=5 S=1", "T=5 S=3"),
        "SeqFormer, ResNet-50, 160": ("T=5",),
        "SeqFormer, ResNet-50, 320": ("T=5",),
    }


@pytest.mark.parametrize("name", ["$x$ and $y$", "_hidden", "a & <b>", "a\x1b[31m"])
def test_names_of_methods_and_devices_are_drawn_as_they_are(name):
    svg = speed_svg(speed_panels([example_record(method=name, device=name, fps=10.0)]))
    shown = name.replace("\x1b", " ")
    assert f"{shown}, ResNet-50" in texts_of(svg)
    assert f"synthetic set val (24 videos), {shown}" in texts_of(svg)


def test_points_of_cost_curves_say_what_the_axis_does_not():
    for panel in curves_panels(cost_curves(SWEEP)):
        [series] = panel.series
        assert (series.x, series.labels) == ((5, 10, 20), ("S=3", "S=5", "S=10"))


@pytest.mark.parametrize(
    "drawn",
    [
        lambda form: draw(speed_panels([]), form, **SPEED_LAYOUT),
        lambda form: draw(curves_panels(cost_curves(SWEEP)), form),
    ],
)
def test_a_pdf_embeds_fonts_that_publishers_take(drawn):
    pdf = drawn("pdf")
    assert pdf.startswith(b"%PDF")
    assert b"/TrueType" in pdf or b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf
    assert b"/Subtype /Image" not in pdf
    assert b"CreationDate" not in pdf
    assert pdf == drawn("pdf")


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
    page = tmp_path / "board.md"
    assert leaderboard(records, "--output", page, "--picture", pdf) == 0
    assert "| IFC" in page.read_text()
    assert pdf.read_bytes().startswith(b"%PDF")
    with Image.open(io.BytesIO(png.read_bytes())) as picture:
        assert picture.format == "PNG"


def test_a_leaderboard_in_html_has_the_chart_of_measured_cells(records, tmp_path, capsys):
    words = ["leaderboard", "--records", str(records), "--format", "html"]
    assert main(words) == 0
    page = capsys.readouterr().out
    assert page.count('aria-label="Highest AP') == 1
    assert PUBLISHED not in page
    RecordStore(tmp_path / "slow").write(example_record(ap=0.5))
    assert main([*words[:2], str(tmp_path / "slow"), *words[3:]]) == 0
    assert 'role="img" aria-label="Highest AP' not in capsys.readouterr().out


def test_curves_need_a_sweep(tmp_path, capsys):
    RecordStore(tmp_path / "records").write(SWEEP[0])
    assert leaderboard(tmp_path / "records", "--curves", tmp_path / "c.svg") == 2
    assert "expected a sweep over one of them" in capsys.readouterr().err
