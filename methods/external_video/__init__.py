"""Other people's code: a model that takes whole videos, in this process or in its own Python."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cuda_ops import resolve_backend
from methods.external_video.child import Child
from methods.external_video.driver import BACK_ENDS, PRESETS
from methods.external_video.in_process import InProcess
from methods.external_video.provenance import opening, project_source
from vis_bench.errors import InputError
from vis_bench.method import InputFormat, MethodSource, TrackingRule
from vis_bench.operating_system import require_posix
from vis_bench.video_method import Frames, Mark, TrackPrediction, VideoInfo, VideoMethod


class ExternalVideo(VideoMethod):
    """Runs the driver here or in a process of the other Python.

    A process that ends by itself is started again once for its video; one that hangs or breaks the
    protocol fails it. The next video gets a new process.

    Args:
        spec: of the driver, without a device.
        python: the other Python; None for this process.
        timeout: seconds for opening, and for each video.
        name, backbone: in records.
    """

    # An entry without a pixel counts in the projects' own evaluations, too.
    tracking_rule = TrackingRule(keep_empty=True)
    place_options = frozenset({"project_path", "python"})

    def __init__(
        self, spec: Mapping[str, Any], python: str | None, timeout: float, name: str, backbone: str
    ) -> None:
        super().__init__()
        self.record_name = name or None
        self.backbone_name = backbone
        self.weights_source = spec["function"] or None
        self._spec = dict(spec)
        self._python = python
        self._timeout = timeout
        self._source = project_source(Path(spec["project_path"]), python, Path(spec["config_file"]))
        self._session: Child | InProcess | None = None
        if python is not None:
            self.not_counted = "it runs in another process, options.python"
        # Moves with the method, so that the driver gets the device.
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def method_source(self) -> MethodSource:
        """The project's source files, commit and environment."""
        return self._source

    def prepare_for_inference(self) -> None:
        """Opens the model and tries it on gray frames, before the first video."""
        super().prepare_for_inference()
        facts = self._running().facts
        self.input_format = InputFormat(**facts["input"])

    def take_weights(self, path: Path) -> bool:
        """Keep the file for the driver."""
        self._spec["weights"] = str(path.resolve())
        return True

    def resolved_kernel_backend(self, device: torch.device) -> str | None:
        """Implementation of deformable attention in the trial; None before it, and without any."""
        known = self._session and self._session.facts["deformable_attention"]
        if known == "stand-in" and self._python is None:
            return resolve_backend(device)
        return {"compiled": "its own extension", "stand-in": "plain PyTorch"}.get(known or "")

    def check_resolution(self, resolution: int | str) -> None:
        """Refuse a resolution that is not the one of the project's config."""
        known = self._running().facts["resolutions"]
        if known is not None and resolution not in known:
            listed = " or ".join(map(str, known))
            raise InputError(
                f"resolution is {resolution}; expected {listed}, as in {self._spec['config_file']}"
            )

    @property
    def num_params(self) -> int | None:
        """The number of learnable parameters; None before the model is built, and where unknown."""
        return None if self._session is None else self._session.facts["num_params"]

    def predict_video(
        self, frames: Frames, video: VideoInfo, mark: Mark
    ) -> Iterator[TrackPrediction]:
        """The tracks of the model, received one at a time."""
        yield from self._running().run(frames, video, mark)

    def take_peaks(self) -> Mapping[str, int | None]:
        """Those of the other process."""
        return self._session.take_peaks() if isinstance(self._session, Child) else {}

    def _running(self) -> Child | InProcess:
        if self._session is None:
            spec = {**self._spec, "device": str(self._place.device)}
            # Not a method of this object, which would then be part of a cycle with its process.
            unchanged = partial(
                opening,
                Path(spec["project_path"]),
                self._source.sha256,
                spec["weights"] and Path(spec["weights"]),
                self.weights_sha256,
            )
            if self._python is None:
                with unchanged():
                    opened = InProcess(spec)
                self._session = opened
            else:
                self._session = Child(self._python, spec, self._timeout, unchanged)
        return self._session


def build(
    *,
    num_classes: int,
    back_end: str = "callable",
    function: str = "",
    config_file: str = "",
    preset: str = "",
    adders: Sequence[str] = (),
    classes_key: str = "",
    opts: Sequence[Any] = (),
    project_path: str = "",
    python: str | None = None,
    timeout: float = 600.0,
    name: str = "",
    backbone: str = "none",
) -> VideoMethod:
    """The method that another project's model is.

    Args:
        num_classes: K; the model's categories are 0..K-1.
        back_end: `callable`, `detectron2` or `mmdet`.
        function: of `callable`: "package.module:function". Takes frames (T, H, W, 3) of uint8 RGB
            and the video's original height and width; returns a list, or yields, a dict for each
            track: `score`, `category`, and `masks`: of every frame a boolean (height, width) or
            None.
        config_file: of `detectron2` and `mmdet`, below project_path.
        preset: of `detectron2`: a project's name, which gives adders and classes_key.
        adders: of `detectron2`: "package.module:function" of each that adds keys to the config.
        classes_key: of `detectron2`: the config's key that holds the number of classes.
        opts: of `detectron2` and `mmdet`: keys and values in turn that win over the config file.
        project_path: folder that is put first on the import path; its source files are part of
            the record.
        python: the other Python, 3.7 or later with numpy: a path, or a name in PATH; none for this
            process.
        timeout: seconds that another Python may take for opening, and for one video.
        name: the method's in records, tables and the leaderboard; external_video unless given.
        backbone: its name in records.
    """
    if back_end not in BACK_ENDS:
        raise InputError(
            f"options.back_end is {back_end!r}; expected one of: {', '.join(BACK_ENDS)}"
        )
    if preset and preset not in PRESETS:
        raise InputError(f"options.preset is {preset!r}; expected one of: {', '.join(PRESETS)}")
    _check_paths("adders", adders)
    _check_paths("function", [function] if back_end == "callable" else [])
    if back_end != "callable" and not config_file:
        raise InputError("options.config_file is empty; expected the file of the project's config")
    if len(opts) % 2:
        raise InputError(f"options.opts has {len(opts)} entries; expected keys and values in turn")
    folder = Path(project_path).expanduser()
    if not project_path or not folder.is_dir():
        raise InputError(f"options.project_path is {project_path!r}; expected a folder")
    program = _program(python) if python else None
    if isinstance(timeout, bool) or not timeout > 0:
        raise InputError(f"options.timeout is {timeout!r}; expected seconds above 0")
    spec = {
        "back_end": back_end,
        "function": function,
        "config_file": config_file,
        "preset": preset,
        "adders": list(adders),
        "classes_key": classes_key,
        "opts": list(opts),
        "project_path": str(folder.resolve()),
        "num_classes": num_classes,
        "weights": None,
    }
    return ExternalVideo(spec, program, timeout, name, backbone)


def _check_paths(option: str, paths: Sequence[str]) -> None:
    for path in paths:
        module, colon, called = path.partition(":")
        if not (module and colon and called):
            raise InputError(f"options.{option} has {path!r}; expected package.module:function")


def _program(python: str) -> str:
    """Return the path of another Python."""
    require_posix("options.python, a model in another Python,")
    found = shutil.which(Path(python).expanduser())
    if found is None:
        raise InputError(f"options.python is {python!r}; expected a program")
    # Absolute, as it starts in the project's folder; a link that leads to it tells the environment.
    return str(Path(found).absolute())
