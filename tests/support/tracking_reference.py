"""HOTA, IDF1 and TETA in loops over their definitions, for one video.

A frame is (objects, tracks, iou): who is there, in order, and `iou[object, track]` of each pair.
"""

from collections import Counter

import numpy as np
from scipy.optimize import linear_sum_assignment

from vis_bench.metrics.tracking.frames import Frames

EPSILON = 2.0**-52


def dense_frames(iou_TGD, objects_TG, tracks_TD):
    """The frames of one video from all IoUs, and from who is there (bool)."""
    (frame_R, object_R), (frame_Q, track_Q) = objects_TG.nonzero(), tracks_TD.nonzero()
    frame_L, object_L, track_L = iou_TGD.nonzero()
    return Frames(
        *iou_TGD.shape[1:],
        *(np.searchsorted(frame, range(len(iou_TGD) + 1)) for frame in (frame_R, frame_Q)),
        *(object_R, track_Q),
        *(
            np.cumsum(there).reshape(there.shape)[frame_L, own_L] - 1
            for there, own_L in ((objects_TG, object_L), (tracks_TD, track_L))
        ),
        iou_TGD[frame_L, object_L, track_L],
    )


def assignments(frames):
    """Per frame, the pairs of greatest total alignment times IoU, overlapping or not."""
    lives, share = Counter(), Counter()
    for objects, tracks, iou in frames:
        lives.update([("object", g) for g in objects] + [("track", d) for d in tracks])
        for g in objects:
            for d in tracks:
                total = sum(iou[h, d] for h in objects) + sum(iou[g, e] for e in tracks) - iou[g, d]
                if total > EPSILON:
                    share[g, d] += iou[g, d] / total
    chosen = []
    for objects, tracks, iou in frames:
        values = np.zeros((len(objects), len(tracks)))
        for i, g in enumerate(objects):
            for j, d in enumerate(tracks):
                both = lives["object", g] + lives["track", d] - share[g, d]
                values[i, j] = share[g, d] / both * iou[g, d]
        rows, columns = linear_sum_assignment(-values)
        chosen.append([(objects[i], tracks[j]) for i, j in zip(rows, columns, strict=True)])
    return chosen, lives


def associations(frames, chosen, lives, alpha):
    """Pairs at or above alpha, and the sums of their three association scores and of their IoU."""
    together, total_iou = Counter(), 0.0
    for (_, _, iou), pairs in zip(frames, chosen, strict=True):
        for pair in pairs:
            if iou[pair] >= alpha - EPSILON:
                together[pair] += 1
                total_iou += iou[pair]
    sums = [0.0, 0.0, 0.0]
    for (g, d), count in together.items():
        in_object, in_track = lives["object", g], lives["track", d]
        for k, whole in enumerate((in_object + in_track - count, in_object, in_track)):
            sums[k] += count * count / whole
    return sum(together.values()), sums, total_iou


def hota(frames):
    """Per alpha: TP, FN, FP, the three sums of association scores, the sum of IoU."""
    chosen, lives = assignments(frames)
    num_objects = sum(len(objects) for objects, _, _ in frames)
    num_tracks = sum(len(tracks) for _, tracks, _ in frames)
    rows = []
    for step in range(19):
        count, sums, total_iou = associations(frames, chosen, lives, 0.05 + 0.05 * step)
        rows.append([count, num_objects - count, num_tracks - count, *sums, total_iou])
    return np.array(rows).T


def idtp(frames, objects, tracks):
    """Frames under one identity, by trying all ways to give tracks to objects."""
    if not objects:
        return 0
    rest = idtp(frames, objects[1:], tracks)
    for d in tracks:
        own = sum((objects[0], d) in iou and iou[objects[0], d] >= 0.5 for _, _, iou in frames)
        others = [e for e in tracks if e != d]
        rest = max(rest, own + idtp(frames, objects[1:], others))
    return rest


def teta(frames, object_class, track_class, classes):
    """Per class: the six sums of localization and association, and ClsTP, ClsFN, ClsFP."""
    frames = [frame for frame in frames if frame[0]]
    near = [
        {d for d in tracks for g in objects if iou[g, d] >= 0.5} for objects, tracks, iou in frames
    ]
    known = set().union(*near) if near else set()
    everyone = [
        (objects, [d for d in tracks if d in known], iou) for objects, tracks, iou in frames
    ]
    taken = [
        {d: object_class[g] for g, d in pairs if iou[g, d] >= 0.5}
        for pairs, (_, _, iou) in zip(assignments(everyone)[0], everyone, strict=True)
    ]
    false_positives = {key: np.zeros(10) for key in classes}
    found = {}
    for key in classes:
        found[key] = _teta_class(key, frames, taken, object_class, track_class, false_positives)
    return {key: (*found[key], false_positives[key]) for key in classes}


def _teta_class(key, frames, taken, object_class, track_class, false_positives):
    own, close, expected = [], [], []
    for (objects, tracks, iou), owners in zip(frames, taken, strict=True):
        own.append([g for g in objects if object_class[g] == key])
        reach = {d for d in tracks for g in own[-1] if iou[g, d] >= 0.5}
        close.append({d for d in reach if owners.get(d, key) == key})
        expected.append({d for d in tracks if track_class[d] == key})
    columns = set().union(*close) if close else set()
    located, classified = np.zeros((6, 20)), np.zeros((2, 10))
    if not columns:
        located[1] = sum(map(len, own))
        false_positives[key][:] = sum(map(len, expected))
        return located, classified
    parts = [
        (mine, [d for d in tracks if d in columns], iou)
        for mine, (_, tracks, iou) in zip(own, frames, strict=True)
    ]
    chosen, lives = assignments(parts)
    false_positives[key] += sum(len(e - o) for e, o in zip(expected, close, strict=True))
    for step in range(20):
        alpha = 0.05 * step
        count, sums, _ = associations(parts, chosen, lives, alpha)
        stray = 0
        for (_, _, iou), pairs, reach in zip(parts, chosen, close, strict=True):
            matched = {d for g, d in pairs if iou[g, d] >= alpha - EPSILON}
            stray += len(reach - matched)
            for d in matched if step >= 10 else ():
                if track_class[d] == key:
                    classified[0, step - 10] += 1
                else:
                    classified[1, step - 10] += 1
                    if track_class[d] in false_positives:
                        false_positives[track_class[d]][step - 10] += 1
        located[:, step] = count, sum(map(len, own)) - count, stray, *sums
    return located, classified
