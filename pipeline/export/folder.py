"""The folder that an export makes: weights, network and a card, all of which can be used without this repository."""

import os
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from pipeline.compact.removal import compact
from pipeline.domain.bundle import Array, Bundle
from pipeline.export import card, network
from pipeline.export.agreement import Agreement, agree
from pipeline.export.chosen import Chosen
from pipeline.files import store
from pipeline.files.whole import replacing
from pipeline.training.examples import Examples
from pipeline.values.errors import UserError

Formats = Literal["onnx", "pytorch", "none"]  # onnx: the network in both formats
PROGRAM, ONNX, CARD = "network.pt2", "network.onnx", "README.md"


def require_free(folder: Path) -> None:
    """Raises: UserError when an export would replace something, or when no folder can be made there."""
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        above = next(parent for parent in folder.parents if parent.exists())
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}; --to should be a new folder") from error
    if taken:
        state = "is not empty" if folder.is_dir() else "is a file"
        raise UserError(f"{folder} {state}; --to should be a new or an empty folder")
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        state = "not writable" if above.is_dir() else "a file"
        raise UserError(f"{folder} cannot be made, because {above} is {state}; --to should be a folder that can be")


def write(chosen: Chosen, folder: Path, formats: Formats) -> Agreement:
    """Writes the folder, as a whole or not at all.

    Raises: UserError when it cannot be written, or when the network does not compute what was trained.
    """
    with replacing(folder) as temporary:
        temporary.mkdir()
        store.write_arrays(temporary / "mask.safetensors", dict(chosen.mask))
        store.write_arrays(temporary / "start.safetensors", chosen.start)
        store.write_arrays(temporary / "trained.safetensors", chosen.trained)
        agreement = _write_network(chosen, temporary, formats)
        files = {path.name: path.stat().st_size for path in sorted(temporary.iterdir())}
        store.write_bytes(temporary / CARD, card.text(chosen, files, agreement).encode())
    return agreement


def _write_network(chosen: Chosen, folder: Path, formats: Formats) -> Agreement:
    examples = Examples(chosen.setup.bundle, torch.device("cpu"))
    inputs = torch.from_numpy(few(chosen.setup.bundle))
    module = network.taking_stored(network.with_weights(chosen.setup, chosen.trained), examples)
    if formats == "none":
        return agree(chosen, module, None)
    path = folder / PROGRAM
    torch.export.save(network.program(module, inputs), path)
    run = torch.export.load(path).module()
    if formats == "pytorch":
        return agree(chosen, run, None)
    # The program keeps all weights, so that the files of weights fit it; the ONNX network has only those that matter.
    smaller = compact(chosen.setup.network.make(), chosen.mask, chosen.trained, examples.normalise(inputs))
    store.write_bytes(folder / ONNX, network.onnx(network.taking_stored(smaller, examples), inputs))
    return agree(chosen, run, network.OnnxNetwork(folder / ONNX))


def few(bundle: Bundle) -> Array:
    """Two test examples to export with: from one alone, torch would conclude that the network accepts only one input."""
    return bundle.test_inputs[np.arange(2) % len(bundle.test_inputs)]
