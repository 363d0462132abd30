"""What a network costs: the floating-point operations of a forward pass, and bytes.

Fewer operations do not always take less time: only sparse operations can skip single weights.
"""

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pipeline.domain.masks import Mask
from pipeline.values.errors import UserError


def size_of(module: nn.Module) -> int:
    """The bytes of a network as it is, such as a compacted one. A tied weight counts once."""
    return sum(t.numel() * t.element_size() for t in (*module.parameters(), *module.buffers()))


def operations(module: nn.Module, example: Tensor) -> float:
    """The operations of a network for one input; torch counts a multiplication with an addition as two."""
    # With gradients, torch fuses nothing away; of the kernels of attention, the counter knows plain products on every device.
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
        module.eval()(example)
    return float(counted.get_total_flops() / len(example))


def surviving_operations(module: nn.Module, mask: Mask, example: Tensor) -> float:
    """The operations for one input if those of pruned weights were skipped, which dense operations cannot do.

    Raises: UserError when a weight with a mask belongs to no layer of a known type.
    """
    places = _places(module, example)
    unknown = [name for name in mask if name not in places]
    if unknown:
        raise UserError(f"the operations of {', '.join(unknown)} cannot be counted, because no known layer uses them")
    skipped = sum(2 * places[name] * int((~a).sum()) for name, a in mask.items())
    return operations(module, example) - skipped


@torch.no_grad()
def _places(module: nn.Module, example: Tensor) -> dict[str, int]:
    """How often each weight is used for one input: once for each pixel or token that its layer computes."""
    found: dict[str, int] = {}

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> None:
        prefix, names = f"{name}." if name else "", ["weight"]
        if isinstance(layer, nn.MultiheadAttention):
            if len({x.shape[:-1] for x in inputs[:3]}) != 1:
                return  # queries and keys of other lengths use parts of one weight differently often
            names, values, width = ["in_proj_weight", "out_proj.weight"], inputs[0], inputs[0].shape[-1]
        elif isinstance(output, Tensor) and not getattr(layer, "transposed", False):  # these use a weight once for each input
            values, width = output, output.shape[1 if isinstance(layer, nn.modules.conv._ConvNd) else -1]
        else:
            return
        for own in names:
            found[prefix + own] = found.get(prefix + own, 0) + values.numel() // width // len(example)

    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output, name=name: note(name, layer, inputs, output))
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | nn.modules.conv._ConvNd | nn.MultiheadAttention)
    ]
    with torch.enable_grad():
        module.eval()(example)
    for hook in hooks:
        hook.remove()
    return found
