"""The next token at each place of a text: the loss is cross-entropy in nats per token."""

import math

import torch
from torch import Tensor, nn

from pipeline.domain.bundle import Bundle
from pipeline.domain.task import Metric, Task

UNITS = ("character", "word")


def text(unit: str = "character") -> Task:
    """Inputs and targets: tokens (N, T), whole numbers from 0 on. Outputs: a logit for each token at each place.

    unit: what a token is. The metric is the loss in bits per character, or the perplexity of words, which is exp(loss).
    Differs: the vocabulary ends with the largest token of the training part, so that a network cannot read tokens beyond it.
    """
    if unit not in UNITS:
        raise ValueError(f"unit is {unit!r}, but should be one of {', '.join(UNITS)}")
    bits = unit == "character"
    return Task(
        metric=Metric("bits_per_character" if bits else "perplexity", better="lower"),
        check=_check,
        outputs=_outputs,
        loss=_loss,
        sums=_sums,
        value=_bits if bits else _perplexity,
    )


def _outputs(bundle: Bundle) -> tuple[int, ...]:
    return *bundle.shape, 1 + max(int(bundle.train_inputs.max()), int(bundle.train_targets.max()))


def _check(bundle: Bundle) -> None:
    if bundle.scale is not None:
        raise ValueError("the inputs are normalised, but should be tokens without a scale")
    *_, words = _outputs(bundle)
    for part in ("train", "test", *(["validation"] if bundle.validation_targets is not None else [])):
        inputs, targets = (getattr(bundle, f"{part}_{what}") for what in ("inputs", "targets"))
        for name, array in ((f"{part}_inputs", inputs), (f"{part}_targets", targets)):
            if array.dtype.kind not in "ui" or array.shape[1:] != inputs.shape[1:] or array.ndim != 2:
                raise ValueError(
                    f"{name} is {array.dtype} {array.shape}, but should be whole numbers (N, T), a token for each place"
                )
            if array.min() < 0:
                raise ValueError(f"{name} has the token {array.min()}, but should have tokens from 0 on")
            if array.max() >= words:
                raise ValueError(f"{name} has the token {array.max()}, but the training part has none above {words - 1}")


def _loss(logits: Tensor, target: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits.flatten(0, -2), target.flatten())


def _sums(logits: Tensor, target: Tensor) -> Tensor:
    """Of each example the mean over its tokens. Shapes: logits (L, N, T, V), target (L, N, T) -> (L, 1)."""
    loss = -logits.log_softmax(-1).gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return loss.mean(-1, dtype=torch.float64).sum(1, keepdim=True)


def _bits(sums: Tensor, examples: int) -> tuple[Tensor, Tensor]:
    loss = sums[:, 0] / examples
    return loss, loss / math.log(2)


def _perplexity(sums: Tensor, examples: int) -> tuple[Tensor, Tensor]:
    loss = sums[:, 0] / examples
    return loss, loss.exp()
