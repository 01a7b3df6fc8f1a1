"""The command `demo`: what it prints and leaves, and that what it proposes works."""

import itertools
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from hostile_calls import call
from record_example import example_record
from vis_bench.commands import demo
from vis_bench.metrics.scores import Difference
from vis_bench.record.store import RecordStore
from vis_bench.runs import measure_config
from vis_bench.runs.bundled import find_config
from vis_bench.runs.config import load_cells
from vis_bench.runs.measure_config import MeasureReport
from vis_bench.show.demo import finding

METHODS = {"seqformer", "ifc", "ms_sts"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Folder, exit code and output of the demo on three videos."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("demo"))
        yield call("demo", "--limit", "3")


def test_every_cell_has_a_record(shown):
    code, out, _ = shown
    records = list(RecordStore(demo.RECORDS))
    assert code == 0
    assert {(r.method, r.clip_length) for r in records} == {
        (method, length) for method in METHODS for length in ("whole", 5)
    }
    for record in records:
        assert (record.num_videos, record.limited, record.failures) == (3, True, {})
        assert None not in (record.ap, record.hota, record.fps, record.gflops_per_frame)
        assert re.search(rf"\| +{100 * record.ap:.1f} \| +{100 * record.ap_low:.1f}", out)
    assert "3 videos" in out


def test_masks_and_a_report_are_left(shown):
    with Image.open(demo.RECORDS / "masks.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 500
    page = (demo.RECORDS / "report.html").read_text(encoding="utf-8")
    [names] = re.findall(r"report.html \((.+) against (.+)\)", shown[1])
    assert [name in page for name in names] == [True, True]
    for name in ("masks.png", "report.html"):
        assert str(demo.RECORDS / name) in shown[1]


def test_tables_commands_and_progress_have_80_columns(shown):
    """Sentences are wrapped by a terminal."""
    _, out, err = shown
    lines = [line for line in (out + err).splitlines() if line.startswith(("|", "  ", "["))]
    assert [line for line in lines if len(line) > 80 and "HOTA counts" not in line] == []


def test_it_opens_with_the_finding_of_its_records(shown):
    first = shown[1].splitlines()[0]
    found = list(RecordStore(demo.RECORDS))
    gains = [
        whole.ap - short.ap
        for whole, short in itertools.product(found, found)
        if whole.method == short.method and (whole.clip_length, short.clip_length) == ("whole", 5)
    ]
    assert len(gains) == 3
    assert f"{100 * min(gains):.1f} to {100 * max(gains):.1f} AP" in first
    assert "3 videos" in first


def cells(**gains):
    """Whole videos at AP 0.5 and clips of 5 that have so much less, by method."""
    shared = {"num_videos": 8, "limited": True}
    whole = [example_record(method=m, clip_length="whole", ap=0.5, **shared) for m in gains]
    return whole + [example_record(method=m, ap=0.5 - gain, **shared) for m, gain in gains.items()]


def within(half_width):
    """Differences of AP whose intervals have a half width; none for None."""

    def difference(first, second):
        moved = second.ap - first.ap
        ends = (None, None) if half_width is None else (moved - half_width, moved + half_width)
        return Difference(first.ap, second.ap, moved, *ends, None)

    return difference


@pytest.mark.parametrize(
    ("gains", "half_width", "expected"),
    [
        ({"ifc": 0.2, "idol": 0.1}, None, ("beat clips of 5 by 10.0 to 20.0 AP", "8 videos: too")),
        ({"ifc": 0.2, "idol": 0.1}, 0.3, ("beat", "within noise", "8 videos: too few")),
        ({"ifc": 0.2, "idol": 0.1}, 0.15, ("beat", "1 of 2 methods", "too few to rank")),
        ({"ifc": -0.2, "idol": -0.1}, 0.05, ("10.0 to 20.0 AP behind clips of 5", "2 of 2")),
        ({"ifc": -0.2, "idol": 0.1}, 0.05, ("-20.0 to +10.0 AP", "2 of 2 methods")),
    ],
)
def test_the_finding_goes_no_further_than_its_interval(gains, half_width, expected):
    text = finding(cells(**gains), within(half_width))
    assert [part in text for part in expected] == [True] * len(expected)
    assert "beat" in text or min(gains.values()) < 0


def test_without_both_clips_there_is_no_finding():
    assert finding([example_record()], within(0.1)) == ""


def test_the_plan_and_the_time_left_are_said(shown):
    tour, plan, cells, *steps = shown[2].splitlines()
    assert "a tour, not a measurement" in tour
    assert "3 videos" in plan
    assert "6 cells" in cells
    measured = [line for line in steps if line.startswith("[") and "counts tracks" not in line]
    assert [line.partition("]")[0] for line in measured] == [f"[{n}/6" for n in range(1, 7)]
    assert all(re.search(r"AP [\d.]+  HOTA [\d.]+  [\d.]+ FPS", line) for line in measured)
    assert [bool(re.search(r", \d+ (s|min) left$", line)) for line in measured] == [True] * 5 + [
        False
    ]


def test_the_proposed_commands_work(shown):
    proposed = shown[1].partition("Next:\n")[2].replace("\\\n", " ")
    commands = [shlex.split(line, comments=True)[1:] for line in proposed.splitlines()]
    assert [words[0] for words in commands] == ["compare", "demo", "run"]
    compare, full, run = commands
    assert call(*compare, "--resamples", "20")[0] == 0
    assert full == ["demo", "--full"]
    assert find_config(run[1]).is_file()


def test_full_measures_the_sixteen_cells_of_24_videos(monkeypatch):
    measured = []
    monkeypatch.setattr(
        measure_config,
        "measure_config",
        lambda **asked: measured.append(asked) or MeasureReport([], [], Path()),
    )
    _, _, err = call("demo", "--full")
    assert "a tour, not a measurement" in err
    [asked] = measured
    assert len(load_cells(asked["config"])) == 16
    assert (asked["run"].limit, asked["output"]) == (24, Path("runs/demo_full"))
