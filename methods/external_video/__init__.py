"""Other people's code in its own Python: a function from a video's frames to its tracks."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from methods.external_video.child import Child
from vis_bench.errors import InputError
from vis_bench.method import Frames, Mark, MethodSource, TrackPrediction, VideoInfo, VideoMethod
from vis_bench.plugins import SOURCE_ENDINGS


class ExternalVideo(VideoMethod):
    """Starts a process of the other Python, sends it frames and receives its tracks.

    A process that dies, hangs or breaks the protocol fails its video; the next one gets a new
    process.
    """

    def __init__(
        self, function: str, project_path: Path, python: str, timeout: float, backbone: str
    ) -> None:
        super().__init__()
        self.backbone_name = backbone
        self.weights_source = function
        self._project_path = project_path
        self._start = lambda: Child(python, function, project_path, timeout)
        self._child: Child | None = None

    @property
    def method_source(self) -> MethodSource:
        """Digest of the project's source files."""
        total = hashlib.sha256()
        for path in sorted(self._project_path.rglob("*")):
            if path.suffix in SOURCE_ENDINGS and path.is_file():
                total.update(path.relative_to(self._project_path).as_posix().encode() + b"\0")
                total.update(hashlib.sha256(path.read_bytes()).digest())
        return MethodSource(total.hexdigest())

    def prepare_for_inference(self) -> None:
        """Starts the process, whose function is imported before the first frame."""
        super().prepare_for_inference()
        self._running()

    def predict_video(
        self, frames: Frames, video: VideoInfo, mark: Mark
    ) -> Iterator[TrackPrediction]:
        """The tracks of the function, received one at a time."""
        child = self._running()
        size_HW = video.height, video.width
        try:
            mark("preprocess")
            child.send_video(frames, size_HW)
            mark("predict")
            while (header := child.answer(("track", "done")))["kind"] == "track":
                masks = child.masks(header, video.num_frames, size_HW)
                yield TrackPrediction(header["category"], header["score"], masks)
                del masks
        except BaseException:
            if not child.waits:
                child.end()
            raise

    def _running(self) -> Child:
        if self._child is None or self._child.ended:
            self._child = self._start()
        return self._child


def build(
    *, num_classes: int, function: str = "", project_path: str = "", python: str = "python3",
    timeout: float = 600.0, backbone: str = "none",
) -> VideoMethod:  # fmt: skip
    """The method that a function of another project is.

    Args:
        num_classes: K; the function's categories are 0..K-1.
        function: "package.module:function". Takes frames (T, H, W, 3) of uint8 RGB and the video's
            original height and width; returns a list, or yields, a dict for each track: `score`,
            `category`, and `masks`: of every frame a boolean (height, width) or None.
        project_path: folder that is put first on the other Python's path; its source files are
            part of the record.
        python: the other Python, 3.7 or later with numpy.
        timeout: seconds that the function may take for one video.
        backbone: its name in records.
    """
    module, colon, name = function.partition(":")
    if not (module and colon and name):
        raise InputError(f"options.function is {function!r}; expected package.module:function")
    folder = Path(project_path).expanduser()
    if not project_path or not folder.is_dir():
        raise InputError(f"options.project_path is {project_path!r}; expected a folder")
    found = shutil.which(Path(python).expanduser())
    if found is None:
        raise InputError(f"options.python is {python!r}; expected a program")
    if isinstance(timeout, bool) or not timeout > 0:
        raise InputError(f"options.timeout is {timeout!r}; expected seconds above 0")
    return ExternalVideo(function, folder.resolve(), found, timeout, backbone)
