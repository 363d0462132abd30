"""What an experiment of params.yaml may say, in the terms of the paper's section 2 and appendix C."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, model_validator

from pipeline.values import plugins
from pipeline.values.clock import Step
from pipeline.values.lanes import ARMS, Item, Lane


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


def unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
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


def _rounds_up_to(value: Any) -> Any:
    if value == "all" or (type(value) is int and value >= 1):
        return value
    raise ValueError("should be all, or the last round, such as 12: each is pruned from the one before")


Kind = Literal["conv", "fc", "output", "downsample"]  # of a layer; networks.layers tells which is which
Rate = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Rounds = Annotated[Any, PlainValidator(_rounds)]  # "all" or a tuple of integers
Point = Annotated[str, AfterValidator(_step)]  # in training: 500it or 2ep


class Augment(Section):
    """Random changes of each training image, drawn anew each time it is seen. Held-out images stay as they are."""

    crop: Annotated[int, Field(ge=0)] = 0  # black pixels added on each side, of which a window of the old size is cut
    flip: bool = False  # left to right, every other time


class Data(Section):
    name: Annotated[str, _known("data")]
    validation: Count  # images taken from the training set, another sample for each seed
    augment: Augment = Augment()


class Model(PluginSection):
    name: Annotated[str, _known("models")]


class Decay(Section):
    """Steps of the learning rate: from each of these points on it is multiplied by `by`."""

    at: Annotated[tuple[Point, ...], Field(min_length=1), AfterValidator(unique)]
    by: Annotated[float, Field(gt=0, lt=1)] = 0.1


class _Optimizer(Section):
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    warmup: Point = "0it"  # in which the learning rate rises from 0 to lr
    decay: Decay | None = None


class Adam(_Optimizer):
    name: Literal["adam"]


class Sgd(_Optimizer):
    name: Literal["sgd"]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0


Optimizer = Adam | Sgd


class Training(Section):
    iterations: Count
    batch_size: Count
    evaluate_every: Count  # iterations between evaluations on the validation and test images
    # What products are computed in: tf32 on CUDA only; bf16 through autocast, parameters and optimizer stay in fp32.
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"


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


class Arm(Section):
    """In which rounds an arm is trained, beside the ticket; `lanes.ARMS` says what each arm is."""

    rounds: Rounds


class Chain(Section):
    """An arm whose every round is pruned from the one before: all rounds up to this one."""

    rounds: Annotated[Any, PlainValidator(_rounds_up_to)]  # "all" or an integer


class Control(Arm):
    """An arm with something random in it, drawn anew `draws` times for each seed."""

    draws: Count


class Arms(Section):
    one_shot: Arm | None = None
    lr_rewind: Chain | None = None
    fine_tune: Chain | None = None
    continued: Arm | None = None
    reinit: Control | None = None
    one_shot_reinit: Control | None = None
    random_mask: Control | None = None
    shuffled_mask: Control | None = None


class Experiment(Section):
    data: Data
    model: Model
    init: Literal["glorot_normal"]
    optimizer: Annotated[Optimizer, Field(discriminator="name")]
    training: Training
    pruning: Pruning
    rewind: Point  # of dense training, that tickets go back to
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), AfterValidator(unique)]
    arms: Arms = Arms()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in self.arms.model_fields_set:
            beyond = [k for k in self.rounds_of(name) if k > self.pruning.rounds]
            if beyond:
                raise ValueError(
                    f"arms.{name}.rounds goes to {max(beyond)}, but pruning.rounds is {self.pruning.rounds}; "
                    f"should be between 1 and {self.pruning.rounds}"
                )
        for name in self.arms.model_fields_set:
            masks = ARMS[name].masks_of or name
            missing = set(self.rounds_of(name)) - set(self.rounds_of(masks))
            if missing:
                raise ValueError(f"arms.{name}.rounds has {sorted(missing)}, which arms.{masks}.rounds should have too")
        if self.training.iterations % self.training.evaluate_every:
            raise ValueError(
                f"training.iterations is {self.training.iterations}, "
                f"should be a multiple of training.evaluate_every, {self.training.evaluate_every}"
            )
        return self

    def rounds_of(self, arm: str) -> tuple[int, ...]:
        """The rounds in which an arm is trained; empty when the experiment does not have it."""
        chosen = Arm(rounds="all") if arm == "ticket" else getattr(self.arms, arm)
        if chosen is None:
            return ()
        if isinstance(chosen, Chain) and chosen.rounds != "all":
            return tuple(range(1, chosen.rounds + 1))
        return tuple(range(1, self.pruning.rounds + 1)) if chosen.rounds == "all" else tuple(sorted(chosen.rounds))

    def items(self, name: str) -> list[Item]:
        """All of the experiment of this name, in an order in which each comes after what it needs."""
        return [Item(name, 0, "ticket"), *(Item(name, k, arm) for arm in ARMS for k in self.rounds_of(arm))]

    def lanes(self, item: Item) -> list[Lane]:
        """The replicates of an item, each as often as its arm is drawn."""
        chosen = None if item.arm == "ticket" else getattr(self.arms, item.arm)
        draws = range(1, chosen.draws + 1) if isinstance(chosen, Control) else (None,)
        return [Lane(item, seed, draw) for seed in self.seeds for draw in draws]
