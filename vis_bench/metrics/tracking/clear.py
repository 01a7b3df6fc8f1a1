"""CLEAR: MOTA and what it is made of, identity switches, fragments, and mostly tracked objects.

Bernardin and Stiefelhagen, "Evaluating multiple object tracking performance: the CLEAR MOT
metrics", EURASIP JIVP 2008; mostly tracked: Wu and Nevatia, CVPR 2006; sMOTA: Voigtlaender et al.,
"MOTS", CVPR 2019, equation 3. As TrackEval computes them, of masks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import numpy as np

from vis_bench.metrics.assignment import linear_sum_assignment
from vis_bench.metrics.tracking.frames import EPSILON, Frames
from vis_bench.metrics.tracking.identity import MATCH_IOU

# What a pair that goes on from the frame before is worth, in IoUs.
_GOES_ON = 1000.0
# Shares of an object's frames: mostly tracked above the first, partly tracked from the second on.
_MOSTLY, _PARTLY = 0.8, 0.2
_NOBODY = -1


@dataclass(frozen=True)
class ClearCounts:
    """Counts of one sequence or of several; or of many resamples, (B,) each.

    Attributes:
        tp, fn, fp: masks that are matched, missed and too many.
        idsw: matches of an object with another track than at its last match.
        frag: pieces in which objects are tracked, less one for each object.
        mt, pt, ml: objects that are mostly, partly and hardly tracked.
        frames: of sequences that have objects and tracks.
        iou: summed over the matches.
    """

    tp: float = 0
    fn: float = 0
    fp: float = 0
    idsw: float = 0
    frag: float = 0
    mt: float = 0
    pt: float = 0
    ml: float = 0
    frames: float = 0
    iou: float = 0.0

    @classmethod
    def total(cls, parts: Iterable[ClearCounts]) -> ClearCounts:
        """The sum over sequences."""
        return cls(*map(sum, zip(*map(astuple, parts), strict=True)))

    def numbers(self) -> dict[str, float]:
        """Ratios as fractions, and the counts."""
        masks = np.maximum(1, self.tp + self.fn)
        objects = np.maximum(1, self.mt + self.pt + self.ml)
        return {
            "mota": (self.tp - self.fp - self.idsw) / masks,
            "motp": self.iou / np.maximum(1, self.tp),
            "moda": (self.tp - self.fp) / masks,
            "smota": (self.iou - self.fp - self.idsw) / masks,
            "motal": (self.tp - self.fp - np.log10(np.maximum(1, self.idsw))) / masks,
            "clr_re": self.tp / masks,
            "clr_pr": self.tp / np.maximum(1, self.tp + self.fp),
            "clr_f1": self.tp / np.maximum(1, self.tp + self.fn / 2 + self.fp / 2),
            "mtr": self.mt / objects,
            "ptr": self.pt / objects,
            "mlr": self.ml / objects,
            "fp_per_frame": self.fp / np.maximum(1, self.frames),
            "clr_tp": self.tp,
            "clr_fn": self.fn,
            "clr_fp": self.fp,
            "clr_frames": self.frames,
            **{name: getattr(self, name) for name in ("idsw", "frag", "mt", "pt", "ml")},
        }


# Of `numbers`, those that are summed over classes.
COUNTED = ("clr_tp", "clr_fn", "clr_fp", "clr_frames", "idsw", "frag", "mt", "pt", "ml")


def count_clear(frames: Frames, num_frames: int) -> ClearCounts:
    """Count one sequence; `num_frames`: of the video."""
    present_G, num_tracks = frames.num_frames_G(), int(frames.num_frames_D().sum())
    num_objects = int(present_G.sum())
    if not num_objects:
        return ClearCounts(fp=num_tracks)
    if not num_tracks:
        return ClearCounts(fn=num_objects, ml=frames.num_objects)
    last_G = np.full(frames.num_objects, _NOBODY)
    before_G = last_G.copy()
    matched_G, pieces_G = np.zeros_like(last_G), np.zeros_like(last_G)
    idsw, iou = 0, 0.0
    for part in frames.parts():
        objects, tracks = frames.object_R[part[0]], frames.track_Q[part[1]]
        if not len(objects) or not len(tracks):
            continue
        iou_gd = frames.matrix(part, frames.iou_L)
        score = iou_gd + _GOES_ON * (tracks == before_G[objects, None])
        score[iou_gd < MATCH_IOU - EPSILON] = 0
        row, column = linear_sum_assignment(score, maximize=True)
        found = score[row, column] > EPSILON
        row, column = row[found], column[found]
        g, d = objects[row], tracks[column]
        idsw += int(((last_G[g] != _NOBODY) & (last_G[g] != d)).sum())
        pieces_G[g] += before_G[g] == _NOBODY
        matched_G[g] += 1
        iou += float(iou_gd[row, column].sum())
        before_G[:] = _NOBODY
        before_G[g] = last_G[g] = d
    tp = int(matched_G.sum())
    share_G = matched_G / np.maximum(1, present_G)
    mt = int((share_G > _MOSTLY).sum())
    pt = int((share_G >= _PARTLY).sum()) - mt
    frag = int(np.maximum(0, pieces_G - 1).sum())
    ml = frames.num_objects - mt - pt
    return ClearCounts(
        tp, num_objects - tp, num_tracks - tp, idsw, frag, mt, pt, ml, num_frames, iou
    )
