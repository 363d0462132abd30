"""Language models: what a GPT sees, which of its weights are pruned and how they are drawn; and a lottery on a text."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.data import _text
from pipeline.domain import networks
from pipeline.domain.bundle import Bundle
from pipeline.domain.networks import Network
from pipeline.tasks.text import text
from pipeline.training.autograd import Autograd, why_not_batched
from pipeline.values.errors import UserError
from tests import lottery, toy
from tests.test_text import LETTERS, LINES

CONTEXT = 6
WORDS = len(LETTERS)
TASK = text()
MODELS: list[tuple[str, dict[str, Any]]] = [
    ("gpt", {"depth": 2, "width": 8, "heads": 2}),
    ("gpt", {"depth": 1, "width": 8, "heads": 4, "tied": False}),
    ("lstm", {"width": 8, "depth": 2}),
]


def network(name: str, options: dict[str, Any]) -> Network:
    return toy.network(name, (CONTEXT,), (CONTEXT, WORDS), example=toy.WORDS, **options)


def data() -> Bundle:
    return _text.bundle(LINES, LETTERS, CONTEXT, 50)


@pytest.mark.parametrize(("name", "options"), MODELS)
def test_a_later_token_does_not_change_an_earlier_output(name: str, options: dict[str, Any]) -> None:
    module = network(name, options).module.eval()
    with torch.no_grad():
        before = module(toy.WORDS)
        for place in range(CONTEXT):
            changed = toy.WORDS.clone()
            changed[:, place] += 1
            after = module(changed)
            torch.testing.assert_close(after[:, :place], before[:, :place])
            assert all(not torch.allclose(after[:, i], before[:, i], atol=1e-6) for i in range(place, CONTEXT))


def test_the_kinds_of_a_gpts_weights() -> None:
    """The tied output layer is the embedding, and counts once; attention's projections are one bare parameter."""
    tied = network("gpt", {"depth": 1, "width": 8, "heads": 2})
    expected = {
        "positions": "embedding", "embedding.weight": "embedding",
        "block1.attention.in_proj_weight": "attention", "block1.attention.out_proj.weight": "attention",
        "block1.expand.weight": "mlp", "block1.contract.weight": "mlp",
    }  # fmt: skip
    assert toy.kinds(tied) == expected
    assert tied.layers["block1.attention.in_proj_weight"].shape == (24, 8)
    assert sum(layer.size for layer in tied.layers.values()) == (WORDS + CONTEXT) * 8 + 12 * 8**2
    apart = network("gpt", {"depth": 1, "width": 8, "heads": 2, "tied": False})
    assert toy.kinds(apart) == {**expected, "output.weight": "output"}
    assert sum(layer.size for layer in apart.layers.values()) == (2 * WORDS + CONTEXT) * 8 + 12 * 8**2
    assert [*tied.left_out, *apart.left_out] == []
    assert tied.module.get_submodule("block1.attention").num_heads == 2


def test_the_kinds_of_an_lstms_weights() -> None:
    kinds = toy.kinds(network("lstm", {"width": 8}))
    assert kinds == {
        "embedding.weight": "embedding", "lstm.weight_ih_l0": "recurrent", "lstm.weight_hh_l0": "recurrent",
        "output.weight": "output",
    }  # fmt: skip


def test_a_gpts_weights_are_drawn_as_gpt_2s() -> None:
    fresh = toy.fresh(network("gpt", {"depth": 2, "width": 128, "heads": 2}), init="model")
    residual = 0.02 / 2  # two blocks of two layers each add to the residual stream
    for name, array in fresh.items():
        if name.endswith("bias"):
            assert not array.any()
        elif "norm" in name:
            assert (array == 1).all()
        else:
            spread = residual if name.endswith(("out_proj.weight", "contract.weight")) else 0.02
            assert array.std() == pytest.approx(spread, rel=0.1), name
    again = toy.fresh(network("gpt", {"depth": 2, "width": 128, "heads": 2}), init="model")
    assert all(fresh[name].tobytes() == again[name].tobytes() for name in fresh)


def test_heads_are_those_of_torchs_own_attention() -> None:
    """Rows of in_proj_weight and columns of out_proj have torch's order, head by head."""
    attention = network("gpt", {"depth": 1, "width": 8, "heads": 2}).module.get_submodule("block1.attention")
    torchs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    torchs.load_state_dict(attention.state_dict())
    x, later = torch.randn(3, CONTEXT, 8), torch.ones(CONTEXT, CONTEXT).triu(1).bool()
    expected, _ = torchs(x, x, x, attn_mask=later, need_weights=False)
    torch.testing.assert_close(attention(x), expected)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("gpt", {"width": 10, "heads": 4}, "width is 10, but should be a multiple of heads, 4"),
        ("gpt", {"depth": 0}, "depth is 0, but should be a whole number of at least 1"),
        ("gpt", {"heads": 2.0}, "heads is 2.0, but should"),
        ("lstm", {"width": "8"}, "width is '8', but should"),
    ],
)
def test_what_a_network_cannot_be_is_refused(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        network(name, options)
    with pytest.raises(UserError, match=r"the inputs have the shape \(1, 4, 4\), but should be tokens"):
        toy.network(name)


# --- Lanes


def batch(lanes: int) -> tuple[torch.Tensor, torch.Tensor]:
    bundle, size = data(), 5 * lanes
    parts = (
        torch.from_numpy(array[:size]).long().view(lanes, 5, CONTEXT) for array in (bundle.train_inputs, bundle.train_targets)
    )
    inputs, targets = parts
    return inputs, targets


@pytest.mark.parametrize(("name", "options"), MODELS[:2])
def test_batched_lanes_of_a_gpt_compute_what_each_does_alone(name: str, options: dict[str, Any]) -> None:
    chosen, (x, y) = network(name, options), batch(2)
    assert why_not_batched(chosen, TASK.loss, (x[0], y[0])) is None
    starts = [start for start in toy.tickets(chosen, 2)]
    together = Autograd(chosen.module, TASK.loss, starts, toy.CPU)
    losses, outputs = together.gradients(x, y), together.outputs(x)
    for i, start in enumerate(starts):
        alone = Autograd(chosen.make(), TASK.loss, [start], toy.CPU)
        torch.testing.assert_close(losses[i : i + 1], alone.gradients(x[i : i + 1], y[i : i + 1]))
        torch.testing.assert_close(outputs[i : i + 1], alone.outputs(x[i : i + 1]))
        for weight, gradient in alone.stack.gradients.items():
            torch.testing.assert_close(together.stack.gradients[weight][i], gradient[0], rtol=1e-4, atol=1e-6)


def test_an_lstm_is_trained_lane_by_lane_for_a_reason() -> None:
    chosen, (x, y) = network(*MODELS[2]), batch(1)
    assert "batching rule" in (why_not_batched(chosen, TASK.loss, (x[0], y[0])) or "")


@pytest.mark.parametrize(("name", "options"), MODELS)
def test_the_gradient_of_each_network_is_torchs(name: str, options: dict[str, Any]) -> None:
    """The tied weight's is the sum of those of both its uses."""
    chosen, (x, y) = network(name, options), batch(1)
    (start,) = toy.tickets(chosen, 1)
    ours = Autograd(chosen.module, TASK.loss, [start], toy.CPU)
    ours.gradients(x, y)
    module = toy.load(chosen.make(), start.weights)
    torch.nn.functional.cross_entropy(module(x[0]).transpose(1, 2), y[0]).backward()
    for weight, parameter in networks.trainable(module).items():
        assert parameter.grad is not None
        torch.testing.assert_close(ours.stack.gradients[weight][0], parameter.grad, rtol=1e-4, atol=1e-6)
        assert parameter.grad.any(), weight


# --- The lottery

LANGUAGE = lottery.experiment(
    data={"name": "king_james", "context": CONTEXT, "held_out": 50, "validation": 0},
    task="text",
    model={"name": "gpt", "depth": 1, "width": 8, "heads": 2},
    init="model",
    rewind="5it",
    arms={"reinit": {"rounds": [2], "draws": 1}},
)
LANGUAGE["pruning"] |= {"rates": {"attention": 0.4, "mlp": 0.4, "embedding": 0.2}, "rounds": 2}


def test_a_lottery_on_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ticket begins at the weights of the rewind point, and what is measured goes down."""
    from pipeline.data import king_james

    monkeypatch.setattr(king_james, "LENGTH", len(LINES))
    monkeypatch.setattr(king_james, "CHARACTERS", LETTERS)
    with lottery.repository(tmp_path, lottery.params(toy=LANGUAGE), data()):
        lottery.run("toy")
        sizes = {"attention": 4 * 64, "mlp": 8 * 64, "embedding": 8 * (WORDS + CONTEXT)}
        kept = sum(
            round(layer.size * (0.8 if layer.kind == "embedding" else 0.6) ** 2) for layer in lottery.layers("toy").values()
        )
        assert lottery.about("toy", "r02", "seed1")["density"] == pytest.approx(kept / sum(sizes.values()))
        rewound = lottery.arrays("toy", "r00", "seed1", "rewind")
        lottery.is_mask_times(lottery.arrays("toy", "r02", "seed1", "start"), lottery.mask("toy", "r02", 1), rewound)
        rows = lottery.history("toy", "r00", "seed1")
        bits = [float(row["test_bits_per_character"]) for row in rows]
        assert bits == pytest.approx([float(row["test_loss"]) / np.log(2) for row in rows])
        assert bits[0] == pytest.approx(np.log2(WORDS), rel=0.05)  # before training all characters are equally likely
        assert bits[-1] < bits[0]
        assert lottery.about("toy", "reinit_r02", "seed1_draw1")["metric"]["better"] == "lower"


def test_an_lstm_has_tickets_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.data import king_james

    monkeypatch.setattr(king_james, "LENGTH", len(LINES))
    monkeypatch.setattr(king_james, "CHARACTERS", LETTERS)
    changed = LANGUAGE | {
        "model": {"name": "lstm", "width": 8},
        "seeds": [1],
        "arms": {},
        "task": {"name": "text", "unit": "word"},
    }
    changed["pruning"] = LANGUAGE["pruning"] | {"rates": {"recurrent": 0.4}, "rounds": 1}
    with lottery.repository(tmp_path, lottery.params(toy=changed), data()):
        lottery.run("toy")
        assert "test_perplexity" in lottery.history("toy", "r01", "seed1")[0]
        assert lottery.mask("toy", "r01", 1)["lstm.weight_hh_l0"].mean() == pytest.approx(0.6, abs=0.01)
