"""PyTorch models of other projects: weights, devices, versions. Shared by two back ends."""

import collections
import pickle
from pathlib import Path

import torch

from .environment import DriverError, sentence

SHOWN_KEYS = 3
# All that a file of arrays by name holds; detectron2's model zoo publishes such.
ARRAY_PICKLE = {
    ("_codecs", "encode"), ("collections", "OrderedDict"), ("numpy", "dtype"), ("numpy", "ndarray"),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core")
      for name in ("_reconstruct", "scalar")),
}  # fmt: skip


def check_device(name):
    """The device, which must be one that this PyTorch can use."""
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DriverError(f"device is {name}, but torch {torch.__version__} finds no GPU")
    return device


def load_strictly(model, path):
    """Load all weights of a file: every key is used, none is missing."""
    state = _read_state(path)
    try:
        missing, unknown = model.load_state_dict(state, strict=False)  # after the model's renames
        problems = [f"lacks {_some(missing)}"] if missing else []
        problems += [f"has {_some(unknown)}, which the model lacks"] if unknown else []
    except RuntimeError as error:  # other shapes
        problems = [" ".join(str(error).split())[:300]]
    if problems:
        raise DriverError(
            f"{path} does not fit the config's model: it {' and '.join(problems)}; expected the "
            "weights of exactly this model"
        )


def num_params(model):
    """The number of distinct learnable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def autocast(device, precision):
    """The context of reduced precision."""
    kind = torch.device(device).type
    if hasattr(torch, "autocast"):
        return torch.autocast(kind, dtype=getattr(torch, precision))
    if precision != "float16" or kind != "cuda":  # before PyTorch 1.10
        raise DriverError(
            f"precision is {precision}, but torch {torch.__version__} has float16 only on a GPU"
        )
    return torch.cuda.amp.autocast()


def _read_state(path):
    try:
        if Path(path).suffix == ".pkl":
            with Path(path).open("rb") as file:
                content = _ArrayUnpickler(file, encoding="latin1").load()
        else:
            content = _torch_load(path)
    except Exception as error:  # a damaged file may raise anything
        raise DriverError(f"weights file {path} cannot be read, {sentence(error)}") from error
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise DriverError(f"{path} holds a {type(content).__name__}; expected weights by name")
    state = collections.OrderedDict((key, torch.as_tensor(value)) for key, value in content.items())
    # Versions of the modules that were saved, by which a model renames the keys of older ones.
    if hasattr(content, "_metadata"):
        state._metadata = content._metadata
    return state


def _torch_load(path):
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except TypeError:  # before PyTorch 1.13
        return torch.load(path, map_location="cpu")


class _ArrayUnpickler(pickle.Unpickler):
    """Reads arrays in plain containers, and runs no code of the file."""

    def find_class(self, module, name):
        if (module, name) not in ARRAY_PICKLE:
            raise pickle.UnpicklingError(f"holds {module}.{name}; expected arrays by name")
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        return super().find_class(module, name)


def _some(keys):
    more = "" if len(keys) <= SHOWN_KEYS else f" and {len(keys) - SHOWN_KEYS} more"
    return ", ".join(keys[:SHOWN_KEYS]) + more
