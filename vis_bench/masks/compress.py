"""Run lengths to COCO's compressed text, for masks that pycocotools cannot write.

The text holds every run, from the fourth on as its difference to the run two before, in characters
of five bits and a continuation bit, lowest first (pycocotools, `rleToString`). pycocotools reserves
six characters per run and writes a zero behind the last: one byte too few where every run needs all
six. No run does in a frame of fewer than `WRITABLE_PIXELS` pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

# Numbers from -2^24 to 2^24 - 1 take five characters at most.
WRITABLE_PIXELS = 1 << 24

_BITS = 5
_CONTINUES = 1 << _BITS
_SIGN = _CONTINUES >> 1
_FIRST_CHARACTER = 48


def compressed(lengths: Sequence[int]) -> str:
    """The text of these run lengths, background first."""
    characters: list[int] = []
    for index, length in enumerate(lengths):
        value = length - lengths[index - 2] if index > 2 else length
        while True:
            bits = value & (_CONTINUES - 1)
            value >>= _BITS
            done = value == (-1 if bits & _SIGN else 0)
            characters.append(_FIRST_CHARACTER + (bits if done else bits | _CONTINUES))
            if done:
                break
    return bytes(characters).decode("ascii")
