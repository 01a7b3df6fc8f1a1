"""Where in its frame an instance's query looks (Wang et al., 2021, section 3.4)."""

from __future__ import annotations

from torch import Tensor, nn

from methods.layers.state_dict_names import rename_on_load


class AttentionMaps(nn.Module):
    """Attention weights between a frame's queries and its encoded tokens, one map per head.

    One softmax runs over all heads and locations together, as in the authors' code.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Linear(width, width)
        self.keys = nn.Linear(width, width)
        rename_on_load(self, [(r"q_linear\.", "queries."), (r"k_linear\.", "keys.")])

    def forward(self, queries_TNC: Tensor, memory_TSC: Tensor) -> Tensor:
        """Maps (T, N, heads, S) for N queries of each frame and the frame's S tokens."""
        queries_TMND = self.queries(queries_TNC).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        keys_TMSD = self.keys(memory_TSC).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        queries_TMND = queries_TMND * queries_TMND.shape[-1] ** -0.5
        scores_TNMS = (queries_TMND @ keys_TMSD.transpose(-1, -2)).transpose(1, 2)
        return scores_TNMS.flatten(2).softmax(-1).view(scores_TNMS.shape)
