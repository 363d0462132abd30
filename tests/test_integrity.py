"""Damage of any file that a stage reads is noticed: a reader gives exactly what was written or one sentence."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from safetensors.torch import load_file

from pipeline.domain.masks import Mask
from pipeline.domain.pruning import Layer
from pipeline.files import checkpoints, datasets, masks, store
from pipeline.files.lane import LaneFiles
from pipeline.values import paths
from pipeline.values.errors import UserError
from pipeline.values.lanes import DENSE, Item
from tests import toy

SHAPES = {"fc1.weight": (5, 7), "fc2.weight": (3, 5)}
LAYERS = {name: Layer("fc", shape) for name, shape in SHAPES.items()}
ROWS = [{"iteration": i, "loss": 0.1 * i, "note": "a,b" if i % 2 else None} for i in range(6)]
ABOUT = {"round": 3, "density": 0.3, "metric": {"name": "accuracy", "unit": ""}, "draw": None}


def arrays() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {name: draw.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()} | {"step": np.array(3)}


def mask() -> Mask:
    draw = np.random.default_rng(1)
    return Mask({name: draw.integers(0, 2, shape) == 1 for name, shape in SHAPES.items()})


def in_bytes(found: Any) -> Any:
    return {n: (a.dtype.str, a.shape, a.tobytes()) for n, a in found.items()}


def in_fields(path: Path) -> Any:
    return in_bytes({name: array for name, array in vars(datasets.read_bundle(path)).items() if array is not None})


def resumed(path: Path) -> Any:
    found: list[Any] = []
    checkpoints.load(path, lambda state: found.append(in_bytes(state)))
    return found[0] if found else "set aside"


def layers_of(path: Path) -> Any:
    return masks.read_layers(path.parent.parent.name)


# What writes a file, and what reads it as a value that can be compared.
KINDS: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], Any]]] = {
    "weights": (
        "work/toy/r01/lanes/seed1/start.safetensors",
        lambda path: store.write_arrays(path, arrays()),
        lambda path: in_bytes(store.read_arrays(path)),
    ),
    "mask": (
        "work/toy/r01/masks/seed1.safetensors",
        lambda path: store.write_mask(path, mask()),
        lambda path: in_bytes(store.read_mask(path)),
    ),
    "data": ("work/data/digits.safetensors", lambda path: datasets.write_bundle(path, toy.bundle(6, 3)), in_fields),
    "lane.json": (
        "work/toy/r01/lanes/seed1/lane.json",
        lambda path: store.write_json(path, ABOUT),
        lambda path: LaneFiles(path.parent).read_about(),
    ),
    "layers.json": ("work/toy/r00/layers.json", lambda path: masks.write_layers("toy", LAYERS, ["token"]), layers_of),
    "table": ("work/toy/curves.csv", lambda path: store.write_csv(path, list(ROWS[0]), ROWS), store.read_table),
    "checkpoint": (".lottery/checkpoints/a.safetensors", lambda path: checkpoints.save(path, arrays()), resumed),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def outcome(kind: str, path: Path, content: bytes) -> Any:
    """What reading a damaged file gives; the sentence when it is refused."""
    path.write_bytes(content)
    try:
        return KINDS[kind][2](path)
    except UserError as error:
        said = str(error)
        assert "\n" not in said
        assert str(path) in said
        assert "dvc repro" in said
        return None


def try_damage(kind: str, tries: int, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(folder)
    name, write, read = KINDS[kind]
    path = Path(name)
    write(path)
    whole, expected = path.read_bytes(), read(path)
    assert expected not in (None, "set aside")
    draw = np.random.default_rng(7)
    noticed = 0
    damaged = [whole[: draw.integers(len(whole))] for _ in range(tries // 10)]
    for _ in range(tries):
        content = bytearray(whole)
        content[draw.integers(len(content))] ^= 1 << draw.integers(8)
        damaged.append(bytes(content))
    damaged += [b"", b"\0" * len(whole), whole + b"\0", whole + whole, whole.replace(b"\n", b"\r\n")]
    for content in damaged:
        found = outcome(kind, path, content)
        assert found in (None, "set aside", expected), content
        noticed += found != expected
    assert noticed > 0.8 * tries  # a flip in the blanks of a header or between numbers changes nothing


@kinds
def test_a_flipped_bit_is_noticed_or_changes_nothing(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    try_damage(kind, 300, monkeypatch, tmp_path)


@pytest.mark.slow
@kinds
def test_many_flipped_bits(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    try_damage(kind, 5_000, monkeypatch, tmp_path)


@kinds
def test_the_same_content_is_the_same_bytes(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    name, write, _ = KINDS[kind]
    found = set()
    for _ in range(10):
        write(Path(name))
        found.add(Path(name).read_bytes())
    assert len(found) == 1


def header(path: Path) -> tuple[dict[str, Any], bytes]:
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def test_the_checksum_covers_names_types_and_shapes(tmp_path: Path) -> None:
    """A header that says something else about the same bytes is refused."""
    path = tmp_path / "a.safetensors"
    for change in ({"shape": [7, 5]}, {"dtype": "I32"}, {"shape": [35]}):
        store.write_arrays(path, arrays())
        described, payload = header(path)
        described["fc1.weight"] |= change
        text = json.dumps(described).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + payload)
        with pytest.raises(UserError, match="its checksum is that of another content"):
            store.read_arrays(path)


@pytest.mark.parametrize(
    ("shapes", "bits", "problem"),
    [
        ({"a": [300_000, 300_000]}, np.zeros(4, np.uint8), "for a mask of the shape"),  # 90 GB
        ({"a": [10**9, 10**9, 10**9]}, np.zeros(4, np.uint8), "for a mask of the shape"),  # more than an int64 counts
        ({"a": [33]}, np.zeros(4, np.uint8), "for a mask of the shape"),
        ({"a": [24]}, np.zeros(4, np.uint8), "for a mask of the shape"),
        ({"a": [32]}, np.zeros(4, np.float32), "float32"),
        ({"a": [4, 8]}, np.zeros((2, 2), np.uint8), "for a mask of the shape"),
        ({"a": [-4, -8]}, np.zeros(4, np.uint8), "has the shape"),
        ({"a": "32"}, np.zeros(4, np.uint8), "has the shape '32'"),
        ({"b": [32]}, np.zeros(4, np.uint8), "it holds no masks"),
        (None, np.zeros(4, np.uint8), "it holds no masks"),
    ],
)
def test_a_mask_whose_shapes_and_bits_disagree_is_refused(shapes: Any, bits: np.ndarray, problem: str, tmp_path: Path) -> None:
    """Its checksum is right: these are what another program might write."""
    path = tmp_path / "mask.safetensors"
    store.write_arrays(path, {"a": bits}, {"shapes": shapes})
    with pytest.raises(UserError, match=re.escape(problem)):
        store.read_mask(path)


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3", "F8_E5M2", "X9"])
def test_a_type_that_numpy_does_not_have_is_one_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    size = 2 if kind == "BF16" else 1
    text = json.dumps({"a": {"dtype": kind, "shape": [4], "data_offsets": [0, 4 * size]}}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 4 * size)
    for read in (store.read_arrays, store.read_mask, store.checksum_of):
        with pytest.raises(UserError, match=r"a.safetensors is damaged \(|no checksum"):
            read(path)
            store.read_arrays(path)


def test_a_file_without_a_checksum_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(save(arrays()))
    (tmp_path / "a.json").write_text(json.dumps(ABOUT))
    (tmp_path / "a.csv").write_text("iteration,loss\n1,2\n")
    for read, name in ((store.read_arrays, "a.safetensors"), (store.read_json, "a.json"), (store.read_table, "a.csv")):
        with pytest.raises(UserError, match=rf"{name} is damaged \(it has no checksum.*older version\)"):
            read(tmp_path / name)


@pytest.mark.parametrize("content", ["{}", "[]", "3", "null", "[" * 100_000, '{"checksum": 3}', "9" * 5000, "\xff"])
def test_json_of_another_form_is_one_sentence(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lane = LaneFiles(paths.lanes("toy", "r00") / "seed1")
    for path, read in ((lane.about, lane.read_about), (paths.layers("toy"), lambda: masks.read_layers("toy"))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="latin-1")
        with pytest.raises(UserError, match=rf"{path} is damaged .*; delete it and run `dvc repro`"):
            read()


@pytest.mark.parametrize("weights", [None, [], {"a": {}}, {"a": {"kind": "fc"}}, {"a": {"kind": 3, "shape": [2]}},
                                     {"a": {"kind": "fc", "shape": [2, -1]}}, {"a": {"kind": "fc", "shape": "23"}},
                                     {"a": {"kind": "fc", "shape": 3}}, {"a": [1]}])  # fmt: skip
def test_layers_of_another_form_are_refused(weights: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store.write_json(paths.layers("toy"), {"weights": weights})
    with pytest.raises(UserError, match=r"layers.json is damaged"):
        masks.read_layers("toy")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda found: found.pop("fc1.weight"), "it has no fc1.weight"),
        (lambda found: found.update({"fc1.weight": np.ones((7, 5), np.float32)}), r"has the shape \(7, 5\) instead of \(5, 7\)"),
        (lambda found: found.update({"fc1.weight": np.full((5, 7), np.nan)}), "not finite"),
        (lambda found: found.update({"fc1.weight": np.full((5, 7), -np.inf)}), "not finite"),
    ],
)
def test_weights_of_another_network_or_not_finite_are_refused(
    change: Callable[[dict[str, Any]], object], problem: str, tmp_path: Path
) -> None:
    lane, found = LaneFiles(tmp_path), arrays()
    change(found)
    store.write_arrays(lane.weights_file("start"), found)
    with pytest.raises(UserError, match=rf"start.safetensors is damaged \(.*{problem}.*`dvc repro there`"):
        lane.weights("start", LAYERS, "there")


def test_a_mask_of_another_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    item = Item("toy", 0, DENSE)
    masks.write(item, {1: mask()})
    assert masks.read(item, 1, LAYERS) == mask()
    with pytest.raises(UserError, match=r"seed1.safetensors is damaged \(it has no fc9.weight\)"):
        masks.read(item, 1, LAYERS | {"fc9.weight": Layer("fc", (2, 2))})


def test_the_files_remain_what_others_read(tmp_path: Path) -> None:
    """Weights are safetensors, and tables are CSV with one more column, which is empty."""
    import pandas as pd

    store.write_arrays(tmp_path / "a.safetensors", arrays())
    assert in_bytes({n: t.numpy() for n, t in load_file(tmp_path / "a.safetensors").items()}) == in_bytes(arrays())
    store.write_csv(tmp_path / "a.csv", list(ROWS[0]), ROWS)
    table = pd.read_csv(tmp_path / "a.csv")
    assert [*table.columns[:-1]] == [*ROWS[0]]
    assert table.columns[-1].startswith("checksum=")
    assert table.iloc[:, -1].isna().all()
    assert table["loss"].tolist() == [row["loss"] for row in ROWS]
    assert table["iteration"].dtype == np.int64
    read = store.read_csv(tmp_path / "a.csv")
    assert [row["note"] for row in read] == ["", "a,b"] * 3


@pytest.mark.parametrize("shape", [[0, 10**19], [0, 2**62, 2**62], [1] * 70, [True]])
def test_a_shape_that_no_array_can_have_is_one_sentence(shape: list[int], tmp_path: Path) -> None:
    """Its checksum is right, and it agrees with the number of bits."""
    path = tmp_path / "mask.safetensors"
    store.write_arrays(path, {"a": np.zeros(-(-math.prod(shape) // 8), np.uint8)}, {"shapes": {"a": shape}})
    with pytest.raises(UserError, match="is damaged"):
        store.read_mask(path)


def test_the_sentence_about_a_damaged_file_is_short(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    text = json.dumps({"a": "x" * 100_000}).encode()  # safetensors names the value that it did not expect
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(UserError) as told:
        store.read_arrays(path)
    assert len(str(told.value)) < 1000
