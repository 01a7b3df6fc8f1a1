"""Places in Markdown pages that hold what a command prints or draws.

A place begins with `<!-- vis-bench COMMAND -->` and ends with `<!-- end -->`. A command that ends
in ` | grep PATTERN` gives the lines with that pattern alone, one with `--picture` a chart in four
files, for light and dark pages, wide and narrow ones. `<!-- refresh NAME -->` begins a place for a
text that no command prints. A page has headings of its own, so those that open a command's output
are left out, and findings that are the title of a chart above them.
"""

from __future__ import annotations

import io
import os
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import vis_bench
from vis_bench.charts import Panel, digest, digest_of_svg, draw_twins
from vis_bench.cli import command_module
from vis_bench.cli import main as run_command
from vis_bench.commands.options import Options, Parser
from vis_bench.errors import InputError
from vis_bench.files import read_bytes, write_atomically

END = "<!-- end -->"
_PLACE = re.compile(rf"(<!-- (vis-bench|refresh) ([^\n]+) -->\n).*?({END})", re.DOTALL)
_FINDING = re.compile(r"^\*\*(.*)\*\*\n\n", re.MULTILINE)
_OPENING = re.compile(r"(<!-- .* -->\n+)?(#+ .*\n+)*")
# A panel's size in inches: in a column of 830 pixels two panels stand beside each other; on a
# phone they stand below each other, with letters of 9 pixels.
_WIDE, _ALONE, _NARROW = (4.3, 3.6), (8.6, 4.2), (4.1, 3.9)
_PHONE = "(max-width: 700px)"
_DARK = "(prefers-color-scheme: dark)"
# The pictures of a chart: endings of their names, and where a page shows them, the first that fits.
_SHOWN = {
    "_narrow_dark": f"{_PHONE} and {_DARK}", "_narrow_light": _PHONE, "_dark": _DARK, "_light": "",
}  # fmt: skip


@dataclass(frozen=True)
class Twins:
    """A chart in files for light and dark pages, wide and narrow; `_SHOWN` ends their names."""

    path: Path
    panels: Sequence[Panel]

    @property
    def files(self) -> dict[str, Path]:
        """The files by the ending of their names."""
        return {end: self.path.with_name(f"{self.path.stem}{end}.svg") for end in _SHOWN}

    def is_stale(self) -> bool:
        """True if a file is missing or shows other data."""
        wanted = digest(self.panels)
        files = self.files.values()
        return any(not f.is_file() or digest_of_svg(text_in(f)) != wanted for f in files)

    def drawn(self) -> dict[Path, bytes]:
        """The content of the files."""
        wide = _WIDE if len(self.panels) > 1 else _ALONE
        sizes = {"": (2, wide), "_narrow": (1, _NARROW)}
        return {
            self.files[f"{width}_{scheme}"]: svg
            for width, (columns, size) in sizes.items()
            for scheme, svg in draw_twins(self.panels, columns=columns, size=size).items()
        }

    def markup(self, folder: Path) -> str:
        """The chart in a page of a folder, in the reader's scheme."""
        *sources, usual = (
            (media, Path(os.path.relpath(self.files[end], folder)).as_posix())
            for end, media in _SHOWN.items()
        )
        lines = [f'  <source media="{media}" srcset="{file}">\n' for media, file in sources]
        words = "; ".join(panel.title for panel in self.panels).replace('"', "'")
        return f'<picture>\n{"".join(lines)}  <img alt="{words}" src="{usual[1]}">\n</picture>\n'


class Pages:
    """Pages with their places filled; commands run in the folder that they are meant for.

    Args:
        texts: functions that give the texts of `refresh` places, by name.
        slow: fill places of `vis-bench flops`, too, which counts for a minute.

    Attributes:
        contents: the text of each page.
        charts: of the pages.
    """

    def __init__(
        self, paths: Sequence[Path], texts: Mapping[str, Callable[[], str]], slow: bool = False
    ):
        self._texts, self._slow = texts, slow
        self.charts: list[Twins] = []
        self.contents = {path: self._filled(path) for path in paths}

    def _filled(self, path: Path) -> str:
        titles = set[str]()

        def fill(place: re.Match[str]) -> str:
            opening, program, command, end = place.groups()
            if program == "refresh":
                text = self._texts[command]()
            elif command.startswith("flops ") and not self._slow:
                return place[0]
            elif " --picture " in command:
                chart = chart_of(shlex.split(command))
                self.charts.append(chart)
                titles.update(panel.title for panel in chart.panels)
                text = chart.markup(path.parent)
            else:
                text = without(printed(command), titles)
            return f"{opening}\n{text}\n{end}"

        return _PLACE.sub(fill, text_in(path))

    def stale(self) -> Iterator[tuple[Path, bytes]]:
        """The files that differ from what their commands give, with what they should hold."""
        for path, text in self.contents.items():
            if path.read_bytes() != text.encode():
                yield path, text.encode()
        for chart in self.charts:
            if chart.is_stale():
                yield from chart.drawn().items()

    def write(self) -> list[Path]:
        """Writes the files that are stale, all made before the first is written; returns them."""
        contents = dict(self.stale())
        for path, content in contents.items():
            write_atomically(path, content)
        return list(contents)


def printed(command: str) -> str:
    """What a command prints below its headings, or those of its lines that hold a pattern."""
    words, _, pattern = command.partition(" | grep ")
    out = io.StringIO()
    with redirect_stdout(out):
        code = run_command(shlex.split(words))
    if code:
        raise InputError(f"exit code {code} of: vis-bench {words}")
    text = _OPENING.sub("", out.getvalue(), count=1)
    if not pattern:
        return text
    wanted = shlex.split(pattern)[0].replace("|", r"\|")  # a character to grep
    return "".join(line for line in text.splitlines(keepends=True) if re.search(wanted, line))


def without(text: str, titles: Collection[str]) -> str:
    """A text without the findings that charts above it have as their titles."""

    def kept(finding: re.Match[str]) -> str:
        return "" if finding[1].replace("\\", "").removesuffix(".") in titles else finding[0]

    return _FINDING.sub(kept, text)


def chart_of(words: Sequence[str]) -> Twins:
    """The chart that `table` or `leaderboard` writes by `--picture`."""
    name, *arguments = words
    options = Options(Parser())
    command_module(name).add_arguments(options)
    asked = options.parse(arguments)
    if name == "leaderboard":
        chart = vis_bench.chart(name, asked.records)
    else:
        fields = {key: getattr(asked, key) for key in ("rows", "columns", "value")}
        [fields["columns"]] = fields["columns"] or [None]
        folder = asked.folder or asked.records
        chart = vis_bench.chart(asked.name, folder, **fields, where=dict(asked.where or ()))
    return Twins(asked.picture, chart.panels)


def text_in(path: Path) -> str:
    """The text of a file, its line ends as they are."""
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None
