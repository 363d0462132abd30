"""Masks: immutable values with set operations, one bit a weight on disk."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.domain.masks import Mask
from pipeline.domain.tickets import ticket
from pipeline.files import store
from pipeline.values.errors import UserError

arrays = st.dictionaries(
    st.sampled_from(["fc1.weight", "conv.weight", "output.weight"]),
    hnp.arrays(np.bool_, hnp.array_shapes(min_dims=1, max_dims=4, max_side=5)),
    min_size=1,
)
masks = arrays.map(Mask)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def other(mask: Mask, seed: int) -> Mask:
    draw = rng(seed)
    return Mask({name: draw.random(a.shape) < 0.5 for name, a in mask.items()})


def weights(mask: Mask) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    found = {name: draw.normal(size=a.shape).astype(np.float32) for name, a in mask.items()}
    return found | {"fc1.bias": np.array([-1.5, 2.5], np.float32)}


@given(arrays)
def test_kept_size_and_density_count_every_weight(given_arrays: dict[str, np.ndarray]) -> None:
    mask = Mask(given_arrays)
    assert mask.kept == {name: np.count_nonzero(a) for name, a in given_arrays.items()}
    assert mask.size == sum(a.size for a in given_arrays.values())
    assert mask.density == sum(mask.kept.values()) / mask.size


def test_a_full_mask_keeps_all() -> None:
    mask = Mask.full({"a": (2, 3), "b": (4,)})
    assert (mask.density, mask.size, mask["a"].shape) == (1.0, 10, (2, 3))


def test_a_mask_cannot_be_changed_from_within_or_without() -> None:
    given_array = np.array([True, False])
    mask = Mask({"a": given_array})
    given_array[0] = False
    assert mask["a"].tolist() == [True, False]
    with pytest.raises(ValueError, match="read-only"):
        mask["a"][0] = False
    with pytest.raises(TypeError):
        mask["a"] = given_array  # type: ignore[index]
    with pytest.raises(TypeError, match="unhashable"):
        hash(mask)


@given(masks, st.integers(0, 99))
def test_and_is_the_largest_common_subset(mask: Mask, seed: int) -> None:
    second = other(mask, seed)
    both = mask & second
    assert both.issubset(mask)
    assert both.issubset(second)
    assert both == second & mask
    assert mask & mask == mask
    assert mask.issubset(second) == (both == mask)
    assert {name: a.tolist() for name, a in both.items()} == {n: np.logical_and(a, second[n]).tolist() for n, a in mask.items()}


def test_equality_sees_values_and_names() -> None:
    mask = Mask({"a": np.array([True, False])})
    assert mask == Mask({"a": np.array([True, False])})
    assert mask != Mask({"a": np.array([True, True])})
    assert mask != Mask({"b": np.array([True, False])})
    assert mask != {"a": [True, False]}


@pytest.mark.parametrize("different", [Mask({"b": np.ones(2, bool)}), Mask({"a": np.ones((2, 1), bool)})])
def test_masks_of_different_networks_do_not_mix(different: Mask) -> None:
    mask = Mask({"a": np.ones(2, bool)})
    with pytest.raises(ValueError, match="masks of different networks"):
        mask & different
    with pytest.raises(ValueError, match="masks of different networks"):
        mask.issubset(different)


@given(masks)
def test_apply_zeroes_what_is_masked_and_copies_the_rest(mask: Mask) -> None:
    given_weights = weights(mask)
    before = {name: w.copy() for name, w in given_weights.items()}
    applied = mask.apply(given_weights)
    assert applied.keys() == given_weights.keys()
    for name, a in mask.items():
        assert applied[name].dtype == np.float32
        assert applied[name][a].tobytes() == before[name][a].tobytes()
        # +0.0 and not -0.0, which mask * weight would make of a negative weight.
        assert applied[name][~a].tobytes() == np.zeros((~a).sum(), np.float32).tobytes()
    assert applied["fc1.bias"].tobytes() == before["fc1.bias"].tobytes()
    for array in applied.values():
        array.fill(7)
    assert all(given_weights[name].tobytes() == before[name].tobytes() for name in before)


@given(masks, st.integers(0, 99))
def test_a_drawn_mask_keeps_the_counts_of_layers_and_a_shuffled_one_those_of_units(mask: Mask, seed: int) -> None:
    before = {name: a.copy() for name, a in mask.items()}
    scattered, shuffled = mask.scattered(rng(seed)), mask.shuffled(rng(seed))
    assert {n: a.shape for n, a in scattered.items()} == {n: a.shape for n, a in mask.items()}
    assert scattered.kept == mask.kept
    for name, a in mask.items():
        assert shuffled[name].shape == a.shape
        assert (shuffled[name].reshape(len(a), -1).sum(1) == a.reshape(len(a), -1).sum(1)).all()
    assert (scattered, shuffled) == (mask.scattered(rng(seed)), mask.shuffled(rng(seed)))
    assert mask == Mask(before)


def test_drawn_masks_leave_survivors_anywhere_alike() -> None:
    """Also: every unit of a layer draws for itself, and another seed gives another mask."""
    mask = Mask({"conv.weight": np.arange(24).reshape(4, 3, 2, 1) % 6 < 2, "fc.weight": np.arange(10).reshape(1, 10) < 3})
    for drawn in mask.scattered, mask.shuffled:
        found = [drawn(rng(seed)) for seed in range(2000)]
        for name, a in mask.items():
            frequency = np.mean([m[name] for m in found], axis=0)
            assert abs(frequency - a.mean()).max() < 0.06, name  # five standard deviations
        rows = [m["conv.weight"].reshape(4, -1) for m in found]
        assert np.mean([(r == r[0]).all() for r in rows]) < 0.02
        assert len({m["conv.weight"].tobytes() for m in found[:50]}) == 50


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({}, r"the mask of a has shape \(2, 3\), but the weight is missing"),
        ({"a": np.zeros((3, 2))}, r"the mask of a has shape \(2, 3\), but the weight is \(3, 2\)"),
    ],
)
def test_a_mask_that_does_not_fit_is_named(found: dict[str, np.ndarray], message: str) -> None:
    mask = Mask.full({"a": (2, 3)})
    with pytest.raises(ValueError, match=message):
        mask.apply(found)
    with pytest.raises(UserError, match=message):
        ticket(mask, found)


@given(mask=masks)
def test_on_disk_a_weight_is_a_bit(mask: Mask, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("masks") / "seed1.safetensors"
    store.write_mask(path, mask)
    found = store.read_mask(path)
    assert found == mask
    assert all(found[name].shape == a.shape and found[name].dtype == np.bool_ for name, a in mask.items())
    packed = store.read_arrays(path)
    assert sum(a.nbytes for a in packed.values()) == sum(-(-a.size // 8) for a in mask.values())


def test_the_same_mask_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    mask = other(Mask.full({"fc1.weight": (3, 2), "fc2.weight": (2, 3), "output.weight": (4,)}), 0)
    path = tmp_path / "seed1.safetensors"
    found = set()
    for _ in range(20):
        store.write_mask(path, mask)
        found.add(path.read_bytes())
    assert len(found) == 1


def test_a_damaged_mask_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "seed1.safetensors"
    with pytest.raises(UserError, match=f"{path} is missing"):
        store.read_mask(path)
    path.write_bytes(b"\xff" * 40)
    with pytest.raises(UserError, match=f"{path} is damaged"):
        store.read_mask(path)
