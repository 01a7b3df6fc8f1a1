"""The most memory that Python holds while something runs."""

import tracemalloc


def peak_of(action):
    """What an action returns, and its peak in bytes."""
    tracemalloc.start()
    try:
        return action(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
