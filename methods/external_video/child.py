"""The process that runs the driver, seen from this one: requests, answers and a time limit."""

from __future__ import annotations

import json
import math
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import warnings
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, NoReturn

import numpy as np
import torch

from methods.external_video.driver import PROTOCOL
from methods.external_video.driver.memory import SharedMemory
from methods.external_video.driver.processes import VARIABLE, kill_marked
from vis_bench.errors import InputError
from vis_bench.operating_system import append_always, kill_group
from vis_bench.video_method import TRANSFER, Frames, Mark, TrackPrediction, VideoInfo

DRIVER = Path(__file__).with_name("driver")
LONGEST_HEADER = 1 << 20
# Of what the process wrote to its standard error.
LAST_LETTERS = 300
# Seconds between looks at a silent process, which may have ended.
SILENCE = 1.0
# Number, category and score of each track of a call, and masks (N, T, H, W), a row per number.
StepMasks = tuple[Sequence[tuple[int, int, float]], np.ndarray]
# Seconds by which two readings of the system's clock in two processes may differ.
CLOCK_STEP = 1e-3


class ChildDiedError(InputError):
    """The process ended by itself."""


class Child:
    """A process of another Python, which is started anew when it has ended.

    Everything that goes wrong is an InputError. Frames go through memory that no name leads to, and
    the process and all that it starts have a mark in their environment, so that nothing remains of
    either however this one ends.

    Attributes:
        facts: of the driver's session.

    Args:
        python: the interpreter.
        spec: what the driver opens.
        timeout: seconds for opening, and for each video.
        unchanged: encloses every start, and refuses what has changed since the first.
    """

    def __init__(
        self,
        python: str,
        spec: Mapping[str, Any],
        timeout: float,
        unchanged: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._python, self._spec, self._timeout = python, spec, timeout
        self._unchanged = unchanged
        self._device = torch.device(spec["device"]).type
        self._peaks: dict[str, int | None] = {}
        self._running: _Process | None = None
        self.facts = self._started().facts

    def run(self, frames: Frames, video: VideoInfo, mark: Mark) -> Iterator[TrackPrediction]:
        """The tracks of one video, received one at a time.

        Where the process ends before the first one, it is started again once.
        """
        received = 0
        try:
            for track in self._predict(frames, video, mark):
                received += 1
                yield track
                del track
            return
        except ChildDiedError as error:
            if received:
                raise
            warnings.warn(
                f"{error}, in video {video.name} (id {video.id}); restarting it",
                stacklevel=2,
            )
        yield from self._predict(frames, video, mark)

    def step(self, frames: Frames, height: int, width: int, first: bool, mark: Mark) -> StepMasks:
        """The tracks of the next frames of a video, with masks that last until the next call.

        Where the process ends, its video fails, as nobody else has the state.
        """
        size_HW = height, width
        with self._asked(frames, size_HW, kind="step", first=first) as (process, num_bytes):
            tracks = self._answer(process, ("done",), mark)["tracks"]
            shape = len({track[0] for track in tracks}), len(frames), *size_HW
            return tracks, process.shared.array(num_bytes, shape, bool)

    def count(self, frames: Frames, video: VideoInfo) -> Mapping[str, Any]:
        """The multiply-adds of one video: the fields of a `MacCount`."""
        with self._asked(frames, (video.height, video.width), kind="count") as (process, _):
            return self._answer(process, ("done",), lambda *_: None)["macs"]

    def take_peaks(self) -> Mapping[str, int | None]:
        """The largest of the peaks of memory of each video since the last call, in bytes."""
        taken, self._peaks = self._peaks, {}
        return taken

    def _predict(self, frames: Frames, video: VideoInfo, mark: Mark) -> Iterator[TrackPrediction]:
        mark(TRANSFER)
        size_HW = video.height, video.width
        with self._asked(frames, size_HW, kind="video") as (process, _):
            while (header := self._answer(process, ("track", "done"), mark))["kind"] == "track":
                masks = process.masks(header, len(frames), size_HW)
                yield TrackPrediction(
                    header["category"], header["score"], masks, header["track_id"]
                )
                del masks

    @contextmanager
    def _asked(
        self, frames: Frames, size_HW: tuple[int, int], **request: Any
    ) -> Iterator[tuple[_Process, int]]:
        """The process with a request about frames, and their bytes; it ends if the block fails."""
        process = self._started()
        try:
            shape = _fill(process.memory, frames)
            process.request(
                self._timeout,
                shape=shape,
                height=size_HW[0],
                width=size_HW[1],
                **request,
                **_arithmetic(self._device),
            )
            yield process, math.prod(shape)
        except BaseException:
            if not process.waits:
                self._running = None
                process.end()
            raise

    def _answer(self, process: _Process, kinds: Collection[str], mark: Mark) -> dict[str, Any]:
        """The next header, after what it tells of seconds and of peaks of memory."""
        header = process.answer(kinds)
        for stage, seconds in process.seconds(header).items():
            mark(stage, seconds)
        for name, peak in header.get("memory", {}).items():
            known = (self._peaks.get(name), peak)
            self._peaks[name] = max((value for value in known if value is not None), default=None)
        return header

    def _started(self) -> _Process:
        if self._running is None:
            with self._unchanged():
                started = _Process(self._python, self._spec, self._timeout)
            self._running = started
        return self._running


class _Process:
    """One process; it can take no request after its end.

    Attributes:
        waits: True while it waits for a request; a failed video leaves it as it is then.
        memory: file that begins with the frames of a video. All videos share it: new pages cost
            several times what writing to them does.
        shared: its arrays.
    """

    def __init__(self, python: str, spec: Mapping[str, Any], timeout: float) -> None:
        self.waits = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self._kept_log = ""
        append_always(self._log)
        self.memory = _memory()
        self.shared = SharedMemory(self.memory.fileno())
        self._socket, its_socket = socket.socketpair()
        mark = secrets.token_hex(8)
        with its_socket:
            descriptors = its_socket.fileno(), self.memory.fileno()
            self._process = subprocess.Popen(
                [python, str(DRIVER), *map(str, descriptors)],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=descriptors,
                cwd=spec["project_path"],
                env=child_environment() | {VARIABLE: mark},
                start_new_session=True,
            )
        self._finish = weakref.finalize(
            self, _finish, os.getpid(), self._process, mark, self._socket, self.memory
        )
        self._received = b""
        self.request(timeout, kind="open", spec=spec)
        ready = self.answer(("ready",))
        if ready.get("protocol") != PROTOCOL:
            self._fail(f"speaks protocol {ready.get('protocol')}; expected {PROTOCOL}")
        self.facts = ready["facts"]
        self.waits = True

    def request(self, timeout: float, **header: Any) -> None:
        """Send a request; what answers it may take `timeout` seconds."""
        self.waits = False
        self._log.truncate(0)
        self._sent, self._counted = monotonic(), 0.0
        self._timeout, self._deadline = timeout, self._sent + timeout
        try:
            self._socket.sendall(json.dumps(header).encode() + b"\n")
        except OSError:  # a closed connection
            self._fail_ended()

    def answer(self, kinds: Collection[str]) -> dict[str, Any]:
        """The next header, of one of these kinds."""
        while b"\n" not in self._received and len(self._received) < LONGEST_HEADER:
            self._received += self._receive(1 << 16)
        line, _, self._received = self._received.partition(b"\n")
        try:
            header = json.loads(line)
            kind = header["kind"]
        except (ValueError, KeyError, TypeError):
            self._fail(f"answered {line[:40]!r}; expected a line of JSON")
        if kind == "error":
            self.waits = True
            raise InputError(str(header.get("message")) + self._output(header.get("traced")))
        if kind not in kinds:
            self._fail(f"answered {kind!r}; expected {' or '.join(kinds)}")
        self.waits = kind == "done"
        return header

    def seconds(self, header: dict[str, Any]) -> dict[str, float]:
        """The seconds by stage of an answer, all of which lie within the time since the request."""
        seconds = header["seconds"]
        self._counted += sum(seconds.values())
        waited = monotonic() - self._sent
        if not (min(seconds.values()) >= 0 and self._counted <= waited + CLOCK_STEP):
            self._fail(
                f"counted {' and '.join(f'{value:g}' for value in seconds.values())} seconds, "
                f"{self._counted:g} in all; expected 0 or more, and {waited:g} at most in all"
            )
        return seconds

    def masks(
        self, header: dict[str, Any], num_frames: int, size_HW: tuple[int, int]
    ) -> list[np.ndarray | None]:
        """The masks that follow the header of a track."""
        masks: list[np.ndarray | None] = [None] * num_frames
        for t, num_bytes in zip(header["frames"], header["bytes"], strict=True):
            mask = unpacked_mask(self._exactly(num_bytes), size_HW)
            if mask is None or t not in range(num_frames):
                self._fail("sent masks that do not fit the video")
            masks[t] = mask
        return masks

    def end(self) -> None:
        """Kill the process and those that it started."""
        self._finish()

    def _exactly(self, num_bytes: int) -> bytes:
        parts = [self._received[:num_bytes]]
        self._received = self._received[num_bytes:]
        missing = num_bytes - len(parts[0])
        while missing:
            parts.append(self._receive(missing))
            missing -= len(parts[-1])
        return b"".join(parts)

    def _receive(self, most: int) -> bytes:
        while True:
            left = self._deadline - monotonic()
            if left <= 0:
                self._fail_late()
            if select.select([self._socket], [], [], min(left, SILENCE))[0]:
                content = b""
                with suppress(ConnectionError):
                    content = self._socket.recv(most)
                if content:
                    return content
                self._fail_ended()
            if self._process.poll() is not None:  # another one holds the socket
                self._fail_ended()

    def _fail_ended(self) -> NoReturn:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SILENCE)
        status = self._process.poll()
        why = f"signal {-status}" if status is not None and status < 0 else f"exit status {status}"
        self._fail(f"ended with {why}", ChildDiedError)

    def _fail_late(self) -> NoReturn:
        self._process.send_signal(signal.SIGABRT)  # which makes it write where it is
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10 * SILENCE)
        self._fail(f"took more than options.timeout, {self._timeout:g} seconds")

    def _fail(self, problem: str, kind: type[InputError] = InputError) -> NoReturn:
        self.waits = False
        self.end()
        self._log.seek(0)
        said = _end_of_log(self._log.read().decode(errors="replace"))
        last = f"; its last output: {said}" if said else ""
        raise kind(f"its process {problem}{last}{self._output(bool(said))}")

    def _output(self, keep: bool | None) -> str:
        """Keep what the process wrote since the request, in a file, and return a hint at it."""
        if not keep:
            return ""
        if not self._kept_log:
            descriptor, self._kept_log = tempfile.mkstemp(".log", "vis-bench-")
            os.close(descriptor)
        self._log.seek(0)
        with Path(self._kept_log).open("ab") as file:
            shutil.copyfileobj(self._log, file)
        return f"; all of its output is in {self._kept_log}"


def unpacked_mask(packed: bytes, size_HW: tuple[int, int]) -> np.ndarray | None:
    """The mask (H, W) of the driver's `packed_mask`; None where there is none of that size."""
    pixels = math.prod(size_HW)
    num_bytes = -(-pixels // 8)
    content = np.frombuffer(packed, np.uint8)
    if len(packed) != num_bytes:
        count, rest = divmod(len(packed), 5)
        starts = np.frombuffer(packed, np.int32, count)
        lengths = np.diff(starts, append=num_bytes)
        if rest or not count or starts[0] or (lengths <= 0).any():
            return None
        content = np.repeat(content[4 * count :], lengths)
    return np.unpackbits(content, count=pixels).reshape(size_HW).view(bool)


def child_environment() -> dict[str, str]:
    """Variables of the process: those of this one but the import path, and as many threads."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    return kept | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": str(torch.get_num_threads())}


def _memory() -> BinaryIO:
    """A file in memory without a name."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("frames"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _fill(memory: BinaryIO, frames: Frames) -> tuple[int, ...]:
    """Write frames to the beginning of memory and return their shape (T, H, W, 3)."""
    shape: tuple[int, ...] = ()
    memory.seek(0)
    for frame_HW3 in frames:
        shape = len(frames), *frame_HW3.shape
        rest = memoryview(np.ascontiguousarray(frame_HW3)).cast("B")
        while rest:
            rest = rest[memory.write(rest) :]
    return shape


def _arithmetic(device: str) -> dict[str, Any]:
    """Autocast and TF32 of this process, which the other one repeats."""
    precision = "float32"
    if torch.is_autocast_enabled(device):
        precision = str(torch.get_autocast_dtype(device)).removeprefix("torch.")
    return {
        "precision": precision,
        "tf32": device == "cuda" and torch.backends.cudnn.allow_tf32,
    }


def _finish(
    owner: int, process: subprocess.Popen, mark: str, connection: socket.socket, memory: BinaryIO
) -> None:
    if os.getpid() != owner:  # a fork of the one that started it
        return
    kill_group(process)
    kill_marked(mark)
    process.wait()
    connection.close()
    memory.close()


def _end_of_log(log: str) -> str:
    """The end of what a process printed, and the place where Python says that it crashed.

    Python prints "Fatal Python error: Aborted", then the calls of each thread, innermost first,
    behind "Current thread 0x... (most recent call first): " for the one that crashed.
    """
    printed, _, crash = " ".join(log.split()).partition("Fatal Python error: ")
    of_thread = crash.partition("Current thread ")[2]
    innermost_call = of_thread.partition("first): ")[2][:LAST_LETTERS]
    return f"{printed.strip()[-LAST_LETTERS:]} {innermost_call}".strip()
