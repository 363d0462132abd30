"""A small GPT (Radford et al. 2019): a transformer that reads a text from left to right, with norms before the layers."""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import linear, scaled_dot_product_attention

SPREAD = 0.02  # the standard deviation of GPT-2's initial weights


def gpt(
    shape: tuple[int], outputs: int, depth: int = 2, width: int = 128, heads: int = 4, tied: bool = True
) -> nn.Module:  # fmt: skip
    """depth: the number of blocks. width: of a token's vector. tied: whether the output layer has the weights of the embedding.

    Shapes: tokens (N, T) -> logits (N, T, outputs). T, the context, is at most that of the data. Weights are named
    embedding.weight, positions, block1.attention.in_proj_weight, block1.attention.out_proj.weight, block1.expand.weight,
    block1.contract.weight, …, and output.weight when it is not tied.
    Differs: there is no dropout, with which lanes could not be batched. Positions are drawn as the embedding is.
    """
    for name, value in (("depth", depth), ("width", width), ("heads", heads)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} is {value!r}, but should be a whole number of at least 1")
    if width % heads:
        raise ValueError(f"width is {width}, but should be a multiple of heads, {heads}")
    if len(shape) != 1:
        raise ValueError(f"the inputs have the shape {shape}, but should be tokens (T,)")
    return Gpt(shape[0], outputs, depth, width, heads, tied)


class Gpt(nn.Module):
    def __init__(self, context: int, vocabulary: int, depth: int, width: int, heads: int, tied: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.empty(context, width))
        self.blocks = [f"block{i}" for i in range(1, depth + 1)]
        for name in self.blocks:
            self.add_module(name, Block(width, heads, depth))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, vocabulary, bias=False)
        for parameter in (self.embedding.weight, self.positions, self.output.weight):
            nn.init.normal_(parameter, std=SPREAD)
        if tied:
            self.output.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.positions[: tokens.shape[-1]]  # (N, T, width)
        for name in self.blocks:
            x = self.get_submodule(name)(x)
        logits: Tensor = self.output(self.norm(x))
        return logits

    def prunable(self) -> dict[str, str]:
        """The kind of each weight. A tied output layer has no weight of its own."""
        kinds = {"embedding.weight": "embedding", "positions": "embedding"}
        for name in self.blocks:
            kinds |= {f"{name}.attention.{weight}": "attention" for weight in ("in_proj_weight", "out_proj.weight")}
            kinds |= {f"{name}.{layer}.weight": "mlp" for layer in ("expand", "contract")}
        return kinds if self.output.weight is self.embedding.weight else kinds | {"output.weight": "output"}


class Block(nn.Module):
    """Attention and two fully connected layers, each added to what comes in. Shapes: (N, T, width) -> the same."""

    def __init__(self, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.gelu = nn.GELU(approximate="tanh")  # GPT-2's
        # What is added to the residual stream is smaller the more often something is added, so that its variance stays the same.
        for layer, spread in ((self.expand, SPREAD), (self.contract, SPREAD / sqrt(2 * depth)),
                              (self.attention.out_proj, SPREAD / sqrt(2 * depth))):  # fmt: skip
            nn.init.normal_(layer.weight, std=spread)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        out: Tensor = x + self.contract(self.gelu(self.expand(self.norm2(x))))
        return out


class Attention(nn.Module):
    """Each place looks at itself and at the places before it.

    Shapes: (N, T, width) -> the same. The weights of queries, keys and values are one parameter, (3 width, width), in which each
    of the three has the heads one after another.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads = heads
        self.in_proj_weight, self.in_proj_bias = nn.Parameter(torch.empty(3 * width, width)), nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.normal_(self.in_proj_weight, std=SPREAD)

    def forward(self, x: Tensor) -> Tensor:
        projected = linear(x, self.in_proj_weight, self.in_proj_bias)
        # (N, T, 3 width) -> three of (N, heads, T, width / heads)
        q, k, v = projected.reshape(*x.shape[:-1], 3, self.num_heads, -1).movedim(-3, 0).transpose(-2, -3).unbind(0)
        # torch's other kernels cannot be batched over lanes on a CPU, and their gradients on CUDA differ from run to run.
        with sdpa_kernel(SDPBackend.MATH):
            attended = scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.out_proj(attended.transpose(-2, -3).flatten(-2))
        return out
