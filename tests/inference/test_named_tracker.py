"""Tracks that a method names itself, against plain loops over every mask."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vis_bench.inference import tracker as named_tracker
from vis_bench.inference.clips import Clip, clip_windows, without_overlap
from vis_bench.inference.tracker import NamedTracker
from vis_bench.masks.rle import decode
from vis_bench.method import ClipPrediction, Padding, TrackingRule

H, W, K = 6, 8, 3
CATEGORIES = [10, 20, 30]


def named_predictions(seed, clips):
    """Tracks that are born, pause, come back under their name, and are withdrawn."""
    random = np.random.default_rng(seed)
    numbers = random.permutation(100)[:5].tolist()
    predictions = []
    for clip in clips:
        ids = [number for number in numbers if random.random() < 0.6]
        probs_NK = random.uniform(0, 1, (len(ids), K)) * (random.random((len(ids), 1)) < 0.8)
        logits_NTHW = random.normal(-1, 1, (len(ids), len(clip), H, W))
        logits_NTHW *= random.random((len(ids), len(clip), 1, 1)) < 0.8
        predictions.append(
            ClipPrediction(
                torch.tensor(probs_NK).float(), torch.tensor(logits_NTHW).float(), track_ids_N=ids
            )
        )
    return predictions


def dense_reference(clips, predictions, rule):
    """(score, category, frame -> mask) of every emitted track, with plain loops."""
    probs, masks = {}, {}
    for clip, prediction in zip(clips, predictions, strict=True):
        for row, number in enumerate(prediction.track_ids_N):
            probs[number] = prediction.class_probs_NK[row].tolist()
            for t in range(len(clip)):
                mask_HW = prediction.mask_logits_NTHW[row, t].numpy() > 0
                if mask_HW.any():
                    masks.setdefault(number, {})[clip.start + t] = mask_HW
    pairs = [
        (score, CATEGORIES[column], masks.get(number, {}))
        for number, scores in probs.items()
        for column, score in enumerate(scores)
        if score > rule.min_score
    ]
    pairs.sort(key=lambda pair: -pair[0])
    return [pair for pair in pairs[: rule.top_k] if pair[2] or rule.keep_empty]


def run(clips, predictions, rule, num_frames, **options):
    tracker = NamedTracker(rule, num_frames, H, W, **options)
    for clip, prediction in zip(clips, predictions, strict=True):
        tracker.update(clip, prediction)
        tracker.close_frames(clip.stop)
    return tracker.tracks(7, CATEGORIES)


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 6), st.data())
@settings(max_examples=60, deadline=None)
def test_equals_plain_loops_whatever_waits(seed, num_frames, length, data):
    stride = data.draw(st.integers(1, length))
    top_k = data.draw(st.sampled_from([None, 1, 4]))
    rule = TrackingRule(min_score=0.2, top_k=top_k, keep_empty=data.draw(st.booleans()))
    clips = list(without_overlap(clip_windows(num_frames, length, stride)))
    predictions = named_predictions(seed, clips)
    waiting_bytes = data.draw(st.sampled_from([0, 2000, 1 << 30]))
    tracks = run(clips, predictions, rule, num_frames, waiting_bytes=waiting_bytes)
    expected = dense_reference(clips, predictions, rule)
    assert len(tracks) == len(expected)
    for track, (score, category_id, masks) in zip(tracks, expected, strict=True):
        assert (track.video_id, track.category_id) == (7, category_id)
        assert track.score == pytest.approx(score, abs=1e-7)
        assert len(track.segmentations) == num_frames
        for frame, rle in enumerate(track.segmentations):
            assert (rle is None) == (frame not in masks)
            if rle is not None:
                np.testing.assert_array_equal(decode(rle), masks[frame])


def many_queries(num_frames, num_queries=50):
    probs_QK = torch.full((num_queries, 1), 0.1)
    probs_QK[7] = 0.9
    return [
        ClipPrediction(probs_QK, torch.ones(num_queries, 1, H, W), track_ids_N=range(num_queries))
        for _ in range(num_frames)
    ]


@pytest.mark.parametrize(("waiting_frames", "encoded"), [(20, 20), (5, 15 * 50 + 5)])
def test_only_masks_of_emitted_tracks_are_encoded(monkeypatch, waiting_frames, encoded):
    """Of 20 frames, those beyond the bound are encoded for all queries, the rest for one."""
    counts = []
    real = named_tracker.encode_at_video_size

    def counted(logits_PHW, *rest):
        counts.append(len(logits_PHW))
        return real(logits_PHW, *rest)

    monkeypatch.setattr(named_tracker, "encode_at_video_size", counted)
    clips = clip_windows(20, 1, 1)
    waiting_bytes = waiting_frames * 50 * H * W * 4
    rule = TrackingRule(top_k=1)
    (track,) = run(clips, many_queries(20), rule, 20, waiting_bytes=waiting_bytes)
    assert sum(counts) == encoded
    assert track.segmentations.num_masks == 20


def test_no_more_waits_than_the_bound():
    frame_bytes = 50 * H * W * 4
    tracker = NamedTracker(TrackingRule(), 30, H, W, waiting_bytes=3 * frame_bytes)
    for t, prediction in enumerate(many_queries(30)):
        tracker.update(Clip(t, t + 1), prediction)
        tracker.close_frames(t + 1)
        assert sum(item.num_bytes for item in tracker._waiting) <= 3 * frame_bytes


@pytest.mark.parametrize("ids", [[1], [1, 1], [1, 2, 3]])
def test_every_instance_needs_a_number_of_its_own(ids):
    with pytest.raises(ValueError, match="does not give each of 2 instances a number"):
        ClipPrediction(torch.ones(2, K), torch.ones(2, 1, H, W), track_ids_N=ids)


@pytest.mark.parametrize("frame_HW", [(5, 4), (0, 4), (4, 5)])
def test_a_frame_fits_its_padded_input(frame_HW):
    with pytest.raises(ValueError, match="does not fit a padded"):
        Padding(frame_HW, (4, 4))
