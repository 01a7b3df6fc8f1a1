"""Other Pythons with numpy, where they are installed."""

import os
import shutil
import subprocess
from functools import cache

MISSING = "no Python 3.7 to 3.10 with {}; VIS_BENCH_OLD_PYTHON may name some, as PATH does folders"


@cache
def other_pythons(modules="numpy"):
    """Python 3.7 to 3.10 on the path and those of VIS_BENCH_OLD_PYTHON, with all of the modules."""
    return tuple(_found(modules))


def _found(modules):
    named = os.environ.get("VIS_BENCH_OLD_PYTHON", "").split(os.pathsep)
    named += [f"python3.{n}" for n in range(7, 11)]
    for python in filter(None, map(shutil.which, filter(None, named))):
        if not subprocess.run([python, "-c", f"import {modules}"], capture_output=True).returncode:
            yield python
