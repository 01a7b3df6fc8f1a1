"""Online models: some frames of a video at a time, and tracks that go on from call to call."""

import numpy as np

from .environment import DriverError, imported

# Small frames with squares that move and grow over noise, in which a model may find something.
TRIAL_FRAMES = 3
TOLERANCE = 1e-3


class CallableSteps:
    """Back end `callable`: a class with start(height, width) and step(frames) -> dicts of tracks.

    Of each track `step` returns `track_id`, `score` and `category` by the frames so far, and
    `masks` of the frames of this call.
    """

    def __init__(self, tracker, name, extension):
        self._tracker = tracker
        self._name = name
        self.extension = extension
        self.facts = {"input": {"long_side": "round"}, "resolutions": None, "num_params": None}

    def start(self, height, width):
        """Begin a video of this original size."""
        self._tracker.start(height, width)

    def step(self, frames, mark):
        """Score, category, masks and track_id of each track, unchecked."""
        mark("preprocess")
        stacked = np.stack([np.asarray(frame) for frame in frames])
        mark("predict")
        returned = self._tracker.step(stacked)
        if isinstance(returned, (dict, str)) or not hasattr(returned, "__iter__"):
            raise DriverError(
                f"{self._name}.step returned a {type(returned).__name__}; expected a list of dicts "
                "with track_id, score, category and masks"
            )
        for number, track in enumerate(returned):
            keys = {"track_id", "score", "category", "masks"}
            missing = keys - set(track if isinstance(track, dict) else ())
            if missing:
                raise DriverError(
                    f"{self._name}.step returned track {number} without "
                    f"{', '.join(sorted(missing))}; expected a dict with track_id, score, category "
                    "and masks"
                )
            yield track["score"], track["category"], track["masks"], track["track_id"]


def open_steps(spec, extension):
    """The class that `spec["function"]` names, or any function that returns such an object."""
    tracker, name = imported(spec["function"])(), spec["function"]
    missing = [call for call in ("start", "step") if not callable(getattr(tracker, call, None))]
    if missing:
        raise DriverError(
            f"{name} lacks {' and '.join(missing)}; expected a class with start(height, width) and "
            "step(frames), as options.online is true"
        )
    return CallableSteps(tracker, name, extension)


class MeanScores:
    """Scores of tracks by category, each the mean over the frames that have the track, 0 in those
    where it is not under this category.
    """

    def __init__(self):
        self._tracks = {}

    def add(self, number, scores):
        """The mean scores of a track by category after one more frame."""
        num_frames, sums = self._tracks.get(number, (0, {}))
        for category, score in scores.items():
            sums[category] = sums.get(category, 0.0) + score
        self._tracks[number] = num_frames + 1, sums
        return {category: total / (num_frames + 1) for category, total in sums.items()}


def row_of_each(numbers):
    """The row of each track_id, in the order in which they appear; it may appear several times."""
    return {number: row for row, number in enumerate(dict.fromkeys(numbers))}


def write_masks(tracks, rows, masks_NTHW):
    """Write the masks of a call's tracks, a row per track_id; where it has none they are empty."""
    empty_NT = np.ones(masks_NTHW.shape[:2], bool)
    for track in tracks:
        row = rows[track.track_id]
        for t, mask in enumerate(track.masks):
            if mask is not None:
                masks_NTHW[row, t], empty_NT[row, t] = mask, False
    masks_NTHW[empty_NT] = False


def checked_pairs(tracks):
    """The tracks of a call, which must be named, once per category, and scored in 0..1."""
    seen = set()
    for track in tracks:
        pair = track.track_id, track.category
        if track.track_id is None:
            raise DriverError("a track has no track_id; expected the number of its object")
        if pair in seen:
            raise DriverError(
                f"track_id {pair[0]} is there twice in category {pair[1]}; expected a track per "
                "object and category"
            )
        if not 0 <= track.score <= 1:
            raise DriverError(
                f"track_id {pair[0]} has score {track.score}; expected 0..1, as options.online is "
                "true"
            )
        seen.add(pair)
        yield track


def check_cuts(step, short):
    """Refuse a model whose tracks depend on how many frames a call has.

    Args:
        step: of the session: (frames, height, width, first) -> tracks.
        short: side of the frames.
    """
    frames = _moving_squares(short)
    num_frames, height, width = frames.shape[:3]
    together = _joined([(0, step(frames, height, width, True))])
    parts = [(t, step(frames[t : t + 1], height, width, t == 0)) for t in range(num_frames)]
    apart = _joined(parts)
    for name in ("scores", "masks"):
        for key in sorted({*together[name], *apart[name]}):
            one, other = (found[name].get(key, np.zeros(1, bool)) for found in (together, apart))
            differ = one != other if name == "masks" else abs(one - other)
            if np.mean(differ) > TOLERANCE:
                track, place = key
                where = f"in frame {place}" if name == "masks" else f"in category {place}"
                raise DriverError(
                    f"{name} of track_id {track} {where} differ between {num_frames} frames in one "
                    "call and one by one; expected the same results"
                )


def _joined(calls):
    """Scores by (track, category) and masks by (track, frame) of a video's calls.

    Each call gives the frame that it starts with, and its tracks: one for each category of a
    track_id. The last call with a track_id decides which categories it has, and their scores.
    """
    scores_of, masks = {}, {}
    for first_frame, tracks in calls:
        scores_of.update((track.track_id, {}) for track in tracks)
        for track in tracks:
            scores_of[track.track_id][track.category] = float(track.score)
            for t, mask in enumerate(track.masks, first_frame):
                if mask is not None:
                    masks[track.track_id, t] = mask
    scores = {(number, k): score for number, own in scores_of.items() for k, score in own.items()}
    return {"scores": scores, "masks": masks}


def _moving_squares(short):
    frames = np.random.RandomState(0).randint(0, 80, (TRIAL_FRAMES, short, short * 3 // 2, 3))
    side = short // 4
    for t, frame in enumerate(frames):
        for channel in range(3):
            left, top = channel * side + 2 * t, channel * side + t
            frame[top : top + side + t, left : left + side, channel] = 250
    return frames.astype(np.uint8)
