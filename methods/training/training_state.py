"""The file that a training run is resumed from; it is read as untrusted input."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from methods.training.config import TrainConfig
from vis_bench.errors import InputError
from vis_bench.files import shown, write_atomically
from vis_bench.inference.checkpoint import check_archive

# A resumed run may differ in these: they decide how long it goes on and what it writes.
FREE_SETTINGS = (
    "steps", "held_out", "log_every", "checkpoint_every", "half_precision", "evaluate"
)  # fmt: skip
NOT_SET = "not set"


# Types of a state's entries: the settings of the run as plain values, the number of steps taken,
# the tensors of method and criterion, the optimizer's state, and the averaged weights, if any.
TYPES = {"config": dict, "step": int, "modules": Mapping, "optimizer": dict, "average": dict}


def write_training_state(state: Mapping[str, Any], path: Path) -> None:
    """Write a state with the entries of `TYPES`, whole or not at all."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_atomically(path, buffer.getvalue())


def read_training_state(path: Path) -> dict[str, Any]:
    """Read a state without running code that the file may contain.

    Raises:
        InputError: the file is missing, damaged, or not a training state.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, path)
            if (wrong := archive.testzip()) is not None:  # torch.load does not compare checksums
                raise zipfile.BadZipFile(f"wrong checksum of {wrong}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old formats, on the way to an error
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"checkpoint {path} does not exist") from None
    except OSError as error:
        raise unusable(path, error.strerror or str(error)) from None
    except Exception as error:  # bytes that are not a state can make the reader raise anything
        reason = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")
        raise unusable(path, f"it is damaged or not a PyTorch file ({reason[:120]})") from None
    has_types = isinstance(content, dict) and all(
        isinstance(content.get(key), kind) for key, kind in TYPES.items()
    )
    if not has_types or not _is_plain(content["config"]) or not 0 <= content["step"] < 1 << 63:
        raise unusable(path, "it is not the state of a training run")
    return content


def _is_plain(config: Mapping[str, Any]) -> bool:
    """True for settings that a config can hold: no tensors, and nothing inside of itself."""
    try:
        json.dumps(config)
    except (TypeError, ValueError, RecursionError):
        return False
    return all(isinstance(key, str) for key in config)


def check_same_run(path: Path, state: Mapping[str, Any], config: TrainConfig) -> None:
    """Refuse a state of a run with other settings (but for `FREE_SETTINGS`), naming the first."""
    here = _flat(
        {k: v for k, v in config.model_dump(mode="json").items() if k not in FREE_SETTINGS}
    )
    there = _flat({k: v for k, v in state["config"].items() if k not in FREE_SETTINGS})
    for key in [*here, *there]:
        now, before = here.get(key, NOT_SET), there.get(key, NOT_SET)
        if now != before:
            raise unusable(path, f"{key} is {_shown(now)} here and was {_shown(before)} there")


def unusable(path: Path, reason: str) -> InputError:
    """The error about a state file from which a run cannot be resumed."""
    return InputError(f"checkpoint {path} cannot be resumed from: {reason}")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted keys, as --set takes them."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _shown(value: Any) -> str:
    return NOT_SET if value == NOT_SET else shown(value)
