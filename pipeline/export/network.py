"""The trained network as a program of torch.export and as ONNX, without code of this repository. It takes inputs as stored."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from pipeline.run.setup import Setup
from pipeline.training.examples import Examples
from pipeline.values.errors import UserError, reason

NEEDED = ("onnx", "onnxscript", "onnxruntime")  # for ONNX; requirements-export.txt has them
INPUTS, OUTPUTS = "inputs", "outputs"  # the names in the ONNX file
LONGEST_REASON = 300  # torch explains a failed export at great length


def with_weights(setup: Setup, weights: Mapping[str, NDArray[Any]]) -> nn.Module:
    """The experiment's network with these weights and buffers, for evaluation; it takes normalised inputs."""
    module = setup.network.make()
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            tensor.copy_(torch.from_numpy(weights[name]))
    return module.eval()


def taking_stored(module: nn.Module, examples: Examples) -> nn.Module:
    """Lets a module normalise its inputs itself, so that it takes them as the data set stores them, such as pixels from 0 to 255.

    It is a hook and not a module around this one, because parameters keep their names: the files of weights fit the program.
    """
    module.register_forward_pre_hook(lambda _, given: (examples.normalise(given[0]),))
    return module


def program(module: nn.Module, inputs: Tensor) -> ExportedProgram:
    """The program of a module, for any number of inputs. Shapes: inputs (2, *shape).

    Raises: UserError when torch cannot export the module.
    """
    try:
        with torch.no_grad():
            made = torch.export.export(module, (inputs,), dynamic_shapes=({0: Dim("batch", min=1)},))
    except Exception as error:  # the code of a plug-in, run by torch's tracer, may raise anything
        raise _fails("a program of torch.export", error, "none") from error
    for graph in (inside for inside in made.graph_module.modules() if isinstance(inside, torch.fx.GraphModule)):
        for node in graph.graph.nodes:
            node.meta.pop("stack_trace", None)  # it has the absolute paths of source files
    return made


def onnx(module: nn.Module, inputs: Tensor) -> bytes:
    """The content of an ONNX file, for any number of inputs. Shapes: inputs (2, *shape).

    Raises: UserError when torch cannot export the module.
    """
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    try:
        with torch.no_grad():
            made = torch.onnx.export(
                module,
                (inputs,),
                dynamo=True,
                dynamic_shapes=({0: Dim("batch", min=1)},),
                input_names=[INPUTS],
                output_names=[OUTPUTS],
                verbose=False,
            )
        assert made is not None  # it is None only for the old exporter
        ClearMetadataAndDocStringPass()(made.model)  # it has the absolute paths of source files
        return bytes(made.model_proto.SerializeToString())
    except Exception as error:
        raise _fails("ONNX", error, "pytorch") from error


def require_onnx() -> None:
    """Raises: UserError when a package for ONNX is not installed."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        lacks = f"{', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed"
        them = "it" if len(missing) == 1 else "them"
        raise UserError(f"ONNX needs {lacks}; `make export-deps` installs {them}, and --network pytorch leaves ONNX out")


class OnnxNetwork:
    """An ONNX file in onnxruntime, on the processor."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def __call__(self, inputs: NDArray[Any]) -> NDArray[Any]:
        outputs: NDArray[Any] = self.session.run([OUTPUTS], {INPUTS: inputs})[0]
        return outputs


def _fails(what: str, error: Exception, instead: str) -> UserError:
    why = reason(error)
    shown = why if len(why) <= LONGEST_REASON else f"{why[:LONGEST_REASON]}…"
    return UserError(f"torch cannot export this network as {what}: {shown}. Leave it out with --network {instead}")
