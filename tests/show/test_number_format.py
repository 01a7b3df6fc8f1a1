"""Number formats that all tables share."""

import pytest

from vis_bench.show.number_format import number, points, range_text


@pytest.mark.parametrize(
    ("fraction", "signed", "text"),
    [
        (0.1234, False, "12.3"), (0.1234, True, "+12.3"), (-0.1, False, "-10.0"),
        (-0.0001, False, "0.0"), (0.0, True, "0.0"), (-0.0001, True, "0.0"),
        (None, True, "-"), (float("nan"), False, "-"),
    ],
)  # fmt: skip
def test_points_of_100_without_a_sign_of_zero(fraction, signed, text):
    assert points(fraction, signed=signed) == text


def test_ranges_and_numbers():
    assert range_text(0.1, 0.2) == "10.0 to 20.0"
    assert range_text(-0.1, 0.2, signed=True) == "-10.0 to +20.0"
    assert range_text(None, 0.2) == ""
    assert number(2_500_000, 1, 1e6) == "2.5"
    assert number(None, 1) == "-"
