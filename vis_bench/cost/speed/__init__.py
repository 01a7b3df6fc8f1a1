"""Speed: frames per second, latency, stages, memory and energy of three named regions.

In: a method prepared for inference and the videos that are timed. Out: a record's fields of speed.

`settings` what is timed and for how long; `regions` where
each region starts and ends; `video_run` one timed run; `measure` all of them; `compiling` what
comes before the first that is timed; `memory` and `nvml` what else is read on the way.
"""
