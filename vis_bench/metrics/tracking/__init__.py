"""Tracking metrics: detection, segmentation and identity of objects, each by itself.

HOTA with its parts DetA, AssA and LocA (Luiten et al., IJCV 2021), IDF1 (Ristani et al., ECCV
Workshops 2016) and TETA (Li et al., ECCV 2022), of masks instead of boxes, as SA-Co reports them
(facebookresearch/sam3).

Files, in the order of the computation: `frames` selects the tracks that take part and assigns them
to objects frame by frame, `hota`, `identity` and `teta` count the pairs, `evaluate` does so for all
videos and combines the counts, and `score_threshold` repeats that over the threshold.

Shape letters: T frames, G objects, D tracks, A thresholds of IoU (alphas), P pairs.
"""

# Tracks with a lower score are neither counted nor drawn, unless asked for.
SCORE_THRESHOLD = 0.5
