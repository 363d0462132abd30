"""The settings of an experiment in params.yaml, in the terms of the paper's section 2 and appendix C."""

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    PrivateAttr,
    model_validator,
)

from pipeline.values import paths, plugins
from pipeline.values.lanes import DENSE, TICKET
from pipeline.values.optimizer import OptimizerSettings
from pipeline.values.section import At, PluginSection, Section, unique

MOST = 1000  # of rounds, and of draws of one arm; a larger number is a typing error that would exhaust the memory


def _known(kind: plugins.Kind) -> AfterValidator:
    def check(name: str) -> str:
        plugins.find(kind, name)
        return name

    return AfterValidator(check)


def _rounds(value: Any) -> Any:
    """Checks by hand, so that a wrong value gets one message instead of one for each branch of a union."""
    if value == "all" or (type(value) is int and 0 <= value <= MOST):
        return value
    listed = isinstance(value, list) and bool(value) and len(set(map(str, value))) == len(value)
    if listed and all(type(k) is int and 1 <= k <= MOST for k in value):
        return tuple(value)
    raise ValueError(
        "should be all, a number such as 12 for rounds 1 to 12 (0 for none), or a list of different rounds, such as [3, 7]"
    )


def _named(value: Any) -> Any:
    """`criterion: magnitude` is short for `criterion: { name: magnitude }`."""
    return {"name": value} if isinstance(value, str) else value


# Which weights are ranked together, and how many each layer keeps; pipeline/domain/pruning.py explains them.
Scope = Literal["layer", "global", "erdos_renyi", "erk", "balanced"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Rate = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Rounds = Annotated[Any, PlainValidator(_rounds)]  # "all", an integer or a tuple of integers


class Augment(Section):
    """Random changes of each training image, drawn anew each time the image is seen. Held-out images are not changed."""

    crop: Annotated[int, Field(ge=0)] = 0  # pixels of value 0 added on each side before a window of the original size is cut out
    flip: bool = False  # whether an image is mirrored left to right, with probability 1/2


class Data(PluginSection):
    name: Annotated[str, _known("data")]
    # The number of examples taken from the training set, another sample for each seed; 0 for a data set that has a
    # validation part of its own.
    validation: Annotated[int, Field(ge=0)]
    augment: Augment = Augment()

    @property
    def slug(self) -> str:
        """The data set's name in files and stages. It contains the options in short, because other options make other data."""
        text = "_".join(f"{key}{value}" for key, value in sorted(self.options.items()))
        if not re.fullmatch(r"\w{0,30}", text, re.ASCII):
            text = hashlib.sha256(json.dumps(self.options, sort_keys=True).encode()).hexdigest()[:8]
        return "_".join(filter(None, [re.sub(r"\W", "_", self.name), text]))


class Model(PluginSection):
    name: Annotated[str, _known("models")]


class Init(PluginSection):
    name: Annotated[str, _known("inits")]


class TaskSettings(PluginSection):
    name: Annotated[str, _known("tasks")]


class Training(Section):
    iterations: Count
    batch_size: Count
    evaluate_every: Count  # iterations between evaluations on the validation and test examples
    # The number format of products. tf32 exists on CUDA only; bf16 uses autocast, with parameters and optimizer in fp32.
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"


class Criterion(PluginSection):
    name: Annotated[str, _known("criteria")]


class StructureSettings(PluginSection):
    name: Annotated[str, _known("structures")]


class Pruning(Section):
    criterion: Annotated[Criterion, BeforeValidator(_named)]
    scope: Scope
    # What is removed together.
    structure: Annotated[StructureSettings, BeforeValidator(_named)] = StructureSettings(name="weight")
    # The fraction of the surviving weights that each round removes, by kind of weight; a kind that is left out is never pruned.
    rates: Annotated[dict[Name, Rate], Field(min_length=1)]
    rounds: Annotated[int, Field(ge=1, le=MOST)]

    @model_validator(mode="after")
    def _one_rate_for_all_layers(self) -> Self:
        if problem := self.problem_of(self.scope):
            raise ValueError(problem)
        return self

    def problem_of(self, scope: Scope) -> str:
        """Why the masks of an arm cannot have this scope; empty when they can."""
        if scope == "layer" or len(set(self.rates.values())) == 1:
            return ""
        why = "weights of all kinds are ranked together" if scope == "global" else "the scope says how many each layer keeps"
        return f"rates should be equal when scope is {scope}, because {why}"


class ArmSettings(PluginSection):
    """The rounds in which an arm is trained and the number of its draws; all other keys are options of the arm.

    name: the plug-in, when it is not called like the arm, so that an experiment may have it twice with different options.
    """

    name: Annotated[str, _known("arms")] | None = None
    rounds: Rounds
    draws: Annotated[int, Field(ge=1, le=MOST)] | None = None

    @property
    def own_keys(self) -> set[str]:
        """The keys that determine how a lane of the arm is made: all except `rounds`."""
        return (self.model_fields_set | set(self.options)) - {"rounds"}


class Experiment(Section):
    data: Data
    task: Annotated[TaskSettings, BeforeValidator(_named)] = TaskSettings(name="classification")
    model: Model
    init: Annotated[Init, BeforeValidator(_named)] = Init(name="glorot_normal")
    optimizer: Annotated[OptimizerSettings, Field(discriminator="name")]
    training: Training
    pruning: Pruning
    rewind: At  # the moment of the dense training to which tickets are rewound
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), AfterValidator(unique)]
    # The arms beside the dense network. The ticket is trained in every round unless `ticket` says otherwise.
    arms: dict[Name, ArmSettings] = Field(default={})
    _file: Path = PrivateAttr(default=paths.PARAMS)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if DENSE in self.arms:
            raise ValueError(f"arms.{DENSE} is the name of the dense network, round 0; should be another name")
        for name in self.arms:
            try:
                plugins.find("arms", self.plugin_of(name))
            except ValueError as error:
                raise ValueError(f"arms.{name}: its name {error}") from None
            last = max(self.rounds_of(name), default=0)
            if last > self.pruning.rounds:
                raise ValueError(
                    f"arms.{name}.rounds goes to {last}, but pruning.rounds is {self.pruning.rounds}; "
                    f"should be between 1 and {self.pruning.rounds}"
                )
        if self.training.iterations % self.training.evaluate_every:
            raise ValueError(
                f"training.iterations is {self.training.iterations}, "
                f"should be a multiple of training.evaluate_every, {self.training.evaluate_every}"
            )
        return self

    @property
    def file(self) -> Path:
        """The file that it stands in, relative to the root."""
        return self._file

    def standing_in(self, file: Path) -> Self:
        copy = self.model_copy()
        copy._file = file
        return copy

    @property
    def all_arms(self) -> dict[str, ArmSettings]:
        """The ticket, which every experiment has without naming it, and then the arms of params.yaml."""
        return {TICKET: ArmSettings(rounds="all")} | self.arms

    def plugin_of(self, arm: str) -> str:
        """The name of the plug-in that makes an arm."""
        return self.all_arms[arm].name or arm

    def rounds_of(self, arm: str) -> tuple[int, ...]:
        """The rounds in which an arm is trained; none when the experiment does not have the arm."""
        if arm not in self.all_arms:
            return ()
        rounds = self.all_arms[arm].rounds
        if isinstance(rounds, tuple):
            return tuple(sorted(rounds))
        return tuple(range(1, 1 + (self.pruning.rounds if rounds == "all" else rounds)))
