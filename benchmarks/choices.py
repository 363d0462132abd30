"""`python -m benchmarks.choices`: what each choice in the trainer is worth, for docs/performance.md.

Each is two ways to do the same thing, which take turns on one thread; the number is the second's time over the first's.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from tabulate import tabulate
from torch import Tensor

from benchmarks.results import Row, interleaved, number, ratios
from pipeline.domain import networks
from pipeline.domain.masks import Mask
from pipeline.domain.tickets import ticket
from pipeline.training import products as by_library
from pipeline.training.autograd import Autograd
from pipeline.training.mlp import Mlp
from pipeline.training.optimizer import Optimizer
from pipeline.values import plugins
from pipeline.values.optimizer import Adam

WEIGHTS = 266_610  # LeNet-300-100's parameters
ADAM = Adam(name="adam", lr=1.2e-3)
BATCH, OUT, IN = 60, 300, 784  # LeNet's first layer
Work = Callable[[], object]


def optimizers() -> dict[str, tuple[Work, Work]]:
    parts = [torch.randn(size) for size in (OUT * IN, OUT, 100 * OUT, 100, 1000, 10)]
    each = [Optimizer(part, torch.randn(len(part)), ADAM) for part in parts]
    flat = Optimizer(torch.randn(WEIGHTS), torch.randn(WEIGHTS), ADAM)
    dead = Optimizer(torch.randn(WEIGHTS), torch.zeros(WEIGHTS), ADAM)
    dead.state["exp_avg"].fill_(1e-39)  # where the moments of an input that is always 0 pass through
    dead.state["exp_avg_sq"].fill_(1e-39)
    saved = dead.state["exp_avg"].clone()

    def decaying() -> None:
        dead.state["exp_avg"].copy_(saved)
        dead.step()

    def separately() -> None:
        for one in each:
            one.step()

    return {
        "Adam on one flat tensor / on each of the six": (flat.step, separately),
        "Adam with denormals flushed / kept": (partial(_flushed, True, decaying), partial(_flushed, False, decaying)),
    }


def _flushed(flush: bool, work: Work) -> None:
    torch.set_flush_denormal(flush)
    work()


def backward() -> dict[str, tuple[Work, Work]]:
    network = networks.build(plugins.bind("models", "lenet", {"hidden": [300, 100]}), torch.zeros(2, 1, 28, 28), (10,))
    mask = Mask.full({name: layer.shape for name, layer in network.layers.items()})
    dense = ticket(mask, networks.fresh(network, plugins.bind("inits", "glorot_normal", {}), 1))
    task = plugins.bind("tasks", "classification", {})()
    x, y = torch.rand(1, BATCH, 1, 28, 28), torch.randint(10, (1, BATCH))
    by_hand = Mlp(network.module, task.gradient, [dense], x.device)
    by_autograd = Autograd(network.module, task.loss, [dense], x.device)
    return {"gradients by hand / by autograd": (lambda: by_hand.gradients(x, y), lambda: by_autograd.gradients(x, y))}


def libraries() -> dict[str, tuple[Work, Work]]:
    """Both ways, whatever this machine's rule (pipeline/training/products.py) says; none where there is only one."""
    if not by_library.available():
        return {}
    weight, bias, delta, out = torch.randn(OUT, IN), torch.randn(OUT), torch.randn(BATCH, OUT), torch.empty(OUT, IN)
    pairs: dict[str, tuple[Work, Work]] = {}
    for images in (BATCH, 1000):
        x = torch.randn(images, IN)
        pairs[f"first layer of {images} images by oneDNN / by torch"] = (
            partial(by_library.onednn, x, weight, bias),
            partial(torch.addmm, bias, x, weight.t()),
        )
    batch = torch.randn(BATCH, IN)
    pairs["its weight gradient by oneDNN and a copy / by torch"] = (
        lambda: out.copy_(by_library.onednn(delta.t(), batch.t())),
        lambda: torch.mm(delta.t(), batch, out=out),
    )
    return pairs


def products(density: float) -> dict[str, tuple[Work, Work]]:
    """A layer's forward, its weight gradient picked from the whole or sampled: below which density each way wins."""
    weight, x, delta = torch.randn(OUT, IN), torch.randn(IN, BATCH), torch.randn(OUT, BATCH)
    weight[torch.rand(OUT, IN) >= density] = 0
    csr = weight.to_sparse_csr()
    rows, columns = csr.crow_indices().int(), csr.col_indices().int()  # int32 is what MKL takes
    sparse = torch.sparse_csr_tensor(rows, columns, csr.values(), csr.shape, check_invariants=True)
    survivors, values = weight.view(-1).nonzero().squeeze(1), sparse.values().clone()
    whole = torch.empty(OUT, IN)

    def picked() -> None:
        torch.mm(delta, x.t(), out=whole)
        torch.index_select(whole.view(-1), 0, survivors, out=values)

    def sampled() -> Tensor:
        found: Tensor = torch.sparse.sampled_addmm(sparse, delta, x.t(), beta=0.0)
        return found

    return {
        f"forward at {density:.0%}, sparse / dense": (lambda: sparse @ x, lambda: weight @ x),
        f"gradient at {density:.0%}, sampled / picked from all": (sampled, picked),
    }


def bf16() -> dict[str, tuple[Work, Work]]:
    weight, x = torch.randn(OUT, IN), torch.randn(BATCH, IN)
    low, x_low = weight.bfloat16(), x.bfloat16()

    def converted() -> Tensor:
        return (x.bfloat16() @ weight.bfloat16().t()).float()

    return {
        "forward in float32 / in bfloat16": (lambda: x @ weight.t(), lambda: x_low @ low.t()),
        "forward in float32 / in bfloat16, conversions included": (lambda: x @ weight.t(), converted),
    }


def compared(pairs: Mapping[str, tuple[Work, Work]], repetitions: int = 15, times: int = 200) -> list[Row]:
    rows = []
    for name, (first, second) in pairs.items():
        found = interleaved({0: partial(_seconds, first, times), 1: partial(_seconds, second, times)}, repetitions)
        rows.append(Row.of(name, "x", ratios(found[1], found[0])))
    return rows


def _seconds(work: Work, times: int) -> float:
    work()
    started = time.perf_counter()
    for _ in range(times):
        work()
    return time.perf_counter() - started


SET_UP = "import time, torch; p = torch.zeros(9, requires_grad=True); p.grad = torch.zeros(9); s = time.perf_counter(); "
WAYS = {
    "first step through torch.optim.Adam": "torch.optim.Adam([p], fused=True).step()",
    "first step through torch.optim.adam.adam": (
        "from pipeline.training.optimizer import Optimizer; from pipeline.values.optimizer import Adam; "
        "Optimizer(p.detach(), p.grad, Adam(name='adam', lr=1.0)).step()"
    ),
}


def imports(repetitions: int = 3) -> list[Row]:
    """Each in a new process, torch already imported."""

    def first_step(way: str) -> float:
        code = f"{SET_UP}{way}; print(time.perf_counter() - s)"
        return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)

    found = interleaved({name: partial(first_step, way) for name, way in WAYS.items()}, repetitions)
    return [Row.of(name, "s", values) for name, values in found.items()]


def main() -> None:
    torch.set_num_threads(1)
    pairs = backward() | optimizers() | bf16() | libraries()
    for density in (0.5, 0.3, 0.2, 0.1, 0.05, 0.02):
        pairs |= products(density)
    rows = [*compared(pairs), *imports()]
    cells = [(r.measured, f"{number(r.value or 0)} {r.unit}", f"{number(r.low or 0)} – {number(r.high or 0)}", r.n) for r in rows]
    print(tabulate(cells, ("first / second", "second's time over the first's", "range", "n"), tablefmt="github"))


if __name__ == "__main__":
    main()
