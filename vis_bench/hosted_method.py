"""The interface of a method whose model is another project's, here or in another process."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from vis_bench.errors import InputError
from vis_bench.method import ClipPrediction, FrameFeatures, OnlineMethod, State, VISMethod


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

    def begin_video(self, height: int, width: int, asked: Sequence[int] | None = None) -> None:
        """Take the original size of the next video, in pixels; for online methods.

        Args:
            height, width: in pixels.
            asked: columns of the categories that the data set asks for in it; None for all.
        """

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


class HostedOnline(HostedMethod, OnlineMethod):
    """An online method whose model keeps the state of one video by itself.

    The state of this side is the number of frames that the model has seen.
    """

    _size_HW: tuple[int, int] | None = None
    _asked: Sequence[int] | None = None
    _seen: int = 0

    def begin_video(self, height: int, width: int, asked: Sequence[int] | None = None) -> None:
        """Take the size of the next video's masks, and its categories."""
        self._size_HW, self._asked = (height, width), asked

    def predict_next(
        self, features: FrameFeatures, state: State | None
    ) -> tuple[ClipPrediction, State]:
        """The tracks of the next frames.

        Raises:
            InputError: for a state that is not the model's, of another video or an earlier frame.
        """
        seen = 0 if state is None else int(state["frames"])
        if state is not None and seen != self._seen:
            raise InputError(
                f"{self.registered_name} continues after frame {seen}, but its model has seen "
                f"{self._seen}; expected the frames of a video in order"
            )
        self._seen = -1  # until the model has seen these
        size_HW = self._size_HW or features.frame_size_HW
        prediction = self.predict_step(features, size_HW, starts=state is None)
        self._seen = seen + len(features)
        return prediction, {"frames": torch.tensor(self._seen)}

    @abstractmethod
    def predict_step(
        self, features: FrameFeatures, size_HW: tuple[int, int], *, starts: bool
    ) -> ClipPrediction:
        """Predict the next frames of the video.

        Args:
            features: of these frames.
            size_HW: the video's original size in pixels.
            starts: they are the video's first ones.
        """
