"""language: tokens per second of the small GPT in training: ours, and a plain loop of the same network.

`python -m benchmarks.language` runs it alone and writes nothing. As many lanes run side by side as there are cores, one thread
each. Network, batch, optimizer, precision and the evaluated windows are the same in both loops. The text is noise, because its
content does not matter for speed, so nothing is downloaded.
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks import loops
from benchmarks.processes import Interval, Loop, seconds
from benchmarks.results import Row, Section, interleaved, markdown_rows, ratios
from benchmarks.workload import Workload
from pipeline.domain.bundle import Form
from pipeline.executors.processes import cores
from pipeline.settings import check, config
from pipeline.training.autograd import EVALUATED_AT_ONCE

STEPS = 50  # iterations of an interval, followed by one evaluation
OURS, PLAIN = "ours", "plain PyTorch loop of the same network"
NOTE = "Tokens trained per second and lane, with an evaluation every 50 iterations."


def gpt_char() -> Workload:
    """The network of gpt_char_cpu on noise of its text's form, with fewer windows."""
    experiment = config.load().experiment("gpt_char_cpu")
    form = check.declared_form(check.settings("benchmark", experiment).data)
    assert isinstance(form, Form)
    training = experiment.training.model_copy(update={"evaluate_every": STEPS})
    return Workload(experiment.model_copy(update={"training": training}), form.noise(20 * STEPS, form.test))


def run(_: Workload, repetitions: int = 5, intervals: int = 2) -> Section:
    """Measures the network of gpt_char_cpu instead of the workload of the other benchmarks."""
    return measured(gpt_char(), repetitions, intervals)


def measured(work: Workload, repetitions: int, intervals: int) -> Section:
    """intervals: timed in each repetition of both loops; one more before them is not timed."""
    tokens = work.experiment.training.batch_size * work.bundle.shape[0]
    timed = {PLAIN: partial(per_second, work, plain(work), tokens, intervals)}
    timed |= {OURS: partial(per_second, work, loops.ours(work), tokens, intervals)}
    found = interleaved(timed, repetitions)
    ratio = Row.of(f"{OURS} / {PLAIN}", "x", ratios(found[OURS], found[PLAIN]), ">= 1", "A ratio of tokens per second.")
    return Section([ratio, *(Row.of(name, "tokens/s", found[name], "", NOTE) for name in timed)])


def per_second(work: Workload, loop: Loop, tokens: int, intervals: int) -> float:
    """Tokens per second of one lane, with all cores busy."""
    return intervals * work.experiment.training.evaluate_every * tokens / seconds(loop, intervals, cores())


def plain(work: Workload) -> Loop:
    """The tokens as tensors in memory, torch.nn and torch.optim as everyone writes them."""
    bundle, training = work.bundle, work.experiment.training

    def start() -> Interval:
        x, y = (torch.from_numpy(array).long() for array in (bundle.train_inputs, bundle.train_targets))
        held = [torch.from_numpy(array).long() for array in (bundle.test_inputs, bundle.test_targets)]
        module, batches = work.module(), _batches(x, y, training.batch_size)
        settings = work.experiment.optimizer
        optimizer = torch.optim.AdamW(module.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)

        def loss(inputs: Tensor, targets: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16, enabled=training.precision == "bf16"):
                logits = module(inputs)
            return nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())

        def interval() -> None:
            for _ in range(training.evaluate_every):
                optimizer.zero_grad()
                torch.autograd.backward(loss(*next(batches)))
                if settings.clip_grad_norm is not None:
                    nn.utils.clip_grad_norm_(module.parameters(), settings.clip_grad_norm)
                optimizer.step()
            with torch.no_grad():
                for _ in range(2):  # the validation part has as many windows as the test part
                    for inputs, targets in zip(*(torch.split(part, EVALUATED_AT_ONCE["cpu"]) for part in held), strict=True):
                        loss(inputs, targets)

        return interval

    return start


def _batches(x: Tensor, y: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        for index in torch.split(torch.randperm(len(x)), size):
            if len(index) == size:
                yield x[index], y[index]


if __name__ == "__main__":
    print(markdown_rows("language", measured(gpt_char(), 5, 2)))
