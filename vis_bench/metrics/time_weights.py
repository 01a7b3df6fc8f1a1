"""Weights over time in frames without an object, against those in frames with it.

SeqFormer gathers what it reads over time with a weight per frame (Wu et al., ECCV 2022, section
3.1), and figure 3 of its supplement suggests that frames without the object get little. Here that
is a number. A track counts where it finds an object (`repairs.VideoTracks.claims`: a space-time IoU
of at least 0.5, as AP50 has it) that is absent in some frames of the video and present in others.

Weights sum to 1 over a clip, so they are compared as multiples of an equal share: 1 means that a
frame weighs 1 / T. Shape letters: L layers, T frames, V videos, B resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.data.annotations import GroundTruth
from vis_bench.data.results_file import Results
from vis_bench.metrics.frame_matches import VideoTracks
from vis_bench.metrics.half_samples import CONFIDENCE, NUM_RESAMPLES
from vis_bench.metrics.overlaps import space_time_iou


@dataclass(frozen=True)
class FoundObject:
    """A track that finds an object: its place in the results, and where the object is present."""

    track: int
    category_id: int
    present_T: np.ndarray


@dataclass(frozen=True)
class VideoWeights:
    """The weights of one video's tracks that find an object.

    `weights`: of each track, (L, T). `present`: of each one's object, (T,).
    """

    weights: Sequence[np.ndarray]
    present: Sequence[np.ndarray]


@dataclass(frozen=True)
class LayerWeights:
    """A decoder layer's mean weight, in multiples of an equal share; None where nothing counts.

    `low`, `high`: the 95 % interval of `difference`, absent minus present, by a bootstrap over
    videos; None where the tracks that count are all in one video.
    """

    absent: float | None
    present: float | None
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class AbsentFrames:
    """The comparison over a data set.

    Attributes:
        layers: one entry per decoder layer.
        num_videos: that were looked at.
        num_found: tracks that find an object.
        num_counted: those of them whose object is absent in some frames and present in others.
        num_counted_videos: the videos that these are in.
        num_absent, num_present: frames of the counted tracks.
    """

    layers: Sequence[LayerWeights]
    num_videos: int
    num_found: int
    num_counted: int
    num_counted_videos: int
    num_absent: int
    num_present: int


def found_objects(results: Results, ground_truth: GroundTruth, video_id: int) -> list[FoundObject]:
    """The objects of a video that tracks find, in the order of the tracks.

    Args:
        results: of this video alone.
    """
    columns_G = np.array(
        [i for i, thing in enumerate(ground_truth.objects) if thing.video_id == video_id], int
    )
    things = [ground_truth.objects[i] for i in columns_G]
    iou_DG = space_time_iou(
        results.tubes, np.arange(len(results.tracks)), ground_truth.tubes, columns_G
    )
    crowd_G = np.array([thing.is_crowd for thing in things], bool)
    claimed_D = VideoTracks(
        np.arange(len(results.tracks)),
        np.array([float(track.score) for track in results.tracks]),
        np.array([track.category_id for track in results.tracks], int),
        np.array([thing.category_id for thing in things], int),
        crowd_G,
        iou_DG,
        np.eye(len(things)),
    ).claims()
    (length,) = (video.length for video in ground_truth.videos if video.id == video_id)
    return [
        FoundObject(
            track, things[g].category_id, ground_truth.tubes.has_pixels(columns_G[g], length)
        )
        for track, g in enumerate(claimed_D.tolist())
        if g >= 0 and not crowd_G[g]
    ]


def compare_absent_frames(
    videos: Sequence[VideoWeights], *, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> AbsentFrames:
    """Mean weights over all frames of the tracks that count.

    Args:
        videos: all that were looked at, also those without such a track.
        num_resamples: of the videos, for the intervals.
        seed: of the resamples.
    """
    counted = [_counted(video) for video in videos]
    numbers_V = np.array([len(pairs) for pairs in counted], int)
    num_layers = next((len(w) for video in videos for w in video.weights), 0)
    sums_V2L = np.zeros((len(videos), 2, num_layers))
    frames_V2 = np.zeros((len(videos), 2))
    for v, pairs in enumerate(counted):
        for weights_LT, present_T in pairs:
            shares_LT = weights_LT * len(present_T)
            for side, frames in enumerate((~present_T, present_T)):
                sums_V2L[v, side] += shares_LT[:, frames].sum(1)
                frames_V2[v, side] += frames.sum()
    num_counted_videos = int((numbers_V > 0).sum())
    # The observed videos, then the resamples.
    drawn_BV = _draw_videos(max(1, len(videos)), num_resamples, seed)[:, : len(videos)]
    counts_BV = np.concatenate([np.ones((1, len(videos)), int), drawn_BV])
    totals_B2 = counts_BV @ frames_V2
    sums_B2L = np.einsum("bv,vsl->bsl", counts_BV, sums_V2L)
    shape = sums_B2L.shape
    mean_B2L = np.divide(
        sums_B2L, totals_B2[..., None], out=np.full(shape, np.nan), where=totals_B2[..., None] > 0
    )
    return AbsentFrames(
        [_layer(mean_B2L[..., n], num_counted_videos > 1) for n in range(num_layers)],
        len(videos),
        sum(len(video.weights) for video in videos),
        int(numbers_V.sum()),
        num_counted_videos,
        *(int(total) for total in frames_V2.sum(0)),
    )


def as_json(found: AbsentFrames) -> Mapping[str, object]:
    """The same as plain types, for JSON."""
    return {**vars(found), "layers": [vars(layer) for layer in found.layers]}


def _counted(video: VideoWeights) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and presence of the tracks whose object is absent in some frames, not in all."""
    pairs = zip(video.weights, video.present, strict=True)
    return [pair for pair in pairs if pair[1].any() and not pair[1].all()]


def _layer(mean_B2: np.ndarray, interval: bool) -> LayerWeights:
    """Weights of a layer from the means of absent and present frames; entry 0 is observed."""
    if np.isnan(mean_B2[0]).any():
        return LayerWeights(None, None, None, None, None)
    absent, present = mean_B2[0].tolist()
    difference_B = mean_B2[:, 0] - mean_B2[:, 1]
    low, high = (_percentiles(difference_B[1:]) if interval else None) or (None, None)
    return LayerWeights(absent, present, float(difference_B[0]), low, high)


def _draw_videos(num_videos: int, num_resamples: int, seed: int) -> np.ndarray:
    """Draw as many videos as there are, with replacement: counts of each video, (B, V)."""
    share = np.full(num_videos, 1 / num_videos)
    return np.random.default_rng(seed).multinomial(num_videos, share, size=num_resamples)


def _percentiles(values_B: np.ndarray) -> tuple[float, float] | None:
    """Ends of the 95 % interval of resampled means; None where all are NaN."""
    known_B = values_B[~np.isnan(values_B)]
    if not known_B.size:
        return None
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(known_B, [tail, 100 - tail])
    return float(low), float(high)
