"""What the authors of a method timed, where they say it.

Beside this bench's own protocol (`bench`: the regions and settings of a config) a cell can be timed
as its paper was (`paper`), so that published FPS have something to stand next to. Only what is
stated counts; a GPU of the same kind is up to whoever measures.

- VisTR (Epiphqny/VisTR, README, section Models): the network alone, "without data-loading and
  post-processing", on clips of 36 frames. Its `inference.py` passes one clip at a time and has
  neither autocast nor a compiler. The GPU is not stated there.
- VidEoMT (tue-mps/videomt, `model_zoo/dinov2.md` and `benchmark.py`): one H100, the network alone,
  frame by frame from frames on the GPU, float16 under autocast, products of float32 at "medium"
  precision, compiled by torch.compile's default mode.

Nothing of the kind is stated for IFC (its slides name one RTX 2080 Ti, and not what was timed),
SeqFormer (nothing, in paper, supplement or README as far as this project read them) and MS-STS VIS
(no FPS are published).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from vis_bench.cost.speed.settings import Region, SpeedSettings
from vis_bench.errors import InputError
from vis_bench.inference.compiled import Compile

PAPER, BENCH = "paper", "bench"


@dataclass(frozen=True)
class PaperProtocol:
    """How a method's authors timed it.

    `hardware`: None where they do not say. `words`: what is timed, for tables.
    """

    clip_length: int
    region: Region
    precision: Literal["float32", "float16"]
    tf32: bool
    compile: Compile
    hardware: str | None
    words: str


PAPER_PROTOCOLS: Mapping[str, PaperProtocol] = {
    "vistr": PaperProtocol(
        36, "model", "float32", False, "none", None,
        "the network alone, one clip of 36 frames at a time",
    ),
    "videomt": PaperProtocol(
        1, "model", "float16", True, "default", "one NVIDIA H100",
        "the network alone, frame by frame, float16 under autocast, torch.compile",
    ),
}  # fmt: skip


class TimedCell(Protocol):
    """What a protocol says something about; a config's cell has it."""

    @property
    def method(self) -> str: ...
    @property
    def clip_length(self) -> int | str: ...
    @property
    def precision(self) -> str: ...
    @property
    def tf32(self) -> bool: ...
    @property
    def compile(self) -> str: ...
    @property
    def speed(self) -> SpeedSettings: ...


def check_protocol(cell: TimedCell) -> None:
    """Refuses a cell that asks for its paper's protocol and is set otherwise.

    Raises:
        InputError: for a method whose authors do not say what they timed, and for the first setting
            that differs from what they say.
    """
    if cell.speed.protocol != PAPER:
        return
    stated = PAPER_PROTOCOLS.get(cell.method)
    if stated is None:
        raise InputError(
            f"speed.protocol is paper, but the authors of {cell.method} do not say what they "
            f"timed; expected bench, or one of the methods {', '.join(sorted(PAPER_PROTOCOLS))}"
        )
    settings = {
        "clip_length": (cell.clip_length, stated.clip_length),
        "precision": (cell.precision, stated.precision),
        "tf32": (cell.tf32, stated.tf32),
        "compile": (cell.compile, stated.compile),
        "speed.regions": (list(cell.speed.regions), [stated.region]),
    }
    for key, (given, wanted) in settings.items():
        if given != wanted:
            raise InputError(
                f"{key} is {_shown(given)}; expected {_shown(wanted)}, which the authors of "
                f"{cell.method} timed and speed.protocol paper stands for"
            )


def _shown(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
