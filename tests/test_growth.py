"""Memory, and the calls of functions, grow no faster than what is measured."""

import sys
from collections import Counter
from functools import partial

import pytest

from growth_cases import CASES
from peak_memory import peak_of

SIZES = {
    "files written into a folder": 60,
    "records written between looks": 60,
    "labels of records": 60,
    "streaming over frames": 600,
}


def calls_of(action):
    """The number of calls of functions, also of compiled ones."""
    calls = Counter()
    sys.setprofile(lambda frame, event, argument: calls.update([event]))
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls["call"] + calls["c_call"]


@pytest.mark.parametrize("name", CASES)
def test_four_times_as_much_takes_about_four_times_as_much(name, tmp_path):
    calls, peaks = [], []
    for number in (SIZES.get(name, 150), 4 * SIZES.get(name, 150)):
        subject, action = CASES[name](number, tmp_path / "calls")
        calls.append(calls_of(partial(action, subject)))
        subject, action = CASES[name](number, tmp_path / "memory")
        peaks.append(peak_of(partial(action, subject))[1])
    assert calls[1] < 6 * calls[0]
    assert peaks[1] < 6 * max(peaks[0], 1 << 16)
