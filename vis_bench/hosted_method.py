"""The interface of a method whose model is another project's, here or in another process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vis_bench.method import VISMethod


class HostedMethod(VISMethod):
    """A method whose model is another project's: built, timed and measured where it runs.

    It is opened by `prepare_for_inference`, after its weights are named, and it cannot be compiled.

    Attributes:
        not_counted: the reason why multiply-adds cannot be counted; None where they can.
        weights_sha256: set before `take_weights`: the digest that the file has to have when it is
            loaded; None for any.
        in_another_process: True where `take_seconds` and `take_peaks` are that process's own, and
            time spent on handing frames over counts nowhere.
    """

    not_counted: str | None = None
    weights_sha256: str | None = None
    in_another_process: bool = False

    def take_weights(self, path: Path) -> bool:
        """Keep a weights file that is loaded, strictly, where the model is; False: load it here."""
        return False

    def check_resolution(self, resolution: int | str) -> None:
        """Refuse, once prepared, a config's resolution that does not fit the model."""

    def begin_video(self, height: int, width: int) -> None:
        """Take the original size of the next video, in pixels; for online methods."""

    def take_seconds(self) -> Mapping[str, float]:
        """Seconds by stage that another process spent on the last `predict_next`."""
        return {}

    def take_peaks(self) -> Mapping[str, int | None]:
        """Peak memory, since the last call, of another process that runs the method.

        Returns:
            Bytes of `process` and of its GPU's `allocator`, as in `MemoryBytes`; empty where the
            method runs in this process.
        """
        return {}
