"""Memory over length: the peak of inference at several lengths, and how it grows.

`settings` of a config; `measure` measures; `growth` fits and extrapolates.
"""
