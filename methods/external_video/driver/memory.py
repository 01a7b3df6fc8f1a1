"""A file in memory that two processes have mapped."""

import mmap
import os

import numpy as np


class SharedMemory:
    """Arrays in a file in memory, which grows with them; its pages stay mapped from call to call.

    Args:
        descriptor: of the file, which stays open.
    """

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self._mapped = b""

    def array(self, start, shape, dtype=np.uint8):
        """The array of one-byte values that begins at byte `start`."""
        stop = start + int(np.prod(shape))
        if stop > len(self._mapped):
            if stop > os.fstat(self._descriptor).st_size:
                os.ftruncate(self._descriptor, stop)
            self._mapped = mmap.mmap(self._descriptor, stop)
        return np.frombuffer(self._mapped, dtype, stop - start, start).reshape(shape)
