"""The command `figure`: what it writes and prints, and how it refuses."""

import json
import re
import shlex
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import refresh
from displayed import COLUMN, PHONE, smallest_letters
from drawing_case import LEFT, NOWHERE, RIGHT, annotations, tube, write_frames, write_results
from hostile_calls import call
from paths import ROOT
from report_case import write_case
from vis_bench.cli import main
from vis_bench.commands.figure import FIGURES
from vis_bench.data.frames import write_frame
from vis_bench.data.synthetic import generate
from vis_bench.runs.predict import LoadedMethod
from vis_bench.show.figures import memory_tokens, strips
from vis_bench.show.overlay.pixels import paint_sheet
from vis_bench.show.overlay.strip import Text

SMALL = ("--set", "resolution=64")
ATTENTION = ["sampling-points", "time-weights", "memory-tokens"]


def figure(*arguments):
    return call("figure", *arguments)


@pytest.mark.parametrize("name", FIGURES)
def test_help_of_a_figure(name, capsys):
    assert main(["figure", name, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") <= 48
    printed = " ".join(out.split())
    assert FIGURES[name][0] in printed
    assert printed.count("(default: ") + printed.count("(required)") >= 2


@pytest.mark.parametrize("method", ["seqformer", "ms_sts"])
def test_sampling_points_and_their_arrays(tmp_path, method):
    output, data = tmp_path / "new" / "points.png", tmp_path / "points.npz"
    code, out, err = figure(
        "sampling-points",
        f"{method}_mini_synthetic",
        "--video",
        "val_00006",
        "--output",
        output,
        "--data",
        data,
        "--layers",
        "last,1",
        "--num-frames",
        2,
        *SMALL,
    )
    assert (code, err) == (0, "")
    assert out == f"wrote {output}, {data}\n"
    assert Image.open(output).width == 1760
    arrays = np.load(data)
    locations, weights = arrays["sampling_locations_LTQMKP2"], arrays["attention_weights_LTQMKP"]
    queries = len(arrays["queries_Q"])
    assert locations.shape == (3, 24, queries, 4, 4, 2, 2)
    assert weights.shape == locations.shape[:-1]
    np.testing.assert_allclose(weights.sum((-1, -2)), 1, rtol=1e-5)
    assert arrays["time_weights_LTQ"].shape == (3, 24, queries)
    np.testing.assert_allclose(arrays["time_weights_LTQ"].sum(1), 1, rtol=1e-5)
    assert len(arrays["track_instances_D"]) == len(arrays["track_scores_D"])
    assert arrays["track_instances_D"].max() < queries
    assert str(arrays["video"]) == "val_00006"


def test_time_weights_say_what_counts(tmp_path):
    larger = ("--set", "resolution=96")  # where the model finds an object
    arguments = ("time-weights", "--output", tmp_path / "w.svg", "--limit", 1, *larger)
    code, out, _ = figure(*arguments, "--json")
    assert code == 0
    facts = json.loads(out)
    found = facts["absent_frames"]
    assert (facts["video"], facts["layer"], len(facts["frames"])) == ("val_00001", 3, 6)
    assert (found["num_videos"], len(found["layers"])) == (1, 3)
    assert found["layers"][0]["low"] is None
    code, out, _ = figure(*arguments)
    assert code == 0
    assert out.startswith("tracks that find an object: 1; of these with an object that is absent")
    assert "|       3 |" in out


def test_memory_tokens(tmp_path):
    output, data = tmp_path / "tokens.pdf", tmp_path / "tokens.npz"
    arguments = (
        "memory-tokens",
        "--output",
        output,
        "--data",
        data,
        "--layer",
        "first",
        "--column",
        "3.3in",
        *SMALL,
    )
    code, _, _ = figure(*arguments)
    assert code == 0
    assert output.read_bytes().startswith(b"%PDF")
    weights = np.load(data)["memory_weights_LTMBhw"]
    assert weights.shape == (2, 25, 4, 8, 2, 4)  # 64x114 pixels at stride 32
    assert weights.min() >= 0
    assert 0.5 < weights.sum((-1, -2)).max() < 1 + 1e-5


def test_a_folder_of_frames_needs_no_data_set(tmp_path):
    for t, frame in enumerate(generate("val").videos[5].frames[:3]):
        write_frame(tmp_path / "frames" / f"{t}.png", frame, "png")
    arguments = ("--frames", tmp_path / "frames", "--output", tmp_path / "w.png", *SMALL)
    code, out, _ = figure("time-weights", *arguments)
    assert code == 0
    assert out.startswith("no annotations, so no mean weights")
    assert figure("strip", "ifc_mini_synthetic", *arguments)[0] == 0
    write_frames(tmp_path / "blank")
    arguments = ("--frames", tmp_path / "blank", "--output", tmp_path / "w.png", *SMALL)
    code, _, err = figure("time-weights", *arguments)
    assert (code, "the method finds no instance in video cats" in err) == (2, True)


def test_a_strip_of_results_alone_names_the_videos_that_it_took(tmp_path):
    results, output = tmp_path / "mine.json", tmp_path / "s.png"
    results.write_text("[]")
    code, out, _ = figure("strip", results, "--output", output)
    assert (code, out) == (0, f"wrote {output}: val_00001 of synthetic val, AP: mine 0.0\n")


@pytest.fixture
def failures(tmp_path):
    """Annotations of two objects that cross, frames, and results with a switch and a stray."""
    write_frames(tmp_path / "frames")
    content = annotations((LEFT, 1), (RIGHT, 2))
    (tmp_path / "gt.json").write_text(json.dumps(content))
    switched = tube((20, 8), (20, 8), (20, 8), (20, 64))
    write_results(tmp_path / "r.json", (switched, 1, 0.9), (NOWHERE, 2, 0.8))
    return tmp_path


def cases(folder, *arguments):
    return figure(
        "failure-cases",
        folder / "r.json",
        "--annotations",
        folder / "gt.json",
        "--frames",
        folder / "frames",
        "--output",
        folder / "f.png",
        *arguments,
    )


def test_failure_cases(failures):
    code, out, _ = cases(failures, "--json")
    assert code == 0
    found = {case["kind"]: case for case in json.loads(out)["cases"]}
    assert {kind: case["video"] for kind, case in found.items()} == {"missed": "cats"}
    assert found["missed"]["lost"] == pytest.approx(0.5)
    assert Image.open(failures / "f.png").width == 1760
    code, out, _ = cases(failures, "--kinds", "missed", "--worst", 3)
    assert out.count("\n") == 3
    judged, heading, _ = out.splitlines()
    assert judged == f"r, 1 of 1 video of {failures / 'gt.json'}"
    assert re.fullmatch(r"Missed, cats: AP [0-9.]+, 50.0 lost to missed objects", heading)
    assert figure("failure-cases", failures / "r.json", "--output", failures / "x.png")[0] == 2


def test_a_strip_of_results_files_has_the_ap_of_each_row(tmp_path):
    aps = refresh.strip_aps()
    assert aps.keys() == {"IFC", "SeqFormer"}
    words = [*refresh.STRIP_ROWS, "--video", refresh.STRIP_VIDEO]
    narrow = [*words, *refresh.NARROW.split(), "--dark"]
    code, out, _ = figure("strip", *narrow, "--output", tmp_path / "s.svg", "--json")
    assert code == 0
    assert json.loads(out)["ap"] == aps
    svg = (tmp_path / "s.svg").read_text()
    assert smallest_letters(svg, PHONE) >= 9
    assert "fill: #0d1117" in svg
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
    rows = {f"{name}, AP {100 * ap:.1f}" for name, ap in aps.items()}
    assert {*rows, "val_00196: 26 frames, 4 objects"} <= {*texts}
    for option, value in (("--set", "clip_length=5"), ("--frames", tmp_path)):
        code, _, err = figure("strip", *words, "--output", tmp_path / "s.svg", option, value)
        assert (code, err.count("\n")) == (2, 1)
        assert option in err


def report_cases(folder, *arguments):
    return figure(
        "failure-cases", folder / "bad.results.json", "--output", folder / "f.png", *arguments
    )


@pytest.mark.parametrize("num_videos", [1, 2, 3, None])
def test_only_measured_videos_are_judged(tmp_path, num_videos):
    """Of a record its first videos; without one those with a track."""
    paths = write_case(tmp_path, num_videos=num_videos)
    tracked = {1: [1], 2: [1], 3: [1, 2, 3], None: [1, 3]}[num_videos]
    results = json.loads((tmp_path / "bad.results.json").read_bytes())
    kept = [track for track in results if track["video_id"] in tracked]
    (tmp_path / "bad.results.json").write_text(json.dumps(kept))
    if num_videos is None:
        paths["bad"].unlink()
    given = ("--annotations", paths["annotations"], "--frames", paths["frames"])
    code, out, err = report_cases(tmp_path, *given, "--json", "--worst", 3)
    assert code == 0
    assert ("predictions in 1 of 2 videos" in err) == (num_videos == 2)
    facts = json.loads(out)
    assert facts["annotations"] == str(paths["annotations"])
    assert facts["num_videos"] == (num_videos or 2)
    videos = {case["video"] for case in facts["cases"]}
    assert ("dogs" in videos) == (num_videos in (2, 3))
    assert "cats" in videos


def test_a_record_is_as_good_as_its_results(tmp_path):
    paths = write_case(tmp_path)
    given = ("--annotations", paths["annotations"], "--frames", paths["frames"], "--json")
    code, of_results, _ = report_cases(tmp_path, *given)
    assert code == 0
    words = ("failure-cases", paths["bad"], "--output", tmp_path / "f.png", *given)
    assert figure(*words)[:2] == (0, of_results)


def test_without_annotations_those_of_the_record_are_taken_or_it_is_refused(tmp_path):
    write_case(tmp_path)
    code, out, err = report_cases(tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "annotations" in err


def test_results_of_other_categories_are_refused(failures):
    write_results(failures / "r.json", (LEFT, 9, 0.9))
    code, _, err = cases(failures)
    assert (code, err.count("\n")) == (2, 1)
    assert "category ids from 9 to 9" in err


def test_vectors_for_papers(failures):
    names = ("f.svg", "f.pdf", "wide.svg", "f.png")
    columns = ((), ("--column", "3.3in"), ("--column", "6.9in"), ("--column", "3.3in"))
    for name, column in zip(names, columns, strict=True):
        assert cases(failures, "--output", failures / name, *column)[0] == 0
    svg = (failures / "f.svg").read_text()
    assert svg.count("<image") >= 2 * 4, "a bitmap per frame"
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
    assert {"Missed, cats: AP 15.0, 50.0 lost to missed objects", "frame 0", "dog"} <= {*texts}
    assert len(re.findall(r"<path", svg)) > 20, "outlines are vectors"
    wide = (failures / "wide.svg").read_text()
    assert float(re.search(r'width="([0-9.]+)pt"', wide)[1]) == pytest.approx(6.9 * 72)
    sizes = [{float(x) for x in re.findall(r"font-size: ([0-9.]+)px", t)} for t in (wide, svg)]
    assert max(sizes[0]) == pytest.approx(8)
    assert max(sizes[1]) == pytest.approx(10.08)
    pdf = (failures / "f.pdf").read_bytes()
    assert b"/MediaBox [ 0 0 237." in pdf
    assert b"/FontDescriptor" in pdf
    assert Image.open(failures / "f.png").width == 990


@pytest.mark.parametrize(("option", "value", "allowed"), [
    ("--column", "9pt", "from 2in to 12in"), ("--column", "99in", "from 2in to 12in"),
    ("--min-score", "high", "a finite number, such as 0.5"), ("--labels", "some", "none"),
])  # fmt: skip
def test_unknown_widths_and_thresholds_name_what_is_allowed(failures, option, value, allowed):
    code, _, err = cases(failures, option, value)
    assert (code, err.count("\n")) == (2, 1)
    assert value in err
    assert allowed in err


@pytest.mark.parametrize("kind", [*ATTENTION, "strip", "failure-cases"])
@pytest.mark.parametrize("option", ["--output", "--data"])
def test_an_output_that_cannot_be_written_is_found_first(failures, monkeypatch, kind, option):
    def too_late(*arguments, **options):
        raise AssertionError("the work has begun")

    monkeypatch.setattr(LoadedMethod, "record", too_late)
    monkeypatch.setattr("vis_bench.runs.predict.predict_rows", too_late)
    monkeypatch.setattr("vis_bench.metrics.errors.break_down_videos", too_late)
    (failures / "loop").symlink_to("loop")
    ending = "png" if option == "--output" else "npz"
    words = [option, failures / "loop" / f"f.{ending}"]
    if kind == "failure-cases":
        words = [
            failures / "r.json",
            "--annotations",
            failures / "gt.json",
            "--frames",
            failures / "frames",
            *words,
        ]
    if option == "--data":
        if kind not in ATTENTION:
            pytest.skip("writes no arrays")
        words += ["--output", failures / "f.png"]
    code, out, err = figure(kind, *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: cannot write {failures / 'loop'}")
    assert err.count("\n") == 1


def test_the_readmes_commands_make_its_pictures(tmp_path, monkeypatch):
    dark = [c for c in refresh.PICTURES if " --dark" in c]  # the light ones differ in the flag
    shorter = [f"{c} --limit 1" if "time-weights" in c else c for c in dark]
    monkeypatch.setattr(refresh, "PICTURES", shorter)
    sizes = []

    def paint(sheet, ground):
        items = list(sheet.items)
        letters = [item.letters.size for *_, item in items if isinstance(item, Text)]
        sizes.append(min(letters) * COLUMN / sheet.width)
        return paint_sheet(replace(sheet, items=items), ground)

    monkeypatch.setattr(strips, "paint_sheet", paint)
    assert refresh.pictures(tmp_path) == []
    assert [size >= 9 for size in sizes] == [True]
    pictures = list((tmp_path / "pictures").iterdir())
    assert len(pictures) == len(refresh.PICTURES)
    for path in pictures:
        assert path.stat().st_size < 550_000
        with Image.open(path) as picture:
            assert picture.width == (1110 if "narrow" in path.name else 1760)
            assert picture.convert("RGB").getpixel((0, 0)) == (13, 17, 23)


@pytest.mark.parametrize("width", ["", "_narrow"])
@pytest.mark.parametrize("name", ["sampling_points", "time_weights"])
def test_shipped_figures_have_a_dark_twin_of_the_same_size(name, width):
    twins = [
        Image.open(ROOT / "results" / "pictures" / f"{name}{width}{end}.png")
        for end in ("", "_dark")
    ]
    light, dark = (np.asarray(picture.convert("RGB")) for picture in twins)
    assert light.shape == dark.shape
    assert (light[0, 0].tolist(), dark[0, 0].tolist()) == ([255] * 3, [13, 17, 23])


def test_the_documents_show_the_commands_and_embed_their_pictures():
    """Of the twins for dark and for narrow pages they name the options."""
    texts = [(ROOT / name).read_text() for name in ("README.md", "docs/figures.md")]
    words = " ".join(" ".join(texts).replace("\\\n", " ").split())
    narrow = refresh.NARROW, refresh.NARROW_ATTENTION
    ends = {"--dark": "_dark", **dict.fromkeys(narrow, "_narrow")}
    for command in refresh.PICTURES:
        plain = command
        for option, end in ends.items():
            if f" {option}" in plain:
                plain = plain.replace(f" {option}", "").replace(end, "")
                assert f"`{option}`" in words
        if plain.startswith(refresh.STRIP):
            plain = plain.replace("results/clip_lengths/records/", "")
            plain = plain.replace("results/pictures/", "../../pictures/")
            assert "cd results/clip_lengths/records vis-bench figure strip" in words
        assert plain in words
        assert re.search(rf"[(\"]\S*{shlex.split(command)[-1]}[\")]", words), command


def test_memory_tokens_are_drawn_by_their_weight():
    weights_TBhw = np.zeros((2, 3, 2, 2))
    weights_TBhw[:, 1] = 0.2
    weights_TBhw[0, 2] = 0.1
    assert memory_tokens._by_weight(weights_TBhw) == [1, 2, 0]
