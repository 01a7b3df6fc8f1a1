"""The area under the ROC curve of scores for positives and negatives from several videos.

It is the share of pairs of a positive and a negative in which the positive scores higher, ties
counted half (Hanley and McNeil, Radiology 143, 1982). Pairs are counted once for each pair of
videos, so that a resample of the videos only adds up counts.

Shape letters: N scores, V videos, B resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OrderedPairs:
    """Counts of pairs by the video of the positive and that of the negative.

    `in_order_VV`: pairs whose positive scores higher, ties half. `positives_V` and `negatives_V`:
    how many of either each video has.
    """

    in_order_VV: np.ndarray
    positives_V: np.ndarray
    negatives_V: np.ndarray

    @classmethod
    def of(
        cls, scores_N: np.ndarray, positive_N: np.ndarray, video_N: np.ndarray, num_videos: int
    ) -> OrderedPairs:
        """Counts them.

        Args:
            scores_N: finite numbers.
            positive_N: whether a score is that of a positive.
            video_N: the video of each score, from 0 to `num_videos` - 1.

        Raises:
            ValueError: for a score that is not finite.
        """
        if not np.isfinite(scores_N).all():
            raise ValueError("scores are not finite")
        positive_N = np.asarray(positive_N, dtype=bool)
        high_N, video_of_high_N = scores_N[positive_N], video_N[positive_N]
        low_N, video_of_low_N = scores_N[~positive_N], video_N[~positive_N]
        twice_VV = np.zeros((num_videos, num_videos))
        for video in range(num_videos):
            sorted_N = np.sort(low_N[video_of_low_N == video])
            below_N = np.searchsorted(sorted_N, high_N, side="left")
            not_above_N = np.searchsorted(sorted_N, high_N, side="right")
            twice_VV[:, video] = np.bincount(
                video_of_high_N, below_N + not_above_N, minlength=num_videos
            )
        positives_V = np.bincount(video_of_high_N, minlength=num_videos)
        negatives_V = np.bincount(video_of_low_N, minlength=num_videos)
        return cls(twice_VV / 2, positives_V, negatives_V)

    def area(self) -> float:
        """The area over all videos; NaN without a positive or without a negative."""
        return float(self.areas(np.ones((1, len(self.positives_V))))[0])

    def areas(self, counts_BV: np.ndarray) -> np.ndarray:
        """The area of each resample, (B,); NaN where one has no positive or no negative.

        Args:
            counts_BV: how many times each video counts; see `bootstrap.draw_videos`.
        """
        counts_BV = counts_BV.astype(np.float64)
        in_order_B = (counts_BV @ self.in_order_VV * counts_BV).sum(1)
        pairs_B = (counts_BV @ self.positives_V) * (counts_BV @ self.negatives_V)
        out_B = np.full(len(counts_BV), np.nan)
        return np.divide(in_order_B, pairs_B, out=out_B, where=pairs_B > 0)
