"""Starting a method from weights of the same method, or of a simpler one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vis_bench.errors import InputError
from vis_bench.inference.checkpoint import read_state
from vis_bench.inference.weight_checks import check_finite, check_kinds
from vis_bench.method import VISMethod


def load_initial_weights(method: VISMethod, path: Path, fresh: Sequence[str] = ()) -> None:
    """Loads what a file has for a method; everything else stays as it was built.

    Args:
        method: is changed in place.
        path: a .safetensors or .pth file.
        fresh: tensors of the file whose names start with one of these are left out.

    Raises:
        InputError: the file is missing, damaged, or has a tensor that does not fit the method.
    """
    state = {k: v for k, v in read_state(path).items() if not k.startswith(tuple(fresh))}
    check_kinds(state, method, path)
    try:
        unused = method.load_state_dict(state, strict=False).unexpected_keys
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"initial_weights {path} do not fit the method: {reason}") from None
    if unused:
        raise InputError(
            f"initial_weights {path} do not fit the method: it has no tensor named {unused[0]}"
        )
    check_finite(state, path)
