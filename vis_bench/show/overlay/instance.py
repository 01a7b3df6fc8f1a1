"""What is drawn of one track or object over a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vis_bench.masks.rle import RLE

Style = Literal["track", "false", "missed"]


@dataclass(frozen=True)
class Instance:
    """One mask or none per frame, and how it looks.

    Attributes:
        masks_T: of the video's size.
        identity: number of the object that it shows; one color goes with it.
        texts: what its label says, from the longest to the shortest that will do.
        style: `track` is filled, `false` hatched, `missed` only outlined, with dashes.
        switches: frames in which its identity switches.
        abbreviation: what its label may say in small pictures, where none of `texts` has room.
    """

    masks_T: Sequence[RLE | None]
    identity: int
    texts: tuple[str, ...]
    style: Style = "track"
    switches: tuple[int, ...] = ()
    abbreviation: str = ""
