"""What the options of a method may be that turn a part of it on or off."""

from __future__ import annotations

from vis_bench.errors import InputError


def check_switches(**switches: object) -> None:
    """Checks options that turn something on or off, by name.

    Raises:
        InputError: for the first that is neither true nor false.
    """
    for name, switch in switches.items():
        if type(switch) is not bool:
            raise InputError(f"{name} is {switch!r:.40}; expected true or false")
