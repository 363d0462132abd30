"""README.md of an export: what the network is, how good it is, where it comes from and how it is loaded."""

import json
import platform
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from pipeline.executors import checkout
from pipeline.export.agreement import Agreement
from pipeline.export.chosen import Chosen
from pipeline.values.lanes import DENSE, TICKET

HOLDS = {
    "mask.safetensors": "for each tensor of prunable weights, a bool tensor of its shape; a weight is kept where it is true",
    "start.safetensors": "the weights at which training began, masked; for a ticket these are the rewound weights",
    "trained.safetensors": "the weights at the end of training, masked",
    "network.pt2": "the trained network as a program of torch.export, with its weights",
    "network.onnx": "the trained network as ONNX, with its weights, without its dead units, filters and heads",
}
LOAD = """```python
from safetensors.torch import load_file
mask = load_file("mask.safetensors")  # name -> bool tensor
start, trained = load_file("start.safetensors"), load_file("trained.safetensors")  # name -> tensor
```"""
LOAD_PROGRAM = """```python
import torch
network = torch.export.load("network.pt2").module()
outputs = network(inputs)
```

A program of torch.export can run any code while it is loaded, so load one only from a source that you trust. Loading the
other files runs no code."""
LOAD_ONNX = """```python
import onnxruntime
session = onnxruntime.InferenceSession("network.onnx")
outputs = session.run(None, {"inputs": inputs})[0]
```"""


def text(chosen: Chosen, files: Mapping[str, int], agreement: Agreement) -> str:
    """files: the sizes in bytes of the other files, by name."""
    about, item = chosen.record.about, chosen.record.item
    what = {DENSE: "The dense network", TICKET: "A lottery ticket"}.get(item.arm, f"A network of the arm `{item.arm}`")
    kept = sum(chosen.mask.kept.values())
    draw = "" if about["draw"] is None else f", draw {about['draw']}"
    return "\n\n".join(
        (
            f"# {item.experiment}, {item.name}, seed {about['seed']}{draw}",
            f"{what} of round {item.round} of the experiment `{item.experiment}`, model `{_named(chosen, 'model')}`, trained on "
            f"the data set `{_named(chosen, 'data')}`. It keeps {kept:,} of {chosen.mask.size:,} weights, a density of "
            f"{chosen.mask.density:.2%}. Biases, normalisation parameters and frozen parameters are not counted as weights.",
            "## Files\n\n" + _files(files),
            "## Loading\n\n" + "\n\n".join(_loading(chosen, files)),
            "## Metrics\n\n" + _metrics(chosen, agreement),
            "## Weights\n\n" + _weights(chosen),
            "## Provenance\n\n" + _provenance(chosen),
        )
    ) + "\n"  # fmt: skip


def _files(files: Mapping[str, int]) -> str:
    return _table(("file", "bytes", "holds"), ((name, f"{size:,}", HOLDS[name]) for name, size in files.items()))


def _named(chosen: Chosen, section: str) -> str:
    return str(chosen.record.about["config"][section]["name"])


def _loading(chosen: Chosen, files: Mapping[str, int]) -> Iterable[str]:
    inputs = chosen.setup.bundle.test_inputs
    normalised = " It normalises them itself." if chosen.setup.bundle.scale is not None else ""
    outputs = f"(N, {', '.join(map(str, chosen.setup.task.outputs(chosen.setup.bundle)))})"
    yield "These lines work in this folder, without the repository that made it:"
    yield LOAD
    if "network.pt2" in files:
        yield (
            f"The network takes `inputs` as the data set stores them, {inputs.dtype} of shape "
            f"(N, {', '.join(map(str, inputs.shape[1:]))}).{normalised} It returns float32 {outputs} and is in evaluation mode."
        )
        yield LOAD_PROGRAM
        if chosen.setup.network.module.state_dict().keys() == chosen.start.keys():  # not with tied weights
            yield "`network.load_state_dict(start)` loads the weights at which training began."
    if "network.onnx" in files:
        yield "The ONNX network has the same inputs and outputs, as NumPy arrays. Its dead units have been removed:"
        yield LOAD_ONNX
    yield "The other files store pruned weights as zeros, so they are as large as those of a dense network."


def _metrics(chosen: Chosen, agreement: Agreement) -> str:
    about, metric = chosen.record.about, chosen.setup.task.metric
    name, examples = metric.name, len(chosen.setup.bundle.test_inputs)
    unit = " (a fraction)" if metric.unit == "fraction" else f" ({metric.unit})" if metric.unit else ""
    rows: list[tuple[str, Any, str]] = [
        (
            f"final_{name}",
            chosen.final_metric,
            f"{name}{unit} on {examples:,} test examples at the end of training; {metric.better} is better",
        ),
        (
            "final_iteration",
            about["final_iteration"],
            "the iteration at which training ended, counted from the start of dense training",
        ),
        (f"{name}_at_early_stop", about[f"{name}_at_early_stop"], f"{name}{unit} on the test examples at the early stop"),
        (
            "early_stop_iteration",
            about["early_stop_iteration"],
            "the iteration of the lowest validation loss; training continued after it",
        ),
        (
            "validation_loss_at_early_stop",
            about["validation_loss_at_early_stop"],
            "the lowest loss on the validation examples",
        ),
    ]
    measured = f"When this folder was made, the network was measured again on all test examples: {name} {agreement.metric:.6g}"
    if agreement.onnx_metric is not None:
        measured += (
            f", and {agreement.onnx_metric:.6g} in onnxruntime, whose outputs differ from torch's by at most "
            f"{agreement.difference:.1g}; the largest output is {agreement.largest:.3g}"
        )
    precision = chosen.setup.bound.experiment.training.precision
    lower = "" if precision == "fp32" else f" It was trained and evaluated in {precision}; these files compute in float32."
    return f"{_table(('metric', 'value', 'meaning'), rows)}\n\n{measured}.{lower}"


def _weights(chosen: Chosen) -> str:
    layers, kept = chosen.setup.network.layers, chosen.mask.kept
    rows = (
        (name, layers[name].kind, "×".join(map(str, array.shape)), f"{kept[name]:,}", f"{kept[name] / array.size:.2%}")
        for name, array in chosen.mask.items()
    )
    return _table(("weight", "kind", "shape", "kept", "density"), rows)


def _provenance(chosen: Chosen) -> str:
    about, item = chosen.record.about, chosen.record.item
    commit = checkout.now().get("commit")
    rows = [
        ("experiment", item.experiment),
        ("item", f"{item.name}: round {item.round} of the arm `{item.arm}`"),
        ("seed", about["seed"] if about["draw"] is None else f"{about['seed']}, draw {about['draw']}"),
        ("target", f"`dvc repro {chosen.target}` trains it"),
        ("input_key", f"`{about['input_key']}`, of everything that determined the training"),
        ("data_digest", f"`{about['data_digest']}`, SHA-256 of the data set's file"),
        *([("commit", f"`{commit}`, which was checked out when this folder was made")] if commit else []),
        ("versions", ", ".join(_versions(chosen))),
    ]
    settings = json.dumps(about["config"], indent=2)
    return f"{_table(('what', 'value'), rows)}\n\nThe settings on which the training depended:\n\n```json\n{settings}\n```"


def _versions(chosen: Chosen) -> Iterable[str]:
    """The versions of what made this folder, and that of the torch that trained the lane if this machine knows it."""
    yield f"Python {platform.python_version()}"
    yield f"torch {torch.__version__}"
    yield f"numpy {np.__version__}"
    trained = chosen.record.training.note.get("torch")
    if trained:
        yield f"trained with torch {trained}"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = (columns, tuple("---" for _ in columns), *rows)
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
