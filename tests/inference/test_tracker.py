"""The streaming tracker against a dense one that keeps every mask of every clip."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from vis_bench.inference.clips import Clip, clip_windows
from vis_bench.inference.tracker import ClipTracker
from vis_bench.masks.rle import decode
from vis_bench.method import ClipPrediction, TrackingRule

H, W, K = 6, 8, 3


def dense_reference(clips, predictions, rule, num_frames):
    """Rules of IFC section 3.3 written with plain loops: (class probs, masks per frame) a track."""
    instances = []  # each: list of (clip index, row)
    for index, clip in enumerate(clips):
        count = len(predictions[index])
        scores = np.zeros((len(instances), count))
        for i, members in enumerate(instances):
            for j in range(count):
                ious = [
                    soft_iou(clips[c], predictions[c], row, clip, predictions[index], j)
                    for c, row in members
                    if clips[c].stop > clip.start and clips[c].start < clip.stop
                ]
                scores[i, j] = np.mean(ious) if ious else 0
        scores[scores <= rule.match_threshold] = 0
        taken = set()
        for i, j in zip(*linear_sum_assignment(scores, maximize=True), strict=True):
            if scores[i, j] > 0:
                instances[i].append((index, j))
                taken.add(j)
        instances += [[(index, j)] for j in range(count) if j not in taken]
    tracks = []
    for members in instances:
        probs = np.mean([predictions[c].class_probs_NK[row].numpy() for c, row in members], axis=0)
        masks = {}
        for frame in range(num_frames):
            logits = [
                predictions[c].mask_logits_NTHW[row, frame - clips[c].start].numpy()
                for c, row in members
                if clips[c].start <= frame < clips[c].stop
            ]
            if logits and (np.mean(logits, axis=0) > 0).any():
                masks[frame] = np.mean(logits, axis=0) > 0
        tracks.append((probs, masks))
    return tracks


def soft_iou(clip_a, pred_a, row_a, clip_b, pred_b, row_b):
    inter = union = 0.0
    for frame in range(max(clip_a.start, clip_b.start), min(clip_a.stop, clip_b.stop)):
        a = pred_a.mask_logits_NTHW[row_a, frame - clip_a.start].double().sigmoid().numpy()
        b = pred_b.mask_logits_NTHW[row_b, frame - clip_b.start].double().sigmoid().numpy()
        inter += (a * b).sum()
        union += (a + b - a * b).sum()
    return inter / (union + 1e-6)


def moving_objects(seed, clips, num_frames):
    random = np.random.default_rng(seed)
    objects = random.normal(-2, 1, (4, num_frames, H, W))
    for number, tube in enumerate(objects):
        tube[:, number : number + 2, number : number + 3] += 6
    predictions = []
    for clip in clips:
        rows = random.permutation(4)[: random.integers(0, 5)]
        logits = objects[rows][:, clip.start : clip.stop]
        logits = logits + random.normal(0, 0.5, logits.shape)
        probs = random.uniform(0, 1, (len(rows), K))
        predictions.append(
            ClipPrediction(
                torch.tensor(probs, dtype=torch.float32),
                torch.tensor(logits, dtype=torch.float32).reshape(len(rows), len(clip), H, W),
            )
        )
    return predictions


def run_tracker(clips, predictions, rule, num_frames):
    tracker = ClipTracker(rule, num_frames, H, W)
    next_starts = [*(c.start for c in clips[1:]), num_frames]
    for clip, prediction, next_start in zip(clips, predictions, next_starts, strict=True):
        tracker.update(clip, prediction)
        tracker.close_frames(next_start)
    return tracker.tracks(7, [10, 20, 30])


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 6), st.data())
@settings(max_examples=40, deadline=None)
def test_streaming_equals_dense(seed, num_frames, length, data):
    stride = data.draw(st.integers(1, length))
    top_k = data.draw(st.sampled_from([None, 1, 4]))
    clips = clip_windows(num_frames, length, stride)
    predictions = moving_objects(seed, clips, num_frames)
    rule = TrackingRule(match_threshold=0.3, min_score=0.2, top_k=top_k)
    tracks = run_tracker(clips, predictions, rule, num_frames)
    expected = [
        (float(score), (10, 20, 30)[column], masks)
        for probs, masks in dense_reference(clips, predictions, rule, num_frames)
        for column, score in enumerate(probs)
        if score > 0.2
    ]
    expected.sort(key=lambda item: -item[0])
    expected = [item for item in expected[:top_k] if item[2]]
    assert len(tracks) == len(expected)
    for track, (score, category_id, masks) in zip(tracks, expected, strict=True):
        assert track.video_id == 7
        assert track.score == pytest.approx(score, abs=1e-6)
        assert track.category_id == category_id
        for frame, rle in enumerate(track.segmentations):
            assert (rle is None) == (frame not in masks)
            if rle is not None:
                np.testing.assert_array_equal(decode(rle), masks[frame])


def separate_clips(num_frames, rule, num_objects=3):
    """A tracker at the end of a video whose clips share no frames, so that all start new tracks."""
    tracker = ClipTracker(rule, num_frames, H, W)
    for t in range(num_frames):
        score = 0.5 + t / (2 * num_frames)
        logits = torch.ones(num_objects, 1, H, W)
        tracker.update(Clip(t, t + 1), ClipPrediction(torch.full((num_objects, 1), score), logits))
        tracker.close_frames(t + 1)
    return tracker


def stored_masks(tracker):
    return sum(len(masks) for masks in tracker._ended.values())


@pytest.mark.parametrize("num_frames", [50, 100, 200])
def test_tracks_store_what_they_have(num_frames):
    """As many entries as masks, so that memory does not grow with the square of the length."""
    tracker = separate_clips(num_frames, TrackingRule())
    assert stored_masks(tracker) == 3 * num_frames
    tracks = tracker.tracks(1, [1])
    assert len(tracks) == 3 * num_frames
    assert sum(track.segmentations.num_masks for track in tracks) == 3 * num_frames
    assert {len(track.segmentations) for track in tracks} == {num_frames}


def test_what_top_k_rules_out_is_dropped_before_the_video_ends():
    tracker = separate_clips(100, TrackingRule(top_k=4))
    assert stored_masks(tracker) == 4
    frames = [[t for t, rle in enumerate(x.segmentations) if rle] for x in tracker.tracks(1, [1])]
    assert frames == [[99], [99], [99], [98]]


def test_what_the_least_score_rules_out_is_dropped_before_the_video_ends():
    assert stored_masks(separate_clips(100, TrackingRule(min_score=0.9))) == 3 * 19


def test_of_equal_scores_the_earlier_tracks_win():
    tracker = ClipTracker(TrackingRule(top_k=3), 4, H, W)
    for t in range(4):
        tracker.update(
            Clip(t, t + 1), ClipPrediction(torch.full((1, 2), 0.5), torch.ones(1, 1, H, W))
        )
        tracker.close_frames(t + 1)
    tracks = tracker.tracks(1, [1, 2])
    assert [(list(map(bool, t.segmentations)).index(True), t.category_id) for t in tracks] == [
        (0, 1),
        (0, 2),
        (1, 1),
    ]
