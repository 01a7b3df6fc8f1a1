"""A copy of the package, to which a test adds a toy, and its command line."""

import os
import shutil
import subprocess
import sys

from paths import ROOT

START = "from vis_bench.cli import start; start()"


def copy_package(folder):
    """Copies the package, its methods and configs, without weights."""
    ignored = shutil.ignore_patterns("*.safetensors", "__pycache__")
    for name in ("vis_bench", "methods", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


def replace(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def vis_bench(source, *arguments, code=0):
    """Standard output and error of a command on the copy."""
    environment = {**os.environ, "PYTHONPATH": str(source), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", START, *arguments],
        cwd=source,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr
