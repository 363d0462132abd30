"""`python -m benchmarks.operations`: which operations a lane-iteration of ours consists of, for docs/performance.md.

One lane, one thread, evaluation included. Shares are of torch.profiler's own time of each operation, whose bookkeeping makes
calls look dearer than they are; the share of the evaluation is measured without it.
"""

import itertools
import time
from collections.abc import Sequence

import torch
from tabulate import tabulate
from torch.profiler import ProfilerActivity, profile

from benchmarks import loops
from benchmarks.workload import Workload, lenet

INTERVALS = 5
SHOWN = 10


def shares(work: Workload, rounds: int, intervals: int = INTERVALS) -> list[tuple[str, float, float]]:
    """(operation, calls per iteration, share of the time), the most expensive first; the rest of Python is not in it."""
    interval = loops.ours(work, rounds)()
    interval()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(intervals):
            interval()
    events = [event for event in profiled.key_averages() if event.key.startswith("aten::")]
    total = sum(event.self_cpu_time_total for event in events)
    iterations = intervals * work.experiment.training.evaluate_every
    found = [(e.key.removeprefix("aten::"), e.count / iterations, e.self_cpu_time_total / total) for e in events]
    return sorted(found, key=lambda row: -row[2])


def parts(work: Workload, rounds: int, intervals: int = INTERVALS) -> dict[str, float]:
    """Milliseconds per lane-iteration of a step's four parts and of the evaluation, by the clock."""
    torch.set_flush_denormal(True)
    trainer = work.trainer([work.ticket(rounds)], loops.CPU)
    every = work.experiment.training.evaluate_every
    found = dict.fromkeys(("batch", "gradients", "optimizer", "mask", "evaluation"), 0.0)
    with torch.no_grad():
        for turn in range(intervals + 1):
            if turn == 1:  # the first is not counted
                found = dict.fromkeys(found, 0.0)
            for i in range(every):
                marks = [time.perf_counter()]
                x, y = trainer.examples.batch(*trainer.order.batch(turn * every + i))
                marks.append(time.perf_counter())
                trainer.compute.gradients(x, y)
                marks.append(time.perf_counter())
                trainer.optimizer.step()
                marks.append(time.perf_counter())
                trainer.stack.hold()
                marks.append(time.perf_counter())
                for name, spent in zip(found, _differences(marks), strict=False):
                    found[name] += spent
            started = time.perf_counter()
            trainer._evaluate(0)
            found["evaluation"] += time.perf_counter() - started
    return {name: seconds / (intervals * every) * 1000 for name, seconds in found.items()}


def _differences(marks: Sequence[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(marks)]


def main() -> None:
    torch.set_num_threads(1)
    work = lenet()
    for rounds in (0, 15):
        print(f"\n{work.density(rounds):.1%} of the weights\n")
        spent = parts(work, rounds)
        rows = [(name, f"{ms:.3f}", f"{ms / sum(spent.values()):.0%}") for name, ms in spent.items()]
        print(tabulate(rows, ("part", "ms per iteration", "share"), tablefmt="github", disable_numparse=True))
        rows = [(name, f"{calls:.1f}", f"{share:.0%}") for name, calls, share in shares(work, rounds)[:SHOWN]]
        print()
        print(tabulate(rows, ("operation", "calls per iteration", "share"), tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
