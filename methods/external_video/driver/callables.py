"""Back end `callable`: a function (frames (T, H, W, 3), height, width) -> dicts of tracks."""

import numpy as np

from .deformable import provide_extension
from .errors import DriverError, imported


class Callable:
    """The function; it may return a list of tracks or yield them."""

    def __init__(self, function, name, extension):
        self._function = function
        self._name = name
        self.extension = extension
        self.facts = {"input": {"long_side": "round"}, "resolutions": None, "num_params": None}

    def entries(self, frames, height, width, mark):
        """Score, category, masks and track_id of each track, unchecked."""
        mark("preprocess")
        stacked = np.stack([np.asarray(frame) for frame in frames])
        mark("predict")
        returned = self._function(stacked, height, width)
        if isinstance(returned, (dict, str)) or not hasattr(returned, "__iter__"):
            raise DriverError(
                f"{self._name} returned a {type(returned).__name__}; expected a list of dicts with "
                "score, category and masks"
            )
        for number, track in enumerate(returned):
            missing = {"score", "category", "masks"} - set(track if isinstance(track, dict) else ())
            if missing:
                raise DriverError(
                    f"{self._name} returned track {number} without {', '.join(sorted(missing))}; "
                    "expected a dict with score, category and masks"
                )
            yield track["score"], track["category"], track["masks"], track.get("track_id")


def open_back_end(spec, deformable_attention=None):
    """The function that `spec["function"]` names."""
    if spec["weights"] is not None:
        raise DriverError(
            f"weights are {spec['weights']}; expected none, as a function loads its own"
        )
    extension = provide_extension(deformable_attention)
    return Callable(imported(spec["function"]), spec["function"], extension)
