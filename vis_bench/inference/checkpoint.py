"""Weights from a file: read safely, loaded strictly, and refused in a sentence that helps.

Read are PyTorch files (a state dict, or a dict with one under "model"; `weights_only`, so no code
in them runs) and safetensors. Every key must be used and none may be missing; how a method's own
names relate to those of its authors' files is the method's affair.
"""

from __future__ import annotations

import argparse
import hashlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from vis_bench.errors import InputError, reason
from vis_bench.files import shown
from vis_bench.inference.weight_checks import check_archive, check_finite, check_kinds
from vis_bench.method import VISMethod

# A folder of weights in Hugging Face's form holds these two.
FOLDER_WEIGHTS, CONFIG = "model.safetensors", "config.json"

SHOWN_KEYS = 3
# Plain containers that authors save beside their weights (SeqFormer: its command line).
HARMLESS: list[Callable | tuple[Callable, str]] = [argparse.Namespace]
CHUNK_BYTES = 1 << 20


class Kind(NamedTuple):
    """A file that somebody may take for a method's weights: how its keys give it away."""

    pattern: str
    words: str


# The first that matches any key decides.
KINDS = [
    Kind(r"detr\.detr\.", "a SeqFormer checkpoint of the VNext repository"),
    Kind(r"detr\.transformer\.decoder\.layers\.\d+\.self_attn_box\.", "a SeqFormer checkpoint"),
    Kind(r"decoder\.layers\.\d+\.box_self_attention\.", "a SeqFormer checkpoint of this project"),
    Kind(r"detr\.transformer\.memory_bus$", "an IFC checkpoint"),
    Kind(r"encoder\.gather_communicate_layers\.", "an IFC checkpoint of this project"),
    Kind(
        r"(detr\.)?transformer\.encoder\.layers\.\d+\.self_attn\.sampling_offs", "Deformable DETR"
    ),
    Kind(r"(detr\.)?transformer\.encoder\.layers\.\d+\.self_attn\.in_proj", "a DETR checkpoint"),
    Kind(r"(backbone\.bottom_up\.)?res2\.0\.conv1\.", "a detectron2 ResNet backbone"),
    Kind(r"(backbone\.)?layers\.0\.blocks\.0\.attn\.relative_position", "a Swin backbone"),
    Kind(r"layer1\.0\.conv1\.weight$", "a torchvision ResNet classifier"),
]


def load_weights(method: VISMethod, path: Path) -> None:
    """Loads all of a method's weights from a file.

    A method built on the meta device takes the file's tensors over without a copy.

    Raises:
        InputError: the file cannot be read, holds no weights, or holds those of something else.
    """
    config = path.parent / CONFIG
    if path.name == FOLDER_WEIGHTS and config.is_file():
        method.check_config(config)
    state = read_state(path)
    check_kinds(state, method, path)
    on_meta = any(parameter.is_meta for parameter in method.parameters())
    try:
        method.load_state_dict(state, strict=True, assign=on_meta)
    except RuntimeError as error:
        raise InputError(
            f"{path} looks like {_likeness(state)} and does not fit {type(method).__name__} with "
            f"backbone {method.backbone_name}: {_differences(str(error))}"
        ) from None
    except Exception as error:  # renaming and cutting what has other shapes can raise anything
        raise InputError(
            f"{path} does not fit {type(method).__name__} with backbone {method.backbone_name}: "
            f"{reason(error)}"
        ) from None
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
    except PermissionError as error:
        raise InputError(f"weights file {path} cannot be read: {error.strerror}") from None
    if isinstance(content, Mapping) and isinstance(content.get("model"), Mapping):
        content = content["model"]
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{path} holds a {type(content).__name__}, not weights by name")
    nameless = [key for key in content if not isinstance(key, str)]
    if nameless:
        raise InputError(f"{path} holds the key {shown(nameless[0])}; expected names of weights")
    strange = [key for key, value in content.items() if not isinstance(value, Tensor)]
    if strange:
        raise InputError(
            f"{path} holds {_some(strange)} beside tensors; expected a state dict, alone or "
            'under "model"'
        )
    for key, value in content.items():
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            kind = "no values" if value.is_meta else f"a {value.layout} tensor of {value.dtype}"
            raise InputError(f"{path} has {kind} for {key}; expected a dense tensor")
    return dict(content)


def weights_name(path: Path) -> str:
    """What records call a weights file: its name, with its folder's where all are named alike."""
    return f"{path.resolve().parent.name}/{path.name}" if path.name == FOLDER_WEIGHTS else path.name


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


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
    """Why `weights_only` refused a file that is a pickle, or looks like one."""
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
    """Size and first bytes, which tell most wrong files apart."""
    with path.open("rb") as file:
        first = file.read(8)
    return f"{path.stat().st_size} bytes, the first are {first!r}"


def _likeness(state: Iterable[str]) -> str:
    for kind in KINDS:
        if any(re.match(kind.pattern, key) for key in state):
            return kind.words
    return f"weights of something else (keys such as {_some(sorted(state)[:2])})"


def _differences(error: str) -> str:
    """PyTorch's list of what does not fit, in one sentence."""
    shapes = [f"{name} is [{theirs}] instead of [{ours}]" for name, theirs, ours in re.findall(
        r"size mismatch for (\S+): copying a param with shape torch\.Size\(\[(.*?)\]\)"
        r".*?the shape in current model is torch\.Size\(\[(.*?)\]\)", error,
    )]  # fmt: skip
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
