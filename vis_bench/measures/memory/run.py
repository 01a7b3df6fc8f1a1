"""Measure memory over the length of a job's videos."""

from __future__ import annotations

import ctypes
import gc
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch

from vis_bench.data.datasets import Dataset
from vis_bench.data.frames import there_and_back
from vis_bench.data.video import Video
from vis_bench.errors import InputError
from vis_bench.hosted_method import HostedMethod
from vis_bench.inference.clips import ClipLength
from vis_bench.inference.loop import ENCODE_FRAMES, track_video
from vis_bench.inference.preprocess import input_size
from vis_bench.measures.memory.growth import growth, needed
from vis_bench.measures.memory.settings import MemorySettings
from vis_bench.measures.speed.nvml import peak_memory, process_peak, reset_process_peak
from vis_bench.measures.speed.regions import Workload
from vis_bench.progress import Bars
from vis_bench.record.schema import MemoryFields, MemoryPoint, Record
from vis_bench.system_memory import available_memory, total_memory

if TYPE_CHECKING:  # a run imports the measurements
    from vis_bench.runs.attempt import Attempt
    from vis_bench.runs.build import CheckedMethod
    from vis_bench.runs.config import Cell


def check(cell: Cell, dataset: Dataset, method: CheckedMethod) -> None:
    """Refuse lengths that the method refuses, and compilation."""
    if cell.compile != "none":
        raise InputError(
            f"measure has memory, but compile is {cell.compile}, which keeps the buffers of "
            "earlier lengths; expected none"
        )
    lengths_of(cell.memory, cell.method, cell.clip_length, method.max_clip_length)


def measure(attempt: Attempt, record: Record) -> MemoryFields:
    """Measure peaks over the length of the largest of the job's videos."""
    job, settings = attempt.job, attempt.job.cell.memory
    limit = None if settings.limit_gib is None else int(settings.limit_gib * GIB)
    largest = max(job.videos, key=lambda video: video.height * video.width)
    title, cell = f"{attempt.title}, memory", job.cell
    with attempt.calling() as method:
        lengths = lengths_of(settings, cell.method, cell.clip_length, method.max_clip_length)
        work = Workload(method, job.plan, job.dataset.category_ids)
        return measure_memory(work, largest, lengths, limit, attempt.bars, title)


GIB = 1 << 30
# Lengths that are measured unless the config names others: so many, so far apart, in frames.
NUM_LENGTHS, STEP = 4, 16
# Numbers of glibc's `mallopt`, and the least and the greatest threshold of its own rule.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LEAST, _GREATEST = 128 << 10, 32 << 20


def lengths_of(
    settings: MemorySettings, name: str, clip_length: ClipLength, max_clip_length: int | None
) -> tuple[int, ...]:
    """The lengths to measure, rising: the config's, or else four multiples of 16.

    They begin where clips of one length overlap as much as they will. Where whole videos may not be
    that long, they are quarters of the longest.

    Args:
        name: of the method.
        max_clip_length: the method's; None for any length.

    Raises:
        InputError: for videos that are shorter than a clip, whose memory is that of shorter clips,
            or longer than the longest clip.
    """
    most = max_clip_length if clip_length == "whole" else None
    least = 1 if clip_length == "whole" else clip_length
    if settings.lengths is None:
        lengths = _usual_lengths(clip_length, most)
        if len(lengths) < 2:
            raise InputError(
                f"measure has memory, but {name} takes clips of {most} frame; expected a method "
                "for videos"
            )
        return lengths
    if settings.lengths[0] < least:
        raise InputError(
            f"memory.lengths has {settings.lengths[0]}, which is less than clip_length {least}; "
            "expected videos of at least a clip"
        )
    if most is not None and settings.lengths[-1] > most:
        raise InputError(
            f"memory.lengths has {settings.lengths[-1]}, but {name} takes clips of at most {most} "
            "frames"
        )
    return settings.lengths


def _usual_lengths(clip_length: ClipLength, most: int | None) -> tuple[int, ...]:
    settled = 1 if clip_length == "whole" else 2 * clip_length + ENCODE_FRAMES
    first = STEP * math.ceil(settled / STEP)
    lengths = [first + STEP * place for place in range(NUM_LENGTHS)]
    if most is not None and lengths[-1] > most:
        lengths = [math.ceil(most * (k + 1) / NUM_LENGTHS) for k in range(NUM_LENGTHS)]
    return tuple(dict.fromkeys(lengths))


def measure_memory(
    work: Workload,
    video: Video,
    lengths: Sequence[int],
    limit: int | None,
    bars: Bars,
    title: str = "memory",
) -> MemoryFields:
    """Measure memory over length.

    The video's first frames, decoded before, play forward and backward to each length: how far
    decoding runs ahead depends on the machine's load. The shortest length is run first without
    being measured, for buffers that are made once. A length that is likely to need more memory
    than there is, or than the limit, is left out with all longer ones.

    Args:
        lengths: in frames, rising.
        limit: bytes that the longest video is to fit; the device's memory unless given.

    Raises:
        InputError: on a CPU where the system has no peak that can be reset, and for a limit below
            the memory of two lengths.
    """
    method, plan = work.method, work.plan
    if plan.device.type != "cuda" and not reset_process_peak():
        raise InputError(
            "memory over length needs a peak of resident memory that can be reset; expected Linux "
            "with /proc/self/clear_refs, or a GPU"
        )
    limit = _total(plan.device) if limit is None else limit
    video = replace(video, frames=[*video.frames[:ENCODE_FRAMES]])
    points: list[MemoryPoint] = []
    with _malloc_that_returns(), bars.bar(title, lengths[0] + sum(lengths)) as advance:
        _run(work, video, lengths[0])
        advance(lengths[0])
        for num_frames in lengths:
            _release(plan.device)
            expected = _expected(points, num_frames)
            if points and expected > min(limit, (points[-1].start_bytes or 0) + _free(plan.device)):
                left_out = f"{num_frames} frames need about {expected / GIB:.1f} GiB"
                bars.say(f"{title}: {left_out}; they are left out")
                break
            points.append(_measured(work, video, num_frames))
            advance(num_frames)
    if len(points) < 2:
        raise InputError(
            f"{left_out}, more than the limit or what is free; expected shorter memory.lengths"
        )
    whole = plan.clip_length == "whole"
    curve = growth(needed(points), method.max_clip_length if whole else None)
    longest = curve.longest(limit)
    return MemoryFields(
        memory_points=tuple(points),
        memory_of=_kind(plan.device),
        memory_over="clip" if whole else "video",
        memory_video_size=(video.height, video.width),
        memory_input_size=input_size(
            video.height, video.width, plan.resolution, method.input_format
        ),
        memory_growth=curve.kind,
        memory_coefficients=curve.coefficients,
        memory_curve_from=curve.first or None,
        memory_bytes_per_frame=curve.coefficients[1] if curve.kind == "line" else None,
        memory_error_bytes=curve.error,
        memory_max_frames=curve.most,
        memory_limit_bytes=limit,
        memory_longest=longest.frames,
        memory_longest_extrapolated=longest.extrapolated,
        memory_longest_is_bound=longest.more,
    )


def _run(work: Workload, video: Video, num_frames: int) -> int:
    """Infer the video at a length and count the entries of its results."""
    played = replace(video, frames=there_and_back(video.frames, num_frames))
    return len(track_video(work.method, played, work.plan, work.category_ids))


def _measured(work: Workload, video: Video, num_frames: int) -> MemoryPoint:
    device, kind = work.plan.device, _kind(work.plan.device)
    elsewhere: dict[str, int | None] = {}

    def take() -> Mapping[str, int | None]:
        elsewhere.clear()
        elsewhere.update(work.method.take_peaks() if isinstance(work.method, HostedMethod) else {})
        return elsewhere

    reset_process_peak()
    start = torch.cuda.memory_allocated(device) if device.type == "cuda" else process_peak()
    with peak_memory(device, take) as peaks:
        num_tracks = _run(work, video, num_frames)
    peak = peaks[kind]
    if peak is None:
        raise InputError(f"the peak memory of {work.method.registered_name} is unknown")
    return MemoryPoint(
        num_frames=num_frames,
        num_tracks=num_tracks,
        peak_bytes=peak,
        start_bytes=None if kind in elsewhere else start,
        device_bytes=peaks["device"],
    )


def _kind(device: torch.device) -> Literal["process", "allocator"]:
    return "allocator" if device.type == "cuda" else "process"


def _expected(points: Sequence[MemoryPoint], num_frames: int) -> float:
    """Bytes on the line through the last two points, or through the start and the only one."""
    if not points:
        return 0.0
    known = {0: points[0].start_bytes or 0} | needed(points)
    (n0, first), (n1, second) = list(known.items())[-2:]
    return second + max(0.0, second - first) * (num_frames - n1) / (n1 - n0)


@contextmanager
def _malloc_that_returns() -> Iterator[None]:
    """Let glibc map every large block by itself, so that it goes back when it is freed.

    Afterwards its thresholds are those that its own rule ends at, once a block of 32 MiB was freed.
    """
    _mallopt(_MMAP_THRESHOLD, _LEAST)
    try:
        yield
    finally:
        _mallopt(_MMAP_THRESHOLD, _GREATEST)
        _mallopt(_TRIM_THRESHOLD, 2 * _GREATEST)


def _mallopt(key: int, value: int) -> None:
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(key, value)


def _release(device: torch.device) -> None:
    """Hand back what is not in use."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _total(device: torch.device) -> int:
    """The device's memory in bytes; on a CPU what this process may use of it."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return total_memory()


def _free(device: torch.device) -> int:
    """Bytes of the device's memory that are left."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()
