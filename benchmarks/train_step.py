"""step: one lane-iteration of LeNet-300-100 on MNIST, evaluation included: ours, a plain eager loop, the usual one.

`python -m benchmarks.train_step` runs it alone and writes nothing. As many lanes run side by side as there are cores, one
thread each; wall time per lane-iteration = wall / (iterations * lanes), so on a two-core machine half of what a lane takes.
"""

from collections.abc import Sequence
from functools import partial

from benchmarks import loops, peak
from benchmarks.processes import Loop, seconds
from benchmarks.results import Row, Section, interleaved, markdown_rows, ratios
from benchmarks.workload import Workload, lenet
from pipeline.executors.processes import cores

ROUNDS = (0, 7, 9, 15, 18)  # 100%, 21.1%, 13.5%, 3.6% and 1.9% of the weights
SPARSE = 15  # the round whose cost is held against the dense network's
WALL = "<= 1.25"  # ms a lane-iteration, on two cores
PEAK = "products and Adam's memory traffic at the machine's peak"
BOUND = "How much of the machine's own peak is used, in rates measured beside it."


def run(
    work: Workload, repetitions: int = 5, intervals: tuple[int, int, int] = (1, 4, 5), rounds: Sequence[int] = ROUNDS
) -> Section:
    """intervals: timed in each repetition of the usual, the eager and our loop; one more before them is not timed."""
    of_usual, of_eager, of_ours = intervals
    names = {k: f"ours, {work.density(k):.1%} of the weights" for k in rounds}
    timed = {"usual torchvision + DataLoader loop": _timed(work, loops.usual(work), of_usual)}
    timed |= {"plain eager loop, data in memory": _timed(work, loops.eager(work), of_eager)}
    timed |= {names[k]: _timed(work, loops.ours(work, k), of_ours) for k in rounds}
    timed |= {PEAK: partial(peak.milliseconds, work)}
    found = interleaved(timed, repetitions)
    usual, eager, dense = (found[name] for name in [*list(timed)[:2], names[rounds[0]]])
    last = SPARSE if SPARSE in names else rounds[-1]
    rows = [
        Row.of("usual loop / ours, dense", "x", ratios(usual, dense), ">= 10"),
        Row.of("eager loop / ours, dense", "x", ratios(eager, dense), ">= 2"),
        Row.of(f"{PEAK} / ours, dense", "x", ratios(found[PEAK], dense), ">= 0.75", BOUND),
        Row.of(f"ours, dense / ours, {work.density(last):.1%}", "x", ratios(dense, found[names[last]]), ">= 1.5"),
    ]
    wall = f"Wall per lane-iteration with evaluation, {cores()} lanes side by side."
    return Section(rows + [Row.of(name, "ms", found[name], WALL if found[name] is dense else "", wall) for name in timed])


def _timed(work: Workload, loop: Loop, intervals: int) -> partial[float]:
    return partial(milliseconds, work, loop, intervals)


def milliseconds(work: Workload, loop: Loop, intervals: int) -> float:
    """Wall time per lane-iteration, with all cores busy."""
    lanes = cores()
    return seconds(loop, intervals, lanes) / (intervals * work.experiment.training.evaluate_every * lanes) * 1000


if __name__ == "__main__":
    print(markdown_rows("step", run(lenet())))
