"""From a config to records.

In: a YAML file and what the command line says. Out: one record per cell, and results files.

`config` YAML -> cells; `jobs` cells -> jobs, with everything found, checked and hashed;
`accuracy`, `flops` and `speed` the measurements of a job; `measure` jobs -> records; `load_method`
a cell's method; `predict` results for a folder of frames.
"""
