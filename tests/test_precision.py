"""bf16 and memory formats: nearly the fp32 training, parameters in fp32, the same bytes each time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.domain.networks import Network
from pipeline.training import sparse
from pipeline.training.autograd import Autograd
from pipeline.training.mlp import Mlp
from pipeline.training.trainer import Trainer
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import train_dense
from tests import lottery, toy

SHAPE = (3, 8, 8)
NETWORKS: dict[str, dict[str, Any]] = {"conv": {"depth": 2}, "resnet": {"depth": 8}, "lenet": {"hidden": [20]}}


def network(name: str) -> Network:
    return toy.network(name, SHAPE, **NETWORKS[name])


def trainer(name: str, **more: Any) -> Trainer:
    chosen = network(name)
    return toy.trainer(chosen, toy.tickets(chosen, 1), toy.PLAIN, data=toy.bundle(shape=SHAPE), iterations=4, every=1, **more)


@pytest.mark.parametrize("name", NETWORKS)
def test_bf16_is_nearly_fp32_and_its_parameters_are_fp32(name: str) -> None:
    full, half = toy.finish(trainer(name)), trainer(name, precision="bf16")
    assert isinstance(half.compute, Autograd)
    for iteration in half.run():
        assert {half.stack.flat.dtype, half.stack.grad.dtype} == {torch.float32}
        row, expected = half.history[0][-1], full.history[0][iteration]
        assert row.test_loss == pytest.approx(expected.test_loss, rel=0.01)
        assert row.train_loss == (pytest.approx(expected.train_loss, rel=0.02) if iteration else None)
    assert half.history != full.history
    start = toy.tickets(network(name), 1)[0]
    weights, expected = half.stack.weights(0), full.stack.weights(0)
    for weight, mask in start.mask.items():
        assert not weights[weight][~mask].any()
        moved, whole = (w[weight][mask] - start.weights[weight][mask] for w in (weights, expected))
        assert np.linalg.norm(moved - whole) < 0.4 * np.linalg.norm(whole), weight  # 1.4 had they nothing in common
        # Updates below what bf16 can tell from the weight itself are not lost.
        assert (weights[weight].view(np.uint32) & 0xFFFF).any()


@pytest.mark.parametrize("name", ["conv", "lenet"])
def test_products_are_computed_in_bf16_in_training_and_evaluation_and_sums_of_losses_are_not(name: str) -> None:
    seen = []
    half = trainer(name, precision="bf16")
    for layer in half.compute.module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda layer, _, out: seen.append((layer.training, out.dtype)))
    steps = half.run()
    next(steps)
    next(steps)
    assert set(seen) == {(True, torch.bfloat16), (False, torch.bfloat16)}
    assert half.losses.dtype == torch.float32
    assert half.compute.outputs(half.test[0][0]).dtype == torch.float32


@pytest.mark.parametrize("name", ["conv", "lenet"])
def test_lanes_batched_in_bf16_have_each_its_own_gradients(name: str) -> None:
    chosen = network(name)
    starts = toy.tickets(chosen, 2)
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 20, *SHAPE, generator=generator), torch.randint(0, 3, (2, 20), generator=generator)
    together = Autograd(chosen.module, toy.CLASSIFICATION.loss, starts, toy.CPU, bf16=True)
    losses = together.gradients(x, y)
    for i, start in enumerate(starts):
        alone = Autograd(chosen.make(), toy.CLASSIFICATION.loss, [start], toy.CPU, bf16=True)
        torch.testing.assert_close(losses[i : i + 1], alone.gradients(x[i : i + 1], y[i : i + 1]), rtol=1e-2, atol=1e-3)
        for weight, gradient in alone.stack.gradients.items():
            apart = together.stack.gradients[weight][i] - gradient[0]
            assert apart.norm() < 0.05 * gradient.norm(), weight


def test_an_mlp_goes_through_autograd_in_bf16_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(trainer("lenet").compute, Mlp)
    monkeypatch.setattr(sparse, "SPARSE_FROM", 1)
    monkeypatch.setattr(sparse, "SPARSE_BELOW", 1.1)
    assert isinstance(trainer("lenet").compute, sparse.SparseMlp)
    assert isinstance(trainer("lenet", precision="bf16").compute, Autograd)


@pytest.mark.parametrize("lanes", [1, 2])
def test_channels_last_gives_the_same_within_the_order_of_sums(lanes: int) -> None:
    chosen = network("resnet")

    def run(memory_format: str) -> Trainer:
        starts = toy.tickets(chosen, lanes)
        more = {"iterations": 3, "every": 1, "memory_format": memory_format}
        return toy.finish(toy.trainer(chosen, starts, toy.PLAIN, data=toy.bundle(shape=SHAPE), **more))

    usual, last = run("contiguous"), run("channels_last")
    for i in range(lanes):
        for row, expected in zip(last.history[i], usual.history[i], strict=True):
            assert row.test_loss == pytest.approx(expected.test_loss, rel=1e-4)
        weights = last.stack.weights(i)
        for name, expected_weights in usual.stack.weights(i).items():
            np.testing.assert_allclose(weights[name], expected_weights, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_a_convolution_gets_its_images_in_the_chosen_format(memory_format: str) -> None:
    chosen, seen = trainer("conv", memory_format=memory_format), []
    first = chosen.compute.module.get_submodule("conv1")
    first.register_forward_hook(
        lambda layer, given, _: seen.append((layer.training, given[0].is_contiguous(memory_format=torch.channels_last)))
    )
    toy.finish(chosen)
    expected = memory_format == "channels_last"
    assert set(seen) == {(True, expected), (False, expected)}


def test_a_stage_in_bf16_and_channels_last_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    fast = lottery.experiment(model={"name": "tests.toy:normed", "width": 3}, arms={})
    fast["training"] |= {"precision": "bf16", "memory_format": "channels_last"}
    fast["pruning"] |= {"rates": {"conv": 0.4, "output": 0.2}}
    found = []
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
        with lottery.repository(tmp_path / name, lottery.params(toy=fast)) as root:
            lottery.run("toy", "r00", "r01")
            found.append(lottery.files(root / "work/toy"))
            trained = lottery.arrays("toy", "r01", "seed1", "trained")
            assert {a.dtype for n, a in trained.items() if n.endswith("weight")} == {np.dtype(np.float32)}
    assert len(found[0]) > 10
    assert found[0].keys() == found[1].keys()
    assert [path for path in found[0] if found[0][path] != found[1][path]] == []


def test_tf32_without_a_gpu_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    slow = lottery.experiment()
    slow["training"] |= {"precision": "tf32"}
    with lottery.repository(tmp_path, lottery.params(toy=slow)):
        with pytest.raises(
            UserError, match=r"^params.yaml: .*training.precision is tf32, which needs a GPU; it should be fp32 or bf16"
        ):
            train_dense.main("toy")
        assert not paths.lanes("toy", "r00").exists()
