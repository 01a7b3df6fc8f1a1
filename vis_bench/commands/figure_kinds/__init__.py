"""The figures, one file each: `DESCRIPTION`, `add_arguments` and `run`, as a command has them."""
