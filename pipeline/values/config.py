"""params.yaml as validated values: what an experiment is, in the paper's section 2 and appendix C terms."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.values import paths, plugins
from pipeline.values.clock import Step
from pipeline.values.errors import UserError


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class PluginSection(Section):
    """`name` chooses a file of a plug-in folder; every other key is an argument of what that file defines."""

    model_config = ConfigDict(extra="allow")

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


def _known(kind: plugins.Kind) -> AfterValidator:
    def check(name: str) -> str:
        plugins.find(kind, name)
        return name

    return AfterValidator(check)


def _step(text: str) -> str:
    Step.parse(text)
    return text


def _unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    repeated = sorted({str(v) for v in values if values.count(v) > 1})
    if repeated:
        raise ValueError(f"should not repeat a value, but has {', '.join(repeated)} more than once")
    return values


def _rounds(value: Any) -> Any:
    """One message for what would otherwise be one for each branch of a union."""
    if value == "all":
        return value
    if isinstance(value, list) and value and all(type(k) is int and k >= 1 for k in value) and len(set(value)) == len(value):
        return tuple(value)
    raise ValueError("should be all, or a list of different rounds from 1 on, such as [3, 7, 12]")


Kind = Literal["conv", "fc", "output", "downsample"]  # of a layer; networks.layers tells which is which
Rate = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Rounds = Annotated[Any, PlainValidator(_rounds)]  # "all" or a tuple of integers


class Data(Section):
    name: Annotated[str, _known("data")]
    validation: Count  # images taken from the training set, another sample for each seed


class Model(PluginSection):
    name: Annotated[str, _known("models")]


class Adam(Section):
    name: Literal["adam"]
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class Sgd(Section):
    name: Literal["sgd"]
    lr: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class Training(Section):
    iterations: Count
    batch_size: Count
    evaluate_every: Count  # iterations between evaluations on the validation and test images


class Pruning(Section):
    criterion: Annotated[str, _known("criteria")]
    scope: Literal["layer", "global"]
    # The fraction of the surviving weights each round removes, by kind of layer; a kind left out is never pruned.
    rates: Annotated[dict[Kind, Rate], Field(min_length=1)]
    rounds: Count

    @model_validator(mode="after")
    def _one_rate_when_global(self) -> Self:
        if self.scope == "global" and len(set(self.rates.values())) > 1:
            raise ValueError("rates should be equal when scope is global, because weights of all kinds are ranked together")
        return self


class OneShot(Section):
    """Dense weights pruned once to the density that iterative pruning has after each of these rounds."""

    rounds: Rounds


class Control(Section):
    """The masks of these rounds with other weights, drawn anew `draws` times for each seed."""

    rounds: Rounds
    draws: Count


class Arms(Section):
    one_shot: OneShot | None = None
    reinit: Control | None = None
    one_shot_reinit: Control | None = None


class Experiment(Section):
    data: Data
    model: Model
    init: Literal["glorot_normal"]
    optimizer: Annotated[Adam | Sgd, Field(discriminator="name")]
    training: Training
    pruning: Pruning
    rewind: Annotated[str, AfterValidator(_step)]  # the point of dense training that tickets go back to
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), AfterValidator(_unique)]
    arms: Arms = Arms()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ("one_shot", "reinit", "one_shot_reinit"):
            arm = getattr(self.arms, name)
            beyond = [k for k in self.rounds_of(name) if k > self.pruning.rounds]
            if arm and beyond:
                raise ValueError(
                    f"arms.{name}.rounds has {beyond}, but pruning.rounds is {self.pruning.rounds}; "
                    f"should be between 1 and {self.pruning.rounds}"
                )
        missing = set(self.rounds_of("one_shot_reinit")) - set(self.rounds_of("one_shot"))
        if missing:
            raise ValueError(f"arms.one_shot_reinit.rounds has {sorted(missing)}, which arms.one_shot.rounds should have too")
        if self.training.iterations % self.training.evaluate_every:
            raise ValueError(
                f"training.iterations is {self.training.iterations}, "
                f"should be a multiple of training.evaluate_every, {self.training.evaluate_every}"
            )
        return self

    def rounds_of(self, arm: str) -> tuple[int, ...]:
        """The rounds in which an arm is trained; empty when the experiment does not have it."""
        chosen = getattr(self.arms, arm)
        if chosen is None:
            return ()
        return tuple(range(1, self.pruning.rounds + 1)) if chosen.rounds == "all" else tuple(sorted(chosen.rounds))


class Figures(Section):
    densities: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)]  # curves of figure 1
    dpi: Annotated[int, Field(ge=50, le=600)]  # of the PNG files


class Config(Section):
    report: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_unique)]
    figures: Figures
    experiments: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Experiment], Field(min_length=1)]

    @model_validator(mode="after")
    def _known_experiments(self) -> Self:
        for name in self.report:
            self.experiment(name)
        if "data" in self.experiments:
            raise ValueError("experiments.data is the name of the folder of data sets; should be another name")
        return self

    def experiment(self, name: str) -> Experiment:
        if name not in self.experiments:
            raise UserError(
                f"{paths.PARAMS} has no experiment {name!r}; its experiments are {', '.join(sorted(self.experiments))}"
            )
        return self.experiments[name]


def load(path: Path = paths.PARAMS) -> Config:
    """Reads and validates params.yaml.

    Raises: UserError with a line for each thing that is wrong: key, what was given, what is allowed.
    """
    try:
        # ruamel reads YAML 1.2 as DVC does: 1e-3 is a number, not the string PyYAML makes of it.
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run this in the root of the repository") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    try:
        # JSON, because strictness there still lets an array become a tuple.
        return Config.model_validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        found = error.errors()
        # A list whose items are refused is said to be empty too.
        places = [e["loc"] for e in found]
        told = [e for e in found if not (e["type"] == "too_short" and any(p[:-1] == e["loc"] for p in places if p))]
        raise UserError("\n".join(f"{path}: {_explain(e)}" for e in told)) from None


def _explain(error: Mapping[str, Any]) -> str:
    # pydantic names the branch of a union in the location; the user's file has no such key.
    key = ".".join(str(part) for part in error["loc"] if part not in ("adam", "sgd") and not _is_branch(part))
    given, context = error["input"], error.get("ctx", {})
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key {key}; the keys there are {', '.join(_allowed(error['loc'][:-1]))}"
        case "missing":
            return f"{key} is missing"
        case "union_tag_invalid":
            message = f"unknown name {context['tag']!r}, should be one of {context['expected_tags']}"
        case "union_tag_not_found":
            return f"{key}.name is missing; it should be 'adam' or 'sgd'"
        case "too_short":
            message = "should have at least one value"
        case "model_type":
            keys = ", ".join(_allowed(error["loc"]))
            return f"{key or 'the file'} is {json.dumps(given)}: should be a mapping with the keys {keys}"
    message = message[0].lower() + message[1:]
    if isinstance(given, Mapping):
        return f"{key}: {message}" if key else message
    return f"{key} is {json.dumps(given)}: {message}"


def _is_branch(part: object) -> bool:
    return isinstance(part, str) and (part.startswith(("literal[", "tuple[", "function-")) or part == "[key]")


def _allowed(location: tuple[Any, ...]) -> list[str]:
    """The keys of the section at a location of the params file."""
    section: Any = Config
    for part in location:
        if section is Config and part == "experiments":
            section = dict
        elif section is dict:
            section = Experiment
        elif part in ("adam", "sgd"):
            section = {"adam": Adam, "sgd": Sgd}[part]
        elif part in getattr(section, "model_fields", {}):
            kinds = {"data": Data, "model": Model, "training": Training, "pruning": Pruning, "arms": Arms, "figures": Figures,
                     "one_shot": OneShot, "reinit": Control, "one_shot_reinit": Control}  # fmt: skip
            section = kinds.get(part, section)
    return list(getattr(section, "model_fields", {}))
