"""growth: how time and memory grow with lanes, width, density, rounds and stages, as exponents of power laws."""

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import chdir
from functools import partial
from pathlib import Path

from benchmarks import chains, loops, processes
from benchmarks.results import Row, Section, Series, interleaved
from benchmarks.train_step import milliseconds
from benchmarks.workload import Workload
from pipeline import executors
from pipeline.executors.processes import at_once, cores
from pipeline.run.job import Job
from pipeline.training.examples import Stream
from pipeline.values.lanes import Lane

LANES = (1, 2, 4, 8, 16, 32, 64)
ITERATIONS = 100  # of a lane; its start is part of the cost


def run(work: Workload) -> Section:
    parts = [lanes(work), width(work), density(work), chains.rounds(work), chains.stages(), memory(work)]
    return Section([row for part in parts for row in part.rows], [s for part in parts for s in part.series])


def lanes(work: Workload, counts: Sequence[int] = LANES, iterations: int = ITERATIONS, repetitions: int = 2) -> Section:
    """Times lanes that are trained as a stage trains them on a CPU, including their start and their files."""
    found = interleaved({n: partial(pool, work, n, iterations) for n in counts}, repetitions)
    busy = {n: found[n] for n in counts if n >= cores() or n == max(counts)}
    note = f"A lane has {iterations} iterations. The fit begins at {min(busy)} lanes: fewer leave a core idle."
    return Section(series=[Series.of("lanes", "lanes", "seconds", busy if len(busy) > 1 else found, note)])


def pool(work: Workload, count: int, iterations: int) -> float:
    """Returns the seconds from the start of the first process to the end of the last."""
    every = min(iterations, work.experiment.training.evaluate_every)
    training = work.experiment.training.model_copy(update={"iterations": iterations, "evaluate_every": every})
    shorter = Workload(work.experiment.model_copy(update={"training": training}), work.bundle)
    setup = shorter.setup()
    numbered = [Lane(setup.bound.lottery.dense, seed) for seed in range(1, count + 1)]
    streams, names = [Stream(lane.seed) for lane in numbered], [f"{lane.seed:064x}" for lane in numbered]
    dense = [shorter.ticket()] * count
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        job = Job(
            setup, shorter.recipe(), numbered, dense, streams, loops.CPU,
            folder=Path(folder, "lanes"), data_digest="", recipe_key="", keys=names,
        )  # fmt: skip
        started = time.perf_counter()
        executors.dispatch(job, [[i] for i in range(count)], lambda *_: None)
        return time.perf_counter() - started


def width(work: Workload, times: Sequence[float] = (0.5, 1, 2, 4), intervals: int = 3, repetitions: int = 3) -> Section:
    timed = {t: partial(milliseconds, work, loops.ours(work, 0, t), intervals) for t in times}
    found = interleaved(timed, repetitions)
    sizes = {t: sum(layer.size for layer in work.wider(t).network().layers.values()) for t in times}
    weights = {sizes[t] / 1000: found[t] for t in times}
    note = f"Hidden layers are {times[0]} to {times[-1]} times as wide, all weights are there."
    return Section(
        series=[
            Series.of("width", "times the width", "ms per lane-iteration", found, why=WIDER),
            Series.of("weights", "thousand weights", "ms per lane-iteration", weights, note, OUT_OF_CACHE),
        ]
    )


WIDER = "The weights between two hidden layers grow with the square of the width; see the same times against weights."
OUT_OF_CACHE = "Weights, gradients and two moments, 16 bytes a weight, leave the core's cache, and Adam waits for memory."


def density(work: Workload, rounds: Sequence[int] | None = None, intervals: int = 4, repetitions: int = 3) -> Section:
    rounds = range(work.experiment.pruning.rounds + 1) if rounds is None else rounds
    timed = {k: partial(milliseconds, work, loops.ours(work, k), intervals) for k in rounds}
    found = interleaved(timed, repetitions)
    points = {100 * work.density(k): found[k] for k in rounds}
    note = "These are all densities of lenet. Evaluation, batches and small layers cost the same at each."
    return Section(series=[Series.of("density", "percent of the weights", "ms per lane-iteration", points, note)])


def memory(work: Workload, counts: Sequence[int] = (1, 2, 4, 8, 16), iterations: int = 100) -> Section:
    """Measures lanes in processes of their own, as a CPU trains them, and batched in one process, as a GPU does."""
    rows, peaks = [], {}
    for n in counts:
        try:
            peaks[n] = processes.afresh(pool_memory, work, n, iterations)
        except processes.OutOfMemoryError:
            rows.append(_too_many("in the pool", n, peaks))
            break
    batched = {}
    for n in counts:
        try:
            batched[n] = processes.afresh(batched_memory, work, n)
        except processes.OutOfMemoryError:
            rows.append(_too_many("batched in one process", n, batched))
            break
    note = f"At most {max(map(at_once, counts))} lanes are in memory at once on {cores()} cores."
    kinds = (
        ("memory_process", "MiB resident in the largest process", {n: [peak.largest] for n, peak in peaks.items()}, note),
        ("memory", "MiB private to all processes", {n: [peak.private] for n, peak in peaks.items()}, note),
        ("memory_batched", "MiB resident, lanes batched on the CPU", {n: [m.largest] for n, m in batched.items()}, BATCHED),
    )
    return Section(rows, [Series.of(name, "lanes", y, points, why) for name, y, points, why in kinds if len(points) > 1])


BATCHED = "A GPU needs as much: each lane has weights, gradients, moments, a mask and validation images."


def pool_memory(work: Workload, count: int, iterations: int) -> processes.Memory:
    with processes.watched_memory() as found:
        pool(work, count, iterations)
    return found


def batched_memory(work: Workload, count: int) -> processes.Memory:
    """Returns the peak memory of so many batched lanes up to their second evaluation."""
    with processes.watched_memory() as found:
        steps = work.trainer([work.ticket()] * count, loops.CPU).run()
        next(steps)
        next(steps)
    return found


def _too_many(how: str, count: int, fitting: dict[int, processes.Memory]) -> Row:
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    fits = f"{max(fitting)} lanes fit" if fitting else "not even one lane fits"
    return Row(f"memory of {count} lanes {how}", "MiB", None, note=f"Memory ran out at {gib:.0f} GiB: {fits}.")
