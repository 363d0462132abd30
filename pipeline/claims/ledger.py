"""Reads claims.yaml: the paper's claims and the questions that they answer, as data; messages name the line of a fault."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainValidator, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.settings import places
from pipeline.settings.config import Config
from pipeline.values.errors import UserError
from pipeline.values.experiment import Name, Section
from pipeline.values.lanes import DENSE

METRIC, FINAL, STOP = "metric", "final", "early_stop"
OF_LANES = (METRIC, FINAL, STOP)  # quantities of rounds.csv; all others are rows of the tables of examined masks and weights
OWN_MARGIN = (METRIC, FINAL)  # those whose margin comes from the settings, unless the claim has one
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


def _against(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise ValueError("should be an arm, such as dense, or a number")


Text = Annotated[str, Field(min_length=1)]
Against = Annotated[Any, PlainValidator(_against)]
Density = Annotated[Any, PlainValidator(_density)]


class Claim(Section):
    """One claim, which is tested in each of its experiments that a report contains.

    quantity: `metric` (at early stop), `final`, `early_stop`, or one of the tables of examined masks and weights, of a `layer`
    or of the whole network. It is compared with the same quantity, or `against_quantity`, of the arm `against` (by default the
    same arm) in the same round, or with a number. against_experiment: for each experiment another one that has the other side.
    comparison: the region in which the effect is claimed to lie: `greater` or `less` than zero, `no_worse` than minus a margin,
    or the `same` within a margin. The effect is the difference of the two sides, and of early stops the logarithm of their
    ratio; that of a metric is positive when it is better, whatever its direction. `margin` is in the quantity's unit, and of
    early stops a share; metrics have that of the settings.
    density: of one round, of the first and last of several, in each of which the claim has to hold, or of the `best` or `last`.
    """

    id: Name
    claim: Text
    source: Text
    experiments: Annotated[tuple[Name, ...], Field(min_length=1)]
    quantity: Name
    layer: Text | None = None
    arm: Name
    against: Against = None
    against_quantity: Name | None = None
    against_experiment: dict[Name, Name] = Field(default={})
    comparison: Comparison
    margin: Annotated[float, Field(gt=0)] | None = None
    density: Density
    paper: Text

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.against is None and not self.against_quantity and not self.against_experiment:
            raise ValueError("against is missing; should be an arm, such as dense, or a number")
        if self.is_constant and (self.against_quantity or self.against_experiment):
            raise ValueError("against is a number; there should be no against_quantity and no against_experiment then")
        if self.against_experiment and set(self.against_experiment) != set(self.experiments):
            raise ValueError(f"against_experiment should have the keys {', '.join(self.experiments)}, as experiments has")
        needs = self.comparison in ("no_worse", "same")
        if self.comparison == "no_worse" and self.quantity not in OWN_MARGIN:
            raise ValueError(f"comparison should be greater, less or same, because only {' and '.join(OWN_MARGIN)} can be worse")
        if self.margin is not None and not needs:
            raise ValueError(f"margin should be left out, because {self.comparison} has none")
        if needs and self.margin is None and self.quantity not in OWN_MARGIN:
            raise ValueError(f"margin is missing; {self.comparison} needs one for a quantity other than {' and '.join(OWN_MARGIN)}")
        if len({self.quantity, self.other_quantity}) > 1 and {self.quantity, self.other_quantity} & {*OF_LANES}:
            raise ValueError(f"against_quantity should be left out, because {', '.join(OF_LANES)} are compared with themselves only")
        if len(set(self.experiments)) < len(self.experiments):
            raise ValueError("experiments should not name one twice")
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
    """A question that several claims answer together. claims: their ids. figure: the name of the file of the one to look at."""

    number: Annotated[int, Field(ge=1)]
    question: Text
    claims: Annotated[tuple[Name, ...], Field(min_length=1)]
    figure: Name | None = None


class Ledger(Section):
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]
    discussion: tuple[Question, ...] = ()

    def within(self, names: tuple[str, ...]) -> Iterator[tuple[Claim, str]]:
        """The claims that a report of these experiments can test, each with one of them."""
        for claim in self.claims:
            for name in claim.experiments:
                if name in names and claim.against_experiment.get(name, name) in names:
                    yield claim, name


def read(config: Config, path: Path = places.CLAIMS) -> Ledger:
    """Raises: UserError with a line for each fault: the file, its line, the key, what was given and what would be right."""
    content = _content(path)
    try:
        # JSON is used because strict validation of it still lets an array become a tuple.
        ledger = Ledger.model_validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        raise _refused(path, content, [(e["loc"], _explained(e)) for e in error.errors()]) from None
    faults = [*_repeated(ledger), *_unknown(ledger, config)]
    if faults:
        raise _refused(path, content, faults)
    return ledger


Place = tuple[int | str, ...]


def _content(path: Path) -> Any:
    try:
        return YAML(typ="rt").load(path.read_text(encoding="utf-8"))  # the round-trip reader knows the lines
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run this in the root of the repository") from None
    except (YAMLError, ValueError, OSError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None


def _refused(path: Path, content: Any, faults: list[tuple[Place, str]]) -> UserError:
    return UserError("\n".join(f"{path}, line {_line(content, place)}: {_key(content, place)}{text}" for place, text in faults))


def _line(content: Any, place: Place) -> int:
    """The line, counted from 1, of the innermost part of the file on the way to a place."""
    line = 0
    for part in place:
        if not hasattr(content, "lc"):
            break
        try:
            line = (content.lc.item(part) if isinstance(part, int) else content.lc.key(part))[0]
            content = content[part]
        except (KeyError, IndexError, TypeError):
            break
    return line + 1


def _key(content: Any, place: Place) -> str:
    """The key as one reads it: a claim by its id."""
    parts: list[str] = []
    for part in place:
        content = content[part] if isinstance(content, Mapping | list) and _has(content, part) else None
        named = isinstance(part, int) and isinstance(content, Mapping) and isinstance(content.get("id"), str)
        parts.append(str(content["id"] if named and content else part))
    return ".".join(parts) + " " if parts else ""


def _has(content: Mapping[Any, Any] | list[Any], part: int | str) -> bool:
    return part in content if isinstance(content, Mapping) else isinstance(part, int) and part < len(content)


def _explained(error: Mapping[str, Any]) -> str:
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    message = message[0].lower() + message[1:]
    place = error["loc"]
    section = {"claims": Claim, "discussion": Question}.get(str(place[0])) if len(place) > 1 else Ledger
    match error["type"]:
        case "extra_forbidden":
            return f"is an unknown key; the keys there are {', '.join((section or Ledger).model_fields)}"
        case "missing":
            return "is missing"
        case "string_pattern_mismatch":
            message = "should contain only lower-case letters, digits and underscores, and begin with a letter"
    given = error["input"]
    return f": {message}" if isinstance(given, Mapping) else f"is {json.dumps(given, default=str)}: {message}"


def _repeated(ledger: Ledger) -> Iterator[tuple[Place, str]]:
    ids: dict[str, int] = {}
    for i, claim in enumerate(ledger.claims):
        if claim.id in ids:
            yield ("claims", i, "id"), f"is {claim.id!r} as in another claim; should be another id"
        ids[claim.id] = i
    for i, question in enumerate(ledger.discussion):
        for j, name in enumerate(question.claims):
            if name not in ids:
                yield ("discussion", i, "claims", j), f"is {name!r}; should be the id of a claim"


def _unknown(ledger: Ledger, config: Config) -> Iterator[tuple[Place, str]]:
    for i, claim in enumerate(ledger.claims):
        for j, name in enumerate(claim.experiments):
            for place, other in ((("experiments", j), name), (("against_experiment", name), claim.against_experiment.get(name, name))):
                if other not in config.experiments:
                    known = ", ".join(sorted(config.experiments))
                    yield ("claims", i, *place), f"is {other!r}; should be an experiment, one of {known}"
                    break
            else:
                yield from _unknown_arms(config, claim, i, name)


def _unknown_arms(config: Config, claim: Claim, i: int, name: str) -> Iterator[tuple[Place, str]]:
    sides = [("arm", claim.arm, name)]
    if isinstance(claim.against, str):
        sides.append(("against", claim.against, claim.against_experiment.get(name, name)))
    for key, arm, experiment in sides:
        arms = [DENSE, *config.experiment(experiment).all_arms]
        if arm not in arms:
            yield ("claims", i, key), f"is {arm!r}; the experiment {experiment} has only the arms {', '.join(arms)}"
