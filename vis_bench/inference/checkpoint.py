"""Weights from a file: read safely, loaded strictly, and refused in a sentence that helps.

Of a file with several sets of weights (raw and averaged) one is taken, and named. Every key must be
used and none may be missing; a method maps the names in its authors' files to its own by hooks.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vis_bench.digests import file_sha256, reading
from vis_bench.errors import InputError, reason
from vis_bench.files import shown
from vis_bench.hosted_method import HostedMethod
from vis_bench.inference.weight_files import (
    RAW,
    UnreadArray,
    below_prefix,
    class_names,
    is_averaged,
    read_content,
    sets_of_weights,
    tensors_by,
)
from vis_bench.method import VISMethod

# A folder of weights in Hugging Face's form holds these two.
FOLDER_WEIGHTS, CONFIG = "model.safetensors", "config.json"

SHOWN_KEYS = 3
# Other values of options that are tried for a message.
TRIES = 40
# Whole numbers in checkpoints of others: counters of batches, tables of positions.
COUNTS = ("num_batches_tracked", "relative_position_index")

# PyTorch's words for a tensor: its name, its shape in the file and in the method.
OTHER_SHAPE = re.compile(
    r"size mismatch for (\S+): copying a param with shape torch\.Size\(\[(.*?)\]\)"
    r".*?the shape in current model is torch\.Size\(\[(.*?)\]\)"
)

# What torch.compile, FSDP and activation checkpointing put into names, at any place.
WRAPPERS = re.compile(r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")

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

    Both must have their digest whenever they are read; those without one are not checked. `part`:
    the key of the weights to take, where the file has several.
    """

    path: Path
    config: Path | None
    part: str | None = None
    sha256: str | None = None
    config_sha256: str | None = None

    @classmethod
    def at(cls, path: Path, part: str | None = None) -> WeightsFile:
        """The file at a path, and its config."""
        return cls(path, folder_config(path), part)

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


@dataclass(frozen=True)
class Loaded:
    """Weights that a method holds: their key in the file, if it has several, and remarks.

    `class_names` has the names of the classes in the order of their columns, where the file (or its
    config) tells them.
    """

    part: str | None
    remarks: tuple[str, ...]
    class_names: Sequence[str] | None


# Builds the method again with some options changed.
Rebuild = Callable[[Mapping[str, object]], VISMethod]


def load_weights(
    method: VISMethod,
    weights: WeightsFile,
    num_classes: int | None = None,
    rebuild: Rebuild | None = None,
) -> None:
    """Load all of a method's weights from a file, and note in `method.loaded` what it took.

    A method built on the meta device takes the file's tensors over without a copy.

    Args:
        num_classes: K that the method was built with, for a message about weights of another K.
        rebuild: tries other options where the weights do not fit, for the message.

    Raises:
        InputError: the file cannot be read, holds no weights, or holds those of something else, or
            it is not the one that the run began with.
    """
    path = weights.path
    if isinstance(method, HostedMethod):
        method.weights_sha256 = weights.sha256
        if method.take_weights(path):
            if weights.part:
                raise InputError(f"{path}:{weights.part}: the method reads the file by itself")
            return
    stated = None
    if weights.config is not None:
        with reading(weights.config, weights.config_sha256):
            method.check_stated_options(weights.config, method.resolved_options)
            stated = json.loads(weights.config.read_bytes())
    with reading(path, weights.sha256):
        content = _read(path)
        state, part, remarks = _choose(content, path, weights.part)
        if remark := _load(method, state, part, path, num_classes, rebuild):
            remarks = (*remarks, f"{path}: {remark}")
    method.loaded = Loaded(part, remarks, class_names(content) or class_names(stated))


def _load(
    method: VISMethod,
    state: dict[str, Tensor],
    part: str | None,
    path: Path,
    num_classes: int | None,
    rebuild: Rebuild | None,
) -> str:
    """Load strictly, if need be without wrappers, of which the returned remark tells."""
    check_kinds(state, method, path)
    on_meta = any(parameter.is_meta for parameter in method.parameters())
    subject = f"{type(method).__name__} with backbone {method.backbone_name}"
    failed: list[tuple[str, dict[str, Tensor]]] = []
    try:
        for remark, tried in _without_wrappers(state, part):
            try:
                method.load_state_dict(tried, strict=True, assign=on_meta)
            except RuntimeError as problem:
                failed.append((str(problem), tried))
            else:
                check_finite(tried, path)
                return remark
    except InputError:
        raise
    except Exception as problem:  # renaming and cutting what has other shapes can raise anything
        raise InputError(f"{path} does not fit {subject}: {reason(problem)}") from None
    error, tried = min(failed, key=lambda one: _num_other_keys(one[0]))
    if known := num_classes and _classes_of_weights(error, num_classes):
        raise InputError(
            f"{path} knows {known} classes, but the data has {num_classes} "
            f"({_differences(error)}{_rows_hint(error, num_classes)}); expected weights for these "
            f"{num_classes} classes, or random ones by --random-weights or --set weights=null"
        )
    fitting = _fitting_part(method, state, path)
    if not fitting and rebuild is not None:
        fitting = _fitting_option(method, tried, error, rebuild)
    raise InputError(
        f"{path} looks like {_likeness(method, state, error)} and does not fit {subject}: "
        f"{_differences(error)}{fitting}"
    )


def _without_wrappers(
    state: dict[str, Tensor], part: str | None
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The tensors under their names, then without wrappers' prefixes; and a remark about these."""
    yield "", state
    tried = {key: value for key, value in state.items() if not _is_counter(key, value)}
    of_part = [key for key in tried if is_averaged(key.partition(".")[0]) == is_averaged(part)]
    left_out = {key.partition(".")[0] for key in tried.keys() - of_part} if of_part else ()
    said = [f"{n} is left out; --weights FILE:{n} takes it" for n in sorted(left_out)]
    tried = {key: tried[key] for key in of_part or tried}
    compiled = {WRAPPERS.sub("", key): value for key, value in tried.items()}
    prefix = " and ".join(sorted({own for key in tried for own in WRAPPERS.findall(key)}))
    while True:
        if compiled.keys() != state.keys():
            taken = [f"{prefix} is taken off the names of the weights"] if prefix else []
            yield "; ".join([*said, *taken]), compiled
        firsts = {key.partition(".")[0] for key in compiled}
        if len(firsts) != 1 or firsts & compiled.keys():
            return
        first = f"{firsts.pop()}."
        compiled = {key.removeprefix(first): value for key, value in compiled.items()}
        prefix += first


def _is_counter(key: str, value: Tensor) -> bool:
    """True for what averaging counts beside the weights, as `n_averaged`."""
    return "." not in key and value.ndim == 0 and not value.is_floating_point()


def _num_other_keys(error: str) -> int:
    return sum(len(_quoted_after(f"{kind} key(s) in", error)) for kind in ("Missing", "Unexpected"))


def _fitting_part(method: VISMethod, state: Mapping[str, Tensor], path: Path) -> str:
    """The first part of the names below which all weights stand, beside a loss's, say."""
    for first in dict.fromkeys(key.partition(".")[0] for key in state):
        with suppress(Exception):  # most fit nothing
            method.load_state_dict(below_prefix(state, first)[first], strict=True, assign=True)
            return f"; it fits with --weights {path}:{first}"
    return ""


def _fitting_option(
    method: VISMethod, state: Mapping[str, Tensor], error: str, rebuild: Rebuild
) -> str:
    """The option, and its value, with which all weights fit; empty if no single one is found."""
    ratios = {
        Fraction(int(theirs), int(ours))
        for _, *shapes in OTHER_SHAPE.findall(error)
        for theirs, ours in zip(*(shape.split(", ") for shape in shapes), strict=False)
        if theirs != ours and theirs and int(ours or 0)
    }
    tries: list[tuple[str, object]] = []
    for name, value in method.resolved_options.items():
        if isinstance(value, bool):
            tries.append((name, not value))
        elif isinstance(value, int):
            tries += [(name, int(value * r)) for r in ratios if (value * r).denominator == 1]
            tries += [(name, n) for n in range(1, 9) if not ratios and name.endswith("layers")]
    for name, value in tries[:TRIES]:
        with suppress(Exception):  # other values may not go together
            rebuild({name: value}).load_state_dict(state, strict=True, assign=True)
            return f"; it fits with --set options.{name}={value}"
    return ""


def _rows_hint(error: str, num_classes: int) -> str:
    """Other readings of a class head's number of rows than the usual one."""
    rows = int(OTHER_SHAPE.findall(error)[0][1].split(", ")[0])
    if rows in (91, 92):
        return f"; {rows} rows go by COCO's ids of categories up to 90, of which 80 are in use"
    if 0 <= rows - num_classes <= 2:
        more = rows - num_classes
        return f"; or these {num_classes} classes and {more} more, as before a fix of the authors"
    return ""


def read_state(path: Path, part: str | None = None) -> dict[str, Tensor]:
    """The tensors of a weights file by name.

    Args:
        part: the key of those to take, where the file has several.

    Raises:
        InputError: for a file that does not exist, is damaged, or holds something else.
    """
    return _choose(_read(path), path, part)[0]


def _read(path: Path) -> Any:
    if not path.is_file():
        problem = "is not a regular file" if path.exists() else "does not exist"
        raise InputError(f"weights file {path} {problem}; expected a .pth or .safetensors")
    try:
        return read_content(path)
    except OSError as error:
        raise InputError(f"weights file {path} cannot be read: {error.strerror}") from None


def _choose(
    content: Any, path: Path, part: str | None
) -> tuple[dict[str, Tensor], str | None, tuple[str, ...]]:
    """The tensors to take; their key and a remark where the file has others, averaged or not."""
    sets = sets_of_weights(content)
    raw, others = _raw_and_others(content, sets)
    remarks: tuple[str, ...] = ()
    if part is not None:
        sets |= {} if part in sets else below_prefix(sets.get(raw[0], {}) if raw else content, part)
        if part not in sets:
            listed = f"; it has {_some([*sets])}" if sets else ""
            raise InputError(f"{path} has no weights under the key {part!r}{listed}")
        content = sets[part]
    elif others:
        part, *others = *raw, *others
        content = sets.get(part, content[part])
        ways = " or ".join(f"{path}:{key}" for key in others)
        other = "another" if len(others) > 1 else "the other"
        more = f"; --weights {ways} takes {other}" if others else ""
        remarks = (f"{path}: {part} is taken{more}",)
    elif raw:
        content = sets.get(raw[0], content[raw[0]])
    state = _by_name(content, path)
    for key, value in state.items():
        _check_dense(key, value, path)
    return state, part, remarks


def _raw_and_others(content: Any, sets: Mapping[str, Mapping]) -> tuple[list[str], list[str]]:
    """The key of the weights to take, if any; those of averaged ones, and of others so named."""
    held = content if isinstance(content, Mapping) else {}
    raw = [key for key in RAW if isinstance(held.get(key), Mapping)][:1]
    names = [sets[key].keys() for key in raw if key in sets]
    others = [key for key in sets if is_averaged(key) or sets[key].keys() in names]
    return raw, [key for key in others if key not in raw]


def _by_name(content: Any, path: Path) -> dict[str, Tensor]:
    """Refuse the content of a file that is not tensors by name."""
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{path} holds a {type(content).__name__}, not weights by name")
    nameless = [key for key in content if not isinstance(key, str)]
    if nameless:
        raise InputError(f"{path} holds the key {shown(nameless[0])}; expected names of weights")
    others = [key for key, value in content.items() if not isinstance(value, Tensor)]
    if arrays := [key for key in others if isinstance(content[key], UnreadArray)]:
        load = "torch.load(FILE, weights_only=False)"
        raise InputError(f"{path} holds NumPy arrays for {_some(arrays)}; {tensors_by(load)}")
    if others:
        raise InputError(
            f"{path} holds {_some(others)} beside tensors; expected a state dict, alone or "
            'under "model" or "state_dict"; --weights FILE:KEY takes another key\'s'
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
    """Refuse whole or complex numbers where a method computes with real ones.

    `load_state_dict` would convert them silently, which quantized weights are not meant for.
    """
    own = method.state_dict()
    counters = (*COUNTS, *(k for k, v in own.items() if not v.is_floating_point()))
    for key, value in state.items():
        counts = key.endswith(counters) or _is_counter(key, value)
        if not value.is_floating_point() and not counts:
            raise InputError(f"{path} has {value.dtype} for {key}; expected floating-point weights")


def check_finite(state: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are not numbers."""
    for key, value in state.items():
        if not value.is_floating_point():
            continue
        # A sum is finite only where all its terms are; it needs no memory for a comparison.
        if not value.sum(dtype=torch.float32).isfinite() and not value.isfinite().all():
            raise InputError(f"{path} has NaN or infinity in {key}; expected finite weights")


def weights_name(path: Path) -> str:
    """The name of a weights file in records, with its folder's where all are named alike."""
    folder = path.parent.resolve()  # the file itself may be a link into a cache
    return f"{folder.name}/{path.name}" if path.name == FOLDER_WEIGHTS else path.name


def _likeness(method: VISMethod, state: Mapping[str, Tensor], error: str) -> str:
    if "key(s) in state_dict" not in error:
        return f"weights of {type(method).__name__} with other options"
    for pattern, words in {**method.known_signs, **SIGNS_OF_OTHERS}.items():
        if any(re.match(pattern, key) for key in state):
            return words
    return f"weights of something else (keys such as {_some(sorted(state)[:2])})"


def _classes_of_weights(error: str, num_classes: int) -> int | None:
    """K of weights that fit but for the rows of their class heads, which have biases; else None."""
    if "key(s) in state_dict" in error or not re.search(r"Size\(\[\d+\]", error):
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
