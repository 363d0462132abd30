"""Checks on all test examples that the exported files compute what was trained."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.domain.bundle import Array
from pipeline.export.chosen import Chosen
from pipeline.training.examples import Examples
from pipeline.values.errors import UserError

BATCH = 250
# Another processor rounds sums differently, so outputs change in their last digits and a few predictions change.
OUTPUTS_MAY_DIFFER = 1e-4  # as a share of the largest output
METRIC_MAY_DIFFER = {"fp32": 1e-3, "tf32": 1e-3, "bf16": 1e-2}  # as a share of the metric, by the precision of training
MAY_TURN = 2  # predictions, of a metric that is a fraction

Run = Callable[[Tensor], Tensor]
RunOnnx = Callable[[Array], Array]


@dataclass(frozen=True)
class Agreement:
    """metric: of the network. onnx_metric: of the ONNX file. difference: the largest difference between their outputs.

    largest: the largest absolute value of an output.
    """

    metric: float
    onnx_metric: float | None = None
    difference: float | None = None
    largest: float = 0.0


@torch.no_grad()
def agree(chosen: Chosen, run: Run, run_onnx: RunOnnx | None) -> Agreement:
    """Evaluates the network, as a file or as a module, on the test set, and the ONNX file beside it.

    Raises: UserError when the network does not reach the metric that training recorded, or when the outputs of both differ.
    """
    task, examples = chosen.setup.task, Examples(chosen.setup.bundle, torch.device("cpu"))
    sums: list[Tensor] = []
    sizes: list[Tensor] = []
    gaps: list[Tensor] = []
    for inputs, targets in zip(torch.split(examples.test, BATCH), torch.split(examples.test_targets, BATCH), strict=True):
        found = [run(inputs), *([torch.from_numpy(run_onnx(inputs.numpy()))] if run_onnx else [])]
        sums.append(torch.cat([task.sums(outputs.unsqueeze(0), targets.unsqueeze(0)) for outputs in found]))
        sizes.append(found[0].abs().max())
        gaps.append((found[-1] - found[0]).abs().max())
    metrics = task.value(torch.stack(sums).sum(0), len(examples.test))[1].tolist()
    _require_metric(chosen, metrics[0], len(examples.test))
    if run_onnx is None:
        return Agreement(metrics[0])
    largest, difference = float(torch.stack(sizes).max()), float(torch.stack(gaps).max())  # not a number if one of them is not
    if not difference <= OUTPUTS_MAY_DIFFER * largest:
        raise UserError(
            f"the outputs of the ONNX file differ from the network's by up to {difference:.2g}, but should differ by at "
            f"most {OUTPUTS_MAY_DIFFER * largest:.2g}; leave ONNX out with --network pytorch"
        )
    return Agreement(metrics[0], metrics[1], difference, largest)


def _require_metric(chosen: Chosen, found: float, examples: int) -> None:
    metric, recorded = chosen.setup.task.metric, chosen.final_metric
    allowed = METRIC_MAY_DIFFER[chosen.setup.bound.experiment.training.precision] * abs(recorded)
    allowed += MAY_TURN / examples if metric.unit == "fraction" else 0
    if not abs(found - recorded) <= allowed:
        raise UserError(
            f"the network of {chosen.name} has the {metric.name} {found:.4g} on the test set, but had {recorded:.4g} when it was "
            f"trained: its code has changed since; `dvc repro {chosen.target}` trains it anew"
        )
