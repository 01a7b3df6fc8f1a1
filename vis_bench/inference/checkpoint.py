"""Weights from a file: read safely, loaded strictly, and refused in a sentence that helps.

Read are PyTorch files (a state dict, or a dict with one under "model" or "state_dict";
`weights_only`, so no code in them runs) and safetensors. Every key must be used and none may be
missing; a method maps the names in its authors' files to its own by hooks.
"""

from __future__ import annotations

import argparse
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from vis_bench.digests import file_sha256, reading
from vis_bench.errors import InputError, reason
from vis_bench.files import shown
from vis_bench.hosted_method import HostedMethod
from vis_bench.method import VISMethod

# A folder of weights in Hugging Face's form holds these two.
FOLDER_WEIGHTS, CONFIG = "model.safetensors", "config.json"

SHOWN_KEYS = 3
# Plain containers that authors save beside their weights (SeqFormer: its command line).
HARMLESS: list[Callable | tuple[Callable, str]] = [argparse.Namespace]
# Whole numbers in checkpoints of others: counters of batches, tables of positions.
COUNTS = ("num_batches_tracked", "relative_position_index")

# PyTorch's words for a tensor: its name, its shape in the file and in the method.
OTHER_SHAPE = re.compile(
    r"size mismatch for (\S+): copying a param with shape torch\.Size\(\[(.*?)\]\)"
    r".*?the shape in current model is torch\.Size\(\[(.*?)\]\)"
)

# Files that methods start from, by a key of theirs. The first sign that matches any key decides;
# `VISMethod.checkpoint_signs` of all methods come before these.
SIGNS_OF_OTHERS = {
    r"(detr\.)?transformer\.encoder\.layers\.\d+\.self_attn\.sampling_offs": "Deformable DETR",
    r"(detr\.)?transformer\.encoder\.layers\.\d+\.self_attn\.in_proj": "a DETR checkpoint",
    r"(backbone\.bottom_up\.)?res2\.0\.conv1\.": "a detectron2 ResNet backbone",
    r"(backbone\.)?layers\.0\.blocks\.0\.attn\.relative_position": "a Swin backbone",
    r"layer1\.0\.conv1\.weight$": "a torchvision ResNet classifier",
}


@dataclass(frozen=True)
class WeightsFile:
    """A weights file, and the config.json beside weights in Hugging Face's form.

    Both must have their digest whenever they are read; those without one are not checked.
    """

    path: Path
    config: Path | None
    sha256: str | None = None
    config_sha256: str | None = None

    @classmethod
    def at(cls, path: Path) -> WeightsFile:
        """The file at a path, and its config."""
        return cls(path, folder_config(path))

    def hashed(self) -> WeightsFile:
        """The same files with their digests as of now."""
        config = None if self.config is None else file_sha256(self.config)
        return replace(self, sha256=file_sha256(self.path), config_sha256=config)


def folder_config(path: Path) -> Path | None:
    """The config.json beside weights in Hugging Face's form; None for any other file."""
    config = path.parent / CONFIG
    if path.name != FOLDER_WEIGHTS or not os.path.lexists(config):
        return None
    if not config.is_file():
        raise InputError(f"{config} is not a regular file; expected the config of {FOLDER_WEIGHTS}")
    return config


def load_weights(method: VISMethod, weights: WeightsFile, num_classes: int | None = None) -> None:
    """Loads all of a method's weights from a file.

    A method built on the meta device takes the file's tensors over without a copy.

    Args:
        num_classes: K that the method was built with, for a message about weights of another K.

    Raises:
        InputError: the file cannot be read, holds no weights, or holds those of something else, or
            it is not the one that the run began with.
    """
    path = weights.path
    if isinstance(method, HostedMethod):
        method.weights_sha256 = weights.sha256
        if method.take_weights(path):
            return
    if weights.config is not None:
        with reading(weights.config, weights.config_sha256):
            method.check_stated_options(weights.config, method.resolved_options)
    with reading(path, weights.sha256):
        _load_weights(method, path, num_classes)


def _load_weights(method: VISMethod, path: Path, num_classes: int | None) -> None:
    state = read_state(path)
    check_kinds(state, method, path)
    on_meta = any(parameter.is_meta for parameter in method.parameters())
    subject = f"{type(method).__name__} with backbone {method.backbone_name}"
    try:
        method.load_state_dict(state, strict=True, assign=on_meta)
    except RuntimeError as error:
        if known := num_classes and _classes_of_weights(str(error), num_classes):
            raise InputError(
                f"{path} knows {known} classes, but the data has {num_classes} "
                f"({_differences(str(error))}); expected weights of these {num_classes} classes, "
                "or random ones by --random-weights or --set weights=null"
            ) from None
        raise InputError(
            f"{path} looks like {_likeness(method, state)} and does not fit {subject}: "
            f"{_differences(str(error))}"
        ) from None
    except Exception as error:  # renaming and cutting what has other shapes can raise anything
        raise InputError(f"{path} does not fit {subject}: {reason(error)}") from None
    check_finite(state, path)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file by name.

    Raises:
        InputError: for a file that does not exist, is damaged, or holds something else.
    """
    if not path.is_file():
        problem = "is not a regular file" if path.exists() else "does not exist"
        raise InputError(f"weights file {path} {problem}; expected a .pth or .safetensors")
    try:
        content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    except OSError as error:
        raise InputError(f"weights file {path} cannot be read: {error.strerror}") from None
    state = _by_name(content, path)
    for key, value in state.items():
        _check_dense(key, value, path)
    return state


def _by_name(content: Any, path: Path) -> dict[str, Tensor]:
    """Refuse the content of a file that is not tensors by name, alone or below one known key."""
    for entry in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(entry), Mapping):
            content = content[entry]
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{path} holds a {type(content).__name__}, not weights by name")
    nameless = [key for key in content if not isinstance(key, str)]
    if nameless:
        raise InputError(f"{path} holds the key {shown(nameless[0])}; expected names of weights")
    others = [key for key, value in content.items() if not isinstance(value, Tensor)]
    if others:
        raise InputError(
            f"{path} holds {_some(others)} beside tensors; expected a state dict, alone or "
            'under "model" or "state_dict"'
        )
    return dict(content)


def _check_dense(key: str, value: Tensor, path: Path) -> None:
    """Refuse a tensor that is sparse, quantized, without values, or of a byte per weight."""
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        kind = "no values" if value.is_meta else f"a {value.layout} tensor of {value.dtype}"
        raise InputError(f"{path} has {kind} for {key}; expected a dense tensor")
    if value.is_floating_point() and value.itemsize == 1:
        raise InputError(
            f"{path} has {value.dtype} for {key}, whose scales are not read; expected weights "
            "of 16 bits or more"
        )


def check_kinds(state: Mapping[str, Tensor], method: nn.Module, path: Path) -> None:
    """Refuses whole or complex numbers where a method computes with real ones.

    `load_state_dict` would convert them silently, which quantized weights are not meant for.
    """
    own = method.state_dict()
    for key, value in state.items():
        counts = key.endswith(COUNTS) or (key in own and not own[key].is_floating_point())
        if not value.is_floating_point() and not counts:
            raise InputError(f"{path} has {value.dtype} for {key}; expected floating-point weights")


def check_finite(state: Mapping[str, Tensor], path: Path) -> None:
    """Refuses weights that are not numbers."""
    for key, value in state.items():
        if not value.is_floating_point():
            continue
        # A sum is finite only where all its terms are; it needs no memory for a comparison.
        if not value.sum(dtype=torch.float32).isfinite() and not value.isfinite().all():
            raise InputError(f"{path} has NaN or infinity in {key}; expected finite weights")


def check_archive(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuses an archive that unpacks to more than it holds; PyTorch does not compress.

    Raises:
        zipfile.BadZipFile: for such an archive.
    """
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > path.stat().st_size:
        raise zipfile.BadZipFile(f"it would unpack to {unpacked} bytes")


def weights_name(path: Path) -> str:
    """The name of a weights file in records, with its folder's where all are named alike."""
    folder = path.parent.resolve()  # the file itself may be a link into a cache
    return f"{folder.name}/{path.name}" if path.name == FOLDER_WEIGHTS else path.name


def _read_safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except PermissionError:
        raise
    except Exception as error:  # damaged bytes can make the reader raise anything
        raise InputError(
            f"{path} is not a complete safetensors file ({_head(path)}): {_first_line(error)}; "
            "download it again"
        ) from None


def _read_torch(path: Path) -> object:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                check_archive(archive, path)
        with torch.serialization.safe_globals(HARMLESS), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old formats, which nobody here can change
            return torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError:
        raise
    except pickle.UnpicklingError:
        raise InputError(f"{path} {_why_not_loaded(path)}") from None
    except Exception as error:  # damaged bytes can make the unpickler raise anything
        raise InputError(
            f"{path} is damaged or not a PyTorch file ({_head(path)}): {_first_line(error)}; "
            "download it again"
        ) from None


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _why_not_loaded(path: Path) -> str:
    """The reason why `weights_only` refused a file that is a pickle, or looks like one."""
    with path.open("rb") as file:
        first = file.read(512).lstrip()
    if first.startswith((b"<", b"{")):
        return f"is text ({_head(path)}), perhaps a download page instead of the weights"
    if first.startswith(b"\x80") and not zipfile.is_zipfile(path):
        return (
            "is a pickle of more than tensors, as detectron2's model-zoo backbones "
            "(.pkl) are; expected a .pth with a state dict or a .safetensors"
        )
    return (
        f"holds objects that only running its code could restore, or is not a PyTorch file "
        f"({_head(path)}); expected a state dict of tensors"
    )


def _head(path: Path) -> str:
    """Size and first bytes, which distinguish most wrong files."""
    with path.open("rb") as file:
        first = file.read(8)
    return f"{path.stat().st_size} bytes, the first are {first!r}"


def _likeness(method: VISMethod, state: Mapping[str, Tensor]) -> str:
    for pattern, words in {**method.known_signs, **SIGNS_OF_OTHERS}.items():
        if any(re.match(pattern, key) for key in state):
            return words
    return f"weights of something else (keys such as {_some(sorted(state)[:2])})"


def _classes_of_weights(error: str, num_classes: int) -> int | None:
    """K of weights that fit but for the rows of their class heads; None for any other weights."""
    if "key(s) in state_dict" in error:
        return None
    rows = set()
    for _, *shapes in OTHER_SHAPE.findall(error):
        (theirs, *others), (ours, *own) = (shape.split(", ") for shape in shapes)
        if others != own or not (theirs and ours):
            return None
        rows.add((int(theirs), int(ours)))
    if len(rows) != 1:
        return None
    [(in_file, here)] = rows
    # Heads have up to two columns beside the classes, such as "no object".
    known = num_classes + in_file - here
    return known if here - num_classes in (0, 1, 2) and known > 0 else None


def _differences(error: str) -> str:
    """PyTorch's list of differences, in one sentence."""
    shapes = [
        f"{name} is [{theirs}] instead of [{ours}]"
        for name, theirs, ours in OTHER_SHAPE.findall(error)
    ]
    found = {
        "missing keys": _quoted_after("Missing key(s) in state_dict:", error),
        "unexpected keys": _quoted_after("Unexpected key(s) in state_dict:", error),
        "tensors of another shape": shapes,
    }
    parts = [f"{what} ({len(items)}): {_some(items)}" for what, items in found.items() if items]
    return "; ".join(parts) or " ".join(error.split())


def _quoted_after(heading: str, error: str) -> list[str]:
    lines = [line for line in error.splitlines() if heading in line]
    return [name for line in lines for name in re.findall(r'"([^"]+)"', line)]


def _some(items: list[str]) -> str:
    more = f" and {len(items) - SHOWN_KEYS} more" if len(items) > SHOWN_KEYS else ""
    return ", ".join(" ".join(item.split())[:200] for item in items[:SHOWN_KEYS]) + more
