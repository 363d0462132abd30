"""`python -m pipeline.scale EXPERIMENT…` simulates how long experiments take on more cores, or on GPUs about which the options
say what is assumed (docs/scale.md). It trains nothing.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from pydantic import ValidationError
from tabulate import tabulate

from pipeline.executors.processes import cores
from pipeline.run.bound import Bound
from pipeline.scale import costs
from pipeline.scale.chain import links
from pipeline.scale.costs import SECONDS, Cores, Gpu, Lanes
from pipeline.scale.study import Study
from pipeline.scale.workload import workload
from pipeline.settings import check, config
from pipeline.values.errors import UserError
from pipeline.values.experiment import Experiment

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
    add("experiments", nargs="+", metavar="EXPERIMENT")
    add("--jobs", nargs="+", type=_count, metavar="N", help="stages side by side (default 1, 2 and 4; all with --gpus)")
    add("--workers", nargs="+", type=_count, metavar="N", help="cores (default those of this machine)")
    add("--gpus", nargs="+", type=_count, metavar="N")
    add("--step", type=_positive, metavar="MS", help="assumed: an iteration of one lane on a GPU of its own, evaluation included")
    add("--tflops", type=_positive, metavar="RATE", help="assumed instead: the rate that a GPU reaches in the network's operations")
    add("--least", type=_positive, default=0.25, metavar="MS", help="assumed: the shortest iteration of a batch (default 0.25)")
    add("--price", type=_positive, help="of an hour of one GPU or core")
    add("--weights", type=_count, metavar="BYTES", help="of a lane, instead of those of the network")
    add("--data", type=_count, metavar="BYTES", help="of the data set, instead of those of the experiment")
    add("--set", nargs="+", type=_pair, default=[], metavar="KEY=VALUE", help="other settings, as training.iterations=1000")
    add("--seconds", nargs="+", type=_pair, default=[], metavar="KIND=S", help=f"other costs: {', '.join(SECONDS)}, stability")
    add("--measured", nargs="+", type=_pair, default=[], metavar="JOBS=S", help="measured seconds, to be compared")
    given = parser.parse_args(arguments)
    if bool(given.gpus) != (given.step is not None or given.tflops is not None) or (given.step and given.tflops):
        parser.error("--gpus needs one of --step and --tflops, which are assumptions about a GPU")
    if given.gpus and given.workers:
        parser.error("--gpus and --workers exclude each other")
    return given


def _run(given: argparse.Namespace) -> int:
    settings = config.load()
    bounds = [_bound(name, settings.experiment(name), given.set) for name in given.experiments]
    workloads = {bound.name: workload(bound, given.weights, given.data) for bound in bounds}
    study = Study(links(bounds), workloads, SECONDS | {kind: _number(value) for kind, value in given.seconds})
    measured = {_count(jobs): _number(value) for jobs, value in given.measured}
    lanes, rows, errors = Lanes(), [], []
    for units in given.gpus or given.workers or [cores()]:
        machine = Gpu(given.step, given.tflops, given.least) if given.gpus else Cores(units, lanes)
        stages = costs.stages(study.links, workloads, machine, study.seconds)
        if not rows:
            print(study.summary(str(machine), stages))
        for jobs in given.jobs or [*measured] or ([len(stages)] if given.gpus else [1, 2, 4]):
            row, seconds = study.row(stages, units, jobs, given.price)
            if jobs in measured:
                errors.append(seconds / measured[jobs] - 1)
                row |= {"seconds": f"{seconds:.1f}", "measured": f"{measured[jobs]:.1f}", "error": f"{errors[-1]:+.1%}"}
            rows.append(row)
    print(tabulate(rows, headers="keys", disable_numparse=True, colalign=["right"] * len(rows[0])))
    if errors:
        print(f"\nthe largest error is {max(map(abs, errors)):.1%} (target: at most {TARGET:.0%})")
    return int(any(abs(error) > TARGET for error in errors))


def _bound(name: str, experiment: Experiment, changes: Sequence[tuple[str, str]]) -> Bound:
    """An experiment with other settings. Raises: UserError when they are not valid."""
    content = experiment.model_dump(mode="json", exclude_unset=True)
    try:
        for key, value in changes:
            *sections, last = key.split(".")
            place = content
            for section in sections:
                place = place[section]
            place[last] = json.loads(value)
        changed = Experiment.model_validate_json(json.dumps(content)).standing_in(experiment.file) if changes else experiment
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"--set does not fit {name}: {' '.join(str(error).split())}") from None
    return check.settings(name, changed)


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number of at least 1")
    return int(text)


def _positive(text: str) -> float:
    number = _number(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} should be above 0")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} should be a number") from None


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} should be a key, = and a value")
    return key, value


if __name__ == "__main__":
    sys.exit(main())
