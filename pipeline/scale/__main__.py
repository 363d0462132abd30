"""`python -m pipeline.scale EXPERIMENT…` simulates how long experiments take on more cores, or on GPUs about which the options
say what is assumed (docs/scale.md). It trains nothing.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tabulate import tabulate

from pipeline.executors.processes import cores
from pipeline.run.bound import Bound
from pipeline.scale import costs
from pipeline.scale.chain import links
from pipeline.scale.costs import SECONDS, Cores, Gpu
from pipeline.scale.study import Study
from pipeline.scale.workload import Workload, workload
from pipeline.settings import check, config
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment
from pipeline.values.lanes import Item

KINDS = (*SECONDS, "stability")  # what this last one costs depends on the experiment, so nothing is assumed
TARGET = 0.15  # the largest error of a predicted time that is good enough


def main(arguments: list[str] | None = None) -> int:
    """Returns: 0, or 1 when a prediction misses a measured time by more than the target."""
    try:
        return _run(_options(arguments))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipeline.scale", description=__doc__)
    add = parser.add_argument
    add("experiments", nargs="+", metavar="EXPERIMENT", help="such as lenet; several are simulated together")
    add("--jobs", nargs="+", type=_above_0(int), metavar="N", help="stages side by side (default: 1, 2 and 4; all with --gpus)")
    units = parser.add_mutually_exclusive_group()
    units.add_argument("--workers", nargs="+", type=_above_0(int), metavar="N", help="number of cores (default: as here)")
    units.add_argument("--gpus", nargs="+", type=_above_0(int), metavar="N", help="number of GPUs; needs --step or --tflops")
    step = parser.add_mutually_exclusive_group()
    step.add_argument("--step", type=_above_0(float), metavar="MS", help="assumed: an iteration of one lane with its evaluation")
    step.add_argument("--tflops", type=_above_0(float), metavar="RATE", help="assumed: the rate of the network's operations")
    add("--least", type=_above_0(float), default=0.25, metavar="MS", help="assumed: the shortest iteration of a batch of lanes")
    add("--price", type=_above_0(float), help="the price of an hour of a GPU or core")
    add("--weights", type=_above_0(int), metavar="BYTES", help="the weights of a lane, instead of those of the network")
    add("--data", type=_above_0(int), metavar="BYTES", help="the data set, instead of that of the experiment")
    add("--iterations", type=_above_0(int), metavar="N", help="the length of a training, instead of that in the settings")
    add("--evaluate-every", type=_above_0(int), metavar="N", help="between evaluations, instead of those in the settings")
    kinds = f"what a stage costs; KIND is one of {', '.join(KINDS)}"
    add("--seconds", nargs="+", type=_pair(_kind, _above_0(float)), default=[], metavar="KIND=S", help=kinds)
    add(
        "--measured",
        nargs="+",
        type=_pair(_above_0(int), _above_0(float)),
        default=[],
        metavar="JOBS=S",
        help="measured times to compare with",
    )
    given = parser.parse_args(arguments)
    if bool(given.gpus) != bool(given.step or given.tflops):
        parser.error("--gpus should be given together with --step or --tflops, which say how fast a GPU is assumed to be")
    return given


def _run(given: argparse.Namespace) -> int:
    settings = config.load()
    bounds = [_bound(name, settings.experiment(name), given) for name in given.experiments]
    workloads = {bound.name: workload(bound, given.weights, given.data) for bound in bounds}
    seconds, measured = SECONDS | dict(given.seconds), dict(given.measured)
    study = Study(links(bounds), workloads, seconds["dvc"])
    lanes, source = _assumed(given) if given.gpus else _lanes(workloads, changed=bool(given.iterations))
    rows: list[dict[str, str]] = []
    errors, first = [], 0.0
    for units in given.gpus or given.workers or [cores()]:
        machine = Gpu(given.step, given.tflops, given.least) if given.gpus else Cores(units, lanes)
        stages = costs.stages(study.links, workloads, machine, seconds)
        if not rows:
            print(study.summary(source, stages))
        for jobs in given.jobs or [*measured] or ([len(stages)] if given.gpus else [1, 2, 4]):
            row, took = study.row(stages, units, jobs, given.price, first)
            first = first or took
            if jobs in measured:
                errors.append(took / measured[jobs] - 1)
                row |= {"simulated": f"{took:.1f} s", "measured": f"{measured[jobs]:.1f} s", "error": f"{errors[-1]:+.1%}"}
            rows.append(row)
    print(tabulate(rows, headers="keys", disable_numparse=True, colalign=["right"] * len(rows[0])))
    if errors:
        print(f"\nthe largest error is {max(map(abs, errors)):.1%} (target: at most {TARGET:.0%})")
    return int(any(abs(error) > TARGET for error in errors))


def _assumed(given: argparse.Namespace) -> tuple[dict[Item, float], str]:
    lane = f"{given.step:g} ms" if given.step else f"its operations at {given.tflops:g} TFLOP/s"
    return {}, f"assumed, not measured: {lane} for an iteration of a lane, at least {given.least:g} ms for one of a batch"


def _lanes(workloads: Mapping[str, Workload], changed: bool) -> tuple[dict[Item, float], str]:
    """The core-seconds of a lane of each item, and where they come from. changed: whether trainings are not as long as here."""
    known = {} if changed else {item: s for work in workloads.values() for item, s in costs.measured(work).items()}
    rest = [work for work in workloads.values() if not known.keys() >= {*work.items}]
    lanes = {item: seconds for work in rest for item, seconds in costs.estimated(work).items()} | known
    return lanes, f"{len(known)} items as measured on this machine, {len(lanes) - len(known)} estimated from a few steps now"


def _bound(name: str, experiment: Experiment, given: argparse.Namespace) -> Bound:
    """An experiment, with another number of iterations when one is given."""
    training = {key: getattr(given, key) for key in ("iterations", "evaluate_every") if getattr(given, key)}
    changed = {"training": experiment.training.model_copy(update=training)}
    return check.settings(name, experiment.model_copy(update=changed))


def _above_0(of: Callable[[str], Any]) -> Callable[[str], Any]:
    def number(text: str) -> Any:
        if not 0 < of(text) < float("inf"):
            raise argparse.ArgumentTypeError(f"the value is {text}, but should be a finite number above 0")
        return of(text)

    return number


def _pair(key: Callable[[str], Any], of: Callable[[str], Any]) -> Callable[[str], Any]:
    def setting(text: str) -> Any:
        name, value = text.split("=", 1)
        return key(name), of(value)

    return setting


def _kind(text: str) -> str:
    return KINDS[KINDS.index(text)]


if __name__ == "__main__":
    sys.exit(main())
