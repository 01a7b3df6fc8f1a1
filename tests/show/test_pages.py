"""The generated pages follow from the records, and those of the repository are up to date."""

import re

import pytest

import board_page
import chart_twins
import clip_lengths_page
import front_page
import page_text
import papers_page
import refresh
from displayed import COLUMN, PHONE, smallest_letters
from methods import build_method
from paths import ROOT
from record_example import example_record, memory_fields, streaming_fields
from vis_bench.errors import InputError
from vis_bench.record.store import RecordStore
from vis_bench.show.measured import speed_remarks
from vis_bench.show.papers.fill import Agreement
from vis_bench.table.model import Column, Entry, Page, Table

RESULTS = ROOT / "results"
TEXTS = {"README.md", "PAPERS.md", "LEADERBOARD.md", "ABLATIONS.md"}
CHARTS = {f"clip_lengths/ap_against_fps_{scheme}.svg" for scheme in ("light", "dark")}
NAMES = {*TEXTS, *CHARTS, "clip_lengths/README.md"}


def names(paths, results):
    return {path.relative_to(results).as_posix() for path in paths}


def pages(results, build=None):
    return refresh.Pages(results, refresh.records_of(results), build)


def write_pages(results):
    return pages(results).write()


def stale_pages(results, build=None):
    return pages(results, build).stale()


def test_the_repositorys_pages_are_what_its_records_give():
    assert stale_pages(RESULTS, build_method) == [], "run `python results/refresh.py`, and commit"


def test_letters_of_charts_are_9_pixels_tall_on_a_phone_and_in_a_column():
    pages = [ROOT / "README.md", *RESULTS.rglob("*.md")]
    charts = {
        (page.parent / name).resolve()
        for page in pages
        for name in re.findall(r'(?:src|srcset)="([^"]+\.svg)"', page.read_text(encoding="utf-8"))
    }
    assert charts == {*RESULTS.rglob("*.svg")}
    for path in charts:
        svg = path.read_text(encoding="utf-8")
        assert min(smallest_letters(svg, room) for room in (PHONE, COLUMN)) >= 9, path


def test_the_recipes_name_one_record_each():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")]
    named = re.findall(r"results/clip_lengths/records/\S+", "\n".join(texts))
    patterns = [path for path in named if "*" in path]
    assert patterns
    for pattern in patterns:
        assert len(list(ROOT.glob(pattern))) == 1, pattern


def test_pages_are_written_once_and_then_up_to_date(tmp_path):
    store = RecordStore(tmp_path / "records")
    store.write(example_record(fps=10.0))
    assert names(write_pages(tmp_path), tmp_path) == NAMES
    assert write_pages(tmp_path) == []
    before = {name: (tmp_path / name).read_bytes() for name in NAMES}
    assert b"| IFC" in before["clip_lengths/README.md"]
    assert b"MaskTrack R-CNN" in before["PAPERS.md"]
    assert b'src="clip_lengths/ap_against_fps_light.svg"' in before["LEADERBOARD.md"]


def test_a_new_record_an_edit_and_a_lost_page_are_each_found(tmp_path):
    store = RecordStore(tmp_path / "records")
    store.write(example_record(fps=10.0))
    write_pages(tmp_path)
    (tmp_path / "README.md").write_text((tmp_path / "README.md").read_text() + "edited\n")
    (tmp_path / "LEADERBOARD.md").unlink()
    assert names(stale_pages(tmp_path), tmp_path) == {"README.md", "LEADERBOARD.md"}
    write_pages(tmp_path)
    store.write(example_record(fps=20.0, ap=0.6, method="seqformer"))
    assert names(stale_pages(tmp_path), tmp_path) == NAMES - {"ABLATIONS.md", "PAPERS.md"}


def test_a_record_without_speed_leaves_the_picture_alone(tmp_path):
    write_pages(tmp_path)
    RecordStore(tmp_path / "records").write(example_record(fps=None))
    expected = {"README.md", "LEADERBOARD.md", "clip_lengths/README.md"}
    assert names(stale_pages(tmp_path), tmp_path) == expected


def test_without_records_the_published_figures_stand(tmp_path):
    write_pages(tmp_path)
    assert "No record yet." in (tmp_path / "README.md").read_text()
    assert "MaskTrack R-CNN" in (tmp_path / "PAPERS.md").read_text()


def test_the_front_page_gets_the_table_between_its_markers(tmp_path):
    results = tmp_path / "results"
    RecordStore(results / "records").write(example_record(fps=10.0))
    front = tmp_path / "README.md"
    front.write_text("# T\n\n<!-- measured table -->\nold\n<!-- end of measured table -->\n\nend\n")
    assert front in write_pages(results)
    text = front.read_text()
    assert "| IFC" in text
    assert "old" not in text
    assert text.startswith("# T\n")
    assert text.endswith("\nend\n")
    assert stale_pages(results) == []
    front.write_text(text.replace("| IFC", "| IF"))
    assert stale_pages(results) == [front]


def test_an_experiment_over_seeds_stands_on_its_own_page_only(tmp_path):
    results = tmp_path / "results"
    store = RecordStore(results / "records")
    store.write(example_record(fps=10.0, backbone="mini"))
    front = tmp_path / "README.md"
    front.write_text("<!-- measured table -->\n<!-- end of measured table -->\n")
    write_pages(results)
    before = front.read_text()
    store.write(
        example_record(
            fps=90.0,
            ap=0.77,
            backbone="mini",
            training="clips of 10 frames, seed 0",
            clip_length=20,
            options={"communication": "none"},
            config_sha256="ef" * 32,
        )
    )
    board = (results / "LEADERBOARD.md").read_text()
    own = {"README.md", "ABLATIONS.md", "ifc-communication/README.md"}
    assert names(write_pages(results), results) == own
    assert front.read_text() == before
    assert (results / "LEADERBOARD.md").read_text() == board
    page = (results / "ifc-communication" / "README.md").read_text()
    assert "no communication" in page
    assert "77.0" in page


def test_no_page_is_written_before_all_are_made(tmp_path, monkeypatch):
    RecordStore(tmp_path / "records").write(example_record(fps=10.0))

    def fail(panels, **layout):
        raise RuntimeError

    monkeypatch.setattr(chart_twins, "draw_twins", fail)
    with pytest.raises(RuntimeError):
        write_pages(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["records"]


def test_a_front_page_in_another_encoding_is_named_and_left_alone(tmp_path):
    RecordStore(tmp_path / "results" / "records").write(example_record())
    front = tmp_path / "README.md"
    front.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"README\.md is not UTF-8"):
        pages(tmp_path / "results")
    assert front.read_bytes() == b"\xff\xfe"


def test_the_leaderboard_page_has_the_best_cell_and_the_table_the_others(tmp_path):
    store = RecordStore(tmp_path / "records")
    for number, ap in enumerate((0.31, 0.52, 0.43)):
        store.write(example_record(ap=ap, clip_length=5 + number, config_sha256=str(number) * 64))
    write_pages(tmp_path)
    board = (tmp_path / "LEADERBOARD.md").read_text()
    assert "52.0" in board
    assert not {"31.0", "43.0"} & set(board.split())
    assert {"52.0", "31.0", "43.0"} <= set(
        (tmp_path / "clip_lengths/README.md").read_text().split()
    )


TIMED = {
    "fps": 20.0, "timed_region": "model+tracker", "speed_spread": 0.12, "load_average": 0.4,
    "num_cpus": 2, "config": {"speed": {"videos": 3}},
}  # fmt: skip


def test_a_sentence_names_what_was_timed_on_what():
    records = [
        example_record(**TIMED),
        example_record(**{**TIMED, "config": {"speed": {"videos": 1}}}),
    ]
    assert speed_remarks(records) == [
        "FPS timed over model and tracker on 1 to 3 videos (a CPU, 2 threads)."
    ]
    (line,) = speed_remarks([example_record(**TIMED, num_videos=1)])
    assert "on 1 video (" in line, "no more videos are timed than there are"
    assert speed_remarks([example_record(fps=None)]) == []


def test_machines_and_regions_have_a_sentence_each():
    records = [
        example_record(**TIMED),
        example_record(**TIMED, device="a GPU"),
        example_record(**{**TIMED, "timed_region": "model"}),
        example_record(fps=20.0, device=None, num_threads=None),
    ]
    lines = speed_remarks(records)
    assert len(lines) == 4
    assert lines[-1] == "FPS of 1 row timed over an unknown region (unknown device)."
    text = front_page.front_table(records[-1:])
    assert "20.0 [?]" in text
    assert "\\[?\\]: spread unknown" in text


def test_the_front_table_has_the_best_cell_of_each_method_and_no_ablation():
    records = [example_record(**TIMED), example_record(training="afresh", ap=0.77)]
    header, _, *rows, _, line = front_page.front_table(records).splitlines()
    assert "24 videos" in line
    assert "best of" not in line
    titles = [cell.strip() for cell in header.strip("|").split("|")]
    assert titles == ["Method", "Clip", "Stride", "AP", "FPS"]
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert cells[4] == "20.0 (spread\u00a012\u00a0%)"
    assert "77.0" not in front_page.front_table(records)
    assert "(reconstruction)" in front_page.front_table([example_record(reconstruction=True)])
    assert front_page.front_table([]) == "No record yet.\n"


def test_the_line_below_the_front_table_names_the_best_of_several_cells_once():
    swept = [
        example_record(method=method, clip_length=length, ap=0.1 * length, config_sha256=n * 64)
        for method in ("ifc", "seqformer")
        for n, length in (("1", 2), ("2", 3))
    ]
    text = front_page.front_table([*swept, example_record(method="color_key", ap=0.01)])
    line = text.splitlines()[-1]
    assert re.search(r"; IFC and SeqFormer: best of 2 clip lengths, .* \[.*\]\(results/", line)
    assert text.count("best of") == 1
    assert "best of 3" in front_page.front_table([*swept, example_record(ap=0.01)])


LEVELLED = {"ap_so": 0.512, "ap_mo": 0.4, "ap_ho": 0.083, "ap_returning": 0.3}


def hard_table(records):
    page = clip_lengths_page.hard_page(records, lambda record: None)
    return None if page is None else page.tables[0]


def titles(table):
    return [column.title for column in table.columns]


def texts(table):
    return [[entry.text for entry in row] for row in table.rows]


def test_a_row_per_method_with_its_best_cell():
    records = [
        example_record(ap=0.5, clip_length=10, **LEVELLED),
        example_record(ap=0.6, clip_length=20, **{**LEVELLED, "ap_ho": 0.1}),
        example_record(method="seqformer", ap=0.55, **{**LEVELLED, "ap_returning": None}),
    ]
    table = hard_table(records)
    assert titles(table)[8:] == ["AP", "Light", "Moderate", "Heavy", "Returning"]
    assert [[row[0], *row[6:]] for row in texts(table)] == [
        ["IFC", "20", "1", "60.0", "51.2", "40.0", "10.0", "30.0"],
        ["SeqFormer", "5", "1", "55.0", "51.2", "40.0", "8.3", "-"],
    ]


def test_columns_that_nobody_has_are_left_out():
    both = {"ap_short": 0.61, "ap_long": 0.39, "ap50_long": 0.5}
    table = hard_table([example_record(ap=0.5, dataset="ytvis2022", **both)])
    assert titles(table)[8:] == ["AP", "AP short", "AP long"]
    assert texts(table)[0][8:] == ["50.0", "61.0", "39.0"]


def test_only_cells_with_such_numbers_have_a_row():
    assert hard_table([example_record()]) is None
    table = hard_table([example_record(), example_record(method="x", ap=0.1, **LEVELLED)])
    assert [row[0] for row in texts(table)] == ["x"]
    better = example_record(ap=0.9, clip_length=10)
    table = hard_table([better, example_record(ap=0.5, **LEVELLED)])
    assert texts(table)[0][8] == "50.0"


def test_the_page_of_results_has_the_section(tmp_path, monkeypatch):
    monkeypatch.setattr(refresh, "build_method", None)  # they take long
    RecordStore(tmp_path / "records").write(example_record(**LEVELLED))
    assert len(refresh.pages(tmp_path)) == len(NAMES)
    page = (tmp_path / "clip_lengths" / "README.md").read_text()
    measured, section = page.split(f"## {clip_lengths_page.HARD_TITLE}\n")
    assert f"# {clip_lengths_page.TITLE}\n" in measured
    assert "| IFC" in section
    assert "51.2 |" in section


def one(text, key, data="synthetic set"):
    return Table((Column("AP"),), ((Entry(text, notes=(key,)),),), data)


def test_the_same_table_under_another_title_is_a_link():
    first = Page(
        "First (24 videos)",
        (one("1.0", "1"), one("2.0", "a")),
        {"1": "p", "a": "m"},
    )
    second = Page(
        "Second",
        (one("3.0", "1"), one("2.0", "b")),
        {"1": "q", "b": "m"},
        ("Done.",),
    )
    text = papers_page.papers_markdown([first, second])
    assert text.count("2.0") == 1
    assert text.endswith("Synthetic set: as under [First (24 videos)](#first-24-videos).\n")
    _, alone = text.split("### Second")
    assert "- [1] q" in alone
    assert "[b]" not in alone


def test_tables_that_differ_in_a_figure_or_their_data_stand_both():
    papers = [
        Page("A", (one("1.0", "1"),), {"1": "p"}),
        Page("B", (one("1.1", "1"),), {"1": "p"}),
        Page("C", (one("1.0", "1", "another set"),), {"1": "p"}),
    ]
    text = papers_page.papers_markdown(papers)
    assert [text.count(shown) for shown in ("1.0", "1.1", "as under")] == [2, 1, 0]


def test_anchors_are_those_of_github():
    assert (
        page_text.heading_anchor("IFC's encoders, by clip-length (T)")
        == "ifcs-encoders-by-clip-length-t"
    )


def test_long_tables_and_notes_are_folded():
    rows = tuple((Entry(str(n)),) for n in range(40))
    long = Table((Column("AP"),), rows)
    text = papers_page.papers_markdown([Page("Long", (long, one("1.0", "1")), {"1": "p"})])
    assert re.findall(r"<summary>(.*)</summary>", text) == ["All 40 rows", "Sources and notes"]
    assert text.count("<details>") == text.count("</details>") == 2


def ranked(ap, method, **changes):
    return example_record(ap=ap, method=method, backbone="mini", **changes)


def test_the_published_order_is_told_beside_the_measured_one():
    """IFC 42.8 and SeqFormer 47.4, both with ResNet-50."""
    ifc, seqformer = ranked(0.6, "ifc"), ranked(0.5, "seqformer")
    text = board_page.published_order([ifc, seqformer])
    assert text.endswith(" is the other way: SeqFormer 47.4, IFC 42.8.")
    text = board_page.published_order([seqformer, ifc])
    assert text.endswith(" is the same: SeqFormer 47.4, IFC 42.8.")
    assert board_page.published_order([ifc, ranked(0.5, "x")]) == ""
    assert board_page.published_order([ifc, ranked(0.5, "seqformer", reconstruction=True)]) == ""


def test_mini_models_trained_once_are_named():
    ifc, seqformer = ranked(0.6, "ifc"), ranked(0.5, "seqformer")
    assert board_page.trainings([ifc, seqformer]).startswith("IFC and SeqFormer are mini models")
    again = ranked(0.6, "ifc", weights_sha256="ef" * 32)
    assert board_page.trainings([ifc, again, seqformer]).startswith("SeqFormer are mini")
    assert board_page.trainings([example_record()]) == ""
    seeds = [
        ranked(ap, "ifc", training=f"clips of 10 frames, seed {n}", clip_length=5)
        for n, ap in enumerate((0.2, 0.3, 0.4))
    ]
    # SD 10.0; t of 2 degrees of freedom 4.303; times the root of 2.
    assert "lie up to 60.8 AP apart" in board_page.trainings([ifc, *seeds])


def test_the_best_clip_of_each_method_is_named_with_its_interval():
    cells = [
        ranked(0.5, "ifc", clip_length=5),
        ranked(0.6, "ifc", clip_length="whole", ap_low=0.55, ap_high=0.65),
        ranked(0.4, "seqformer", clip_length=5),
        ranked(0.3, "seqformer", clip_length=10),
        ranked(0.1, "x"),
    ]
    [text] = clip_lengths_page.clip_findings(cells)
    assert text.endswith("IFC 60.0 (55.0 to 65.0) on whole videos, SeqFormer 40.0 on clips of 5.")
    cells[0] = ranked(0.7, "ifc", clip_length=5)
    [text] = clip_lengths_page.clip_findings(cells)
    assert "IFC 70.0 on clips of 5" in text
    assert clip_lengths_page.clip_findings(cells[-1:]) == []


def test_every_question_of_the_results_has_the_answer_of_its_page(tmp_path):
    store = RecordStore(tmp_path / "clip_lengths" / "records")
    store.write(example_record(ap=0.5, gflops_per_frame=1.5, backbone="mini"))
    write_pages(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "**IFC has the highest AP: 50.0.** [Leaderboard](LEADERBOARD.md)" in page
    assert "IFC T=5 S=1 1.50.** [Multiply-adds](flops/README.md)" in page
    questions = re.findall(r"^- (.*\?) (.*)\[.*\]\((.*)\)$", page, re.MULTILINE)
    assert len(questions) == 4
    store.write(example_record(ap=0.7, backbone="mini"))
    write_pages(tmp_path)
    assert "**IFC has the highest AP: 70.0.**" in (tmp_path / "README.md").read_text()


def test_a_paper_with_measured_rows_comes_first_and_is_counted():
    none = Agreement(3, 0, [])
    assert papers_page.summary({"a": none}).startswith("Published only: none of 3 rows")
    found = {"a": none, "b": Agreement(2, 1, ["0.0", "+0.3"])}
    text = papers_page.summary(found)
    assert text.startswith("1 of 5 rows of the papers is measured, and 1 of 2 values agree")
    assert text.endswith("the other 4 rows are published only.")
    assert "and all agree" in papers_page.summary({"b": Agreement(2, 1, ["0.0"])})
    record = example_record(
        dataset="ytvis2019", num_videos=302, clip_length=5, clip_stride=3, ap=0.39
    )
    text, opening = papers_page.papers_text([record], None)
    assert re.match(r"3 of \d+ rows of the papers are measured, and 1 of 12 values", opening)
    measured, others = text.split("\nPublished only:\n")
    assert re.search(r"^- .*2 of \d+ rows are measured: 1 of 10 values", measured, re.MULTILINE)
    assert "on OVIS? **Highest published AP, 52.5: VidEoMT, ViT-L.** [" in others
    assert "**Highest published AP, 40.4: memory tokens 8, T=20.** [" in others


def test_few_values_of_a_further_source_stand_beside_those_of_the_first():
    columns = [Column("Method"), Column("Backbone", joined=", "), Column("Figures", context="{}")]
    columns += map(Column, ("Params", "AP", "AP50", "AP75", "AR1"))

    def row(method, source, *values, figures="published"):
        head = map(Entry, (method, "R50")), [Entry(figures, notes=(source,))], map(Entry, values)
        return [entry for part in head for entry in part]

    one = ["30.0", "50.0", "31.0", "29.0"]
    rows = [
        row("A", "1", "-", "29.0", "-", "-", "-"),
        row("A", "2", "-", *one),
        row("A", "3", "-", *one),
        row("B", "1", "9.0", *one),
        row("B", "2", "-", "29.0", "-", "-", "-"),
        row("B", "2", "-", "28.0", "-", "-", "-", figures="measured"),
    ]
    shown, left_out = papers_page.compact(Table.of(columns, rows, num_labels=3))
    assert left_out == ["Params"]
    assert [column.title for column in shown.columns] == ["Method", "Figures", *TITLES]
    texts = [[entry.text for entry in own] for own in shown.rows]
    assert texts[0] == ["A, R50", "published", "30.0, 29.0 [1]", *one[1:]]
    assert texts[1] == ["A, R50", "published", *one]
    assert [own[0] for own in texts[2:]] == ["B, R50"] * 3, "a measured row keeps its sources apart"


TITLES = "AP", "AP50", "AP75", "AR1"


@pytest.mark.parametrize(
    ("name", "fields", "answer"),
    [
        ("streaming", streaming_fields(), "has the highest AP: 20.0 (95 %: 10.0 to 60.0)"),
        ("memory", memory_fields(), "8 GiB hold at least 256 frames"),
    ],
)
def test_a_measurement_has_a_page_a_chart_and_an_answer(name, fields, answer, tmp_path):
    record = example_record(ap=None, clip_length="whole", **fields)
    RecordStore(tmp_path / name / "records").write(record)
    charts = {f"{name}/{name}_{scheme}.svg" for scheme in ("light", "dark")}
    assert names(write_pages(tmp_path), tmp_path) == {*TEXTS, *CHARTS, *charts, f"{name}/README.md"}
    for page in ("README.md", f"{name}/README.md"):
        assert answer in (tmp_path / page).read_text()
    text = (tmp_path / name / "README.md").read_text()
    assert text.index("<picture>") < text.index("| Method") < text.index("Measured by")
