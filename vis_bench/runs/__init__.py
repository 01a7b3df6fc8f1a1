"""Runs: from a config to records.

`config` YAML -> cells; `jobs` cells -> jobs, with everything found, checked and hashed; `harness`
jobs -> records: the whole run. `shards`, `run_shard` and `ray` let several processes infer the
videos of one run. `load_method` a cell's method; `external` records of other code's results;
`predict` results for a folder of frames.

For figures: `video_subject` a config's method and one of its videos, `recorded_subject` one whose
method records its attention, `weights_over_time` what is recorded over all videos.
"""
