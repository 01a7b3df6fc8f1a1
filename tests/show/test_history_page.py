"""The page of a history: its finding, its tables and charts, in every format."""

import csv
import io
import json

import pytest

from history_records import measured, moves, sha, write
from hostile_calls import call
from html_page import read_html
from record_example import memory_fields, streaming_fields
from vis_bench.charts import draw_inline, look_of
from vis_bench.record.store import record_json
from vis_bench.show.gate.history import history_of, read_points
from vis_bench.show.gate.history_charts import Dot, history_panel
from vis_bench.show.gate.history_page import history_page


def history(folder, *options):
    return call("history", folder, *options)


@pytest.fixture
def moved(tmp_path):
    """Four commits, of which the third loses 2 points on another machine."""
    folder = tmp_path / "history"
    write(folder, measured(0), measured(1))
    return write(folder, *(measured(n, ap=0.48, ap50=0.6, device="another CPU") for n in (2, 3)))


def test_the_table_names_the_commit_with_both_values(moved):
    code, out, err = history(moved)
    assert (code, err) == (0, "")
    [row] = [line for line in out.splitlines() if sha(2)[:8] in line and "-2.0 points" in line]
    for words in ("AP", "50.0", "48.0", "worse", "AP50 too", "from a CPU", sha(1)[:8]):
        assert words in row
    assert sum("[m]" in line for line in out.splitlines()) == 2, "the change, and its footnote"


def test_the_limit_of_all_records_is_said_once(tmp_path):
    limited = {"limited": True, "num_videos": 8}
    folder = write(tmp_path / "history", measured(0, **limited), measured(1, ap=0.4, **limited))
    _, out, _ = history(folder)
    assert out.count("limited") == 1
    assert "limited to 8 videos" in out
    write(folder, measured(2))
    assert "(limited to" not in history(folder)[1].splitlines()[0]
    assert ", limited to 8 videos" not in history(folder)[1]


def test_every_format(moved, tmp_path):
    rows = list(csv.DictReader(io.StringIO(history(moved, "--format", "csv")[1])))
    assert [row["Commit"] for row in rows] == [sha(n) for n in range(4)]
    assert [(row["AP"], row["AP low"], row["AP high"]) for row in rows[1:3]] == [
        ("50.0", "45.0", "55.0"),
        ("48.0", "45.0", "55.0"),
    ]
    assert {row["Spread (%)"] for row in rows} == {"4"}
    assert [row["Machine"] for row in rows] == ["a CPU, 2 threads"] * 2 + [
        "another CPU, 2 threads"
    ] * 2
    assert "tabular" in history(moved, "--format", "latex")[1]
    chosen = history(moved, "--format", "csv", "--columns", "commit,ap")[1]
    assert chosen.splitlines()[0] == "Commit,AP,AP low,AP high"
    assert history(moved, "--columns", "nothing")[0] == 2


def test_json_has_the_records_own_units(moved):
    found = json.loads(history(moved, "--json")[1])
    first = found["moves"][0]
    assert (first["figure"], first["commit"], first["since"]) == ("ap", sha(2), sha(1))
    assert (first["baseline"], first["current"], first["verdict"]) == ("50.0", "48.0", "worse")
    [cell] = found["cells"]
    assert [record["ap"] for record in cell["records"]] == [0.5, 0.5, 0.48, 0.48]
    assert cell["records"][0]["peak_memory_bytes"] == 2**30
    assert cell["records"][0].keys() >= {
        *(
            "commit",
            "dirty",
            "measured_at",
            "machine",
            "record",
            "moved",
            "num_videos",
            "num_params",
        ),
        *("ap", "ap_low", "ap_high", "fps", "speed_spread", "gflops_per_frame"),
    }
    assert [record["moved"] for record in cell["records"]] == [[], [], ["ap", "ap50"], []]


def test_a_range_over_processes_is_not_headed_as_an_interval(tmp_path):
    speeds = {"fps": 90.0, "fps_low": 80.0, "fps_high": 99.0, "speed_processes": 3}
    folder = write(tmp_path / "history", measured(0, **speeds), measured(1, **speeds))
    _, out, _ = history(folder)
    [head] = [line for line in out.splitlines() if "| FPS" in line or " FPS " in line][:1]
    assert head.count("95 %") == 1, "AP's alone"
    assert "90.0 (80.0" in out
    assert "fresh processes" in out


def labels(page):
    """What the charts of a page say to a reader who does not see them."""
    return [svg.get("aria-label") for svg in page.iter("svg")]


def test_the_page_has_charts_and_loads_nothing(moved, tmp_path):
    path = tmp_path / "history.html"
    assert history(moved, "--format", "html", "--output", path) == (0, "", "")
    text = path.read_text(encoding="utf-8")
    page = read_html(text)
    assert "default-src 'none'" in text
    attributes = [pair for element in page.iter() for pair in element.items()]
    loaded = [v for k, v in attributes if k in ("src", "href", "xlink:href")]
    assert not [address for address in loaded if not address.startswith("#")]
    assert not [k for k, _ in attributes if k.startswith("on")]
    assert len([*page.iter("script")]) == 1
    charts = [label for label in labels(page) if "records" in label]
    [chart] = charts  # of the figure that moved
    assert ": AP, 95 % interval: 4 records." in chart
    assert f"Moved at {sha(2)[:8]}: 50.0 to 48.0." in chart
    assert f"var(--chart-{look_of('ifc').color})" in text


def test_a_chart_has_a_line_for_each_machine_and_a_ring_where_the_figure_moved():
    dots = [
        Dot(0, 50.0, 45.0, 55.0, "a", "c0", ""),
        Dot(1, 50.0, None, None, "b", "c1", ""),
        Dot(3, 48.0, 43.0, 53.0, "a", "c3", "50.00 to 48.00"),
    ]
    panel = history_panel("AP", "ifc", dots, ["a", "b", "b", "a"])
    one, other, *changes = panel.series
    assert [(own.name, own.method) for own in (one, other)] == [("a", "ifc"), ("b", "ifc")]
    assert (one.x, one.y, one.low, one.high) == ((0, 3), (50, 48), (45, 43), (55, 53))
    assert (one.ringed_at, other.ringed_at) == ((1,), ())
    assert (other.x, other.low) == ((1,), (None,))
    assert [(own.kind, own.x) for own in changes] == [
        ("dotted", (0.5, 0.5)),
        ("dotted", (2.5, 2.5)),
    ]
    assert panel.categories == ("c0", "", "", "c3")
    assert panel.ylim[0] < 43
    assert panel.ylim[1] > 55
    assert panel.alt == "AP: 3 records. Moved at c3: 50.00 to 48.00."


def test_a_chart_of_many_records_and_machines_is_drawn():
    """More machines than series that can stand beside each other."""
    dots = [Dot(n, 1.0, None, None, f"m{n % 12}", f"{n:08x}", "x" * (n % 2)) for n in range(300)]
    panel = history_panel("FPS", "ifc", dots, [dot.machine for dot in dots])
    named = [place for place, name in enumerate(panel.categories) if name]
    assert 2 < len(named) < 7
    assert {dots[place].moved for place in named} == {"x"}
    assert 'role="img"' in draw_inline([panel], "a")


def test_one_unreadable_record_is_named_and_the_others_are_shown(moved):
    (moved / "broken.json").write_text("{")
    (moved / "nan.json").write_text(record_json(measured(9)).decode().replace("0.45", "NaN"))
    for form in ("markdown", "html", "csv"):
        code, out, err = history(moved, "--format", form)
        assert code == 1
        assert err.count("skipped: ") == 2
        assert "broken.json" in err
        assert "NaN" in err
        assert sha(2)[:8] in out


def test_missing_figures_missing_folders_and_empty_ones(tmp_path):
    none = dict.fromkeys(
        (
            "ap",
            "ap_low",
            "ap_high",
            "fps",
            "peak_memory_bytes",
            "gflops_per_frame",
            "num_params",
            "device",
            "num_threads",
            "created_at",
            "git_commit",
            "num_videos",
        )
    )
    write(tmp_path / "h", measured(0, **none), measured(1, **none), place="x")
    for form in ("markdown", "html", "csv", "latex"):
        assert history(tmp_path / "h", "--format", form)[0] == 0
    (tmp_path / "empty").mkdir()
    code, out, err = history(tmp_path / "empty")
    assert (code, err.count("\n")) == (0, 1)
    assert history(tmp_path / "empty", "--format", "csv")[0] == 0
    code, out, err = history(tmp_path / "none")
    assert (code, out, err.count("\n")) == (2, "", 1)


def page_of(folder):
    return history_page(history_of(read_points(folder)[0]))


@pytest.mark.parametrize(
    ("last", "title"),
    [
        ({"a": {}, "b": {}}, "No figure of 2 cells moved"),
        ({"a": {"ap": 0.4}, "b": {"ap": 0.4}}, f"2 of 2 cells worse since {sha(2)[:8]}"),
        ({"a": {"ap": 0.6}, "b": {}}, f"1 of 2 cells better since {sha(2)[:8]}"),
        ({"a": {"ap": None}, "b": {}}, f"1 of 2 cells worse since {sha(2)[:8]}"),
        (
            {"a": {"ap": 0.6}, "b": {"gflops_per_frame": 1.0}},
            f"1 of 2 cells changed since {sha(2)[:8]}; 1 better since {sha(2)[:8]}",
        ),
    ],
)
def test_the_title_counts_the_cells_that_moved(tmp_path, last, title):
    for note, changes in last.items():
        write(tmp_path, measured(0, note=note), measured(1, note=note))
        write(tmp_path, measured(2, note=note, **changes))
    assert page_of(tmp_path).title == title


def test_a_figure_that_came_back_is_no_longer_worse(tmp_path):
    other = {"device": "another CPU"}
    write(tmp_path, measured(0), measured(1, ap=0.4), measured(2, ap=0.5, **other))
    assert page_of(tmp_path).title == f"1 of 1 cell better since {sha(2)[:8]}"
    write(tmp_path, *(measured(n, fps=40.0 if n == 3 else 10.0) for n in range(3, 7)))
    for start, fps in ((7, 40.0), (10, 10.0), (13, 40.0)):
        write(tmp_path, *(measured(n, fps=fps, **other) for n in range(start, start + 3)))
    assert page_of(tmp_path).title == f"1 of 1 cell worse since {sha(4)[:8]}"


def test_cells_without_a_move_share_one_table(tmp_path):
    for number in range(6):
        write(tmp_path, measured(0, clip_length=5 + number), measured(1, clip_length=5 + number))
    page = page_of(tmp_path)
    (table,) = page.tables
    assert (len(table.rows), table.fold) == (12, "")
    write(tmp_path, measured(2, ap=0.3))
    moves_table, own, others = page_of(tmp_path).tables
    assert [len(table.rows) for table in (moves_table, own, others)] == [1, 3, 10]
    assert others.fold
    text = history(tmp_path, "--format", "html")[1]
    assert text.count("<table") == 3
    folded = text[text.index("<details>") : text.index("</details>")]
    assert folded.count("<table") == 1
    assert sha(0)[:8] in folded


def test_many_cells_without_a_move_fold_and_show_what_most_of_them_have(tmp_path):
    write(
        tmp_path, measured(0, clip_length=1, ap=None, ap_low=None, ap_high=None, **memory_fields())
    )
    write(tmp_path, *(measured(0, clip_length=2 + number, fps=None) for number in range(19)))
    assert page_of(tmp_path).tables[0].fold == ""
    write(tmp_path, measured(0, clip_length=30, fps=None))
    (table,) = page_of(tmp_path).tables
    assert table.fold == "No move: 21 cells"
    titles = [column.title for column in table.columns]
    assert titles.index("AP") < titles.index("FPS")
    assert titles.index("AP") < titles.index("MiB/frame")


def test_labels_are_those_of_tables_and_commits_are_short(tmp_path):
    write(tmp_path, measured(0), measured(1, ap=0.3, git_commit="2" * 40))
    write(tmp_path, measured(1, clip_length="whole", git_commit="2" * 40))
    page = page_of(tmp_path)
    assert page.title == "1 of 2 cells worse since 22222222"
    assert [table.data for table in page.tables] == ["Moved", "IFC T=5 S=1", "No move: 1 cell"]
    assert page.tables[-1].rows[0][0].text == "IFC T=whole"
    assert "2" * 9 not in history(tmp_path)[1]


def test_ap_has_two_decimals_where_its_move_needs_them(tmp_path):
    write(tmp_path, measured(0), measured(1, ap=0.4988))
    moved, own = page_of(tmp_path).tables
    row = dict(zip([c.title for c in moved.columns], moved.rows[0], strict=True))
    assert (row["From"].text, row["To"].text) == ("50.00", "49.88")
    assert row["Change"].text == "-0.12 points"
    assert [row["AP"] for row in own.as_dicts()] == ["50.00", "49.88"]


def test_streaming_and_memory_over_length_are_followed(tmp_path):
    def full(number, aps):
        fields = {**streaming_fields(aps=aps), **memory_fields()}
        return measured(number, **{**fields, "streaming_trace_sha256": f"{number:064x}"})

    write(tmp_path, full(0, (0.0, 0.2, 0.5)), full(1, (0.0, 0.3, 0.5)))
    record = json.loads(history(tmp_path, "--json")[1])["cells"][0]["records"][1]
    assert (record["streaming_ap_6_167ms"], record["memory_peak_64_frames"]) == (0.3, 292 << 20)
    own = page_of(tmp_path).tables[-1].as_dicts()
    assert [row["AP (6 frames/s, 167 ms)"] for row in own] == ["20.0", "30.0"]
    assert [row["MiB/frame"] for row in own] == ["3.00"] * 2
    shown = labels(read_html(history(tmp_path, "--format", "html")[1]))
    assert shown == [], "of traces that are not compared no figure moved"


def test_streaming_ap_and_latency_move_in_a_history(tmp_path):
    def streamed(number, aps, **figures):
        fields = streaming_fields(aps=aps, ap_pass_low=aps[1], ap_pass_high=aps[1], **figures)
        return measured(number, **{**fields, "streaming_trace_sha256": f"{number:064x}"})

    write(
        tmp_path,
        streamed(0, (0.0, 0.2, 0.5)),
        streamed(1, (0.0, 0.2, 0.5)),
        streamed(2, (0.0, 0.1, 0.5)),
        streamed(3, (0.0, 0.1, 0.5)),
        *(streamed(n, (0.0, 0.1, 0.5), frame_latency_ms_mean=900.0) for n in (4, 5, 6)),
        measured(7),
    )
    frame, infinite = "streaming AP (6 frames/s, 167 ms)", "streaming AP (6 frames/s, inf)"
    assert moves(tmp_path) == {
        frame: [(2, "worse"), (7, "missing")],
        infinite: [(7, "missing")],
        "streaming AP (6 frames/s, 0 ms)": [(7, "missing")],
        "frame latency (6 frames/s)": [(4, "worse"), (7, "missing")],
    }
