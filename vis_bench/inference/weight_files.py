"""Content of a weights file, recognized by its first bytes, whatever its name ends with.

PyTorch's files are read with `weights_only`, so that no code in them runs. Objects that training
loops save beside the weights are named in `HARMLESS`, and nothing of them is kept.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from vis_bench.errors import InputError


class Unread:
    """An object beside the weights, of which nothing is kept."""

    def __init__(self, *args: object) -> None:
        """Ignore what the class would be made of."""

    def __setstate__(self, state: object) -> None:
        """Ignore the object's fields."""


class UnreadArray(Unread):
    """The same for a NumPy array."""


def unread_dict(*args: object) -> OrderedDict:
    """A dictionary of another class, which the unpickler fills."""
    return OrderedDict()


class UnreadDict:
    """As `unread_dict`, for classes that are made by `__new__`."""

    __new__ = unread_dict  # type: ignore[assignment]


def unread_list(*args: object) -> list:
    """A sequence of another class, which the unpickler fills."""
    return []


# Modules, and the classes and functions in them that training loops save objects of, beside
# NumPy's types. None is imported, and none of their code runs.
_NAMES = """
numpy dtype ndarray
numpy.core.multiarray scalar
numpy._core.multiarray scalar
numpy.core.numeric _frombuffer
numpy._core.numeric _frombuffer
numpy.random._pickle __randomstate_ctor __generator_ctor __bit_generator_ctor
numpy.random._mt19937 MT19937
numpy.random._pcg64 PCG64 PCG64DXSM
numpy.random._philox Philox
numpy.random._sfc64 SFC64
numpy.random._generator Generator
numpy.random.bit_generator SeedSequence __pyx_unpickle_SeedSequence
pathlib Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath
pathlib._local Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath
datetime datetime date time timedelta timezone
builtins int float str bool list dict tuple frozenset range slice getattr object
argparse Namespace
types SimpleNamespace
decimal Decimal
fractions Fraction
uuid UUID
mmengine.logging.history_buffer HistoryBuffer
mmengine.logging.message_hub MessageHub
mmengine.config.config Config
deepspeed.runtime.fp16.loss_scaler LossScaler DynamicLossScaler
omegaconf.dictconfig DictConfig
omegaconf.listconfig ListConfig
omegaconf.base Metadata ContainerMetadata
omegaconf.nodes AnyNode StringNode IntegerNode FloatNode BooleanNode
typing Any
"""
_NUMPY = [*(kind.__name__ for kind in {*np.sctypeDict.values()})]
_NUMPY += [f"dtypes.{name}" for name in dir(np.dtypes)]
_DICTS = """
mmengine.config.config.ConfigDict mmcv.utils.config.ConfigDict addict.addict.Dict easydict.EasyDict
yacs.config.CfgNode fvcore.common.config.CfgNode detectron2.config.config.CfgNode
lightning_fabric.utilities.data.AttributeDict lightning.fabric.utilities.data.AttributeDict
pytorch_lightning.utilities.parsing.AttributeDict
"""
HARMLESS: list[Callable | tuple[Callable, str]] = [
    *((Unread, f"numpy.{name}") for name in _NUMPY),
    *(
        (Unread, f"{module}.{name}")
        for module, *names in map(str.split, _NAMES.strip().splitlines())
        for name in names
    ),
    *((UnreadDict, name) for name in _DICTS.split()),
    *((UnreadArray, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    (unread_dict, "collections.defaultdict"),
    (unread_list, "collections.deque"),
]

# First bytes of files of other kinds.
OTHERS = {
    b"version https://git-lfs": "text, a pointer of Git LFS; `git lfs pull` fetches the weights",
    b"\x1f\x8b": "packed by gzip; unpack it",
    b"\x89HDF": "an HDF5 file, as Keras writes",
    b"<": "text (HTML?), perhaps a download page instead of the weights",
    b"{": "text (JSON?), perhaps a download page instead of the weights",
}
# Weights in several files, by the name of one.
SEVERAL = {
    "*.index.json": "weights in several files, which *.index.json lists; expected one with all",
    "*.distcp": "a distributed checkpoint, which `python -m "
    "torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER tensors.pth` joins",
}
# The number that files of PyTorch before 1.6 begin with, as a pickle.
_LEGACY = b"l\xfc\x9cF\xf9 j\xa8P\x19"
_AVERAGED = re.compile(
    r"(?<![a-z])(ema|swa|avg|averaged?|teacher|shadow)(?![a-z])|(?<=model)(ema|teacher)"
)
# Keys of the weights that are trained, first those that are taken first.
RAW = (
    "model",
    "state_dict",
    "model_state_dict",
    "model_state",
    "student",
    "params",
    "net",
    "module",
)
INSIDE = ("module", "state_dict", "model", "shadow", "params")
CLASSES = ("classes", "class_names", "names", "thing_classes", "categories", "id2label")
EXPECTED = "expected a .pth with a state dict or a .safetensors"


def read_content(path: Path) -> object:
    """Everything that a weights file holds, on the CPU.

    Raises:
        InputError: for a file of another kind, a damaged one, or objects of other classes.
    """
    if kind := in_several(path):
        raise InputError(f"{path} belongs to {kind}")
    with path.open("rb") as file:
        first = file.read(512)
    if first[5:9] == b"\0\0\0{":  # behind a length of less than 2^40
        return _read_safetensors(path)
    for start, kind in OTHERS.items():
        if first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(start):
            raise InputError(f"{path} is {kind} ({_head(path)}); {EXPECTED}")
    if first.startswith(b"PK") or _LEGACY in first[:32]:
        return _read_torch(path)
    if first.startswith(b"\x80"):
        way = tensors_by("pickle.load(open(FILE, 'rb'), encoding='latin1')")
        raise InputError(
            f"{path} is a pickle ({_head(path)}), as detectron2's model zoo has with NumPy arrays "
            f"(.pkl), and is not read; {way}"
        )
    raise InputError(
        f"{path} is no file of PyTorch's or of safetensors ({_head(path)}); {EXPECTED}"
    )


def in_several(path: Path) -> str | None:
    """The kind of weights in several files that a file or folder is part of; None for others."""
    files = [*path.iterdir()] if path.is_dir() else [path]
    kinds = (kind for form, kind in SEVERAL.items() if any(file.match(form) for file in files))
    return next(kinds, None)


def tensors_by(load: str) -> str:
    """The lines that write a file's NumPy arrays as tensors, for a message."""
    return (
        f"where you trust the file, write its tensors alone: `content = {load}` and "
        "`torch.save({k: torch.as_tensor(v) for k, v in content['model'].items()}, 'tensors.pth')`"
        ", with the key of its weights"
    )


def is_averaged(key: str | None) -> bool:
    """True for the name of averaged weights."""
    return key is not None and _AVERAGED.search(key.lower()) is not None


def sets_of_weights(content: Any) -> dict[str, Mapping]:
    """The sets of tensors by name below the keys of a file, and below prefixes of averaged ones."""
    if not isinstance(content, Mapping):
        return {}
    sets = {}
    for key, value in content.items():
        while isinstance(value, Mapping) and not _holds_tensors(value):
            value = next(
                (v for k, v in value.items() if k in INSIDE and isinstance(v, Mapping)), None
            )
        if isinstance(key, str) and isinstance(value, Mapping):
            sets[key] = value
    return sets


def below_prefix(state: Any, prefix: str) -> dict[str, Mapping]:
    """The tensors whose names begin with a prefix, as Lightning saves averaged ones; or nothing."""
    found = {
        key.removeprefix(f"{prefix}."): value
        for key, value in (state.items() if isinstance(state, Mapping) else ())
        if isinstance(key, str) and key.startswith(f"{prefix}.")
    }
    return {prefix: found} if found else {}


def _holds_tensors(value: Mapping) -> bool:
    return any(isinstance(item, Tensor) for item in value.values())


def class_names(content: Any, depth: int = 3) -> list[str] | None:
    """Names of classes that a file holds beside its weights, in the order of the columns."""
    if not isinstance(content, Mapping) or depth == 0:
        return None
    for key, value in content.items():
        if str(key).lower() in CLASSES:
            if isinstance(value, Mapping):
                value = [value[k] for k in sorted(value, key=lambda k: (len(str(k)), str(k)))]
            items = value if isinstance(value, list | tuple) else ()
            names = [x.get("name") if isinstance(x, Mapping) else x for x in items]
            texts = [name for name in names if isinstance(name, str)]
            if texts and len(texts) == len(names) and not texts[0].startswith("LABEL_"):
                return texts
    return next(filter(None, (class_names(v, depth - 1) for v in content.values())), None)


def check_archive(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse an archive that unpacks to more than it holds; PyTorch does not compress.

    Raises:
        zipfile.BadZipFile: for such an archive.
    """
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > path.stat().st_size:
        raise zipfile.BadZipFile(f"it would unpack to {unpacked} bytes")


def _read_safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except PermissionError:
        raise
    except Exception as error:  # damaged bytes can make the reader raise anything
        raise _damaged(path, "not a complete safetensors file", error) from None


def _read_torch(path: Path) -> object:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                check_archive(archive, path)
                if kind := _other_archive(archive.namelist()):
                    raise InputError(f"{path} is {kind}; {EXPECTED}")
        with torch.serialization.safe_globals(HARMLESS), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old formats, which nobody here can change
            with path.open("rb") as file:  # of a path the ending would count
                return torch.load(file, map_location="cpu", weights_only=True)
    except (PermissionError, InputError):
        raise
    except pickle.UnpicklingError as error:
        raise InputError(f"{path} {_why_not_loaded(str(error))}") from None
    except Exception as error:  # damaged bytes can make the unpickler raise anything
        raise _damaged(path, "damaged or not a PyTorch file", error) from None


def _damaged(path: Path, problem: str, error: Exception) -> InputError:
    lines = str(error).splitlines()
    said = lines[0][:200] if lines else type(error).__name__
    return InputError(f"{path} is {problem} ({_head(path)}): {said}; download it again")


def _other_archive(names: list[str]) -> str | None:
    """The kind of a zip archive that is no state dict; None for one that may be."""
    parts = {part for name in names for part in name.split("/")}
    if "constants.pkl" in parts:
        return (
            "a program of TorchScript; where you trust it, write its tensors alone: "
            "torch.save(torch.jit.load(FILE).state_dict(), 'tensors.pth')"
        )
    if "data.pkl" not in parts:
        return f"a zip archive without PyTorch's data.pkl (it holds {', '.join(names[:2])})"
    return None


def _why_not_loaded(error: str) -> str:
    """The reason why `weights_only` refused a file."""
    if found := re.search(r"GLOBAL (\S+)|got <class '(\S+)'>", error):
        return (
            f"holds an object of class {found[1] or found[2]}, whose code is not run; where you "
            "trust the file, write its tensors alone: `content = torch.load(FILE, "
            "map_location='cpu', weights_only=False)` and `torch.save(content['model'], "
            "'tensors.pth')`, with the key of its state dict"
        )
    return "holds objects that only running its code could restore; expected tensors by name"


def _head(path: Path) -> str:
    """Size and first bytes, which distinguish most wrong files."""
    with path.open("rb") as file:
        first = file.read(8)
    return f"{path.stat().st_size} bytes, the first are {first!r}"
