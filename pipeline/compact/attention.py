"""Multi-head attention from which heads have been removed; those of torch's own always have the inputs' width together."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class FewerHeads(nn.Module):
    """Some heads of an attention, which this module can replace."""

    _qkv_same_embed_dim = False  # torch's encoder asks for it, and then calls `forward` instead of a fused operation

    def __init__(self, whole: nn.MultiheadAttention, kept: Tensor) -> None:
        """kept: the indices of the heads."""
        super().__init__()
        width, size = whole.embed_dim, whole.head_dim
        inner = (kept[:, None] * size + torch.arange(size)).flatten()
        rows = torch.cat([inner, inner + width, inner + 2 * width])
        self.num_heads, self.head_dim, self.batch_first, self.dropout = len(kept), size, whole.batch_first, whole.dropout
        self.in_proj_weight = nn.Parameter(whole.in_proj_weight.detach()[rows].clone())
        bias = whole.in_proj_bias
        self.in_proj_bias = None if bias is None else nn.Parameter(bias.detach()[rows].clone())
        self.out_proj = nn.Linear(len(inner), width, bias=whole.out_proj.bias is not None)
        with torch.no_grad():
            self.out_proj.weight.copy_(whole.out_proj.weight[:, inner])
            if whole.out_proj.bias is not None:
                self.out_proj.bias.copy_(whole.out_proj.bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, None]:
        """Shapes: query (N, L, E), key and value (N, S, E), or with N second unless `batch_first` -> (N, L, E).

        Raises: ValueError for padding, masks of single heads, and inputs without a batch.
        """
        if key_padding_mask is not None or query.dim() != 3 or (attn_mask is not None and attn_mask.dim() != 2):
            raise ValueError("attention with fewer heads takes batches without padding, and one mask for all heads")
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            attn_mask = ~attn_mask  # here True hides a key, below it shows the key
        weights = self.in_proj_weight.chunk(3)
        biases = (None, None, None) if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        q, k, v = (self._heads(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))
        dropout = self.dropout if self.training else 0.0
        found = functional.scaled_dot_product_attention(q, k, v, attn_mask, dropout, is_causal and attn_mask is None)
        joined: Tensor = self.out_proj(found.transpose(1, 2).flatten(2))
        return (joined if self.batch_first else joined.transpose(0, 1)), None

    def _heads(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Shapes: -> (N, heads, L, size)."""
        x = x if self.batch_first else x.transpose(0, 1)
        found: Tensor = functional.linear(x, weight, bias)
        return found.reshape(*found.shape[:2], self.num_heads, self.head_dim).transpose(1, 2)
