"""Which library computes a product of matrices: torch's own choice (MKL on a CPU, cuBLAS on CUDA) or oneDNN.

A rule on processor and sizes decides, not a comparison of speeds at run time, because the libraries round differently and a
lane must give the same bits in every run on one machine.
"""

import math
from pathlib import Path

import torch
from torch import Tensor

WORTH_IT = 20e6  # floating-point operations of a product; oneDNN's calls take 15 µs more, too much for a smaller one


def thresholds(vendor: str, family: int, avx512: bool) -> tuple[float, float]:
    """The numbers of operations from which oneDNN computes `linear` and `product`; infinity where it never does.

    MKL reaches its peak on Intel and uses 256-bit code on AMD. This gives half the speed of a processor with 512-bit units
    (family 26, Zen 5), and nearly the full speed of one that splits each instruction in two halves (Zen 4). On the latter,
    oneDNN gains 5 to 13% where it may choose where to write, and nothing on a weight's gradient, which must be copied to
    where the optimizer reads it. This code was measured on Zen 4; on what seems to be Zen 5, only its forerunner was
    (docs/performance.md).
    """
    if vendor != "AuthenticAMD" or not avx512:
        return math.inf, math.inf
    return WORTH_IT, WORTH_IT if family >= 26 else math.inf


def of_processor(cpuinfo: str) -> tuple[str, int]:
    """The vendor and the family of a processor; empty and 0 where Linux does not report them."""
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
    """Whether this build of torch has oneDNN and the operator, which torch's compiler uses but which is not documented."""
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
    # Its fused ReLU is not used: it gains nothing here and turns NaN into 0, which would hide that a training diverges.
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found


def _pays(least: float, x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN computes x @ weight.T. It is a thousand times slower on a weight with gaps between its rows."""
    return (
        2 * x.numel() * weight.shape[1] >= least
        and len(x) == 1
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and (weight.is_contiguous() or weight.transpose(1, 2).is_contiguous())
    )
