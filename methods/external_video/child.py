"""The process that runs the driver, seen from this one: requests, answers and a time limit."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
import weakref
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch

from methods.external_video.driver import PROTOCOL
from vis_bench.errors import InputError
from vis_bench.method import Frames, Mark, TrackPrediction, VideoInfo

DRIVER = Path(__file__).with_name("driver")
LONGEST_HEADER = 1 << 20
# Of what the process wrote to its standard error.
LAST_LETTERS = 300


class Child:
    """One process of another Python; everything that goes wrong is an InputError.

    Attributes:
        facts: of the driver's session.
        waits: True while it waits for a request; a failed video leaves it as it is then.
        ended: True when it can take no more requests.

    Args:
        python: the interpreter.
        spec: what the driver opens.
        timeout: seconds for opening, and for each video.
    """

    def __init__(self, python: str, spec: Mapping[str, Any], timeout: float) -> None:
        self.waits, self.ended = False, False
        self._timeout = timeout
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        its_input, self._requests = os.pipe()
        self._answers, its_output = os.pipe()
        hidden = ("PYTHONPATH", "PYTHONHOME")
        try:
            self._process = subprocess.Popen(
                [python, str(DRIVER), str(its_input), str(its_output)],
                stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
                pass_fds=(its_input, its_output), cwd=spec["project_path"],
                env={key: value for key, value in os.environ.items() if key not in hidden},
            )  # fmt: skip
        finally:
            os.close(its_input)
            os.close(its_output)
        descriptors = self._requests, self._answers
        self._finish = weakref.finalize(self, _finish, self._process, descriptors)
        for descriptor in descriptors:
            os.set_blocking(descriptor, False)
        self._received = b""
        self._device = torch.device(spec["device"]).type
        self._request(kind="open", spec=spec)
        ready = self.answer(("ready",))
        if ready.get("protocol") != PROTOCOL:
            self._fail(f"speaks protocol {ready.get('protocol')}; expected {PROTOCOL}")
        self.facts = ready["facts"]
        self.waits = True

    def run(self, frames: Frames, video: VideoInfo, mark: Mark) -> Iterator[TrackPrediction]:
        """The tracks of one video, received one at a time."""
        size_HW = video.height, video.width
        try:
            mark("preprocess")
            self.send_video(frames, size_HW)
            mark("predict")
            while (header := self.answer(("track", "done")))["kind"] == "track":
                masks = self.masks(header, video.num_frames, size_HW)
                yield TrackPrediction(
                    header["category"], header["score"], masks, header["track_id"]
                )
                del masks
        except BaseException:
            if not self.waits:
                self.end()
            raise

    def send_video(self, frames: Frames, size_HW: tuple[int, int]) -> None:
        """Send a video's frames, one after the other."""
        self.waits = False
        for t, frame_HW3 in enumerate(frames):
            if t == 0:
                shape = len(frames), *frame_HW3.shape
                self._request(
                    kind="video", shape=shape, height=size_HW[0], width=size_HW[1],
                    precision=_precision(self._device),
                )  # fmt: skip
            self._send(np.ascontiguousarray(frame_HW3).tobytes())

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
            raise InputError(str(header.get("message")))
        if kind not in kinds:
            self._fail(f"answered {kind!r}; expected {' or '.join(kinds)}")
        self.waits = kind == "done"
        return header

    def masks(
        self, header: dict[str, Any], num_frames: int, size_HW: tuple[int, int]
    ) -> list[np.ndarray | None]:
        """The masks that follow the header of a track."""
        num_bytes = -(-size_HW[0] * size_HW[1] // 8)
        frames = header.get("frames")
        known = isinstance(frames, list) and all(f in range(num_frames) for f in frames)
        if not known or header.get("bytes") != num_bytes * len(frames):
            self._fail("sent masks that do not fit the video")
        masks: list[np.ndarray | None] = [None] * num_frames
        for t in frames:
            parts = [self._received[:num_bytes]]
            self._received = self._received[num_bytes:]
            missing = num_bytes - len(parts[0])
            while missing:
                parts.append(self._receive(missing))
                missing -= len(parts[-1])
            bits = np.unpackbits(np.frombuffer(b"".join(parts), np.uint8))
            masks[t] = bits[: size_HW[0] * size_HW[1]].reshape(size_HW).astype(bool)
        return masks

    def end(self) -> None:
        """Kill the process."""
        self.ended = True
        self._finish()

    def _request(self, **header: Any) -> None:
        self._deadline = time.monotonic() + self._timeout
        self._send(json.dumps(header).encode() + b"\n")

    def _send(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            self._wait([], [self._requests])
            try:
                rest = rest[os.write(self._requests, rest) :]
            except BrokenPipeError:
                self._fail_ended()

    def _receive(self, most: int) -> bytes:
        self._wait([self._answers], [])
        content = os.read(self._answers, most)
        if not content:
            self._fail_ended()
        return content

    def _wait(self, readable: list[int], writable: list[int]) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0 or not any(select.select(readable, writable, [], left)):
            self._fail(f"took more than options.timeout, {self._timeout:g} seconds")

    def _fail_ended(self) -> NoReturn:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        self._fail(f"ended with exit status {self._process.poll()}")

    def _fail(self, problem: str) -> NoReturn:
        self.end()
        self._log.seek(0)
        said = " ".join(self._log.read().decode(errors="replace").split())[-LAST_LETTERS:]
        raise InputError(f"its process {problem}" + (f"; its last output: {said}" if said else ""))


def _precision(device: str) -> str:
    """Autocast of this process, which the other one repeats."""
    if not torch.is_autocast_enabled(device):
        return "float32"
    return str(torch.get_autocast_dtype(device)).removeprefix("torch.")


def _finish(process: subprocess.Popen, descriptors: tuple[int, int]) -> None:
    process.kill()
    process.wait()
    for descriptor in descriptors:
        os.close(descriptor)
