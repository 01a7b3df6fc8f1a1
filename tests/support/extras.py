"""Tests of methods that need an extra are skipped where it is not installed, and say so."""

from importlib.util import find_spec

import pytest

NEEDED = dict.fromkeys(("minvis", "sam3_video"), "transformers")


def missing_extra(name):
    extra = NEEDED.get(name)
    return None if extra is None or find_spec(extra) else extra


def skip_without_extra(name):
    extra = missing_extra(name)
    if extra is not None:
        pytest.skip(f"{name} needs the extra [{extra}], which is not installed")
