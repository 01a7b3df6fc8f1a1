"""What the numbers among a method's options may be."""

from __future__ import annotations

from vis_bench.errors import InputError

MAX_SIZE = 8192
MAX_LAYERS = 64


def check_sizes(largest: int = MAX_SIZE, least: int = 1, **sizes: object) -> None:
    """Checks options that count something, by name.

    Raises:
        InputError: for the first that is not a whole number from `least` to `largest`.
    """
    for name, size in sizes.items():
        if type(size) is not int or not least <= size <= largest:
            raise InputError(
                f"{name} is {size!r:.40}; expected a whole number from {least} to {largest}"
            )
