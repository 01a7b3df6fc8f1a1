"""How good tracks are: ground truth and predicted tracks enter, numbers leave.

Nothing here runs a method, and only `evaluate_files` reads files.

Files, in the order of the computation: `check_results` refuses results that do not belong to the
annotations, `space_time_iou` compares tracks with objects, `levels` sorts the objects by how hard
they are to follow, `matching` pairs tracks and objects, `precision_recall` accumulates the pairs,
and `ytvis` turns that into AP and AR (`numbers`); `images` does so for single images. `bootstrap`
resamples the videos, and `compare` says whether two results differ by more than chance.
`error_breakdown` says where AP is lost: it applies `identity_repairs` and `repairs` to overlaps
counted frame by frame (`mask_overlaps`, `followed_videos`, `repaired_ap`), and
`identity_sensitivity` what a single identity switch costs. `tracking/` needs the same overlaps:
with it, they are counted first, and `matching` takes from them what it can. `video_errors` breaks
errors down for every video by itself, and `time_weights` compares what a method weighs frames with
an object and without it.
"""
