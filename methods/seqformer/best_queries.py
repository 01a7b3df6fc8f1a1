"""Which queries SeqFormer's authors keep of a clip."""

from __future__ import annotations

from torch import Tensor


def best_queries(class_probs_QK: Tensor, top_k: int) -> Tensor:
    """The queries of the `top_k` best (query, column) pairs, each once, in order of its best pair.

    The authors' script ranks all pairs together, so that a query may appear under several classes
    (wjf5203/SeqFormer, `inference.py`). Selects on the device; the host waits once, for how many
    they are.
    """
    pairs = class_probs_QK.flatten().topk(min(top_k, class_probs_QK.numel())).indices
    queries_P = pairs // class_probs_QK.shape[-1]
    seen_before_P = (queries_P[:, None] == queries_P).tril(-1).any(1)
    return queries_P[~seen_before_P]
