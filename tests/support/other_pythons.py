"""Older Pythons with numpy, where they are installed."""

import os
import shutil
import subprocess

MISSING = "no Python 3.7 to 3.10 with numpy; VIS_BENCH_OLD_PYTHON may name one"


def other_pythons():
    """Python 3.7 to 3.10 with numpy, by VIS_BENCH_OLD_PYTHON or on the path."""
    named = [os.environ.get("VIS_BENCH_OLD_PYTHON"), *(f"python3.{n}" for n in range(7, 11))]
    for python in filter(None, map(shutil.which, filter(None, named))):
        if not subprocess.run([python, "-c", "import numpy"], capture_output=True).returncode:
            yield python
