"""What the training of an item took, and where: for MLflow and for the simulator, never for a result."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.executors import LOCAL, hardware, notes
from pipeline.executors.checkout import Checkout
from pipeline.values import paths
from pipeline.values.lanes import Item

if TYPE_CHECKING:
    import torch

System = Mapping[str, Sequence[float]]


def write(
    item: Item, device: "torch.device", training: float, system: System, code: Checkout, executor: str, resumed: float
) -> None:
    """training: seconds. system: the samples. code: of the beginning. resumed: the share of the iterations that came from
    checkpoints, whose training the seconds do not contain.
    """
    import psutil
    import torch

    about = {
        "stage_seconds": round(time.time() - psutil.Process().create_time(), 3),
        "training_seconds": round(training, 3),
        "finished": time.time(),
        "device": hardware.name(device),
        "torch": torch.__version__,
        "executor": executor,
        "resumed": round(resumed, 4),
        "hardware": hardware.about(device) if executor == LOCAL else {},  # a cluster trains elsewhere
        "versions": hardware.versions(device),
        **code,
        "system": {key: list(values) for key, values in system.items()},
    }
    notes.write(paths.runtime(item.experiment, item.name), about)
