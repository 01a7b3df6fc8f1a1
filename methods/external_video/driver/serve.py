"""A child process around a `Session`: requests and answers on one Unix socket.

Both are lines of JSON. The frames of a video, (T, h, w, 3) of uint8 RGB, begin a file in memory,
which the caller fills before it asks. A track of a whole video is followed by its masks, `bytes` of
each, see `packed_mask`; those of a step follow its frames in the file in memory, boolean (N, T,
height, width), a row per track_id. Standard output belongs to the project; the caller sends it
where standard error goes.

    open   spec                              -> ready   protocol, facts
    video  shape (T, h, w, 3), height, width -> track*  score, category, track_id, frames, seconds
           precision, tf32                      done    seconds, memory
    count  as video                          -> done    seconds, memory, macs: fields of `MacCount`
    step   as video, of its next frames;     -> done    seconds, memory; tracks: track_id, category
           first: True for the first ones               and score of each
                                             -> error   message, in place of any of these;
                                                        traced: standard error has a traceback

`seconds` by stage are those of the project's code since the last answer, by this process's clock;
`memory`: the video's peaks in bytes.
"""

import contextlib
import faulthandler
import json
import os
import queue
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from time import perf_counter  # before a project may replace it

import numpy as np

from . import PROTOCOL
from .environment import DriverError, sentence
from .memory import SharedMemory
from .processes import VARIABLE, kill_marked
from .session import open_session
from .steps import row_of_each, write_masks


def main(connection, memory):
    """Answer requests until the connection is closed; then nothing of this process remains.

    Args:
        connection, memory: descriptors of the socket and of the file with the frames.
    """
    faulthandler.enable()
    for descriptor in (connection, memory):
        os.set_inheritable(descriptor, False)
    connection, requests = socket.socket(fileno=connection), queue.Queue()
    receive = connection, requests, os.environ.get(VARIABLE)
    threading.Thread(target=_receive, args=receive, daemon=True).start()
    memory, session, device = SharedMemory(memory), None, None
    while True:
        request = requests.get()
        try:
            if request["kind"] == "open":
                device = request["spec"]["device"]
                session = open_session(request["spec"])
                session.try_out()
                _send(connection, {"kind": "ready", "protocol": PROTOCOL, "facts": session.facts})
            else:
                _predict(connection, session, request, memory, _StageSeconds(device))
        except (Exception, SystemExit) as error:  # a project's own code may raise anything
            traced = not isinstance(error, DriverError) or error.__cause__ is not None
            if traced:
                traceback.print_exc()
            _send(connection, {"kind": "error", "message": sentence(error), "traced": traced})


def _receive(connection, requests, mark):
    """Hand over requests. At the end kill this process's group and those that have its mark,
    so that neither a busy project nor a process that it started outlives the caller.
    """
    received = b""
    try:
        while True:
            content = connection.recv(1 << 16)
            if not content:
                return
            received += content
            while b"\n" in received:
                line, _, received = received.partition(b"\n")
                requests.put(json.loads(line.decode("utf-8")))
    finally:
        try:
            if mark is not None:
                kill_marked(mark)
            os.killpg(os.getpid(), signal.SIGKILL)
        finally:  # it leads no group
            os._exit(1)


def _predict(connection, session, request, memory, clock):
    _set_tf32(request["tf32"])
    if request.get("first", True):
        _reset_peaks()
    frames = memory.array(0, request["shape"])
    frames.flags.writeable = False
    size = request["height"], request["width"]
    settings, more = {"mark": clock.mark, "precision": request["precision"]}, {}
    clock.start()
    if request["kind"] == "step":
        tracks = list(session.step(frames, *size, request["first"], **settings))
        clock.stop()
        more["tracks"] = [(track.track_id, track.category, track.score) for track in tracks]
        rows = row_of_each([track.track_id for track in tracks])
        shape = (len(rows), len(frames), *size)
        write_masks(tracks, rows, memory.array(frames.size, shape, bool))
    elif request["kind"] == "count":
        more["macs"] = counted(lambda: list(session.run(frames, *size, **settings)))
        clock.stop()
    else:
        for track in session.run(frames, *size, **settings):
            clock.stop()
            _send_track(connection, track, clock.take())
            del track
            clock.start()
        clock.stop()
    _send(connection, {"kind": "done", "seconds": clock.take(), "memory": _peaks(), **more})


def counted(call):
    """The multiply-adds of a call, by the rules of vis-bench."""
    try:
        import torch

        from vis_bench.measures.flops.counter import count_watched
        from vis_bench.measures.flops.values import Origins
    except ImportError as error:
        raise DriverError(
            f"multiply-adds are counted by vis-bench, which this Python does not have ({error}); "
            "expected options.python with vis-bench and PyTorch"
        ) from None
    _, macs = count_watched(torch.nn.Module(), call, Origins().follow)
    return {
        "by_module": macs.by_module,
        "zero_ops": sorted(macs.zero_ops),
        "assumed_ops": sorted(macs.assumed_ops),
        "unknown_ops": dict(macs.unknown_ops),
    }


class _StageSeconds:
    """Seconds by stage; the GPU's queued work belongs to the stage that queued it."""

    def __init__(self, device):
        self._device = device
        self._stage, self._seconds = "predict", {}

    def start(self):
        self._start = perf_counter()

    def stop(self):
        cuda = _cuda()
        if cuda is not None:
            cuda.synchronize(self._device if self._device.startswith("cuda") else None)
        seconds = perf_counter() - self._start
        self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + seconds

    def mark(self, stage):
        self.stop()
        self._stage = stage
        self.start()

    def take(self):
        taken, self._seconds = self._seconds, {}
        return taken


def _cuda():
    """`torch.cuda` where the project uses it."""
    torch = sys.modules.get("torch")
    known = torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized()
    return torch.cuda if known else None


def _set_tf32(enabled):
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch.backends.cuda, "matmul"):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = enabled


def _reset_peaks():
    with contextlib.suppress(OSError):  # or else the peak is since the process started
        Path("/proc/self/clear_refs").write_text("5")
    cuda = _cuda()
    if cuda is not None:
        cuda.reset_peak_memory_stats()


def _peaks():
    process = None
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                process = int(line.split()[1]) * 1024
    cuda = _cuda()
    return {"process": process, "allocator": None if cuda is None else cuda.max_memory_allocated()}


def _send_track(connection, track, seconds):
    """One track; masks that are None are left out."""
    present = [t for t, mask in enumerate(track.masks) if mask is not None]
    packed = [packed_mask(track.masks[t]) for t in present]
    header = {
        "kind": "track",
        "score": track.score,
        "category": track.category,
        "track_id": track.track_id,
        "frames": present,
        "bytes": [len(mask) for mask in packed],
        "seconds": seconds,
    }
    _send(connection, header, packed)


def packed_mask(mask_HW):
    """The bits of a mask, row by row, as bytes; or, where that is shorter, the places (int32) at
    which these bytes change, from 0, and the byte at each.
    """
    content = np.packbits(mask_HW)
    starts = np.flatnonzero(np.concatenate([[True], content[1:] != content[:-1]]))
    if 5 * len(starts) >= len(content):
        return content.tobytes()
    return starts.astype(np.int32).tobytes() + content[starts].tobytes()


def _send(connection, header, parts=()):
    connection.sendall(b"".join([json.dumps(header).encode("utf-8"), b"\n", *parts]))
