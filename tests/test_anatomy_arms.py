"""The arms that change one thing about a ticket's weights (appendix F and later work), and tickets from another experiment."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.domain.pruning import groups
from pipeline.files import masks, store
from pipeline.settings import check, config
from pipeline.values.errors import UserError
from stages import borrow
from tests import lottery, toy
from tests.lottery import arrays, mask

ARMS = ("survivors", "permuted", "same_sign", "constant", "random_sign")
TOY = lottery.experiment(
    seeds=[1, 2],
    arms={
        **{arm: {"rounds": [2]} for arm in ARMS},
        "quiet": {"name": "noise", "sigma": 0.0, "rounds": [2]},
        "loud": {"name": "noise", "sigma": 3.0, "rounds": [2]},
        "initial_magnitude": {"name": "one_shot", "criterion": "initial_magnitude", "rounds": [2]},
        "other_order": {"rounds": [2]},
        "dense_other_order": {"name": "other_order", "masks": "dense", "rounds": [1]},
        "transferred": {"masks_from": "found", "rounds": [2, 3]},
    },
)
FOUND = lottery.experiment(seeds=[1, 2, 3], optimizer={"name": "sgd", "lr": 0.5}, arms={})
PARAMS = lottery.params(toy=TOY, found=FOUND)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with lottery.repository(tmp_path_factory.mktemp("anatomy"), PARAMS) as root:
        lottery.run("found")
        lottery.run("toy", *(item.name for item in lottery.plan("toy").items() if item.arm != "transferred"))
        for item in (item for item in lottery.plan("toy").items() if item.arm == "transferred"):
            borrow.main(f"toy/{item.name}")
            lottery.retrain.main(f"toy/{item.name}")
        yield root


def start(arm: str, seed: int = 1) -> toy.Arrays:
    drawn = arm != "constant"
    return arrays("toy", f"{arm}_r02", f"seed{seed}_draw1" if drawn else f"seed{seed}", "start")


def kept(arm: str, name: str, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The weights of an arm and those of the ticket, where the ticket's mask keeps them; elsewhere the arm's are 0."""
    chosen, mine, ticket = mask("toy", "r02", seed)[name], start(arm, seed), arrays("toy", "r02", f"seed{seed}", "start")
    assert not mine[name][~chosen].any()
    for other in (n for n in ticket if n not in mask("toy", "r02", seed)):
        assert mine[other].tobytes() == ticket[other].tobytes()  # what has no mask is not changed
    return mine[name][chosen], ticket[name][chosen]


@pytest.mark.parametrize("name", ["fc1.weight", "fc2.weight", "output.weight"])
@pytest.mark.parametrize("seed", [1, 2])
def test_each_arm_changes_one_thing_about_the_tickets_weights(done: Path, name: str, seed: int) -> None:
    sampled, ticket = kept("survivors", name, seed)
    assert set(sampled) <= set(ticket) and (sampled != ticket).mean() > 0.5
    assert len(set(sampled)) < len(set(ticket))  # drawn with replacement
    permuted, _ = kept("permuted", name, seed)
    assert (np.sort(permuted) == np.sort(ticket)).all() and (permuted != ticket).mean() > 0.5
    signed, _ = kept("same_sign", name, seed)
    assert (np.sign(signed) == np.sign(ticket)).all() and (np.abs(signed) != np.abs(ticket)).all()
    constant, _ = kept("constant", name, seed)
    deviation = arrays("toy", "r00", f"seed{seed}", "start")[name].std()
    assert (np.abs(constant) == deviation).all() and (np.sign(constant) == np.sign(ticket)).all()
    flipped, _ = kept("random_sign", name, seed)
    assert (np.abs(flipped) == np.abs(ticket)).all() and 0.1 < (flipped != ticket).mean() < 0.9


def test_fresh_magnitudes_are_spread_as_those_of_the_init(done: Path) -> None:
    signed, _ = kept("same_sign", "fc1.weight")
    initial = arrays("toy", "r00", "seed1", "start")["fc1.weight"]
    assert np.abs(signed).mean() == pytest.approx(np.abs(initial).mean(), rel=0.3)


def test_noise_is_measured_in_standard_deviations_of_the_layer(done: Path) -> None:
    for name in ("fc1.weight", "fc2.weight"):
        quiet, ticket = kept("quiet", name)
        assert (quiet == ticket).all()
        loud, _ = kept("loud", name)
        deviation = arrays("toy", "r00", "seed1", "start")[name].std()
        assert (loud - ticket).std() == pytest.approx(3 * deviation, rel=0.5)


def test_weights_are_drawn_anew_for_each_seed(done: Path) -> None:
    for arm in ("survivors", "permuted", "same_sign", "random_sign", "loud"):
        assert (start(arm, 1)["fc1.weight"] != start(arm, 2)["fc1.weight"]).any()


def test_pruning_by_initial_magnitude_needs_no_training(done: Path) -> None:
    initial, chosen = arrays("toy", "r00", "seed1", "start"), mask("toy", "initial_magnitude_r02", 1)
    assert chosen.kept == mask("toy", "r02", 1).kept
    for group in groups(masks.read_layers("toy"), {"fc": 0.4, "output": 0.2}, "layer"):
        weights, at = np.abs(initial[group.names[0]]), chosen[group.names[0]]
        assert weights[at].min() >= weights[~at].max()


def test_the_other_order_begins_as_the_training_it_repeats(done: Path) -> None:
    for item, of, lane in (("other_order_r02", "r02", "seed1"), ("dense_other_order_r01", "r00", "seed1")):
        for name, weight in arrays("toy", of, lane, "start").items():
            assert arrays("toy", item, f"{lane}_draw1", "start")[name].tobytes() == weight.tobytes()
        assert lottery.differ(arrays("toy", item, f"{lane}_draw1", "trained"), arrays("toy", of, lane, "trained"))


# --- Tickets from another experiment


def test_a_transferred_ticket_has_the_mask_and_the_initial_weights_of_the_one_it_is(done: Path) -> None:
    for item, seed in (("r02", 1), ("r03", 2)):
        assert mask("toy", f"transferred_{item}", seed) == mask("found", item, seed)
        assert mask("toy", f"transferred_{item}", seed) != mask("toy", item, seed)
        theirs = arrays("found", item, f"seed{seed}", "start")
        mine = arrays("toy", f"transferred_{item}", f"seed{seed}", "start")
        assert {n: a.tobytes() for n, a in mine.items()} == {n: a.tobytes() for n, a in theirs.items()}


def test_dvc_knows_where_a_transferred_ticket_comes_from(done: Path) -> None:
    stages = lottery.stages("toy")
    assert "prune_transferred" not in stages
    theirs = {path for path in stages["borrow_transferred"]["deps"] if path.startswith("work/found")}
    assert theirs == {"work/found/r00/layers.json", "work/found/r00/lanes", "work/found/${key}/masks"}
    assert stages["borrow_transferred"]["outs"] == ["work/toy/transferred_${key}/masks"]
    assert "work/toy/transferred_${key}/masks" in stages["retrain_transferred"]["deps"]
    assert [stage for stage, content in stages.items() if "pipeline/transfer" in content["deps"]] == ["borrow_transferred"]


def test_weights_that_differ_are_refused(done: Path) -> None:
    """As after a change of the other experiment's init that is not trained yet."""
    file = Path("work/found/r00/lanes/seed1/start.safetensors")
    before = file.read_bytes()
    try:
        file.write_bytes(Path("work/found/r00/lanes/seed2/start.safetensors").read_bytes())
        with pytest.raises(UserError, match=r"initial weights of seed 1 in toy and found differ"):
            borrow.main("toy/transferred_r02")
    finally:
        file.write_bytes(before)


def test_an_arm_without_a_source_is_not_borrowed(done: Path) -> None:
    with pytest.raises(UserError, match="has no masks_from"):
        borrow.main("toy/r02")


@pytest.mark.parametrize(
    ("changes", "of_found", "message"),
    [
        ({"masks_from": "elsewhere"}, {}, "'elsewhere', but should be another experiment, one of found"),
        ({"masks_from": "toy"}, {}, "'toy', but should be another experiment"),
        ({"masks_from": None}, {}, "'None', but should be another experiment"),
        ({}, {"pruning": {**FOUND["pruning"], "rounds": 2}}, r"has tickets of the rounds \[3\]"),
        ({}, {"seeds": [2]}, r"has the seeds \[1\]"),
        ({}, {"model": {"name": "lenet", "hidden": [9, 6]}}, "whose model is .*, and not "),
        ({}, {"init": "model"}, "whose init is .*, and not "),
        ({}, {"pruning": {**FOUND["pruning"], "rates": {"fc": 0.3}}}, "whose pruning.rates is .*, and not "),
        ({}, {"rewind": "5it"}, "rewind is 5it; should be 0it in both"),
    ],
)
def test_a_source_that_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, Any], of_found: dict[str, Any], message: str
) -> None:
    arms = {"transferred": {"masks_from": "found", "rounds": [2, 3], **changes}}
    path = tmp_path / "params.yaml"
    lottery.write_params(path, lottery.params(toy=TOY | {"arms": arms}, found=FOUND | of_found))
    with pytest.raises(UserError, match=rf"params\.yaml: experiments\.toy: arms\.transferred\.masks_from is .*{message}"):
        config.load(path)


def test_the_option_must_be_there(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    lottery.write_params(path, lottery.params(toy=TOY | {"arms": {"transferred": {"rounds": [2]}}}))
    with pytest.raises(UserError, match=r"arms\.transferred: .*masks_from"):
        check.settings("toy", config.load(path).experiment("toy"))


@pytest.mark.parametrize("damage", ["short", "missing", "reshaped"])
def test_a_damaged_mask_is_not_borrowed(done: Path, damage: str) -> None:
    """Such a file has whole bytes and would be read as a mask."""
    file = Path("work/found/r02/masks/seed1.safetensors")
    before, kept = file.read_bytes(), mask("found", "r02", 1)
    packed = {name: np.packbits(a) for name, a in kept.items()}
    shapes = {name: [*a.shape] for name, a in kept.items()}
    match damage:
        case "short":
            packed["fc1.weight"] = packed["fc1.weight"][:5]
        case "missing":
            del packed["fc1.weight"]
        case "reshaped":
            shapes["fc1.weight"] = shapes["fc1.weight"][::-1]
    try:
        store.write_arrays(file, packed, {"shapes": {name: shapes[name] for name in packed}})
        with pytest.raises(UserError, match=r"seed1\.safetensors is (damaged|not what pruning wrote) .*`dvc repro.*`"):
            borrow.main("toy/transferred_r02")
    finally:
        file.write_bytes(before)
