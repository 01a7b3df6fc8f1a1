"""Parameters as the papers count them: every number in the authors' checkpoint."""

from __future__ import annotations

from torch import nn


def checkpoint_entries(method: nn.Module, *, not_kept: int) -> int:
    """How many numbers a checkpoint of the authors' code holds.

    These are the parameters, the buffers (four per channel of a frozen norm), and what the
    checkpoint has but the method does not: modules that it holds under two names, tables that
    follow from the sizes, weights of the training loss.

    Args:
        method: as it was built, before norms are folded.
        not_kept: how many numbers of the checkpoint the method itself does not keep; its modules
            say theirs in an attribute `checkpoint_entries_not_kept`.
    """
    kept = sum(tensor.numel() for tensor in method.state_dict().values())
    below = sum(getattr(child, "checkpoint_entries_not_kept", 0) for child in method.modules())
    return kept + below + not_kept
