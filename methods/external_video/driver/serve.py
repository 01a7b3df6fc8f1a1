"""A child process around a `Session`: requests from one pipe, answers to another.

Both are lines of JSON, each followed by `bytes` raw bytes. Standard output belongs to the project;
the caller sends it where standard error goes.

    open   spec                              -> ready   protocol, facts
    video  shape (T, h, w, 3), height, width -> track*  score, category, track_id, frames; masks as
           precision; T frames of uint8 RGB     bits, done
                                             -> error   message, in place of any of these
"""

import json
import os
import traceback

import numpy as np

from . import PROTOCOL
from .errors import sentence
from .session import open_session


def main(its_input, its_output):
    """Answers requests until their pipe is closed; both arguments are file descriptors."""
    for descriptor in (its_input, its_output):
        os.set_inheritable(descriptor, False)
    with os.fdopen(its_input, "rb") as requests, os.fdopen(its_output, "wb") as answers:
        _serve(requests, answers)


def _serve(requests, answers):
    session = None
    while True:
        line = requests.readline()
        if not line:
            return
        request = json.loads(line.decode("utf-8"))
        try:
            if request["kind"] == "open":
                session = open_session(request["spec"])
                session.try_out()
                _send(answers, {"kind": "ready", "protocol": PROTOCOL, "facts": session.facts})
            else:
                frames = _receive_frames(requests, request["shape"])
                size = request["height"], request["width"]
                for track in session.run(frames, *size, precision=request["precision"]):
                    _send_track(answers, track)
                    del track
                _send(answers, {"kind": "done"})
        except BrokenPipeError:
            return
        except (Exception, SystemExit) as error:  # a project's own code may raise anything
            traceback.print_exc()
            _send(answers, {"kind": "error", "message": sentence(error)})


def _receive_frames(requests, shape):
    frames = np.empty(shape, np.uint8)
    for frame in frames:
        if requests.readinto(memoryview(frame).cast("B")) != frame.nbytes:
            raise BrokenPipeError
    return frames


def _send_track(answers, track):
    """One track; its masks are sent as bits, those that are None left out."""
    present = [t for t, mask in enumerate(track.masks) if mask is not None]
    packed = [np.packbits(track.masks[t]).tobytes() for t in present]
    header = {
        "kind": "track", "score": track.score, "category": track.category,
        "track_id": track.track_id, "frames": present, "bytes": sum(map(len, packed)),
    }  # fmt: skip
    _send(answers, header, packed)


def _send(answers, header, parts=()):
    answers.write(json.dumps(header).encode("utf-8") + b"\n")
    for part in parts:
        answers.write(part)
    answers.flush()
