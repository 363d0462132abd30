"""What the training of an item took, and where: for MLflow and for the simulator, never for a result."""

import platform
import time
from typing import TYPE_CHECKING

from pipeline.executors import notes
from pipeline.values import paths
from pipeline.values.lanes import Item

if TYPE_CHECKING:
    import torch


def write(item: Item, device: "torch.device", training: float) -> None:
    """training: seconds."""
    import psutil
    import torch

    cuda = device.type == "cuda"
    about = {
        "stage_seconds": round(time.time() - psutil.Process().create_time(), 3),
        "training_seconds": round(training, 3),
        "finished": time.time(),
        "device": torch.cuda.get_device_name() if cuda else platform.processor() or platform.machine(),
        "torch": torch.__version__,
    }
    notes.write(paths.runtime(item.experiment, item.name), about)
