"""An argument parser whose errors are one sentence, as all other errors are."""

from __future__ import annotations

import argparse
from typing import NoReturn

from vis_bench.errors import InputError


class Parser(argparse.ArgumentParser):
    """Raises an `InputError` for wrong usage, where argparse prints the usage and exits."""

    def error(self, message: str) -> NoReturn:
        """Raises an `InputError` with argparse's message."""
        raise InputError(f"{message} (see: {self.prog} --help)")
