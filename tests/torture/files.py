"""Damaged and forged files, each read as the stages read it: the written values, or one sentence that names the file."""

import argparse
import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.claims import judge, ledger, verdicts
from pipeline.claims.quantities import Source
from pipeline.files import checkpoints, datasets, masks, notes, store
from pipeline.files.lane import LaneFiles
from pipeline.results import examined, numbers, statistics, tables
from pipeline.results.outcome import Outcome
from pipeline.settings import config, measured, places
from pipeline.tracking import examination
from pipeline.tracking.record import NEEDED, Record, claims, reported
from pipeline.training.trainer import Trainer
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import Item, Lane
from stages import aggregate, examine, stability
from stages import claims as claims_stage
from tests import lottery, planted, toy
from tests.torture import Row, mutants

BATCH = 500  # mutants read by one process
SECONDS = 5  # for one mutant
MEMORY = 2**30  # more than the process had before
AWAY = "set aside, or taken for missing"  # a checkpoint, and a note of timings, which no result depends on
SHARE_FORGED = 0.35
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
    """path: the file that is damaged. other: one of the same kind. read: gives something that can be compared.

    beside: files that may be named instead when a forged file contradicts them.
    """

    name: str
    path: Path
    other: Path
    read: Callable[[], Any]
    beside: tuple[Path, ...] = ()


def _in_bytes(found: Any) -> Any:
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in found.items() if array is not None}


def _kinds() -> list[Kind]:
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
        fault = record.fault if record.about.keys() >= NEEDED else "not complete"
        if fault or not record.complete:
            raise store.DamagedError(files.about, fault or "not complete")
        return record.points, record.tags, record.params, record.parent_params, record.files, record.identity, record.data

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
        Kind("layers.json", layer_file, files.about, lambda: masks.read_layers(EXPERIMENT)),
        Kind("lane.json", files.about, second.about, lane, (files.history,)),
        Kind("lane.json", files.about, second.about, logged, (files.history,)),
        Kind("history.csv", files.history, second.history, lane),
        Kind("history.csv", files.history, second.history, logged),
        Kind("rounds.csv", rounds, stable, outcome, (curves,)),
        Kind("rounds.csv", rounds, stable, lambda: _of_others(reported)),
        Kind("curves.csv", curves, profile, outcome, (rounds,)),
        Kind("examined.csv", measured_file, stable, claimed),
        Kind("examined.csv", measured_file, stable, profiles, (profile,)),
        Kind("examined.csv", measured_file, stable, lambda: examination.points(EXPERIMENT)),
        Kind("profiles.csv", profile, line, profiles),
        Kind("stability.csv", stable, measured_file, lambda: [table.to_csv() for table in examined.read_stability(EXPERIMENT)]),
        Kind("lines.csv", line, profile, lambda: [table.to_csv() for table in examined.read_stability(EXPERIMENT)]),
        Kind("effects.json", judged, layer_file, lambda: verdicts.rows(places.MAIN)),
        Kind("effects.json", judged, layer_file, lambda: _of_others(claims)),
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


def rows(count: int, seed: int) -> list[Row]:
    """Raises: AssertionError that names seed and case, and where the file was kept, when a reader does anything else."""
    found: Counter[tuple[str, bool, str]] = Counter()
    with world() as folder:
        batches = [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
        for batch in batches:
            found.update(_in_child(folder, seed, batch))
    command = f"python -m tests.torture.files --count {count} --seed {seed}"
    table = []
    for name, is_forged in sorted({key[:2] for key in found}):
        of = {outcome: tries for (*key, outcome), tries in found.items() if (*key,) == (name, is_forged)}
        fault = f"{name}: {'other content with a valid checksum' if is_forged else 'damaged'}"
        table.append(Row(fault, sum(of.values()), ", ".join(f"{tries:,} {what}" for what, tries in sorted(of.items())), command))
    return table


def _in_child(folder: Path, seed: int, batch: range) -> dict[tuple[str, bool, str], int]:
    """Tries these cases in a process with bounded memory, which dies of a case that takes too long."""
    report = folder / "report.json"
    place = folder / "case"
    child = os.fork()
    if not child:
        try:
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
            report.write_text(json.dumps(_try(seed, batch, place)))
            os._exit(0)
        except BaseException:
            report.write_text(json.dumps(traceback.format_exc()))
            os._exit(1)
    _, status = os.waitpid(child, 0)
    case = place.read_text()
    if status:
        kept = Path(tempfile.mkdtemp(prefix="torture-files-"))
        path = next(kind.path for i, kind in enumerate(_kinds_of_world()) if i == int(case) % len(_kinds_of_world()))
        aside = path.with_name(f"{path.name}.bad")
        shutil.copy(path if path.exists() else aside, kept / path.name)
        code = os.waitstatus_to_exitcode(status)
        why = json.loads(report.read_text()) if code == 1 else f"the process was ended by signal {-code} (14: {SECONDS} seconds)"
        raise AssertionError(f"seed {seed}, case {case}, file {kept / path.name}: {why}")
    return {(name, is_forged, outcome): tries for name, is_forged, outcome, tries in json.loads(report.read_text())}


def _try(seed: int, batch: range, place: Path) -> list[tuple[str, bool, str, int]]:
    kinds = _kinds_of_world()
    whole = {kind.path: kind.path.read_bytes() for kind in kinds}
    expected = [kind.read() for kind in kinds]
    again = [kind.path.write_bytes(whole[kind.path]) for kind in kinds]
    assert len(again) == len(expected)
    found: Counter[tuple[str, bool, str]] = Counter()
    with place.open("w") as marker:
        for case in batch:
            marker.seek(0)
            marker.write(str(case))
            marker.flush()
            signal.alarm(SECONDS)
            kind, draw = kinds[case % len(kinds)], random.Random(f"{seed}.{case}")
            is_forged = draw.random() < SHARE_FORGED
            if is_forged:
                what = mutants.forged(kind.path, draw)
            else:
                other = kind.other.read_bytes()
                what, content = mutants.damaged(whole[kind.path], other, draw)
                is_forged = content == other  # a whole file in another one's place has a valid checksum
                kind.path.write_bytes(content)
            outcome = _outcome(kind, expected[case % len(kinds)], is_forged, what)
            found[kind.name, is_forged, outcome] += 1
            kind.path.write_bytes(whole[kind.path])
        signal.alarm(0)
    return [(*key, tries) for key, tries in found.items()]


def _outcome(kind: Kind, expected: Any, is_forged: bool, what: str) -> str:
    try:
        value = kind.read()
    except UserError as error:
        said = str(error)
        named = [path for path in (kind.path, *(kind.beside if is_forged else ())) if str(path) in said]
        assert named, f"{what}: the sentence does not name {kind.path}: {said}"
        assert "dvc repro" in said, f"{what}: {said}"
        assert "\n" not in said, f"{what}: {said}"  # tests/test_integrity.py says what has to change for a bound of its length
        assert "allocate" not in said and "MemoryError" not in said, f"{what}: {said}"
        return "refused with one sentence"
    if value == AWAY:
        return AWAY
    if repr(value) == repr(expected):
        return "read as they were written"
    assert is_forged, f"{what}: other values were read without a word"
    return "taken for what they say"


def _kinds_of_world() -> list[Kind]:
    if not KINDS:
        KINDS.extend(_kinds())
    return KINDS


KINDS: list[Kind] = []


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for row in rows(given.count, given.seed):
        print(f"{row.fault} | {row.tries:,} | {row.outcome} | {row.command}", file=sys.stdout)
