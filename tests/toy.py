"""Small data, networks and trainers, and the same training written plainly with torch, to hold ours against."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from string import ascii_lowercase
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from pipeline.domain import networks, seeds
from pipeline.domain.bundle import Bundle, of_images
from pipeline.domain.masks import Mask
from pipeline.domain.networks import Network
from pipeline.domain.task import Task
from pipeline.domain.tickets import Ticket, ticket
from pipeline.tasks.classification import classification
from pipeline.training.examples import Examples, Order, Stream, split
from pipeline.training.trainer import Recipe, Trainer
from pipeline.values import plugins
from pipeline.values.experiment import Augment, Training
from pipeline.values.optimizer import Adam, AdamW, OptimizerSettings, Sgd

Arrays = Mapping[str, np.ndarray]
CPU = torch.device("cpu")
SHAPE = (1, 4, 4)
ADAM = Adam(name="adam", lr=1e-2, weight_decay=0.1)
ADAMW = AdamW(name="adamw", lr=1e-2, weight_decay=0.1)
SGD = Sgd(name="sgd", lr=0.05, momentum=0.9, weight_decay=0.1)
PLAIN = Sgd(name="sgd", lr=0.05)
CLASSIFICATION = classification()
WORDS = torch.tensor([[0, 1, 2, 3, 4, 0], [1, 1, 2, 2, 3, 3]])  # two inputs of tokens


def bundle(train: int = 130, test: int = 70, classes: int = 3, shape: tuple[int, int, int] = SHAPE) -> Bundle:
    """Noise in which the class can be seen."""
    draw = np.random.default_rng(0)
    labels = np.arange(train + test, dtype=np.uint8) % classes
    images = draw.integers(0, 120, (train + test, *shape)) + 60 * labels.reshape(-1, 1, 1, 1) * draw.integers(0, 2, shape)
    images = images.clip(0, 255).astype(np.uint8)
    mean, std = np.full(shape[0], 0.3, np.float32), np.full(shape[0], 0.2, np.float32)
    return of_images(images[:train], labels[:train], images[train:], labels[train:], mean, std)


def tokens(train: int = 130, test: int = 70, words: int = 5) -> Bundle:
    """Six tokens each, of which the last is the class."""
    inputs = np.random.default_rng(0).integers(0, words, (train + test, 6))
    return Bundle(inputs[:train], inputs[:train, -1].copy(), inputs[train:], inputs[train:, -1].copy())


def network(
    name: str,
    shape: tuple[int, ...] = SHAPE,
    outputs: int | tuple[int, ...] = 3,
    *,
    example: Tensor | None = None,
    **options: Any,
) -> Network:
    """example: two inputs, black images unless they are given."""
    outputs = (outputs,) if isinstance(outputs, int) else outputs
    tried = torch.zeros(2, *shape) if example is None else example
    return networks.build(plugins.bind("models", name, options), tried, outputs)


def mlp(classes: int = 3) -> Network:
    return network("lenet", outputs=classes, hidden=[8, 6])


def normed(shape: tuple[int, int, int], outputs: int, width: int = 4) -> nn.Module:
    """A user's own network, as a dotted path names it: convolution, batch norm, fully connected."""
    return nn.Sequential(
        nn.Conv2d(shape[0], width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(width * shape[1] * shape[2], outputs),
    )


def own() -> Network:
    return network("tests.toy:normed", width=2)


def kinds(chosen: Network) -> dict[str, str]:
    return {name: layer.kind for name, layer in chosen.layers.items()}


def fresh(chosen: Network, seed: int = 1, init: str = "glorot_normal") -> dict[str, np.ndarray]:
    return networks.fresh(chosen, plugins.bind("inits", init, {}), seeds.derive(seed, "init"))


def full(chosen: Network) -> Mask:
    return Mask.full({name: layer.shape for name, layer in chosen.layers.items()})


def mask(chosen: Network, density: float = 0.5, seed: int = 0) -> Mask:
    draw = np.random.default_rng(seed)
    return Mask({name: draw.random(layer.shape) < density for name, layer in chosen.layers.items()})


def tickets(chosen: Network, lanes: int, density: float = 0.5) -> list[Ticket]:
    return [ticket(mask(chosen, density, i), fresh(chosen, i + 1)) for i in range(lanes)]


def trainer(
    chosen: Network,
    begun: Sequence[Ticket],
    optimizer: OptimizerSettings = ADAM,
    *,
    data: Bundle | None = None,
    iterations: int = 12,
    every: int = 4,
    task: Task = CLASSIFICATION,
    augment: Augment | None = None,
    seeds: Iterable[int] | None = None,
    streams: Sequence[Stream] | None = None,
    validation: int = 30,
    keep: int | None = None,
    stretch: int = 1,
    device: torch.device = CPU,
    **more: Any,
) -> Trainer:
    """Lanes are called a, b, c and have the replicates' seeds 1, 2, 3 unless `seeds` or `streams` say otherwise.

    more: what `Training` takes besides.
    """
    lanes = len(begun)
    training = Training(iterations=iterations, batch_size=20, evaluate_every=every, **more)
    return Trainer(
        chosen,
        task,
        Examples(data or bundle(), device, augment),
        begun,
        streams or [Stream(seed) for seed in seeds or range(1, lanes + 1)],
        ascii_lowercase[:lanes],
        Recipe(optimizer, training, validation, stretch, keep),
    )


def precise(precision: str) -> Any:
    """As much of a setup as says in which precision its lanes are trained."""
    return SimpleNamespace(bound=SimpleNamespace(experiment=SimpleNamespace(training=SimpleNamespace(precision=precision))))


def finish(chosen: Trainer) -> Trainer:
    for _ in chosen.run():
        pass
    return chosen


def outcome(chosen: Trainer) -> list[Any]:
    """All that a training leaves behind, comparable bit for bit."""
    weights = [{n: w.tobytes() for n, w in chosen.stack.weights(i).items()} for i in range(len(chosen.names))]
    kept = [{n: w.tobytes() for n, w in lane.items()} for lane in chosen.kept]
    return [weights, kept, chosen.history]


def torch_optimizer(parameters: Iterable[nn.Parameter], optimizer: OptimizerSettings) -> torch.optim.Optimizer:
    settings = optimizer.model_dump(exclude={"name", "warmup", "decay", "clip_grad_norm"})
    kinds = {Adam: torch.optim.Adam, AdamW: torch.optim.AdamW, Sgd: torch.optim.SGD}
    return kinds[type(optimizer)](parameters, **settings)


@torch.no_grad()
def load(module: nn.Module, weights: Arrays) -> nn.Module:
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        tensor.copy_(torch.from_numpy(weights[name]))
    return module


def plainly(
    chosen: Network,
    start: Ticket,
    optimizer: OptimizerSettings,
    data: Bundle,
    seed: int,
    *,
    schedule: Callable[[torch.optim.Optimizer], LRScheduler] | None = None,
    augment: Augment | None = None,
    label_smoothing: float = 0.0,
) -> Iterator[tuple[Tensor, nn.Module]]:
    """The usual loop of one lane: yields each iteration's training loss and the module after it. Never ends.

    schedule: torch's own, at the ticket's origin; the rate is the optimizer's without one.
    """
    module = load(chosen.make(), start.weights)
    examples = Examples(data, CPU, augment)
    order = Order([Stream(seed)], [split(seed, len(data.train_inputs), 30)[0]], 20, CPU, augment)
    stepper = torch_optimizer(module.parameters(), optimizer)
    scheduled, iteration = schedule(stepper) if schedule else None, start.origin
    while True:
        x, y = examples.batch(*order.batch(iteration))
        module.train()
        stepper.zero_grad()
        loss = nn.functional.cross_entropy(module(x[0]), y[0], label_smoothing=label_smoothing)
        loss.backward()
        if optimizer.clip_grad_norm:
            clip(module, start.mask, optimizer.clip_grad_norm)
        stepper.step()
        if scheduled:
            scheduled.step()
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if name in start.mask:
                    parameter[torch.from_numpy(~start.mask[name])] = 0.0
        iteration += 1
        yield loss.detach(), module


def clip(module: nn.Module, mask: Mask, most: float) -> float:
    """torch's clipping, over what survives; the norm before it."""
    for name, parameter in module.named_parameters():
        if name in mask and parameter.grad is not None:
            parameter.grad[torch.from_numpy(~mask[name])] = 0.0
    return float(nn.utils.clip_grad_norm_(module.parameters(), most))


def trains_as_usual(network: Network, start: Ticket, data: Bundle) -> dict[str, np.ndarray]:
    """Held against the usual loop; the weights that both end with."""
    trained = finish(trainer(network, [start], SGD, data=data, iterations=5, every=1))
    *_, (_, usual) = islice(plainly(network, start, SGD, data, 1), 5)
    weights = trained.stack.weights(0)
    expected = {name: t.detach().numpy() for name, t in (*usual.named_parameters(), *usual.named_buffers())}
    assert weights.keys() == expected.keys()
    for weight, array in weights.items():
        np.testing.assert_allclose(array, expected[weight], rtol=1e-4, atol=1e-6, err_msg=weight)
        assert weight not in start.mask or not array[~start.mask[weight]].any()
    return weights
