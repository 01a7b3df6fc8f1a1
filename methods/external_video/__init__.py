"""Other people's code: a model of whole videos or an online one, in a process of its own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from methods.external_video.driver import BACK_ENDS, PRESETS, WHOLE_VIDEOS
from methods.external_video.online import ExternalOnline
from methods.external_video.video import ExternalVideo
from vis_bench.errors import InputError
from vis_bench.hosted_method import HostedMethod
from vis_bench.operating_system import require_posix


def build(
    *,
    num_classes: int,
    back_end: str = "callable",
    function: str = "",
    online: bool = False,
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
) -> HostedMethod:
    """The method that another project's model is.

    Args:
        num_classes: K; the model's categories are 0..K-1.
        back_end: `callable`, `detectron2` or `mmdet`.
        function: of `callable`: "package.module:function". Takes frames (T, H, W, 3) of uint8 RGB
            and the video's original height and width; returns a list, or yields, a dict for each
            track: `score`, `category`, and `masks`: of every frame a boolean (height, width) or
            None. Where `online` is set, a class with `start(height, width)` for each video and
            `step(frames)` for its next ones, which returns such dicts with `track_id`, too.
        online: the model takes some frames of a video at a time: a class as above, a model of
            `detectron2` that goes on by `keep`, or one of `mmdet` with a tracker.
        config_file: of `detectron2` and `mmdet`, below project_path.
        preset: of `detectron2`: a project's name, which gives adders and classes_key.
        adders: of `detectron2`: "package.module:function" of each that adds keys to the config.
        classes_key: of `detectron2`: the config's key that holds the number of classes.
        opts: of `detectron2` and `mmdet`: keys and values in turn that win over the config file.
        project_path: folder that is put first on the import path; its source files are part of
            the record.
        python: of the model's process, 3.7 or later with numpy: a path, or a name in PATH; this
            Python unless given.
        timeout: seconds that the process may take for opening, and for one video or one step.
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
    if not isinstance(online, bool):
        raise InputError(f"options.online is {online!r}; expected true or false")
    if online and preset in WHOLE_VIDEOS:
        raise InputError(
            f"options.online is true, but the model of preset {preset} takes whole videos, "
            "or several frames at first; expected false, or options.function with a class of "
            "yours (docs/other_code.md)"
        )
    if len(opts) % 2:
        raise InputError(f"options.opts has {len(opts)} entries; expected keys and values in turn")
    folder = Path(project_path).expanduser()
    if not project_path or not folder.is_dir():
        raise InputError(f"options.project_path is {project_path!r}; expected a folder")
    program = _program(python or sys.executable)
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
        "online": online,
        "num_classes": num_classes,
        "weights": None,
    }
    kind = ExternalOnline if online else ExternalVideo
    return kind(spec, program, timeout, name, backbone)


def _check_paths(option: str, paths: Sequence[str]) -> None:
    for path in paths:
        module, colon, called = path.partition(":")
        if not (module and colon and called):
            raise InputError(f"options.{option} has {path!r}; expected package.module:function")


def _program(python: str) -> str:
    """Return the path of a Python."""
    require_posix("method external_video, a model in another process,")
    found = shutil.which(Path(python).expanduser())
    if found is None:
        raise InputError(f"options.python is {python!r}; expected a program")
    # Absolute, as it starts in the project's folder; a link that leads to it tells the environment.
    return str(Path(found).absolute())
