"""An LSTM that reads a text from left to right (Hochreiter & Schmidhuber 1997)."""

from torch import Tensor, nn


def lstm(shape: tuple[int], outputs: int, depth: int = 1, width: int = 256) -> nn.Module:
    """depth: the number of layers. width: of a token's vector and of the state.

    Shapes: tokens (N, T) -> logits (N, T, outputs). Weights are named embedding.weight, lstm.weight_ih_l0, lstm.weight_hh_l0, …,
    output.weight. torch.func cannot batch an LSTM, so lanes are trained one at a time.
    """
    for name, value in (("depth", depth), ("width", width)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} is {value!r}, but should be a whole number of at least 1")
    if len(shape) != 1:
        raise ValueError(f"the inputs have the shape {shape}, but should be tokens (T,)")
    return Lstm(outputs, depth, width)


class Lstm(nn.Module):
    def __init__(self, vocabulary: int, depth: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, depth, batch_first=True)
        self.output = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(tokens))
        logits: Tensor = self.output(states)
        return logits
