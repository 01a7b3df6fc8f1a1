"""The stand-in for `MultiScaleDeformableAttention`, the compiled extension of Deformable DETR.

Projects import it by that name and call `ms_deform_attn_forward`; with the stand-in nothing has to
be built, and a CPU will do.
"""

import importlib
import sys
import types

NAME = "MultiScaleDeformableAttention"


def provide_extension(forward=None):
    """Makes the extension importable.

    Args:
        forward: stands in for the extension's function in any case. Without it the project's own
            extension is used where it can be imported, and `ms_deform_attn_forward` where not.

    Returns:
        A function that tells what computes: "compiled", the project's extension; "stand-in", once
        it has been called; None.
    """
    if forward is None:
        try:
            importlib.import_module(NAME)
            return lambda: "compiled"
        except ImportError:
            pass
    called = set()

    def stand_in(*arguments):
        called.add("stand-in")
        return (forward or ms_deform_attn_forward)(*arguments)

    module = types.ModuleType(NAME, __doc__)
    module.ms_deform_attn_forward = stand_in
    sys.modules[NAME] = module
    return lambda: "stand-in" if called else None


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
