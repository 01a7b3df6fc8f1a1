"""Speed: frames per second, latency, stages, memory and energy of three named regions.

`settings` of a config; `regions` and one timed run of each; `measure` makes a record's fields;
`nvml` reads memory and energy.
"""
