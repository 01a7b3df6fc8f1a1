"""A model of another project, opened; its outputs as tracks."""

import collections
import contextlib

import numpy as np

from .deformable import provide_extension
from .detectron2_models import open_detectron2
from .environment import DriverError, imported, sentence
from .mmdet_models import open_mmdet
from .outputs import checked_track
from .project import put_first
from .steps import check_cuts, checked_pairs, open_steps

# One track of a video: `category` 0..K-1, `score`, `masks`: per frame a boolean array (height,
# width) or None, and `track_id`: the number of an object, or None.
Track = collections.namedtuple("Track", "category score masks track_id")

# Short side of the gray frames for a model that takes any.
TRIAL_SIDE = 64


class Session:
    """An opened model.

    Attributes:
        facts: `input`: the model's input format, as this project's `InputFormat` takes it;
            `resolutions`: those that a config may have, None for any; `num_params`, None where it
            is not known; after `try_out` also `deformable_attention`: the name of what computes
            it, None where nothing does.
    """

    def __init__(self, back_end, spec):
        self._back_end = back_end
        self._spec = spec
        self._online = bool(spec.get("online"))
        self.facts = dict(back_end.facts)

    def run(self, frames, height, width, mark=lambda stage: None, precision="float32"):
        """Yield the tracks of one video, one at a time.

        Args:
            frames: T arrays (h, w, 3) of uint8 RGB, resized and not normalized.
            height, width: of the original video and of the masks.
            mark: called with "preprocess" or "predict" when that stage begins.
            precision: "float32", or "float16" or "bfloat16" for autocast; one that the caller has
                switched on stays on.
        """
        with _autocast(self._spec["device"], precision):
            entries = self._back_end.entries(frames, height, width, mark)
            yield from self._checked(entries, len(frames), (height, width))

    def step(self, frames, height, width, first, mark=lambda stage: None, precision="float32"):
        """Yield the tracks of the next frames of a video, as `run` those of a whole one.

        Args:
            first: True for the first frames of a video.
        """
        with _autocast(self._spec["device"], precision):
            if first:
                self._back_end.start(height, width)
            entries = self._back_end.step(frames, mark)
            yield from checked_pairs(self._checked(entries, len(frames), (height, width)))

    def _checked(self, entries, num_frames, size_HW):
        for number, entry in enumerate(entries):
            checked = checked_track(entry, number, num_frames, size_HW, self._spec["num_classes"])
            del entry
            yield Track(*checked)
            del checked

    def try_out(self):
        """Run two gray frames, whose original size is another one; of an online model also three
        others at once and one by one.
        """
        short = max([TRIAL_SIDE, *(r for r in self.facts["resolutions"] or () if r != "native")])
        frames = np.full((2, short, short + short // 2, 3), 128, np.uint8)
        try:
            size = short // 2, short // 2 + short // 4
            run = (self.step, (True,)) if self._online else (self.run, ())
            for _track in run[0](frames, *size, *run[1]):
                pass
        except Exception as error:  # a project's own code may raise anything
            raise DriverError(f"two gray frames fail, {sentence(error)}") from error
        if self._online:
            check_cuts(lambda *arguments: [*self.step(*arguments)], short)
        self.facts["deformable_attention"] = self._back_end.extension()


class Callable:
    """Back end `callable`: a function (frames (T, H, W, 3), height, width) -> dicts of tracks, as a
    list or one at a time.
    """

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


def open_callable(spec):
    """The function that `spec["function"]` names."""
    if spec["weights"] is not None:
        raise DriverError(
            f"weights are {spec['weights']}; expected none, as a function loads its own"
        )
    extension = provide_extension(spec["device"])
    if spec.get("online"):
        return open_steps(spec, extension)
    return Callable(imported(spec["function"]), spec["function"], extension)


BACK_ENDS = {"callable": open_callable, "detectron2": open_detectron2, "mmdet": open_mmdet}


def open_session(spec):
    """Import the project and open the back end that `spec` describes."""
    put_first(spec["project_path"])
    name = spec["back_end"]
    if name not in BACK_ENDS:
        raise DriverError(f"back_end is {name!r}; expected one of {', '.join(BACK_ENDS)}")
    return Session(BACK_ENDS[name](spec), spec)


@contextlib.contextmanager
def _autocast(device, precision):
    if precision == "float32":
        yield
        return
    from .torch_models import autocast

    with autocast(device, precision):
        yield
