"""Standard output and standard error that nothing which reads them can bring down, and that pass
nothing on from data that a terminal would obey.
"""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import TextIO

from vis_bench.text import escaped


class SteadyStream(io.TextIOBase):
    """A text stream around another one that never raises when written to.

    After the first failed write what follows is dropped, and `failure` says why. Characters that
    do not print, or that the stream cannot encode, are written as escapes of Python.

    Args:
        stream: standard output or standard error; None where the process was started without it.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream inside."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def lost(self) -> OSError | None:
        """Why output was lost that somebody may still expect: not where the reader has gone."""
        return None if isinstance(self.failure, BrokenPipeError) else self.failure

    @property
    def verbatim(self) -> Verbatim:
        """The same stream for a program's own control characters, such as those of a bar."""
        return Verbatim(self)

    def write(self, text: str) -> int:
        """Writes a text, or drops it; returns its length."""
        self.write_verbatim(escaped(text))
        return len(text)

    def write_verbatim(self, text: str) -> int:
        """Writes a text with its control characters, or drops it; returns its length."""
        if self._stream is not None and self.failure is None:
            try:
                self._stream.write(self._encodable(text))
            except OSError as error:
                self._fail(self._stream, error)
        return len(text)

    def flush(self) -> None:
        """Flushes, or drops what was waiting."""
        if self._stream is not None and self.failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._fail(self._stream, error)

    def writable(self) -> bool:
        """True."""
        return True

    def isatty(self) -> bool:
        """Whether the stream inside is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """The file descriptor of the stream inside."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def _encodable(self, text: str) -> str:
        try:
            text.encode(self.encoding, getattr(self._stream, "errors", None) or "strict")
        except UnicodeEncodeError:
            return text.encode(self.encoding, "backslashreplace").decode(self.encoding)
        return text

    def _fail(self, stream: TextIO, error: OSError) -> None:
        """Points the stream nowhere, so that what it still holds does not fail once more."""
        self.failure = error
        with contextlib.suppress(io.UnsupportedOperation), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


class Verbatim(io.TextIOBase):
    """A `SteadyStream` without escapes of what does not print."""

    def __init__(self, steady: SteadyStream) -> None:
        self._steady = steady

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream inside."""
        return self._steady.encoding

    def write(self, text: str) -> int:
        """Writes a text, or drops it; returns its length."""
        return self._steady.write_verbatim(text)

    def flush(self) -> None:
        """Flushes, or drops what was waiting."""
        self._steady.flush()

    def writable(self) -> bool:
        """True."""
        return True

    def isatty(self) -> bool:
        """Whether the stream inside is a terminal."""
        return self._steady.isatty()

    def fileno(self) -> int:
        """The file descriptor of the stream inside."""
        return self._steady.fileno()
