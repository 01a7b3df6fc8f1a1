"""Runs spread over processes and machines by Ray (docs.ray.io), the extra `cluster`.

A worker is a Ray actor that keeps the loaded method and infers shards; the driver hands them out,
writes what comes back, merges, and evaluates once. Nothing here is imported unless it is asked for.
"""
