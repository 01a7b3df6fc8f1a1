"""The command `report`: what it writes, what it leaves out, what it refuses, what it escapes."""

import html
import json
import os
import re
from pathlib import Path

import orjson
import pytest

from drawing_case import LEFT, T
from paths import ROOT
from report_case import write_case
from vis_bench.cli import main
from vis_bench.record.store import RecordStore


@pytest.fixture
def case(tmp_path):
    return write_case(tmp_path)


@pytest.fixture
def report(case, tmp_path, capsys):
    def call(*arguments, results=("good",)):
        output = tmp_path / "out" / "report.html"
        command = ["report", *(case.get(name, name) for name in results), "--output", output]
        given = ["--annotations", case["annotations"], "--resamples", "20", *arguments]
        code = main([str(argument) for argument in [*command, *given]])
        printed = capsys.readouterr()
        page = output.read_text(encoding="utf-8") if output.exists() else ""
        return code, page, printed

    return call


def test_a_page_about_one_record(report, case):
    code, page, printed = report("--frames", case["frames"])
    assert (code, printed.err) == (0, "")
    assert re.fullmatch(r"report: .*report.html, videos to open: 3, 0\.\d MB\n", printed.out)
    for part in (
        "Metrics",
        "Errors: where AP is lost",
        "Hard objects",
        "Scores",
        "Multiply-adds",
        "Speed of the timed regions",
        "Videos",
        "Setup",
    ):
        assert f">{part}</h2>" in page
    for text in (
        "good T=5 S=1",
        "a CPU",
        "31.50",
        "w.pth",
        "0123456789ab",
        "20 half-samples",
        "found in 4 of 4 frames",
    ):
        assert text in page
    assert "masks are drawn on gray" not in page
    assert re.search(r"<h1 id=\"verdict\">good T=5 S=1: AP [0-9.]+ \(95 %: ", page)
    assert " B " not in re.sub(r"<[^>]*>", "", page.partition("<main")[2].partition("<script")[0])


def test_a_page_about_two_records(report, case):
    code, page, _ = report("--frames", case["frames"], "--json", results=("good", "bad"))
    assert code == 0
    for text in ("B - A", "Where AP is lost", "paired half-samples", "identity switch at"):
        assert text in page
    (panels, *_) = re.findall(r'data-panels="([^"]+)"', page)
    assert json.loads(html.unescape(panels)) == ["A", "B", "ground truth"]
    assert str(case["frames"].parent) not in page, "base names instead of absolute paths"
    assert "vis-bench report good.json bad.json --output report.html" in page
    for data in map(json.loads, re.findall(r'class="frames">(.*?)</script>', page)):
        assert data["size"] == [96, 60]
        assert [len(data["frames"]), len(data["rows"])] == [T, 3]
        assert all(len(i["masks"]) == T for row in data["rows"] for i in row)


def test_json_says_what_is_shown_and_left_out(report, case):
    code, page, printed = report("--frames", case["frames"], "--json", "--videos", "2")
    said = json.loads(printed.out)
    assert code == 0
    assert said["bytes"] == len(page.encode())
    assert len(said["videos"]) == 2
    assert page.count('<article class="video') == 2
    assert page.count('class="hit"') == 3


def test_without_frames_masks_are_drawn_on_gray(report):
    code, page, _ = report()
    assert code == 0
    assert "The frames were not at hand, so masks are drawn on gray." in page


def test_a_results_file_has_no_setup(report, case, tmp_path):
    code, page, _ = report(results=(tmp_path / "good.results.json",))
    assert code == 0
    assert "No record says." in page
    assert "Not measured: flops, speed, memory, streaming." in page


def test_a_file_name_that_is_not_utf8_is_shown_escaped(case, tmp_path):
    results = tmp_path / os.fsdecode(b"caf\xe9.json")
    results.write_bytes((tmp_path / "good.results.json").read_bytes())
    output = tmp_path / "out.html"
    arguments = [results, "--annotations", case["annotations"], "--output", output]
    assert main(["report", *map(str, arguments), "--resamples", "5", "--videos", "1"]) == 0
    assert "caf\\udce9: AP " in output.read_text(encoding="utf-8")


@pytest.mark.parametrize(("entry", "message"), [
    ({"video_id": 9}, r"has video_id 9; expected one of the 3 videos"),
    ({"segmentations": [{"size": [8, 8], "counts": "P2"}] * T},
     r"video dogs \(id 2\) has a mask of 8x8 pixels \(height x width\); its frames are 60x96"),
])  # fmt: skip
def test_results_of_other_videos_are_refused(report, tmp_path, entry, message):
    path = tmp_path / "good.results.json"
    values = {"video_id": 2, "category_id": 1, "score": 0.4, "segmentations": LEFT, **entry}
    path.write_bytes(orjson.dumps([*orjson.loads(path.read_bytes()), values]))
    code, page, printed = report()
    assert (code, page) == (2, "")
    assert printed.err.count("\n") == 1
    assert re.search(message, printed.err), printed.err


def test_an_output_that_cannot_be_written_is_found_first(case, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("vis_bench.show.report.page.make_report", None)
    (tmp_path / "loop").symlink_to("loop")
    arguments = [
        case["good"],
        "--annotations",
        case["annotations"],
        "--output",
        tmp_path / "loop" / "r.html",
    ]
    assert main(["report", *map(str, arguments)]) == 2
    assert capsys.readouterr().err.startswith(f"error: cannot write {tmp_path / 'loop'}")


def test_videos_beyond_the_size_are_left_out_and_named(report, case, monkeypatch):
    code, page, _ = report("--frames", case["frames"])
    most = len(page.encode()) - 5000
    monkeypatch.setattr("vis_bench.show.report.page.MEGABYTE", most)
    code, page, printed = report("--frames", case["frames"], "--max-size", "1", "--json")
    said = json.loads(printed.out)
    assert code == 0
    assert said["bytes"] <= most
    assert (len(said["videos"]), len(said["left_out"])) == (2, 1)
    assert re.search(
        r"can be opened in 1 MB, the others are pale; <code>--max-size [0-9]+</code> opens all",
        page,
    )
    assert re.search(r"warning: left out beyond --max-size 1 MB: \w+", printed.err)


def dataset_case(folder):
    """A case whose records say where their data set is, as any own data set does."""
    described = {
        "name": "toy",
        "split": "val",
        "annotations": str(folder / "gt.json"),
        "frames": str(folder / "frames"),
    }
    return write_case(folder, config={"dataset": described})


def test_a_record_finds_its_own_data_set(tmp_path, capsys):
    case = dataset_case(tmp_path)
    output = tmp_path / "a.html"
    again = tmp_path / "b.html"
    arguments = [str(case["good"]), str(case["bad"]), "--resamples", "5", "--videos", "1"]
    assert main(["report", *arguments, "--output", str(output)]) == 0
    assert main(["report", *arguments, "--output", str(again)]) == 0
    page = output.read_text(encoding="utf-8")
    assert "not at hand" not in page
    assert page == again.read_text(encoding="utf-8").replace("b.html", "a.html")
    for path in (case["frames"] / "birds").iterdir():
        path.unlink()
    assert main(["report", *arguments, "--output", str(output)]) == 2
    assert "found no frames of video birds (id 3)" in capsys.readouterr().err


def test_a_bundled_record_needs_nothing_else(tmp_path, capsys):
    """The synthetic videos are found by the record, and drawn."""
    shipped = RecordStore(ROOT / "results" / "clip_lengths").paths()
    (record,) = (p for p in shipped if p.name.startswith("ifc_mini_synthetic_val_Twhole_"))
    output = tmp_path / "report.html"
    arguments = ["--output", output, "--videos", "1", "--resamples", "5", "--side", "96"]
    assert main(["report", *map(str, [record, *arguments])]) == 0
    page = output.read_text(encoding="utf-8")
    stored = json.loads(record.read_text())
    assert f": AP {100 * stored['ap']:.1f} (95 %: " in page
    assert f">{100 * stored['hota']:.1f} <wbr><small>" in page
    assert "but that of its predictions" not in page
    assert page.count('<article class="video') == 1
    assert page.count('class="hit"') == stored["num_videos"] == 240
    assert "not at hand" not in page
    assert Path(output).stat().st_size < 3_000_000
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("number", [1, 2])
def test_videos_without_frames_are_a_page(report, tmp_path, number):
    video = {"id": 1, "height": 6, "width": 8, "length": 0, "file_names": []}
    thing = {"id": 1, "video_id": 1, "category_id": 1, "segmentations": []}
    content = {"videos": [video], "annotations": [thing], "categories": [{"id": 1, "name": "a"}]}
    (tmp_path / "none.json").write_text(json.dumps(content))
    (tmp_path / "r.json").write_text(json.dumps([{**thing, "score": 0.5}]))
    code, page, _ = report(
        "--annotations", tmp_path / "none.json", results=(tmp_path / "r.json",) * number
    )
    assert code == 0
    assert "HOTA by the score" not in page


def test_lists_longer_than_the_video_are_a_page(report, case, tmp_path):
    content = json.loads(case["annotations"].read_bytes())
    path = tmp_path / "good.results.json"
    tracks = json.loads(path.read_bytes())
    for entry in (content["annotations"][0], tracks[0]):
        entry["segmentations"] += [None, LEFT[0]]
    path.write_text(json.dumps(tracks))
    (tmp_path / "long.json").write_text(json.dumps(content))
    code, page, printed = report("--annotations", tmp_path / "long.json", results=(path,))
    assert (code, page.count('<article class="video')) == (0, 3)
    assert "length" in printed.err
    assert "more masks" in printed.err


def test_results_of_images_are_sent_to_convert(report, case, tmp_path):
    [entry, *_] = json.loads(case["annotations"].read_bytes())["annotations"]
    [mask, *_] = filter(None, entry["segmentations"])
    one = {"image_id": 77, "category_id": 1, "score": 0.5, "segmentation": mask}
    (tmp_path / "images.json").write_text(json.dumps([one]))
    assert "convert" in report(results=(tmp_path / "images.json",))[2].err
    files = [tmp_path / "images.json", "--annotations", case["annotations"]]
    drawn = ["--frames", case["frames"], "--output", tmp_path / "drawn"]
    assert main(["draw", *map(str, files), *map(str, drawn)]) == 2
