"""Metrics of tracks: ground truth and predicted tracks enter, numbers leave.

Nothing here runs a method, and only `evaluate_files` reads files. In the order of the computation:

- `check_results` refuses results that do not belong to the annotations.
- `overlaps` counts the pixels that tracks and objects share; every metric starts from it.
- `matching`, `precision_recall` and `ap` give AP and AR; `coco` does so for single images.
- `tracking` gives HOTA, IDF1, TETA and CLEAR.
- `resample` gives AP of many selections of the videos, and `half_samples` intervals from them;
  `scores` holds every number with its interval, and `compare` tests the difference of two and says
  how many videos a smaller one needs.
- `errors` splits the AP that is lost by kind of error, from what tracks follow (`frame_matches`).
- `time_weights` compares the weights that a method gives frames with and without an object.
"""
