"""From a config to records.

In: a YAML file and what the command line says. Out: one record per cell, and results files.

`config` YAML -> cells; `jobs` cells -> jobs, with everything found, checked and hashed;
`accuracy`, `flops` and `speed` the measurements of a job; `measure` jobs -> records; `load_method`
a cell's method; `predict` results for a folder of frames.

For figures: `video_subject` a config's method and one of its videos, `recorded_subject` one whose
method records its attention, `weights_over_time` what is recorded over all videos.
"""
