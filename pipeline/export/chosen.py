"""The lane that is exported, with everything that its files say about it."""

from dataclasses import dataclass
from typing import Any

from pipeline.domain.bundle import Form
from pipeline.domain.masks import Mask
from pipeline.files import datasets, store
from pipeline.files.lane import LaneFiles
from pipeline.files.store import Arrays, DamagedError
from pipeline.results import tables
from pipeline.run.bound import Bound
from pipeline.run.setup import Setup, build
from pipeline.settings import check, config
from pipeline.tracking import faults
from pipeline.tracking.record import Record
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import Item, Lane

OF_NETWORK = ("model", "task")  # the sections of the settings that decide what the network computes


@dataclass(frozen=True)
class Chosen:
    """start: the weights at which training began, which for a ticket are mask * rewound weights."""

    setup: Setup
    record: Record
    mask: Mask
    start: Arrays
    trained: Arrays

    @property
    def name(self) -> str:
        return f"{self.record.item.experiment}/{self.record.name}"

    @property
    def final_metric(self) -> float:
        """The metric on the test set at the end of training, as lane.json has it."""
        return float(self.record.about[f"final_{self.setup.task.metric.name}"])

    @property
    def target(self) -> str:
        return _target(self.setup.bound, self.record.item)


def choose(experiment: str, item: str, seed: int, draw: int | None) -> Chosen:
    """Reads a lane. Raises: UserError when no lane has these names, or when it was trained with other settings or data."""
    bound = check.settings(experiment, config.load().experiment(experiment))
    lane = _lane(bound, Item.parse(f"{experiment}/{item}"), seed, draw)
    record = _record(bound, lane)
    data = paths.data(bound.experiment.data.slug)
    bundle = datasets.read_bundle(data)
    if datasets.digest(data) != record.about["data_digest"]:
        raise _changed(bound, lane, f"other data than {data} has")
    settings = bound.experiment.model_dump(mode="json")
    for section in OF_NETWORK:
        if record.about["config"].get(section) != settings[section]:
            raise _changed(bound, lane, f"another `{section}` than {bound.experiment.file} has")
    with check.under(experiment, bound.experiment):
        setup = build(bound, bundle, Form.of(bundle))
    files = LaneFiles.of(lane)
    if record.about["metric"]["name"] != setup.task.metric.name:
        raise _changed(bound, lane, f"another metric than {setup.task.metric.name}")
    mask_file = files.mask_file(record.about)
    mask = store.read_mask(mask_file)
    start, trained = files.weights("start"), files.weights("trained")
    tensors = dict((*setup.network.module.named_parameters(), *setup.network.module.named_buffers()))
    if {name: array.shape for name, array in trained.items()} != {name: tuple(tensor.shape) for name, tensor in tensors.items()}:
        raise _changed(bound, lane, f"another network than {setup.bound.model} makes now")
    target = _target(bound, lane.item)
    store.require(mask_file, mask, setup.network.layers, target)
    for which, arrays in (("start", start), ("trained", trained)):
        store.require(files.weights_file(which), arrays, tensors, target)
    return Chosen(setup, record, mask, start, trained)


def _lane(bound: Bound, item: Item, seed: int, draw: int | None) -> Lane:
    lottery = bound.lottery
    if item not in lottery.items():
        names = ", ".join(known.name for known in lottery.items())
        raise UserError(f"{item.experiment} has no item {item.name!r}; it should be one of {names}")
    lanes = lottery.lanes(item)
    if seed not in {lane.seed for lane in lanes}:
        seeds = ", ".join(map(str, bound.experiment.seeds))
        raise UserError(f"{item.experiment} has no seed {seed}; it should be one of {seeds}")
    draws = {lane.draw: lane for lane in lanes if lane.seed == seed}
    if draw is None and len(draws) == 1:
        return next(iter(draws.values()))
    if draw not in draws:
        if None in draws:
            raise UserError(f"nothing in {item.experiment}/{item.name} is drawn, so --draw {draw} should be left out")
        given = "is missing" if draw is None else f"is {draw}"
        raise UserError(f"--draw {given}; for {item.experiment}/{item.name} it should be one of {', '.join(map(str, draws))}")
    return draws[draw]


def _record(bound: Bound, lane: Lane) -> Record:
    files, remedy = LaneFiles.of(lane), f"`dvc repro {_target(bound, lane.item)}` makes it"
    about: dict[str, Any] = files.read_about(_target(bound, lane.item)) if files.about.is_file() else {}
    record = Record(lane.item, lane.name, about)
    if about.keys() >= faults.NEEDED and (fault := faults.fault(record) or tables.wrong_lane(about)):
        raise DamagedError(files.about, fault, _target(bound, lane.item))
    if not about or not record.complete:
        state = "not complete, or of an older version" if files.folder.is_dir() else "missing"
        raise UserError(f"{files.folder} is {state}; {remedy}")
    return record


def _changed(bound: Bound, lane: Lane, than: str) -> UserError:
    return UserError(f"{lane} was trained with {than}; `dvc repro {_target(bound, lane.item)}` trains it anew")


def _target(bound: Bound, item: Item) -> str:
    return bound.target(item)
