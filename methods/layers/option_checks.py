"""Checks of a method's options; each raises `InputError` naming the option and what is expected."""

from __future__ import annotations

from collections.abc import Iterable

from vis_bench.errors import InputError

MAX_SIZE = 8192
MAX_LAYERS = 64


def check_sizes(largest: int = MAX_SIZE, least: int = 1, **sizes: object) -> None:
    """Refuse options that are not whole numbers from `least` to `largest`."""
    for name, size in sizes.items():
        if type(size) is not int or not least <= size <= largest:
            raise InputError(
                f"{name} is {size!r:.40}; expected a whole number from {least} to {largest}"
            )


def check_shares(**shares: object) -> None:
    """Refuse options that are not numbers from 0 to 1."""
    for name, share in shares.items():
        if type(share) not in (int, float) or not 0 <= share <= 1:
            raise InputError(f"{name} is {share!r:.40}; expected a number from 0 to 1")


def check_switches(**switches: object) -> None:
    """Refuse options that are neither true nor false."""
    for name, switch in switches.items():
        if type(switch) is not bool:
            raise InputError(f"{name} is {switch!r:.40}; expected true or false")


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Refuse an option that is none of the choices."""
    choices = list(choices)
    if value not in choices:
        raise InputError(f"{name} is {value!r:.40}; expected one of: {', '.join(choices)}")
