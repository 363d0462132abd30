"""What is measured in masks and weights, against closed forms, simulations and arrays made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.masks import Mask
from pipeline.domain.pruning import Layer
from pipeline.examine import connections, distribution, movement, overlap
from pipeline.examine.quantities import PROFILES, QUANTITIES

DRAW = np.random.default_rng(1)
NORMAL = DRAW.standard_normal(20_000)
TWO_NORMALS = np.concatenate([NORMAL[:10_000] - 3, NORMAL[10_000:] + 3])
TAILS = NORMAL[np.abs(NORMAL) > 1]  # what magnitude pruning of the initial weights would leave


def random_mask(shape: tuple[int, ...], kept: int, draw: np.random.Generator) -> np.ndarray:
    return draw.permutation(np.arange(np.prod(shape)) < kept).reshape(shape)


# --- The initial weights of the survivors


@pytest.mark.parametrize(
    ("values", "expected", "within"),
    [
        (NORMAL, 1 / 3, 0.01),
        (DRAW.uniform(-1, 1, 20_000), 5 / 9, 0.01),
        (np.repeat([-1.0, 1.0], 10_000), 1.0, 0.001),
        (DRAW.exponential(size=200_000), 5 / 9, 0.03),  # one mode: the known weakness
    ],
)
def test_sarles_coefficient_of_known_distributions(values: np.ndarray, expected: float, within: float) -> None:
    assert distribution.bimodality(values) == pytest.approx(expected, abs=within)


def test_sarles_coefficient_of_a_small_sample_by_hand() -> None:
    """Of 1, 2, 3, 4, 10: skewness 1.6971, excess kurtosis 3.152 with the sample's corrections."""
    assert distribution.bimodality(np.array([1.0, 2, 3, 4, 10])) == pytest.approx(
        (1.69706**2 + 1) / (3.152 + 3 * 16 / 6), rel=1e-4
    )


@pytest.mark.parametrize("values", [np.array([1.0, 2, 3]), np.full(10, 2.0)])
def test_there_is_no_coefficient_of_too_few_or_equal_values(values: np.ndarray) -> None:
    assert np.isnan(distribution.bimodality(values))


@pytest.mark.parametrize("two", [TWO_NORMALS, TAILS, np.concatenate([TWO_NORMALS, NORMAL[:4000] + 3])])
def test_two_modes_are_told_from_one(two: np.ndarray) -> None:
    assert distribution.bimodality(two) > 5 / 9 > distribution.bimodality(NORMAL)
    assert distribution.valley(two) < 0.2
    assert distribution.valley(NORMAL) > 1


def test_modes_of_very_different_size_have_a_valley_that_sarles_coefficient_does_not_see() -> None:
    lopsided = np.concatenate([TWO_NORMALS[:2000], TWO_NORMALS[10_000:], NORMAL[:1000] + 3])
    skewed = DRAW.exponential(size=20_000) - 0.5
    assert distribution.valley(lopsided) < 0.3
    assert distribution.valley(skewed) > 1


def test_a_valley_is_counted_in_bins_of_half_a_deviation() -> None:
    values = np.array([-2.0, -2, -2, 0, 0, 2, 2, 2, 2, *[1.0] * 2, *[-1.0] * 2])
    assert distribution.valley(values) == 0  # no value is in the bin between 1 and 2
    assert np.isnan(distribution.valley(np.array([1.0, 2, 3])))


def test_a_valley_beside_zero_is_seen_and_one_mode_beside_zero_has_none() -> None:
    assert distribution.valley(np.concatenate([NORMAL[:4000] - 4, NORMAL + 1.2])) < 0.6
    for shift in (-1.5, -0.3, 0.3, 1.5):
        assert distribution.valley(NORMAL + shift) > 1


def test_initial_weights_are_measured_by_layer_where_the_mask_keeps_them() -> None:
    initial = {"a": np.array([[1.0, -2, 3, -4], [9, 9, 9, 9]], np.float32), "b": np.ones((1, 2), np.float32)}
    mask = Mask({"a": np.array([[True] * 4, [False] * 4]), "b": np.zeros((1, 2), bool)})
    found = distribution.measure(initial, mask)
    assert found["magnitude", "a"] == 2.5
    assert found["spread", "a"] == pytest.approx(np.std([1, -2, 3, -4]))
    assert {layer for _, layer in found} == {"a"}


def test_histograms_are_symmetric_and_integrate_to_one() -> None:
    bins = distribution.edges(np.stack([NORMAL, NORMAL + 1]))
    np.testing.assert_allclose(bins, -bins[::-1])
    for values in (NORMAL, TAILS):
        assert (distribution.histogram(values, bins) * np.diff(bins)).sum() == pytest.approx(1)
    assert not distribution.histogram(NORMAL[:0], bins).any()


# --- Movement


def test_movement_of_the_kept_and_of_the_rest_by_hand() -> None:
    start = {"a": np.array([[1.0, -1, 2, -2]]), "b": np.array([[1.0, 1.0]])}
    trained = {"a": np.array([[1.5, -3, -1, -2]]), "b": np.array([[0.0, 4.0]])}
    mask = Mask({"a": np.array([[True, True, False, False]]), "b": np.array([[True, False]])})
    found = movement.in_dense_training(start, trained, mask)
    assert found["outward_kept", "a"] == pytest.approx((0.5 + 2) / 2)
    assert found["moved_kept", "a"] == pytest.approx((0.5 + 2) / 2)
    assert found["outward_rest", "a"] == pytest.approx((-3 + 0) / 2)
    assert found["moved_rest", "a"] == pytest.approx((3 + 0) / 2)
    assert found["flipped_rest", "a"] == 0.5
    assert found["outward_kept", ""] == pytest.approx((0.5 + 2 - 1) / 3)  # over weights, not over layers
    assert found["flipped_kept", ""] == 0
    assert set(movement.measure(start, trained, Mask.full({"a": (1, 4)}))) == {
        (quantity, layer) for quantity in ("outward", "moved", "flipped") for layer in ("a", "")
    }


def test_what_a_mask_keeps_whole_has_no_rest() -> None:
    weights = {"a": np.ones((1, 3))}
    assert not [key for key in movement.in_dense_training(weights, weights, Mask.full({"a": (1, 3)})) if "rest" in key[0]]


# --- Connections


@pytest.mark.parametrize(
    ("counts", "expected"), [([4, 4, 4], 0), ([0, 0, 0, 8], 0.75), ([1, 3], 0.25), ([3, 1], 0.25), ([1, 2, 3], 2 / 9)]
)
def test_the_gini_coefficient_of_known_counts(counts: list[int], expected: float) -> None:
    assert connections.gini(np.array(counts)) == pytest.approx(expected)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any))
def test_the_gini_coefficient_is_half_the_relative_mean_difference(counts: list[int]) -> None:
    values = np.array(counts)
    differences = np.abs(values[:, None] - values[None, :]).mean()
    assert connections.gini(values) == pytest.approx(differences / (2 * values.mean()))


@pytest.mark.parametrize(("units", "places", "kept"), [(30, 12, 20), (10, 100, 300), (100, 10, 300), (7, 5, 34), (5, 6, 1)])
def test_the_gini_coefficient_of_a_random_mask_against_simulation(units: int, places: int, kept: int) -> None:
    draw = np.random.default_rng(units)
    simulated = [connections.gini(connections.incoming(random_mask((units, places), kept, draw))) for _ in range(400)]
    error = 4 * np.std(simulated) / 20
    assert connections.expected_gini(units, places, kept) == pytest.approx(np.mean(simulated), abs=error + 1e-12)


def test_connections_of_a_network_by_hand() -> None:
    layers = {"a": Layer("fc", (3, 4)), "b": Layer("fc", (2, 3)), "o": Layer("output", (2, 2))}
    mask = Mask(
        {
            "a": np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]], bool),  # the third unit has no input
            "b": np.array([[1, 0, 1], [1, 0, 0]], bool),  # the second unit of the layer before has no output
            "o": np.array([[1, 1], [1, 1]], bool),
        }
    )
    found = connections.measure(mask, layers)
    assert (found["inputs_per_unit", "a"], found["outputs_per_unit", "a"]) == (4 / 3, 1)
    assert found["unevenness_in", "a"] == pytest.approx(1 / 3)
    assert found["unevenness_out", "o"] == 0
    assert (found["dead_units", "a"], found["dead_units", "b"], found["dead_units", ""]) == (2 / 3, 0, 2 / 5)
    assert found["unused_inputs", "a"] == 1 / 4
    assert not {("unused_inputs", "b"), ("dead_units", "o")} & set(found)


def test_only_fully_connected_layers_have_connections() -> None:
    layers = {"c": Layer("conv", (2, 1, 3, 3)), "f": Layer("fc", (2, 8))}
    found = connections.measure(Mask.full({name: layer.shape for name, layer in layers.items()}), layers)
    assert {layer for _, layer in found} == {"f"}
    assert "unused_inputs" not in {quantity for quantity, _ in found}


# --- Masks compared


def test_overlap_of_masks_by_hand() -> None:
    one = Mask({"a": np.array([[True, True, False, False]]), "b": np.array([[True, True]])})
    two = Mask({"a": np.array([[True, False, True, True]]), "b": np.array([[True, True]])})
    found = overlap.jaccard(one, two, "x")
    assert (found["x", "a"], found["x", "b"], found["x", ""]) == (1 / 4, 1, 3 / 6)
    share = overlap.found_in(one, two, "x")
    assert (share["x", "a"], share["x", ""]) == (1 / 2, 3 / 4)
    assert (share["x_chance", "a"], share["x_chance", "b"]) == (3 / 4, 1)


def test_overlap_by_chance_against_simulation() -> None:
    draw, shapes = np.random.default_rng(3), {"a": (40, 50), "b": (10, 10)}

    def masks(kept: tuple[int, int]) -> Mask:
        return Mask({name: random_mask(shape, k, draw) for (name, shape), k in zip(shapes.items(), kept, strict=True)})

    pairs = [(masks((400, 70)), masks((900, 20))) for _ in range(200)]
    for measure in (overlap.jaccard, overlap.found_in):
        found = [measure(one, two, "x") for one, two in pairs]
        for layer in ("a", "b", ""):
            values = [each["x", layer] for each in found]
            error = 4 * np.std(values) / np.sqrt(len(values)) + 0.001  # a ratio of means is not exactly the mean ratio
            assert found[0]["x_chance", layer] == pytest.approx(np.mean(values), abs=error)
    d1, d2 = 400 / 2000, 900 / 2000
    assert overlap.jaccard(*pairs[0], "x")["x_chance", "a"] == pytest.approx(d1 * d2 / (d1 + d2 - d1 * d2))


def test_a_replicate_is_compared_with_each_other_one() -> None:
    rows = {1: [1, 1, 0, 0], 2: [1, 0, 1, 0], 3: [0, 0, 1, 1]}
    found = overlap.replicates({seed: Mask({"a": np.array([row], bool)}) for seed, row in rows.items()})
    assert [found[seed]["overlap_replicates", ""] for seed in rows] == pytest.approx([1 / 6, 1 / 3, 1 / 6])
    assert overlap.replicates({1: Mask.full({"a": (1, 2)})}) == {1: {}}


def test_every_quantity_has_a_sentence() -> None:
    assert all(text and not text.endswith(".") for text in (*QUANTITIES.values(), *PROFILES.values()))
    assert len(set(QUANTITIES.values())) == len(QUANTITIES)
