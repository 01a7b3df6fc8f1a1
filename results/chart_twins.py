"""A chart of the pages in two files, for light and for dark pages.

Panels stand below each other, narrow enough for letters of 9 pixels on a phone; two charts stand
beside each other in a column of 830 pixels.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vis_bench.charts import Panel, digest, digest_of_svg, draw_twins
from vis_bench.errors import InputError
from vis_bench.files import read_bytes

SCHEMES = "light", "dark"
_WIDTH = 4.1  # inches


@dataclass(frozen=True)
class Chart:
    """A chart in two files, for light and for dark pages.

    Attributes:
        stem: the files' common path, without scheme and ending.
        height: of a panel, in inches.
    """

    stem: Path
    panels: Sequence[Panel]
    height: float

    @property
    def paths(self) -> list[Path]:
        """The files, the one for light pages first."""
        return [self.stem.with_name(f"{self.stem.name}_{scheme}.svg") for scheme in SCHEMES]

    def stale(self) -> list[Path]:
        """The files that are missing, or show other data."""
        wanted = digest(self.panels)
        return [
            path
            for path in self.paths
            if not path.is_file() or digest_of_svg(text_in(path)) != wanted
        ]

    def drawn(self) -> dict[Path, bytes]:
        """The content of both files."""
        twins = draw_twins(self.panels, columns=1, size=(_WIDTH, self.height))
        return dict(zip(self.paths, twins.values(), strict=True))

    def markup(self, description: str, folder: Path) -> str:
        """The chart in a page of a folder, in the reader's scheme."""
        light, dark = (Path(os.path.relpath(path, folder)).as_posix() for path in self.paths)
        return (
            f'<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="{dark}">\n'
            f'  <img alt="{description}" src="{light}">\n</picture>\n'
        )


def text_in(path: Path) -> str:
    """The text of a file, its line ends as they are."""
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None
