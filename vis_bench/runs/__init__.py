"""Runs: from a config to records.

`config` YAML -> cells; `jobs` cells -> jobs, with everything found, checked and hashed, and their
methods; `harness` jobs -> records: the whole run. `shards`, `run_shard` and `ray` let several
processes infer the videos of one run, `locks` keeps two runs of a cell apart. `sources` predictions
and what belongs to them; `predict` results without ground truth; `external` records of other code's
results; `bundled` the configs that are shipped.
"""
