"""Runs another project's model, on whole videos or frame by frame, in its own environment.

This folder is all that is needed there: Python 3.7 and later, numpy, PyTorch where a back end needs
it, and nothing of this project. `open_session(spec)` imports the project, builds its model and
tries it; `Session.run(frames, height, width)` yields the tracks of one video, and `Session.step`,
of an online model, those of a video's next frames. `serve.py` is a child process around
them.

The keys of a spec, all of them values of JSON:

    back_end       "callable", "detectron2" or "mmdet"
    project_path   folder of the project, put first on the import path
    online         True for a model that takes some frames of a video at a time
    num_classes    K; categories of tracks are 0..K-1
    device         "cpu", "cuda", "cuda:1"
    function       callable: "package.module:function", or a class where the model is online
    config_file    detectron2, mmdet: below `project_path`, or absolute
    preset         detectron2: name of a project in `PRESETS`, or empty
    adders         detectron2: "package.module:function" of each that adds keys to the config
    classes_key    detectron2: key of the config that holds K; empty where none does
    opts           detectron2, mmdet: keys and values in turn that win over the config file
    weights        detectron2, mmdet: file of a state dict, loaded strictly; None for random ones

Every problem that a user can solve is a `DriverError`, one sentence.
"""

from .detectron2_models import PRESETS, WHOLE_VIDEOS
from .environment import DriverError
from .session import BACK_ENDS, Session, Track, open_session

__all__ = [
    "BACK_ENDS", "PRESETS", "PROTOCOL", "WHOLE_VIDEOS", "DriverError", "Session", "Track",
    "open_session",
]  # fmt: skip

# Of `serve.py`.
PROTOCOL = 6
