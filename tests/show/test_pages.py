"""Places of pages hold what their commands give, and the repository's pages are up to date."""

import re
import shlex

import numpy as np
import pytest

import places
import refresh
from displayed import COLUMN, PHONE, smallest_letters
from paths import ROOT
from places import Pages, chart_of, printed
from record_example import example_record, memory_fields, perfect_tracks, synthetic_record
from vis_bench.errors import InputError
from vis_bench.metrics.half_samples import ap_samples
from vis_bench.metrics.matching import RETURNING, num_holding
from vis_bench.metrics.scores import difference_of
from vis_bench.record.store import RecordStore, matches_file, read_record, record_json
from vis_bench.show.paired_ap import PairedAP
from vis_bench.table.number_format import points, range_text

RESULTS = ROOT / "results"
PLACE = re.compile(r"<!-- vis-bench .*? -->\n(.*?)<!-- end -->", re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+\.md)(#[^)]*)?\)")
FIGURE = re.compile(r"[+-]?\d+\.\d+")
METHODS = {"IFC": "ifc", "MS-STS (reconstruction)": "ms_sts", "SeqFormer": "seqformer"}


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("slow", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_repositorys_pages_are_what_its_commands_give(slow):
    stale = dict(refresh.pages_of(RESULTS, slow).stale())
    assert [*stale] == [], "run `python results/refresh.py`, and commit"


def test_letters_of_charts_are_9_pixels_tall_on_a_phone_and_in_a_column():
    pages = [ROOT / "README.md", *RESULTS.rglob("*.md")]
    charts = {
        (page.parent / name).resolve()
        for page in pages
        for name in re.findall(r'(?:src|srcset)="([^"]+\.svg)"', page.read_text(encoding="utf-8"))
    }
    assert charts == {*RESULTS.rglob("*.svg")}
    for path in charts:
        room = PHONE if "_narrow_" in path.name else COLUMN
        assert smallest_letters(path.read_text(encoding="utf-8"), room) >= 9, path


def test_the_recipes_name_one_record_each():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")]
    named = re.findall(r"results/clip_lengths/records/\S+", "\n".join(texts))
    patterns = [path for path in named if "*" in path]
    assert patterns
    for pattern in patterns:
        assert len(list(ROOT.glob(pattern))) == 1, pattern


def rows_of(page):
    """The cells of the tables that stand in no place of a page."""
    lines = PLACE.sub("", page.read_text(encoding="utf-8")).splitlines()
    return [line.strip("|").split("|") for line in lines if line.startswith("|")]


def test_every_answer_stands_on_the_page_that_it_names():
    answers = [row for row in rows_of(RESULTS / "README.md") if LINK.search(row[0])]
    assert len(answers) == 12
    for question, answer, ends in answers:
        [(name, _)] = LINK.findall(question)
        told = (RESULTS / name).read_text(encoding="utf-8")
        assert {*FIGURE.findall(answer + ends)} <= {*FIGURE.findall(told.replace("\u2011", " to "))}
        assert all(
            re.fullmatch(r"[+-]?[\d.]+|whole", own) for own in re.findall(r"\*\*(.*?)\*\*", answer)
        )


def test_the_best_clips_are_those_of_the_records():
    records = RecordStore(RESULTS / "clip_lengths").readable().records
    rows = {question: answer for question, answer, _ in rows_of(RESULTS / "README.md")}
    for key, title in (("ap", "AP"), ("hota", "HOTA")):
        [answer] = [
            answer for question, answer in rows.items() if f"clips, by {title}?" in question
        ]
        for name, method in METHODS.items():
            best = max((r for r in records if r.method == method), key=lambda r: getattr(r, key))
            title = name.replace(" (reconstruction)", "\\*")
            assert f"{title} **{best.clip_length}**" in answer


def matches_of(method, clip):
    [path] = RESULTS.glob(f"clip_lengths/records/{method}_mini_*_T{clip}_*.json")
    return PairedAP(RecordStore(path.parent).readable()).matches(read_record(path))


def told(first, second, held, signed=False):
    """A difference of AP as the pages have it."""
    found = difference_of(first, second, 240, held)
    ends = range_text(found.low, found.high, signed=signed)
    return f"{points(found.difference, signed=signed)} ({ends})"


@pytest.fixture(scope="module")
def recomputed():
    """What the page of clip lengths says of hidden and of returning objects, by method."""
    best = {"ifc": "whole", "ms_sts": "15S8", "seqformer": "20S10"}
    found = {}
    for name, method in METHODS.items():
        short, long, own = (matches_of(method, clip) for clip in ("5S3", "whole", best[method]))
        place = own.ranges.index(RETURNING)
        returning_V = sum(c.num_objects_VA[:, place] for c in own.categories) > 0
        held = num_holding(own.categories, place)
        sides = (returning_V, held), (~returning_V, num_holding(own.categories) - held)
        light, heavy = (ap_samples(own, level=level) for level in ("so", "ho"))
        holding = min(num_holding(own.categories, own.ranges.index(x)) for x in ("so", "ho"))
        found[name] = [
            told(heavy, light, holding),
            *(
                told(*(ap_samples(m, inside_V=inside) for m in (short, long)), held, signed=True)
                for inside, held in sides
            ),
        ]
        assert np.count_nonzero(returning_V) == held
    return found


def test_hidden_and_returning_objects_are_told_as_the_shipped_matches_have_them(recomputed):
    found = {name: [] for name in METHODS}
    for name, *cells in rows_of(RESULTS / "clip_lengths" / "README.md"):
        for value, ends in zip(cells[::2], cells[1::2], strict=True):
            found.get(name.strip(), []).append(f"{value.strip(' *')} ({ends.strip()})")
    assert found == recomputed


def test_every_figure_of_a_page_stands_in_a_place_of_it_or_of_a_page_that_it_links(recomputed):
    known_from_matches = set(FIGURE.findall(str(recomputed)))
    for page in RESULTS.rglob("*.md"):
        text = page.read_text()
        for line in PLACE.sub("", text).splitlines():
            linked = [page.parent / name for name, _ in LINK.findall(line)]
            held = "".join(own for p in (page, *linked) for own in PLACE.findall(p.read_text()))
            known = known_from_matches | set(FIGURE.findall(held.replace("\u2011", " to ")))
            assert set(FIGURE.findall(re.sub(r"\]\(.*?\)|`.*?`", "", line))) <= known, (page, line)


PAGE = """# T

<!-- vis-bench table measured records --columns method,ap | grep '^|' -->
gone before
<!-- end -->

<!-- vis-bench table memory records --picture chart.svg -->
<!-- end -->

<!-- refresh name -->
<!-- end -->

end
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = RecordStore(tmp_path / "records")
    store.write(example_record(clip_length="whole", **memory_fields()))
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


WIDTHS = "", "_narrow"


def pages(path):
    return Pages([path], {"name": lambda: "given\n"})


def test_places_are_filled_once_and_again_after_an_edit_and_a_new_record(page):
    written = pages(page).write()
    charts = {f"chart{width}_{scheme}.svg" for width in WIDTHS for scheme in ("light", "dark")}
    assert {path.name for path in written} == {"page.md", *charts}
    text = page.read_text()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 3
    assert "All rows" not in text
    assert "gone before" not in text
    assert text.startswith("# T\n\n<!-- vis-bench table measured records ")
    assert text.endswith("<!-- refresh name -->\n\ngiven\n\n<!-- end -->\n\nend\n")
    assert 'srcset="chart_dark.svg"' in text
    assert pages(page).write() == []
    page.write_text(text.replace("given", "edited"))
    assert pages(page).write() == [page]
    assert page.read_text() == text
    RecordStore(page.parent / "records").write(example_record(method="seqformer", ap=0.6))
    assert pages(page).write() == [page]
    assert "| SeqFormer" in page.read_text()
    (page.parent / "chart_dark.svg").unlink()
    assert len(pages(page).write()) == 4


def test_nothing_is_written_before_all_is_made(page, monkeypatch):
    def fail(panels, **layout):
        raise RuntimeError

    monkeypatch.setattr(places, "draw_twins", fail)
    with pytest.raises(RuntimeError):
        pages(page).write()
    assert page.read_text() == PAGE
    assert not list(page.parent.glob("*.svg"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", r"page\.md is not UTF-8"),
        (b"<!-- vis-bench table nothing -->\n<!-- end -->\n", "exit code 2 of: vis-bench table"),
    ],
)
def test_a_page_in_another_encoding_or_with_a_wrong_command_is_left_alone(page, content, said):
    page.write_bytes(content)
    with pytest.raises(InputError, match=said):
        pages(page)
    assert page.read_bytes() == content


def test_a_finding_stands_once_on_a_page(page):
    [title] = [panel.title for panel in chart_of(["table", "memory", "records", *PICTURE]).panels]
    commands = f"table memory records {' '.join(PICTURE)}", "table memory records"
    page.write_text("".join(f"<!-- vis-bench {own} -->\n<!-- end -->\n\n" for own in commands))
    pages(page).write()
    assert page.read_text().replace("\\", "").count(title) == 1


def test_headings_that_open_an_output_are_the_pages_own(page):
    assert printed("table memory records").startswith("**")
    assert printed("leaderboard --records records").startswith("**")


def test_a_chart_has_the_panels_of_its_command(page):
    [title] = [panel.title for panel in chart_of(["table", "memory", "records", *PICTURE]).panels]
    assert title in printed("table memory records").replace("\\", "")
    words = "leaderboard --records records --picture chart.svg"
    assert chart_of(shlex.split(words)).panels[-1] == refresh.published_panel()


PICTURE = "--picture", "chart.svg"


def test_trim_keeps_masks_of_the_best_cell_and_matches_of_all(tmp_path):
    folder, tracks = tmp_path / "records", perfect_tracks(3)
    best = synthetic_record(folder, "ifc", tracks, 3, clip_length=5)
    other = synthetic_record(folder, "other", tracks[2:], 3, clip_length=10)
    other.write_bytes(record_json(read_record(other).model_copy(update={"method": "ifc"})))
    before = PairedAP(RecordStore(folder).readable())
    records = RecordStore(folder).readable().records
    expected = before(*records)
    assert len(refresh.trim(tmp_path)) == 3
    assert refresh.trim(tmp_path) == []
    assert all(matches_file(read_record(path), path).is_file() for path in (best, other))
    assert (folder / "ifc.results.json").is_file()
    assert not (folder / "other.results.json").exists()
    after = PairedAP(RecordStore(folder).readable())
    assert after(*records) == expected
    assert after.problems == []
