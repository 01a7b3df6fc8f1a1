"""The commands of the command line, one module each, named like the command with `_` for `-`.

A command's module has `add_arguments(options)` and `run(options)`, which returns the exit code, or
None for 0. `vis_bench.cli` lists the commands and imports the typed one only. What brings in
PyTorch or SciPy is imported inside the functions that need it, so that help is quick. `options`,
`values` and `output` are what they share. Of `vis_bench`, only commands import `methods` and
`cuda_ops`.
"""
