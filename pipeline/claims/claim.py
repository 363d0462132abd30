"""A claim of the paper, and a question that several claims answer, as they stand in claims.yaml."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from pipeline.examine.quantities import QUANTITIES
from pipeline.values.experiment import Name
from pipeline.values.section import Section, unique

METRIC, FINAL, STOP, INSTABILITY = "metric", "final", "early_stop", "instability"
OF_LANES = (METRIC, FINAL, STOP)  # quantities of rounds.csv; all others are rows of the tables of examined masks and weights
KNOWN = (*OF_LANES, *QUANTITIES, INSTABILITY)
OWN_MARGIN = (METRIC, FINAL)  # quantities whose margin is that of the settings, unless the claim has one
Comparison = Literal["greater", "less", "no_worse", "same"]


def _density(value: Any) -> Any:
    """Checks by hand, so that a wrong value gets one message instead of one for each branch of a union."""
    if value in ("best", "last") or _is_share(value):
        return value
    if isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_share, value)) and value[0] > value[1]:
        return tuple(map(float, value))
    raise ValueError("should be a density such as 0.135, a range such as [0.675, 0.176], best or last")


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def _quantity(name: str) -> str:
    if name not in KNOWN:
        raise ValueError(f"should be one of {', '.join(KNOWN)}")
    return name


def _against(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)):
        return value
    raise ValueError("should be an arm, such as dense, or a number")


Text = Annotated[str, Field(min_length=1)]
Against = Annotated[Any, PlainValidator(_against)]
Quantity = Annotated[str, AfterValidator(_quantity)]
Density = Annotated[Any, PlainValidator(_density)]


class Claim(Section):
    """One claim, which is tested in each of its experiments that a report contains.

    quantity: `metric` (at early stop), `final`, `early_stop`, or a quantity of the tables of examined masks and weights, either
    of a `layer` or of the whole network. It is compared with a number, or with the same quantity (or `against_quantity`) of the
    arm `against` (by default the same arm) in the same round. against_experiment: for each experiment, the one that has the other
    side. comparison: the region in which the effect is claimed to lie, which is `greater` or `less` than zero, `no_worse` than
    minus a margin, or the `same` within a margin. The effect is the difference of the two sides, or for early stops the logarithm
    of their ratio. For a metric it is positive when the first side is better, whatever the metric's direction. `margin` is in the
    quantity's unit, or for early stops a share; the default for metrics is that of the settings.
    density: that of one round, those of the first and the last of several rounds, in each of which the claim has to hold, or the
    `best` or `last` round.
    """

    id: Name
    claim: Text
    source: Text
    experiments: Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(unique)]
    quantity: Quantity
    layer: Text | None = None
    arm: Name
    against: Against = None
    against_quantity: Quantity | None = None
    against_experiment: dict[Name, Name] = Field(default={})
    comparison: Comparison
    margin: Annotated[float, Field(gt=0)] | None = None
    density: Density
    paper: Text

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.against is None and not self.against_quantity and not self.against_experiment:
            raise ValueError("against is missing, but should be an arm, such as dense, or a number")
        if self.is_constant and (self.against_quantity or self.against_experiment):
            raise ValueError(
                f"against is {self.against}, but should be an arm if against_quantity or against_experiment is given"
            )
        if self.is_constant and self.quantity == STOP and self.against <= 0:
            raise ValueError(f"against is {self.against}, but should be an iteration above 0, because the quantity is {STOP}")
        if self.against_experiment and set(self.against_experiment) != set(self.experiments):
            raise ValueError(
                f"the keys of against_experiment are {', '.join(self.against_experiment)}, but should be "
                f"{', '.join(self.experiments)}"
            )
        needs = self.comparison in ("no_worse", "same")
        if self.comparison == "no_worse" and self.quantity not in OWN_MARGIN:
            raise ValueError(
                f"comparison is no_worse, but should be greater, less or same, because only {' and '.join(OWN_MARGIN)} can be "
                "worse"
            )
        if self.margin is not None and not needs:
            raise ValueError(f"margin is {self.margin}, but should be left out, because {self.comparison} needs none")
        if needs and self.margin is None and self.quantity not in OWN_MARGIN:
            raise ValueError(
                f"margin is missing; {self.comparison} needs one for a quantity other than {' and '.join(OWN_MARGIN)}"
            )
        if self.quantity != self.other_quantity and {self.quantity, self.other_quantity} & {*OF_LANES}:
            raise ValueError(
                f"against_quantity is {self.against_quantity}, but should be left out, because {', '.join(OF_LANES)} "
                "are each compared only with themselves"
            )
        return self

    @model_validator(mode="after")
    def _two_sides(self) -> Self:
        if self.layer is not None and self.quantity in OF_LANES:
            raise ValueError(f"layer should be left out, because {self.quantity} is of the whole network")
        same = (self.other_arm, self.other_quantity) == (self.arm, self.quantity) and not self.against_experiment
        if same and not self.is_constant:
            raise ValueError(f"both sides are {self.quantity} of {self.arm}, but should be two different ones")
        return self

    @property
    def is_constant(self) -> bool:
        return isinstance(self.against, int | float)

    @property
    def other_arm(self) -> str:
        return self.against if isinstance(self.against, str) else self.arm

    @property
    def other_quantity(self) -> str:
        return self.against_quantity or self.quantity


class Question(Section):
    """A question that several claims answer together. claims: their ids. figures: the file names of those to look at."""

    number: Annotated[int, Field(ge=1)]
    question: Text
    claims: Annotated[tuple[Name, ...], Field(min_length=1)]
    figures: tuple[Name, ...] = ()


class Ledger(Section):
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]
    discussion: tuple[Question, ...] = ()

    def within(self, names: tuple[str, ...]) -> Iterator[tuple[Claim, str]]:
        """The claims that a report of these experiments can test, each with one of its experiments."""
        for claim in self.claims:
            for name in claim.experiments:
                if name in names and claim.against_experiment.get(name, name) in names:
                    yield claim, name
