"""Commands over data whose names mean harm, and what they may print."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout

from drawing_case import LEFT, RIGHT, annotations_of, write_frames, write_videos_results
from hostile_text import PARTS, unprintable
from record_example import example_record
from vis_bench.cli import main
from vis_bench.record.schema import RegionFields

# Tags and links of the hostile names that would be alive in Markdown or HTML.
TAG = re.compile(r"(?<!\\)<(script|img)")
ALIVE = re.compile(rf"{TAG.pattern}|(?<!\\)\]\(https|(?<!\\)!\[a\]")


def call(*arguments):
    """The exit code, and what was printed where; an exception escapes."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def check_text(text, *, where):
    assert not unprintable(text), (where, text)
    assert not [line for line in text.splitlines() if line.startswith("::")], (where, text)


def checked(*arguments, codes=(0,)):
    """Runs a command both ways; returns what it prints for people."""
    for more in ([], ["--json"]):
        code, out, err = call(*arguments, *more)
        assert code in codes, (arguments, err)
        for text in (out, err):
            check_text(text, where=arguments)
        assert not re.search("Traceback", out + err)
        if more and out:
            json.loads(out)
        if not more:
            printed = out
    return printed


def folder_name(name):
    """A name without what separates folders, on any system."""
    return name.replace("/", "_").replace("\\", "_").replace("\0", "_")


def write_data(folder, names):
    """Frames, annotations and results of three videos and classes that are called so."""
    files = [name.replace("/", "_").replace("\0", "_") for name in names]
    videos = [folder_name(f"{number}{name}") for number, name in enumerate(names, 1)]
    for video in videos:
        write_frames(folder / "frames", video)
    objects = [(LEFT, 1), (RIGHT, 2), (LEFT, 3)]
    content = annotations_of(dict.fromkeys(videos, objects), categories=names)
    (folder / "gt.json").write_text(json.dumps(content))
    tracks = [(masks, c, 0.3 + 0.1 * c) for masks, c in ((LEFT, 1), (RIGHT, 2), (RIGHT, 3))]
    paths = [folder / f"{name}.json" for name in files]
    for place, path in enumerate(paths):
        first = {1: tracks[place:]}
        write_videos_results(path, {**first, 2: tracks, 3: tracks})
    return folder / "gt.json", paths


# All parts at once, in an order that lets none of them close another one's bracket.
WORST = "n" + "".join(part for part in PARTS if part not in ("/", "../", ".."))


def hostile_folder(parent):
    folder = parent / "n\x1b[31m\n::error::x"
    folder.mkdir()
    return folder


def hostile_record(name, **changes):
    """A record with the name in each of its texts."""
    texts = (
        "method", "backbone", "dataset", "split", "training", "note", "url", "device", "git_commit",
        "created_at", "command", "timed_region", "precision", "flop_convention", "kernel_backend",
        "vis_bench_version", "kernel_build", "weights_source", "driver", "python",
    )  # fmt: skip
    values = dict.fromkeys(texts, name) | {
        "regions": {name: RegionFields(fps=5.0, latency_ms_p50=1.0)},
        "fps": 5.0,
        "gflops_per_frame": 2.0,
        "options": {name: name},
        "resolved_options": {name: name},
        "failures": {name: name},
        "clip_length": 5,
    }
    return example_record(**values | changes)
