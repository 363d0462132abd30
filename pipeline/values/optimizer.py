"""The settings of an optimizer and of its learning rate (section 2 and appendix G)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from pipeline.values.section import At, Section, unique


class Decay(Section):
    """Steps of the learning rate, which is multiplied by `by` at each of these moments."""

    at: Annotated[tuple[At, ...], Field(min_length=1), AfterValidator(unique)]
    by: Annotated[float, Field(gt=0, lt=1)] = 0.1


def _way(decay: Any) -> str | None:
    return "(cosine)" if decay == "cosine" else "(steps)" if isinstance(decay, Mapping | Decay) else None


# Tags choose the branch, so that a wrong value gets one message instead of one for each. Their brackets tell them from keys.
Way = Annotated[
    Annotated[Decay, Tag("(steps)")] | Annotated[Literal["cosine"], Tag("(cosine)")],
    Discriminator(_way, "way_of_decay", "should be cosine, or steps such as {at: [80ep, 120ep], by: 0.1}"),
]


class _OptimizerSettings(Section):
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    warmup: At = "0it"  # the time in which the learning rate rises from 0 to lr
    # With cosine, the learning rate falls along half a cosine, from lr at the end of the warmup to 0 at the end of training.
    decay: Way | None = None
    clip_grad_norm: Annotated[float, Field(gt=0)] | None = None  # the largest norm of a lane's gradient, over surviving weights


class Adam(_OptimizerSettings):
    name: Literal["adam"]


class AdamW(_OptimizerSettings):
    """Adam whose weight decay does not pass through the moments; it has one by default, as torch's has."""

    name: Literal["adamw"]
    weight_decay: Annotated[float, Field(ge=0)] = 0.01


class Sgd(_OptimizerSettings):
    name: Literal["sgd"]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0


OptimizerSettings = Adam | AdamW | Sgd
