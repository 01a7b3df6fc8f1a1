"""Seeded model of the matches of two equally good methods on a set of videos, to test intervals.

Categories are unequal: the most frequent has 17 % of 40 categories' objects. The quality of a track
is a sum of normal effects of category, video and track, and its score is quality with an error;
those of video and track and the error are partly shared by the methods. False positives come in
clumps, a video at a time.
"""

import numpy as np

from vis_bench.metrics.matching import IOU_THRESHOLDS, CategoryMatches, Matches


def two_methods(rng, num_videos, num_categories, *, shared=0.7, one_threshold=False):
    """Matches of both methods on new videos.

    Args:
        shared: part of the variance over videos and tracks that the methods have in common.
        one_threshold: counts matches at an IoU of 0.65 at all thresholds, which is faster.
    """
    share_K = 1 / np.arange(1, num_categories + 1) ** 0.85
    share_K /= share_K.sum()
    first_V = rng.choice(num_categories, num_videos, p=share_K)
    # Objects, then false positives.
    video_G = np.repeat(np.arange(num_videos), 1 + rng.poisson(0.63, num_videos))
    video_F = np.repeat(np.arange(num_videos), rng.poisson(rng.gamma(0.4, 2.5, num_videos)))
    video_n = np.concatenate([video_G, video_F])
    others_n = rng.choice(num_categories, len(video_n), p=share_K)
    category_n = np.where(rng.random(len(video_n)) < 0.8, first_V[video_n], others_n)
    is_object_n = np.arange(len(video_n)) < len(video_G)
    by_category_K = np.random.default_rng(0).normal(0, 0.45, num_categories)
    level_n = np.where(is_object_n, by_category_K[category_n], -0.3)
    thresholds_T1 = np.full((10, 1), 0.65) if one_threshold else IOU_THRESHOLDS[:, None]
    common_2n = _effects(rng, video_n, num_videos)
    methods = []
    for _ in range(2):
        own_2n = _effects(rng, video_n, num_videos)
        effect_n, error_n = np.sqrt(shared) * common_2n + np.sqrt(1 - shared) * own_2n
        quality_n = level_n + 0.9 * effect_n
        hits_Tn = (0.7 + 0.2 * quality_n > thresholds_T1) & is_object_n
        score_n = quality_n + 0.5 * error_n
        categories = [
            _category(
                k,
                np.flatnonzero(category_n == k),
                video_n,
                score_n,
                hits_Tn,
                is_object_n,
                num_videos,
            )
            for k in range(num_categories)
        ]
        methods.append(Matches(range(num_videos), categories))
    return methods


def _effects(rng, video_n, num_videos):
    """Standard normal effect of each track with its video, and error of its score."""
    by_video_V = rng.normal(0, np.sqrt(0.4), num_videos)
    effect_n = by_video_V[video_n] + rng.normal(0, np.sqrt(0.6), len(video_n))
    return np.stack([effect_n, rng.normal(size=len(video_n))])


def _category(k, of_n, video_n, score_n, hits_Tn, is_object_n, num_videos):
    of_n = of_n[np.argsort(-score_n[of_n], kind="stable")]
    hits_ATn = np.repeat(hits_Tn[None, :, of_n], 4, 0)
    objects_V = np.bincount(video_n[of_n][is_object_n[of_n]], minlength=num_videos)
    return CategoryMatches(
        k + 1,
        f"kind {k + 1}",
        video_n[of_n],
        np.zeros(len(of_n), int),
        score_n[of_n],
        hits_ATn,
        ~hits_ATn,
        np.repeat(objects_V[:, None], 4, 1),
    )
