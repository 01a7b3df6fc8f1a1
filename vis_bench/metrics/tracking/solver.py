"""SciPy's solver of assignment problems, without the rest of `scipy.optimize`.

Importing `scipy.optimize` takes a fifth as long as evaluating a results file. The solver is one
compiled file in it that needs NumPy alone, so that file is loaded where it is found.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path

import numpy as np

Solver = Callable[..., tuple[np.ndarray, np.ndarray]]

_PACKAGE, _FILE = "scipy.optimize", "_lsap"


def linear_sum_assignment(
    cost_NM: np.ndarray, *, maximize: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the cheapest assignment, as `scipy.optimize.linear_sum_assignment`."""
    return _solver()(cost_NM, maximize)


@cache
def _solver() -> Solver:
    alone = None if _PACKAGE in sys.modules else _solver_alone()
    if alone is not None:
        return alone
    from scipy import optimize

    return optimize.linear_sum_assignment


def _solver_alone() -> Solver | None:
    """The solver from its own file; None where this version of SciPy keeps it elsewhere."""
    scipy = find_spec("scipy")
    if scipy is None or scipy.origin is None:
        return None
    folder = Path(scipy.origin).parent / "optimize"
    spec = PathFinder.find_spec(f"{_PACKAGE}.{_FILE}", [str(folder)])
    if spec is None or spec.loader is None:
        return None
    try:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    except ImportError:
        return None
    return getattr(module, "linear_sum_assignment", None)
