"""What a figure of attention is drawn of: a method that records it, and its videos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.inference.attention import RecordedVideo, record_video
from vis_bench.method import AttentionPart, RecordsAttention
from vis_bench.progress import Advance, silent
from vis_bench.runs.config import Cell
from vis_bench.runs.video_subject import VideoSubject

_WORDS: Mapping[AttentionPart, str] = {
    "decoder": "deformable attention in its decoder",
    "memory": "memory tokens",
}


@dataclass(frozen=True)
class RecordedSubject(VideoSubject):
    """A method that records a part of its attention, which has `num_layers`."""

    method: RecordsAttention
    num_layers: int

    def record(self, video: Video, advance: Advance = silent) -> RecordedVideo:
        """Predicts a video as one clip.

        Args:
            advance: is called with the number of frames that are encoded.

        Raises:
            InputError: as `record_video`.
        """
        return record_video(self.method, video, self.plan, list(self.categories), advance)


def recording(
    subject: VideoSubject,
    part: AttentionPart,
    methods_recording: Callable[[AttentionPart], Sequence[str]],
) -> RecordedSubject:
    """The subject, if its method records a part of its attention.

    Args:
        methods_recording: names the methods that do, for a message.

    Raises:
        InputError: for any other method.
    """
    method = subject.method
    layers = method.recorded_layers.get(part) if isinstance(method, RecordsAttention) else None
    if not isinstance(method, RecordsAttention) or not layers:
        raise InputError(_without(subject.cell, part, methods_recording(part)))
    return RecordedSubject(**{**vars(subject), "method": method, "num_layers": layers})


def _without(cell: Cell, part: AttentionPart, names: Sequence[str]) -> str:
    given = ", ".join(f"{key}={value}" for key, value in cell.options.items())
    built = f" with options {given}" if given else ""
    return (
        f"method {cell.method}{built} has no {_WORDS[part]} to record; methods that have it: "
        f"{', '.join(names) or 'none'}"
    )
