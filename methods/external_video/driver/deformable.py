"""The stand-in for `MultiScaleDeformableAttention`, the compiled extension of Deformable DETR.

Projects import it by that name and call `ms_deform_attn_forward`; with the stand-in nothing has to
be built, and a CPU will do. It calls this project's kernels where they are installed, too.
"""

import importlib
import sys
import types

NAME = "MultiScaleDeformableAttention"


def provide_extension(device):
    """Make the extension importable: the project's own, or the stand-in.

    Args:
        device: that the model runs on, as text.

    Returns:
        A function that names what computes; None before the stand-in is called.
    """
    try:
        importlib.import_module(NAME)
        return lambda: "its own extension"
    except ImportError:
        pass
    chosen = []

    def stand_in(*arguments):
        if not chosen:
            chosen.extend(implementation(device))
        return chosen[0](*arguments)

    module = types.ModuleType(NAME, __doc__)
    module.ms_deform_attn_forward = stand_in
    sys.modules[NAME] = module
    return lambda: chosen[1] if chosen else None


def implementation(device):
    """The function of the stand-in and its name."""
    try:
        from cuda_ops import ms_deform_attn, resolve_backend
    except ImportError:
        return ms_deform_attn_forward, "plain PyTorch"
    import torch

    def forward(value, shapes, starts, locations, weights, im2col_step=None):
        # Autocast hands over mixed types; a 16-bit value is read at locations of float32.
        coordinate = torch.float32 if value.element_size() == 2 else value.dtype
        locations, weights = locations.to(coordinate), weights.to(coordinate)
        return ms_deform_attn(value, shapes, starts, locations, weights)

    return forward, resolve_backend(device)


def ms_deform_attn_forward(value, shapes, starts, locations, weights, im2col_step=None):
    """Multi-scale deformable attention in plain PyTorch; the arguments and their order are theirs.

    Args:
        value: (B, S, M, D), the levels one after the other.
        shapes: (L, 2), height and width of each level.
        starts: (L,), positions at which the levels begin.
        locations: (B, Q, M, L, P, 2), x and y as fractions of the level.
        weights: (B, Q, M, L, P).
        im2col_step: images that their kernel takes at once; means nothing here.

    Returns:
        (B, Q, M * D) in the value's type.
    """
    import torch
    from torch.nn.functional import grid_sample

    batch, _, heads, channels = value.shape
    work = torch.promote_types(value.dtype, torch.float32)
    total = 0
    for level, ((height, width), start) in enumerate(zip(shapes.tolist(), starts.tolist())):
        level_value = value[:, start : start + height * width].to(work)
        maps = level_value.permute(0, 2, 3, 1).reshape(batch * heads, channels, height, width)
        grids = 2 * locations[:, :, :, level].to(work).transpose(1, 2).flatten(0, 1) - 1
        samples = grid_sample(maps, grids, align_corners=False)
        level_weights = weights[:, :, :, level].to(work).transpose(1, 2).flatten(0, 1)
        total = total + (samples * level_weights.unsqueeze(1)).sum(-1)
    queries = locations.shape[1]
    by_query = total.view(batch, heads * channels, queries).transpose(1, 2)
    return by_query.contiguous().to(value.dtype)
