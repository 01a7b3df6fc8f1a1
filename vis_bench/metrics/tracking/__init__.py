"""What AP hides: whether objects are found, outlined and kept under one identity.

HOTA with its parts DetA, AssA and LocA (Luiten et al., IJCV 2021), IDF1 (Ristani et al., ECCV
Workshops 2016) and TETA (Li et al., ECCV 2022), of masks instead of boxes, as SA-Co reports them
(facebookresearch/sam3).

Files, in the order of the computation: `protocol` says which tracks take part and how they overlap
the objects, `assignment` pairs both frame by frame, `hota`, `identity` and `teta` count the pairs,
and `evaluate` does so for all videos and combines the counts.

Shape letters: T frames, G objects, D tracks, A thresholds of IoU (alphas), P pairs.
"""
