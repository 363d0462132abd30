"""A ticket is a mask with the weights at which training under it begins (section 1: f(x; m * theta_0))."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pipeline.domain.masks import Mask
from pipeline.values.errors import UserError


@dataclass(frozen=True)
class Ticket:
    """weights: they are 0 where the mask is False. origin: the iteration they come from, which is 0 or the rewind point."""

    mask: Mask
    weights: Mapping[str, NDArray[Any]]
    origin: int


def ticket(mask: Mask, weights: Mapping[str, NDArray[Any]], origin: int = 0) -> Ticket:
    """Applies a mask to weights: rewound weights make the winning ticket, fresh weights the reinit control.

    The weights are copied, so that training never changes the weights it was rewound to.
    Raises: UserError when the mask does not fit the weights.
    """
    try:
        return Ticket(mask, mask.apply(weights), origin)
    except ValueError as error:
        raise UserError(f"{error}; the mask is of another network; `dvc repro` makes the right one") from error
