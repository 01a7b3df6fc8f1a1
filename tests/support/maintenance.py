"""The script `results/refresh.py` as a module, which no package holds."""

import importlib.util

from paths import ROOT

_SPEC = importlib.util.spec_from_file_location("refresh", ROOT / "results" / "refresh.py")
refresh = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(refresh)
