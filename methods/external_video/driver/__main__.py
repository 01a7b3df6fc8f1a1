"""Starts `serve.main` of this folder, under a name that no project has.

`python FOLDER SOCKET MEMORY` gives it two descriptors; `python FOLDER versions` prints those of
the environment, as JSON.
"""

import importlib
import importlib.util
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    folder = sys.path.pop(0)
    spec = importlib.util.spec_from_file_location(
        "vis_bench_driver", Path(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
    arguments, sys.argv[1:] = sys.argv[1:], []
    if arguments == ["versions"]:
        found = importlib.import_module("vis_bench_driver.environment").versions()
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        importlib.import_module("vis_bench_driver.serve").main(*map(int, arguments))
