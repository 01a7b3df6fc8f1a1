"""What methods need beside `vis-bench[models]`."""

import pytest

NEEDED = dict.fromkeys(("minvis", "sam3_video"), "transformers")


def with_marks(methods):
    """Names of methods as parameters of a test, marked by the package that each needs."""
    marks = {name: pytest.mark.extra(package) for name, package in NEEDED.items()}
    return [pytest.param(name, marks=marks.get(name.split()[0], ()), id=name) for name in methods]
