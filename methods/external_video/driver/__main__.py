"""Starts `serve.main` of this folder, under a name that no project has: `python FOLDER SOCKET`.

`python FOLDER versions` prints those of the environment, as JSON.
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
    what = sys.argv.pop()
    if what == "versions":
        found = importlib.import_module("vis_bench_driver.versions").versions()
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        importlib.import_module("vis_bench_driver.serve").main(int(what))
