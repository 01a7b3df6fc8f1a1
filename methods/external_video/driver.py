"""Runs a function of another project in that project's own Python, and sends its tracks back.

One file for Python 3.7 and later that needs numpy alone, and imports nothing of this project. It
reads requests from one pipe and writes answers to another: a line of JSON, then `bytes` raw bytes.
Standard output belongs to the function; the caller sends it where standard error goes.

    open   function, project_path            -> ready   protocol, python, numpy
    video  shape (T, H, W, 3), height, width -> track*  score, category, frames; masks as bits
           and T frames of uint8 RGB            done
                                             -> error   message, in place of any of these
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path

import numpy as np

PROTOCOL = 1


def main(requests, answers):
    """Answers requests until their pipe is closed."""
    function = None
    while True:
        line = requests.readline()
        if not line:
            return
        request = json.loads(line.decode("utf-8"))
        try:
            if request["kind"] == "open":
                function = load(request["function"], request["project_path"])
                answer = {"python": sys.version.split()[0], "numpy": np.__version__}
                send(answers, dict(answer, kind="ready", protocol=PROTOCOL))
            else:
                frames = receive_frames(requests, request["shape"])
                size = request["height"], request["width"]
                for track in function(frames, *size):
                    send_track(answers, track, len(frames), size)
                send(answers, {"kind": "done"})
        except BrokenPipeError:
            return
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            send(answers, {"kind": "error", "message": sentence(error)})


def load(function, project_path):
    """The function that "package.module:function" names."""
    sys.path.insert(0, project_path)
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)


def receive_frames(requests, shape):
    """The video's frames (T, H, W, 3)."""
    frames = np.empty(shape, np.uint8)
    for frame in frames:
        if requests.readinto(memoryview(frame).cast("B")) != frame.nbytes:
            raise BrokenPipeError
    return frames


def send_track(answers, track, num_frames, size):
    """One track; its masks are sent as bits, those that are None left out."""
    masks = track["masks"]
    if len(masks) != num_frames:
        raise ValueError(f"{len(masks)} masks for {num_frames} frames")
    present = [t for t in range(num_frames) if masks[t] is not None]
    packed = [packed_mask(masks[t], size) for t in present]
    header = {
        "kind": "track", "score": float(track["score"]), "category": int(track["category"]),
        "frames": present, "bytes": sum(map(len, packed)),
    }  # fmt: skip
    send(answers, header, packed)


def packed_mask(mask, size):
    """The bits of a mask of an array or a PyTorch tensor on any device."""
    mask = np.asarray(mask.cpu() if hasattr(mask, "cpu") else mask)
    if mask.shape != size or mask.dtype.kind not in "bui":
        raise ValueError(f"a mask of {mask.dtype} and shape {mask.shape}; expected bool, {size}")
    return np.packbits(mask != 0).tobytes()


def send(answers, header, parts=()):
    """One answer."""
    answers.write(json.dumps(header).encode("utf-8") + b"\n")
    for part in parts:
        answers.write(part)
    answers.flush()


def sentence(error):
    """An exception with its place."""
    places = traceback.extract_tb(error.__traceback__)
    place = f"{Path(places[-1].filename).name}:{places[-1].lineno}"
    return f"{type(error).__name__} in {place}: {' '.join(str(error).split())}"


if __name__ == "__main__":
    descriptors = [int(text) for text in sys.argv[1:3]]
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    sys.path.pop(0)  # the folder of this file
    with os.fdopen(descriptors[0], "rb") as requests, os.fdopen(descriptors[1], "wb") as answers:
        main(requests, answers)
