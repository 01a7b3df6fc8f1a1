"""SciPy's linear assignment, loaded without the rest of `scipy.optimize`.

That package takes 0.3 s to import, longer than HOTA of most files takes to count. Its compiled
module `_lsap` needs NumPy alone, so that it is loaded from its file; where a version of SciPy has
none, the package is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec

import numpy as np

Assign = Callable[..., tuple[np.ndarray, np.ndarray]]


def _compiled() -> Assign | None:
    scipy = find_spec("scipy")
    folders = (scipy and scipy.submodule_search_locations) or ()
    spec = PathFinder.find_spec("scipy.optimize._lsap", [f"{place}/optimize" for place in folders])
    if spec is None or spec.loader is None:
        return None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, "linear_sum_assignment", None)


def _of_package() -> Assign:
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment


linear_sum_assignment = _compiled() or _of_package()
