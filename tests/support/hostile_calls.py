"""Commands over data whose names mean harm, and what they may print."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout

from drawing_case import LEFT, RIGHT, H, T, W, write_frames
from hostile_text import unprintable
from vis_bench.cli import main

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


def write_data(folder, names):
    """Frames, annotations and results of three videos and classes that are called so."""
    videos, folder_names = [], [name.replace("/", "_").replace("\0", "_") for name in names]
    for number, name in enumerate(folder_names, 1):
        write_frames(folder / "frames", f"{number}{name}")
        files = [f"{number}{name}/{t:05d}.png" for t in range(T)]
        videos.append({"id": number, "width": W, "height": H, "length": T, "file_names": files})
    objects = [
        {
            "id": 10 * v + c,
            "video_id": v,
            "category_id": c,
            "iscrowd": 0,
            "segmentations": masks,
            "areas": [256] * T,
        }
        for v in (1, 2, 3)
        for c, masks in ((1, LEFT), (2, RIGHT), (3, LEFT))
    ]
    content = {
        "videos": videos,
        "annotations": objects,
        "categories": [{"id": n, "name": name} for n, name in enumerate(names, 1)],
    }
    (folder / "gt.json").write_text(json.dumps(content))
    results = [
        {"video_id": v, "category_id": c, "score": 0.3 + 0.1 * c, "segmentations": masks}
        for v in (1, 2, 3)
        for c, masks in ((1, LEFT), (2, RIGHT), (3, RIGHT))
    ]
    paths = [folder / f"{name}.json" for name in folder_names]
    for place, path in enumerate(paths):
        path.write_text(json.dumps(results[place:]))
    return folder / "gt.json", paths
