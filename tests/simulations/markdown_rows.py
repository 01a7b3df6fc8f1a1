"""Rows of the tables that simulations print, in Markdown."""

import sys


def percent(share):
    """A fraction in whole percent."""
    return f"{100 * share:.0f} %"


def write_row(*cells):
    """Print a row at once, since the next one may take minutes."""
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()
