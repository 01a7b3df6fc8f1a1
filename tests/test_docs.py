"""Commands and Python examples of README.md and docs/ run as they stand there, on small data."""

import json
import re
import shlex
import shutil
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
import tomllib
import torch

from methods.training import loop
from official_weights import filled_state
from paths import ROOT
from plug_in_site import install
from record_example import example_record
from short_videos import write_short_videos
from vis_bench.cli import COMMANDS, command_module, main
from vis_bench.commands.options import Options, Parser
from vis_bench.data.categories import CATEGORIES
from vis_bench.data.synthetic import videos
from vis_bench.method import InputFormat, TrackingRule
from vis_bench.record.store import RecordStore

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(<!-- parsed only[^\n]*\n)?```(\w+)\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#([^)]*))?\)|(?:src|srcset)=\"([^\"]+)\"")
# Lines of shell that are no command of this project; `pip` installs the plug-in of its folder.
OTHERS = "pip", "pytest", "git", "ncu", ".ci/gpu"


# FPS are measured once and in one process, whatever a page says.
BRIEFLY = ["speed.processes=1", "speed.repetitions=1", "speed.seconds=0"]
# Of the README: take minutes.
LONG = "vis-bench demo --full", "vis-bench run clip_lengths"


@dataclass(frozen=True)
class Block:
    page: Path
    language: str
    text: str
    parsed_only: bool

    @property
    def lines(self):
        """The lines of shell, each whole."""
        lines = self.text.replace("\\\n", " ").splitlines()
        lines = [line.split("   # ")[0].strip() for line in lines]
        return [line for line in lines if line and not line.startswith("# ")]

    @property
    def installs(self):
        """The README's commands that make a virtual environment."""
        return self.text.startswith("python3 -m venv")


def blocks(page):
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(page, m[2], m[3], m[1] is not None) for m in found]


def inline_commands(page):
    """The commands within sentences and tables that have arguments."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"`(vis-bench [a-z-]+ [^`]+)`", text.replace("\n", " "))


def parse(line):
    """What the command line makes of a command, without running it."""
    _, name, *arguments = shlex.split(line)
    options = Options(Parser(prog=f"vis-bench {name}"))
    command_module(name).add_arguments(options)
    return options.parse(arguments)


@pytest.fixture(scope="module")
def small_data(tmp_path_factory):
    """The files that the pages name, with two videos of three frames."""
    folder = tmp_path_factory.mktemp("small")
    content = write_short_videos(folder / "mine")
    tracks = [
        {
            "video_id": a["video_id"],
            "category_id": a["category_id"],
            "score": 0.9,
            "segmentations": a["segmentations"],
        }
        for a in content["annotations"]
    ]
    (folder / "instances.json").write_text(json.dumps(content))
    for name in ("results.json", "a.json"):
        (folder / name).write_text(json.dumps(tracks))
    for name in ("b.json", "c.json"):
        (folder / name).write_text(json.dumps(tracks[1:]))
    mine = folder / "mine"
    (mine / "val" / "JPEGImages").rename(folder / "frames")
    shutil.rmtree(mine)
    (folder / "frames").rename(mine)
    (folder / "my_video").symlink_to(next(mine.iterdir()))
    for name in ("my_method.yaml", "rf_detr_tracks.yaml", "cells.yaml"):
        (folder / name).write_text(
            "method: color_key\nresolution: native\ndataset: {name: synthetic, plain: true}\n"
        )
    (folder / "onnx.yaml").write_text("method: onnx_ifc\n")
    youtube = folder / "DATA" / "ytvis2019"
    (youtube / "train").mkdir(parents=True)
    (youtube / "train" / "JPEGImages").symlink_to(mine)
    first = content["videos"][0]
    content["videos"] = []
    for key in range(1, 11):
        frames = [
            name.replace(first["file_names"][0].split("/")[0], f"video_{key}")
            for name in first["file_names"]
        ]
        content["videos"].append({**first, "id": key, "file_names": frames})
        (mine / f"video_{key}").symlink_to(mine / first["file_names"][0].split("/")[0])
    content["annotations"] = [
        {**content["annotations"][0], "id": key, "video_id": key} for key in range(1, 11)
    ]
    (folder / "mine.json").write_text(json.dumps(content))
    content["categories"] = [{"id": k, "name": n} for k, n in CATEGORIES["ytvis2019"].items()]
    (youtube / "train.json").write_text(json.dumps(content))
    weights = tmp_path_factory.mktemp("weights") / "ifc_r50.pth"
    torch.save({"model": filled_state("ifc_r50")}, weights)
    (folder / "ifc_r50.pth").symlink_to(weights)
    for records in (ROOT / "results").glob("*/records"):
        shutil.copytree(records, folder / records.relative_to(ROOT))
    for place in ("current", "history/0123456789abcdef"):
        RecordStore(folder / place).write(example_record(ap=0.5))
    gate = ["check", "--baseline", folder / "baseline.json", "--current", folder / "current"]
    assert main([*map(str, gate), "--update"]) == 0
    return folder


@pytest.fixture
def folder(small_data, tmp_path, monkeypatch):
    """A working directory of the user's, with copies of the small files."""
    place = tmp_path / "work"
    shutil.copytree(small_data, place, symlinks=True)
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def few_videos(monkeypatch):
    """Training learns from two videos, and two are evaluated."""
    monkeypatch.setitem(videos.NUM_VIDEOS, "val", 2)
    draw = loop.draw_videos
    monkeypatch.setattr(loop, "draw_videos", lambda seed, n, told: draw(seed, 2, told) * (n // 2))


def run_line(line, monkeypatch, tmp_path):
    word = line.split()[0]
    if word == "cd":
        monkeypatch.chdir(line.split()[1])
    elif line.startswith("pip install -e") and Path("pyproject.toml").exists():
        project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
        points = project["entry-points"]["vis_bench.methods"]
        install(tmp_path / "site", f"{project['name']}=={project['version']}", {}, **points)
        monkeypatch.syspath_prepend(tmp_path / "site")
        monkeypatch.syspath_prepend(Path.cwd())
    elif word == "vis-bench":
        words = [
            name
            for word in shlex.split(line)[1:]
            for name in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
        ]
        if words[0] == "run":
            words += [word for setting in BRIEFLY for word in ("--set", setting)]
        assert main(words) == 0, line
    else:
        assert word in OTHERS, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_examples_run(page, folder, request, tmp_path, monkeypatch, capsys):
    if page.stem in ("README", "training", "gate"):
        request.getfixturevalue("few_videos")
    for block in blocks(page):
        if block.language == "python":
            code = compile(block.text, str(page), "exec")
            if not block.parsed_only:
                exec(code, {})
        elif block.language == "bash" and not block.parsed_only and not block.installs:
            for line in block.lines:
                run_line(line, monkeypatch, tmp_path)
    if page == README:
        for line in inline_commands(page):
            if line not in LONG:
                run_line(line, monkeypatch, tmp_path)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_can_be_typed(page, folder):
    lines = [line for block in blocks(page) if block.language == "bash" for line in block.lines]
    for line in (*lines, *inline_commands(page)):
        if line.startswith("vis-bench "):
            assert parse(line) is not None
    named = re.findall(r"`vis-bench ([a-z-]+)", page.read_text(encoding="utf-8"))
    assert set(named) <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for path, heading, picture in LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / (path or picture)
        assert target.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}


def test_the_readme_is_two_screens_and_leads_to_every_page():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    assert len(text.encode()) <= 12_000
    lines = [line for block in blocks(README) for line in block.text.splitlines()]
    assert max(map(len, lines)) <= 40, "a phone has room for 40 characters"
    for page in PAGES[1:]:
        assert f"docs/{page.name}" in text


def test_the_smallest_files_are_evaluated(tmp_path, capsys):
    page = ROOT / "docs" / "own_data.md"
    content = re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for name, text in zip(("mine.json", "results.json"), content, strict=True):
        (tmp_path / name).write_text(text)
    files = [str(tmp_path / name) for name in ("mine.json", "results.json")]
    assert main(["validate", files[0]]) == 0
    assert "no problems" in capsys.readouterr().out
    assert main(["eval", "--annotations", files[0], "--predictions", files[1], "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["ap"], report["ap_s"]) == (pytest.approx(1), pytest.approx(1))
    assert report["warnings"] == []


@pytest.mark.parametrize("rule", [InputFormat, TrackingRule])
def test_the_page_of_own_methods_explains_every_field(rule):
    page = (ROOT / "docs" / "own_method.md").read_text(encoding="utf-8")
    table = page.partition(f"| `{rule.__name__}` |")[2].partition("\n\n")[0]
    names = [
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.M)
        for name in re.findall("`(.*?)`", row)
    ]
    assert names == [field.name for field in fields(rule)]


def test_the_reading_path_has_fewer_than_5000_lines():
    text = (ROOT / "docs" / "design.md").read_text().split("## The reading path")[1]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    names = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    paths = [
        ROOT / (name if name.startswith(("vis_", "methods")) else f"vis_bench/{name}")
        for name in names
    ]
    assert len(names) > 10
    assert sum(len(path.read_text().splitlines()) for path in paths) < 5000
