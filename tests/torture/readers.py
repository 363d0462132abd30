"""A small experiment with all its files, and what reads each kind of them, as the stages and the tracker do."""

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.claims import judge, ledger, verdicts
from pipeline.claims.quantities import Source
from pipeline.executors import notes
from pipeline.files import checkpoints, datasets, masks, store
from pipeline.files.lane import LaneFiles
from pipeline.results import examined, numbers, statistics, tables
from pipeline.results.outcome import Outcome
from pipeline.settings import config, measured, places
from pipeline.tracking import examination, faults
from pipeline.tracking.record import Record
from pipeline.tracking.tables import claims, reported
from pipeline.training.trainer import Trainer
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import Item, Lane
from stages import aggregate, examine, stability
from stages import claims as claims_stage
from tests import lottery, planted, toy

AWAY = "set aside, or taken for missing"  # a checkpoint, and a note of timings, which no result depends on
PARAMS = lottery.params(
    toy=lottery.experiment(
        rewind="5it",
        pruning={"criterion": "magnitude", "scope": "layer", "rates": {"fc": 0.4, "output": 0.2}, "rounds": 2},
        seeds=[1, 2, 3],
        arms={"reinit": {"rounds": [2], "draws": 1}, "other_order": {"rounds": [2]}},
    )
)
EXPERIMENT = "toy"
ITEM = Item(EXPERIMENT, 1, "ticket")
LANE = Lane(ITEM, 1)
DENSE = Lane(Item(EXPERIMENT, 0, "dense"), 1)
CHECKPOINT = paths.CHECKPOINTS / "a.safetensors"


@dataclass(frozen=True)
class Kind:
    """family: what the rows are about. path: the file that is damaged. other: one of the same kind.

    read: gives something that can be compared. beside: files that may be named instead when a forged file contradicts them.
    """

    family: str
    path: Path
    other: Path
    read: Callable[[], Any]
    beside: tuple[Path, ...] = ()


def _in_bytes(found: Any) -> Any:
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in found.items() if array is not None}


@cache
def kinds() -> list[Kind]:
    """In the working folder that `world` made."""
    files, second, dense = LaneFiles.of(LANE), LaneFiles.of(Lane(ITEM, 2)), LaneFiles.of(DENSE)
    target = places.target(ITEM, False)
    layers = masks.read_layers(EXPERIMENT)
    examined_tables = measured.tables(EXPERIMENT, lottery.plan(EXPERIMENT).experiment)

    def lane() -> Any:
        found = [tables.read_lane(LANE, target)]
        return found[0][0], statistics.rounds(about for about, _ in found).to_csv(), statistics.curves(found).to_csv()

    def outcome() -> Any:
        found = Outcome.read(EXPERIMENT, 0.05, with_curves=True)
        return found.metric, found.lanes.to_csv(), found.points().to_csv(), found.table.to_csv(), numbers.metrics(found)

    def claimed() -> Any:
        source = Source.read(EXPERIMENT, 0.05, examined_tables)
        return source.examined.to_csv(), judge.judge(ledger.read(config.load()), [EXPERIMENT], {EXPERIMENT: source})

    def profiles() -> Any:
        table = examined.read(EXPERIMENT)
        return table.to_csv(), examined.read_profiles(EXPERIMENT, table).to_csv()

    def logged() -> Any:
        """What the tracker is told of a lane."""
        record = Record(ITEM, LANE.name, files.read_about(target))
        problem = faults.fault(record)
        if problem or not record.complete:
            raise store.DamagedError(files.about, problem or "not complete")
        return record.points, record.tags, record.params, record.files, record.identity, record.data

    rounds, curves, profile = places.rounds(EXPERIMENT), places.curves(EXPERIMENT), places.profiles(EXPERIMENT)
    measured_file, layer_file, note = places.examined(EXPERIMENT), paths.layers(EXPERIMENT), paths.runtime(EXPERIMENT, ITEM.name)
    stable, line, judged = places.stability(EXPERIMENT), places.lines(EXPERIMENT), places.ledger()
    mask_file, data = paths.mask(EXPERIMENT, ITEM.name, 1), paths.data("digits")
    return [
        Kind("masks", mask_file, paths.mask(EXPERIMENT, ITEM.name, 2), lambda: _in_bytes(masks.read(ITEM, 1, layers, target))),
        *(
            Kind("weights", of.weights_file(which), second.weights_file("start"),
                 lambda of=of, which=which: _in_bytes(of.weights(which, layers, target)))
            for of, which in ((files, "start"), (files, "trained"), (dense, "rewind"))
        ),
        Kind("checkpoints", CHECKPOINT, CHECKPOINT.with_name("b.safetensors"), _resumed),
        Kind("data sets", data, paths.data("other"), lambda: _in_bytes(vars(datasets.read_bundle(data)))),
        Kind("JSON files", layer_file, files.about, lambda: masks.read_layers(EXPERIMENT)),
        Kind("JSON files", files.about, second.about, lane, (files.history,)),
        Kind("JSON files", files.about, second.about, logged, (files.history,)),
        Kind("tables", files.history, second.history, lane),
        Kind("tables", files.history, second.history, logged),
        Kind("tables", rounds, stable, outcome, (curves,)),
        Kind("tables", rounds, stable, lambda: _of_others(reported)),
        Kind("tables", curves, profile, outcome, (rounds,)),
        Kind("tables", measured_file, stable, claimed),
        Kind("tables", measured_file, stable, profiles, (profile,)),
        Kind("tables", measured_file, stable, lambda: examination.points(EXPERIMENT)),
        Kind("tables", profile, line, profiles),
        Kind("tables", stable, measured_file, lambda: [table.to_csv() for table in examined.read_stability(EXPERIMENT)]),
        Kind("tables", line, profile, lambda: [table.to_csv() for table in examined.read_stability(EXPERIMENT)]),
        Kind("JSON files", judged, layer_file, lambda: verdicts.rows(places.MAIN)),
        Kind("JSON files", judged, layer_file, lambda: _of_others(claims)),
        Kind("timings", note, paths.runtime(EXPERIMENT, "r02"), lambda: notes.read(note) or AWAY),
    ]  # fmt: skip


def _of_others(read: Callable[[str], Any]) -> Any:
    """What the tracker is told although another file cannot be read, of which it warns."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        found = read(EXPERIMENT)
    warned = said.getvalue().removeprefix("warning: ").strip()
    if warned:
        raise UserError(warned)
    return found


def _trainer() -> Trainer:
    chosen = toy.mlp()
    return toy.trainer(chosen, toy.tickets(chosen, 1), data=DATA, keep=4)


DATA = toy.bundle(60, 20)


def _resumed() -> Any:
    trainer = _trainer()
    with contextlib.redirect_stderr(io.StringIO()) as said:
        found = checkpoints.load(CHECKPOINT, trainer.load)
    if found:
        return _in_bytes(trainer.state())
    warning = said.getvalue()
    assert warning.startswith(f"warning: the checkpoint {CHECKPOINT} is damaged ("), warning
    assert warning.count("\n") == 1, warning
    return AWAY


@contextlib.contextmanager
def world() -> Iterator[Path]:
    """A small experiment with all its files, in memory where that is possible."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder, lottery.repository(Path(folder), PARAMS):
        with contextlib.redirect_stderr(io.StringIO()):
            planted.write(planted.claim())
            lottery.write_chains()
            lottery.run(EXPERIMENT)
            for stage in (aggregate, examine, stability):
                stage.main(EXPERIMENT)
            claims_stage.main(places.MAIN)
            datasets.write_bundle(paths.data("digits"), DATA)
            datasets.write_bundle(paths.data("other"), toy.bundle(50, 20))
            trainer = _trainer()
            for name, _ in zip(("b", "a"), trainer.run(), strict=False):
                store.write_arrays(CHECKPOINT.with_name(f"{name}.safetensors"), trainer.state())
        yield Path(folder)
