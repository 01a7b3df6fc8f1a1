"""Data sets in YouTube-VIS form: annotation files and frames enter, videos and ground truth leave.

Files, from names to content: `categories` has the data sets' names, titles and categories, `layout`
knows where their files lie, `shared_videos` which splits have videos in common, `frames` reads and
writes images, `video` is a video with its frames, `dataset` a split of them for whoever reads
frames. `annotations` reads ground truth and `results_file` predictions for whoever evaluates.
`split` cuts a held-out part from a file, `validate/` finds everything that is wrong with one,
`synthetic/` draws a data set of its own.

Nothing here imports torch.
"""
