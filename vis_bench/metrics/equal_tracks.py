"""Two results files of one model, track by track: equal masks, scores within a tolerance.

Nothing is annotated: it checks that other code, or another run, gives the same predictions.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vis_bench.data.results_file import Track
from vis_bench.masks.rle import decode
from vis_bench.text import count

# Scores of equal tracks differ by no more.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class EqualTracks:
    """Tracks of the videos of both files; those without a pixel do not count.

    `num_equal`: pairs of equal video, category and masks whose scores agree. `num_other_scores`:
    pairs whose scores do not; `largest_score_difference` is over all pairs. `only_first`,
    `only_second`: tracks without a partner. `videos_of_one`: ids of videos that one file lacks.
    """

    num_equal: int
    num_other_scores: int
    largest_score_difference: float
    only_first: int
    only_second: int
    videos_of_one: tuple[int, ...]

    @property
    def equal(self) -> bool:
        """True where nothing differs in the videos of both, and there is a track."""
        return self.num_equal > 0 and not (
            self.num_other_scores or self.only_first or self.only_second
        )

    def as_json(self) -> dict[str, Any]:
        """Everything in plain types."""
        return {"equal": self.equal, **asdict(self)}

    def as_text(self) -> str:
        """The finding, and what differs."""
        lines = [
            f"{count(self.num_equal, 'track')} with equal masks and scores within {TOLERANCE:g}; "
            f"largest difference of scores {self.largest_score_difference:.3g}"
        ]
        other_scores = f"{count(self.num_other_scores, 'track')} with equal masks and other scores"
        videos = f"{count(len(self.videos_of_one), 'video')} in one file alone, not compared"
        differences = {
            other_scores: self.num_other_scores,
            f"{count(self.only_first, 'track')} of A without an equal one in B": self.only_first,
            f"{count(self.only_second, 'track')} of B without an equal one in A": self.only_second,
            videos: len(self.videos_of_one),
        }
        lines += [line for line, number in differences.items() if number]
        return "\n".join([*lines, "The predictions are equal." if self.equal else "They differ."])


def equal_tracks(first: Iterable[Track], second: Iterable[Track]) -> EqualTracks:
    """Match the tracks of two files one to one, by video, category and masks."""
    one, other = _scores_by_content(first), _scores_by_content(second)
    videos = {key[0] for key in one}, {key[0] for key in other}
    num_equal = num_other = only_first = only_second = 0
    largest = 0.0
    for key in one.keys() | other.keys():
        if key[0] in videos[0] & videos[1]:
            within, a, b = _paired(sorted(one[key]), sorted(other[key]))
            beyond = [abs(x - y) for x, y in zip(a, b, strict=False)]
            largest = max([largest, *within, *beyond])
            num_equal += len(within)
            num_other += len(beyond)
            only_first += max(len(a) - len(b), 0)
            only_second += max(len(b) - len(a), 0)
    return EqualTracks(
        num_equal,
        num_other,
        largest,
        only_first,
        only_second,
        tuple(sorted(videos[0] ^ videos[1])),
    )


def _paired(a: list[float], b: list[float]) -> tuple[list[float], list[float], list[float]]:
    """Differences of scores that agree, and the scores of both that have no partner; sorted."""
    within, left_a, left_b = [], [], []
    while a and b:
        if abs(a[0] - b[0]) <= TOLERANCE:
            within.append(abs(a.pop(0) - b.pop(0)))
        elif a[0] < b[0]:
            left_a.append(a.pop(0))
        else:
            left_b.append(b.pop(0))
    return within, left_a + a, left_b + b


def _scores_by_content(tracks: Iterable[Track]) -> dict[tuple[int, int, str], list[float]]:
    found = defaultdict(list)
    for track in tracks:
        total, pixels = hashlib.sha256(), 0
        for t, rle in enumerate(track.segmentations):
            mask_HW = None if rle is None else decode(rle)
            if mask_HW is not None and mask_HW.any():
                total.update(f"{t} {mask_HW.shape}".encode() + np.packbits(mask_HW).tobytes())
                pixels += 1
        if pixels:
            key = track.video_id, track.category_id, total.hexdigest()
            found[key].append(float(track.score))
    return found
