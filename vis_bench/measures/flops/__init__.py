"""Multiply-adds of methods, counted from shapes; an operator without a rule is an error.

`counter` counts one call by operator (`rules`) and by module (`tree`); `video` counts the inference
loop for a whole video, for the nominal video, and for the videos of a record.
"""
