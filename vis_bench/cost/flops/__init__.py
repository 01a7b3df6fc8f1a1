"""Multiply-adds of methods: counted from shapes, missing nothing in silence.

`counter` counts one call by operator (`rules`, `zero_ops`, `selections`) and by module (`tree`);
`video` counts what the inference loop executes for a whole video, `nominal` for one that no data
set has to hold, `measure` for the videos of a record.
"""
