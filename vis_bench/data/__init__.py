"""Data sets in YouTube-VIS form: annotation files and frames enter, videos and ground truth leave.

`categories` has the data sets' names, titles and categories; `datasets` finds their files and opens
a split of them for whoever reads frames (`video`, `frames`). `annotation_files` brings annotations
of every kind to one form, `annotations` reads ground truth from them, and `results_file` reads and
writes predictions. `split` cuts a held-out part from a file, `validate` finds everything that is
wrong with one, `synthetic/` draws a data set of its own.

Nothing here imports torch.
"""
