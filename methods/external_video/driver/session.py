"""A model of another project, opened; its outputs as tracks."""

import collections
import importlib
import sys

import numpy as np

from .errors import DriverError
from .outputs import checked_track

# One track of a video: `category` 0..K-1, `score`, `masks`: per frame a boolean array (height,
# width) or None, and `track_id`: the number of an object, or None.
Track = collections.namedtuple("Track", "category score masks track_id")

BACK_ENDS = {"callable": ".callables"}


class Session:
    """An opened model.

    Attributes:
        facts: `channel_order`, `resolution` (the short side in pixels that frames must have, None
            for any) and `max_long_side` of the model's input; `num_params`; `versions` by name.
    """

    def __init__(self, back_end, num_classes):
        self._back_end = back_end
        self._num_classes = num_classes
        self.facts = dict(back_end.facts)

    def run(self, frames, height, width, mark=lambda stage: None):
        """Yields the tracks of one video, one at a time.

        Args:
            frames: T arrays (h, w, 3) of uint8 RGB, resized and not normalized.
            height, width: of the original video and of the masks.
            mark: called with "preprocess" or "predict" when that stage begins.
        """
        num_frames = len(frames)
        for number, entry in enumerate(self._back_end.entries(frames, height, width, mark)):
            track = checked_track(entry, number, num_frames, (height, width), self._num_classes)
            del entry
            yield Track(*track)
            del track

    def try_out(self):
        """Runs two gray frames, whose original size is another one."""
        short = self.facts["resolution"] or 64
        frames = np.full((2, short, short + short // 2, 3), 128, np.uint8)
        for _track in self.run(frames, short // 2, short // 2 + short // 4):
            pass


def open_session(spec):
    """Imports the project and opens the back end that `spec` describes."""
    if spec["project_path"] and spec["project_path"] not in sys.path:
        sys.path.insert(0, spec["project_path"])
    name = spec["back_end"]
    if name not in BACK_ENDS:
        raise DriverError(f"back_end is {name!r}; expected one of {', '.join(BACK_ENDS)}")
    module = importlib.import_module(BACK_ENDS[name], __package__)
    return Session(module.open_back_end(spec), spec["num_classes"])
