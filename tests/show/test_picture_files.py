"""Charts as files: vector formats with texts that stay texts, and a sentence for other endings."""

import io
import re

import pytest
from PIL import Image

from record_example import example_record
from vis_bench.cli import main
from vis_bench.records.store import RecordStore
from vis_bench.show.charts import Panel, Point, digest_of_svg, speed_picture, speed_svg
from vis_bench.show.curve_chart import draw_curves
from vis_bench.show.curves import cost_curves

PANELS = [Panel("a set", (Point("ifc", "r50", "T=5 S=3", 10.0, 40.0),))]
SWEEP = [
    example_record(
        clip_length=length, clip_stride=stride, fps=length / 2, gflops_per_frame=40 - length,
        timed_region="model", config_sha256=f"{length:02d}" * 32, predictions=None,
    )
    for length, stride in ((5, 3), (10, 5), (20, 10))
]  # fmt: skip


def test_points_of_cost_curves_say_clip_and_stride():
    svg = draw_curves(cost_curves(SWEEP), "svg").decode()
    for name in ("T=5 S=3", "T=10 S=5", "T=20 S=10"):
        assert len(re.findall(rf"<text [^>]*>{name}</text>", svg)) == 2


def test_names_of_curves_are_texts():
    records = [r.model_copy(update={"method": "_x$y$<b>"}) for r in SWEEP]
    svg = draw_curves(cost_curves([*SWEEP, *records]), "svg").decode()
    assert re.search(r">_x\$y\$&lt;b&gt;[^<]*</text>", svg)


@pytest.mark.parametrize("draw", [
    lambda form: speed_picture(PANELS, form), lambda form: draw_curves(cost_curves(SWEEP), form),
])  # fmt: skip
def test_a_pdf_embeds_fonts_that_publishers_take(draw):
    pdf = draw("pdf")
    assert pdf.startswith(b"%PDF")
    assert b"/TrueType" in pdf or b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf
    assert b"/Subtype /Image" not in pdf
    assert b"CreationDate" not in pdf
    assert pdf == draw("pdf")


def test_the_svg_still_names_its_data():
    assert digest_of_svg(speed_svg(PANELS)) is not None
    assert "<text" in speed_svg(PANELS)


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


def test_another_ending_is_refused(records, tmp_path, capsys):
    assert leaderboard(records, "--picture", tmp_path / "speed.eps") == 2
    assert "speed.eps ends in '.eps'; expected one of .svg, .pdf, .png" in capsys.readouterr().err
    assert not (tmp_path / "speed.eps").exists()


def test_curves_need_a_sweep(tmp_path, capsys):
    RecordStore(tmp_path / "records").write(SWEEP[0])
    assert leaderboard(tmp_path / "records", "--curves", tmp_path / "c.svg") == 2
    assert "expected a sweep over one of them" in capsys.readouterr().err
