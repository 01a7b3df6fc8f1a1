"""Runs spread over processes and machines by Ray (docs.ray.io), the extra `cluster`.

A worker is a Ray actor that keeps the loaded method and infers shards; the driver hands them out,
writes the tracks that come back, and evaluates. Nothing here is imported unless it is asked for.

`ray_run` the run; `pool` workers and the queue of shards; `cluster` connection and nodes.
"""
