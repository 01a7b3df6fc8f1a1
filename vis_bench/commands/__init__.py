"""The commands of the command line, one file each.

A module directly in this package is a command, named like its file with `-` for `_`. It has
`DESCRIPTION` (one line, for the help), `add_arguments(options)`, which says what it takes, and
`run(options)`, which does it and returns the exit code, or None for 0. Whatever is slow to import,
torch above all, is imported inside `run`. What commands share lies in the packages `arguments` and
`output`. Only these modules import `methods` and `cuda_ops`.
"""
