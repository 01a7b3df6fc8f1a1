"""A second seeded model of the matches of equally good methods, unlike `match_model` in its laws.

No sums of normal effects: videos differ in difficulty by a beta law, hold crowds, and their scores
are miscalibrated each in its own way; an object is found, torn into two fragments, given a wrong
class or missed; IoUs are beta, and false positives come in clumps (negative binomial). Categories
are unequal by Zipf's law. Methods share a part of each random number through a Gaussian copula.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, ndtr

from vis_bench.metrics.matching import IOU_THRESHOLDS, CategoryMatches, Matches

FOUND, TORN, WRONG_CLASS = 0.62, 0.78, 0.88  # cumulative shares at medium difficulty


@dataclass(frozen=True)
class Population:
    """Number of categories, Zipf's exponent of their shares, and mean number of objects."""

    num_categories: int
    exponent: float
    num_objects: float


LIKE_YOUTUBE_VIS = Population(40, 1.0, 1.7)
FEW_CATEGORIES = Population(6, 0.5, 3.0)
LIKE_OVIS = Population(25, 0.8, 5.8)
RARE_CATEGORIES = Population(40, 1.3, 1.7)


def methods(rng, num_videos, population, *, num_methods=2, shared=0.7, handicap=0.0):
    """Matches of methods on new videos, equally good unless one has a handicap.

    Args:
        shared: correlation of the normal numbers behind the methods' random draws.
        handicap: hardness that is added to every video for the last method.
    """
    share_K = 1 / np.arange(1, population.num_categories + 1) ** population.exponent
    share_K /= share_K.sum()
    hard_V = rng.beta(0.8, 1.6, num_videos)
    crowd_V = rng.negative_binomial(1.2, 1.2 / (1.2 + population.num_objects - 1), num_videos)
    video_G = np.repeat(np.arange(num_videos), 1 + crowd_V)
    main_V = rng.choice(population.num_categories, num_videos, p=share_K)
    other_G = rng.choice(population.num_categories, len(video_G), p=share_K)
    class_G = np.where(rng.random(len(video_G)) < 0.7, main_V[video_G], other_G)
    wrong_G = rng.choice(population.num_categories, len(video_G), p=share_K)
    clumps_V = rng.negative_binomial(0.35, 0.35 / (0.35 + 1.2 * (0.4 + hard_V)))
    video_F = np.repeat(np.arange(num_videos), clumps_V)
    class_F = rng.choice(population.num_categories, len(video_F), p=share_K)
    common = _Uniforms(rng, len(video_G), len(video_F), num_videos)
    objects_KV = np.zeros((population.num_categories, num_videos), int)
    np.add.at(objects_KV, (class_G, video_G), 1)
    return [
        _matches(
            common.mixed(_Uniforms(rng, len(video_G), len(video_F), num_videos), shared),
            hard_V + (handicap if number == num_methods - 1 else 0.0),
            video_G,
            class_G,
            wrong_G,
            video_F,
            class_F,
            objects_KV,
        )
        for number in range(num_methods)
    ]


class _Uniforms:
    """The normal numbers behind one method's draws: of objects, false positives and videos."""

    def __init__(self, rng, num_objects, num_false, num_videos):
        self.normals = [
            rng.normal(size=(4, num_objects)),
            rng.normal(size=(2, num_false)),
            rng.normal(size=(1, num_videos)),
        ]

    def mixed(self, other, shared):
        """Uniform numbers whose normals correlate with this one's."""
        pairs = zip(self.normals, other.normals, strict=True)
        return [ndtr(np.sqrt(shared) * a + np.sqrt(1 - shared) * b) for a, b in pairs]


def _matches(uniforms, hard_V, video_G, class_G, wrong_G, video_F, class_F, objects_KV):
    (fate_G, iou_G, score_G, part_G), (kept_F, score_F), (calibration_V,) = uniforms
    fate_G = fate_G ** (1 / (1 + 1.2 * hard_V[video_G]))  # harder: later fates
    quality_G = betaincinv(6 - 3.5 * hard_V[video_G], 1.6, iou_G)
    found, torn = fate_G < FOUND, (fate_G >= FOUND) & (fate_G < TORN)
    wrong = (fate_G >= TORN) & (fate_G < WRONG_CLASS)
    long_G = np.maximum(part_G, 1 - part_G)
    kept_F = kept_F < 0.85
    # Columns: video, category, IoU with its object (0 without), confidence before calibration.
    tracks = [
        (video_G[found], class_G[found], quality_G[found], quality_G[found]),
        (video_G[torn], class_G[torn], (quality_G * long_G)[torn], quality_G[torn]),
        (video_G[torn], class_G[torn], 0 * quality_G[torn], 0.9 * quality_G[torn]),
        (video_G[wrong], wrong_G[wrong], 0 * quality_G[wrong], 0.8 * quality_G[wrong]),
    ]
    video_n, class_n, iou_n, confidence_n = (
        np.concatenate(parts) for parts in zip(*tracks, strict=True)
    )
    noise = [score_G[found], score_G[torn], 1 - score_G[torn], score_G[wrong]]
    score_n = (0.7 * confidence_n + 0.3 * np.concatenate(noise)) ** np.exp(
        0.8 * (calibration_V[video_n] - 0.5)
    )
    video_n = np.concatenate([video_n, video_F[kept_F]])
    class_n = np.concatenate([class_n, class_F[kept_F]])
    iou_n = np.concatenate([iou_n, np.zeros(kept_F.sum())])
    score_n = np.concatenate([score_n, 0.8 * score_F[kept_F] ** 1.5])
    hits_Tn = iou_n >= IOU_THRESHOLDS[:, None]
    categories = []
    for k, objects_V in enumerate(objects_KV):
        (own,) = np.nonzero(class_n == k)
        own = own[np.lexsort((video_n[own], -score_n[own]))]
        hits_ATn = np.repeat(hits_Tn[None, :, own], 4, 0)
        categories.append(
            CategoryMatches(
                k + 1,
                f"kind {k + 1}",
                video_n[own],
                np.zeros(len(own), int),
                score_n[own],
                hits_ATn,
                ~hits_ATn,
                np.repeat(objects_V[:, None], 4, 1),
            )
        )
    return Matches(range(objects_KV.shape[1]), categories)
