"""Which library computes a product of matrices: torch's own choice (MKL on a CPU, cuBLAS on CUDA) or oneDNN.

A rule decides, from processor and sizes, and not a race: the libraries round differently, and on one machine a lane must give
the same bits in every run.
"""

import math
from pathlib import Path

import torch
from torch import Tensor

WORTH_IT = 20e6  # floating-point operations of a product; oneDNN's calls cost 15 µs more, too much for a smaller one


def thresholds(vendor: str, family: int, avx512: bool) -> tuple[float, float]:
    """From how many operations on oneDNN computes `linear`, and from how many `product`; infinity where it never does.

    MKL is at its peak on Intel, and has code of 256 bits for AMD. That is half the speed of a processor with units of 512 bits
    (family 26, Zen 5), and nearly all of one that makes two halves of each instruction (Zen 4): there oneDNN gains 5 to 13% on
    what it can write as it likes, and nothing on a weight's gradient, which must be copied to where the optimizer reads it.
    Measured on Zen 4 by this code, on what seems to be Zen 5 only by its forerunner (docs/performance.md).
    """
    if vendor != "AuthenticAMD" or not avx512:
        return math.inf, math.inf
    return WORTH_IT, WORTH_IT if family >= 26 else math.inf


def of_processor(cpuinfo: str) -> tuple[str, int]:
    """Vendor and family; empty and 0 where Linux does not tell."""
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    found = {key.strip(): value.strip() for key, _, value in lines}
    family = found.get("cpu family", "")
    return found.get("vendor_id", ""), int(family) if family.isdecimal() else 0


def _here() -> tuple[float, float]:
    if not available():
        return math.inf, math.inf
    try:
        vendor, family = of_processor(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        return math.inf, math.inf
    return thresholds(vendor, family, torch.backends.cpu.get_cpu_capability() == "AVX512")


def available() -> bool:
    """Whether this build of torch has oneDNN and the operator, which torch's compiler uses and does not document."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")  # type: ignore[no-untyped-call]


LINEAR_FROM, PRODUCT_FROM = _here()


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Shapes: x (L, n, in), weight (L, out, in), bias (L, 1, out) -> (L, n, out)."""
    if _pays(LINEAR_FROM, x, weight):
        return onednn(x[0], weight[0], bias[0, 0]).unsqueeze(0)
    return torch.baddbmm(bias, x, weight.transpose(1, 2))


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Shapes: a (L, n, k), b (L, k, m) -> (L, n, m), which is `out` when that is given."""
    if not _pays(PRODUCT_FROM, a, b.transpose(1, 2)):
        return torch.bmm(a, b, out=out)
    found = onednn(a[0], b[0].t()).unsqueeze(0)
    return found if out is None else out.copy_(found)


def onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x @ weight.T + bias, for one lane."""
    # Its fused ReLU is not asked for: it gains nothing here and turns NaN into 0, which would hide that a training diverges.
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found


def _pays(least: float, x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN takes x @ weight.T. A weight with gaps between its rows it would multiply a thousand times slower."""
    return (
        2 * x.numel() * weight.shape[1] >= least
        and len(x) == 1
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and (weight.is_contiguous() or weight.transpose(1, 2).is_contiguous())
    )
