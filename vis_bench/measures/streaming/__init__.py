"""Streaming: the time that every clip takes, one at a time, as a trace.

`settings` of a config; `trace` measures, writes and reads traces.
"""
