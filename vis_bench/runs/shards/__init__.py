"""Jobs cut by videos, for runs that are spread over processes and machines.

A shard's tracks are a file of their own, keyed by the digest of the job and by the videos it holds,
never by a rank or a number of workers. So a run can go on with any other number of workers, and the
merged tracks are the same whoever inferred them, in whatever order.
"""
