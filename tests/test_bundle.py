"""Bundles: validated when made, the same bytes each time they are written, and named when their file is damaged."""

import hashlib
import importlib
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.digits import FORM, digits
from pipeline.domain.bundle import Bundle, Form, of_images
from pipeline.files import datasets, store
from pipeline.settings import places
from pipeline.values import paths, plugins
from pipeline.values.errors import UserError
from stages import download
from tests import toy

ROOT = Path(__file__).parent.parent
COMMAND = "dvc repro --force experiments/dvc.yaml:download_mnist"


def test_digits_are_the_same_each_time(tmp_path: Path) -> None:
    bundle = digits()
    assert (bundle.train_inputs.shape, bundle.test_inputs.shape) == ((1437, 1, 8, 8), (360, 1, 8, 8))
    assert Form.of(bundle) == FORM
    assert np.unique(bundle.train_targets).tolist() == list(range(10))
    assert (bundle.train_inputs.min(), bundle.train_inputs.max()) == (0, 255)
    paths_written = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    datasets.write_bundle(paths_written[0], bundle)
    datasets.write_bundle(paths_written[1], digits())
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths_written}
    assert digests == {"b94a7ab2b9a8c422cb02d852cd5d3621c9762fc54bb81af6b211e68601f8bf5d"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_inputs": np.zeros((3, 8, 8), np.uint8)}, r"train_targets is uint8 .*one for each of 3 inputs"),
        ({"train_inputs": np.zeros(1437, np.uint8)}, "train_inputs is uint8 .*at least two dimensions"),
        ({"train_inputs": np.zeros((1437, 1, 8, 8), np.complex64)}, "train_inputs is complex64 .*an array of numbers"),
        ({"train_inputs": [[1, 2]]}, "train_inputs is list, but should be an array of numbers"),
        ({"test_inputs": np.zeros((360, 1, 8, 8), np.float32)}, "test_inputs is float32 .*uint8 as train_inputs are"),
        ({"test_inputs": np.zeros((360, 1, 9, 8), np.uint8)}, r"test_inputs is .*\(N, \*\(1, 8, 8\)\) as train_inputs are"),
        ({"test_inputs": np.zeros((0, 1, 8, 8), np.uint8), "test_targets": np.zeros(0, np.uint8)}, "test_inputs is .*not empty"),
        ({"test_targets": np.zeros(359, np.uint8)}, "test_targets is .*one for each of 360 inputs"),
        ({"test_targets": np.full((360, 1), np.inf, np.float32)}, "test_targets is .*finite"),
        ({"validation_inputs": np.zeros((5, 1, 8, 8), np.uint8)}, "validation_targets is NoneType"),
        (
            {"validation_inputs": np.zeros((5, 8, 8), np.uint8), "validation_targets": np.zeros(5, np.uint8)},
            "validation_inputs is .*as train_inputs are",
        ),
        ({"scale": np.ones(1)}, "scale is float64 .*float32"),
        ({"scale": np.ones((3, 1, 1), np.float32)}, r"scale is float32 \(3, 1, 1\), .*broadcasts to one input, \(1, 8, 8\)"),
        ({"shift": np.full(1, np.nan, np.float32)}, "shift is .*finite"),
        ({"scale": None, "shift": np.ones(1, np.float32)}, "shift is there without scale"),
    ],
)
def test_a_bundle_is_validated(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(digits(), **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_images": np.zeros((1437, 1, 8, 8), np.float32)}, r"train_images is float32 .*uint8 \(N, C, H, W\)"),
        ({"test_images": np.zeros((360, 8, 8), np.uint8)}, r"test_images is uint8 .*uint8 \(N, C, H, W\)"),
        ({"mean": np.zeros(3, np.float32)}, r"mean is float32 \(3,\), but should be float32 \(1,\)"),
        ({"std": np.zeros(1, np.float32)}, "std is .*positive"),
    ],
)
def test_images_are_validated(change: dict[str, Any], message: str) -> None:
    bundle = digits()
    images = {
        "train_images": bundle.train_inputs, "train_labels": bundle.train_targets,
        "test_images": bundle.test_inputs, "test_labels": bundle.test_targets,
        "mean": np.zeros(1, np.float32), "std": np.ones(1, np.float32),
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        of_images(**images | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_targets": np.full(1437, 2, np.uint8)}, r"has the classes \[2\], but should have all of 0\.\.2"),
        ({"train_targets": np.zeros(1437, np.uint8)}, "test_targets has the class 1, which train_targets has not"),
        ({"train_targets": np.full(1437, -1)}, "train_targets has the class -1, but should have classes from 0 on"),
        ({"test_targets": np.full(360, -3)}, "test_targets has the class -3, which train_targets has not"),
        ({"train_targets": np.zeros((1437, 1), np.uint8)}, r"train_targets is uint8 \(1437, 1\), .*whole numbers"),
        ({"test_targets": np.zeros(360, np.float32)}, "test_targets is float32 .*whole numbers"),
        (
            {"validation_inputs": np.zeros((5, 1, 8, 8), np.uint8), "validation_targets": np.full(5, 10, np.uint8)},
            "validation_targets has the class 10",
        ),
    ],
)
def test_classification_says_what_targets_it_needs(change: dict[str, Any], message: str) -> None:
    toy.CLASSIFICATION.check(digits())
    with pytest.raises(ValueError, match=message):
        toy.CLASSIFICATION.check(replace(digits(), **change))


@pytest.mark.parametrize("name", plugins.names("data"))
def test_a_plug_ins_form_can_be_made_into_noise_that_has_it(name: str) -> None:
    """So `--show` and the check before the download see what training will."""
    declared = importlib.import_module(f"pipeline.data.{name}").FORM
    form = declared() if callable(declared) else declared
    noise = form.noise(30, 4)
    assert Form.of(noise) == replace(form, train=max(30, form.classes or 0), test=4)
    if form.classes:
        assert set(form.noise(2, 2).train_targets.ravel().tolist()) == set(range(form.classes))


def test_noise_of_a_data_set_has_its_form_whatever_that_is() -> None:
    forms = [
        Form(train=7, test=3, shape=(5,), dtype="int64", classes=4, scaled=False),
        Form(train=7, test=3, shape=(2, 5), dtype="float32", target=(2,), own_validation=True),
    ]
    for form in forms:
        assert Form.of(form.noise(7, 3)) == form


def test_a_damaged_data_file_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = paths.data("mnist")
    with pytest.raises(UserError, match=f"{path} is missing; `{COMMAND}`"):
        datasets.read_bundle(path)
    bundle = digits()
    datasets.write_bundle(path, bundle)
    for field in fields(Bundle):
        found, expected = getattr(datasets.read_bundle(path), field.name), getattr(bundle, field.name)
        assert (found is None) == (expected is None)
        np.testing.assert_array_equal(found, expected)
    whole = path.read_bytes()
    for damaged in (whole[:-100], whole[:20], b"", b"\xff" * 100):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=f"{path} is damaged .*; `{COMMAND}` writes it anew"):
            datasets.read_bundle(path)
    store.write_arrays(path, {"train_inputs": bundle.train_inputs})
    with pytest.raises(UserError, match=f"{path} is damaged .*missing.*; `{COMMAND}`"):
        datasets.read_bundle(path)


def test_reading_data_needs_no_torch_and_no_sklearn() -> None:
    script = (
        "import sys, pipeline.files.datasets\n"
        "from pipeline.data import cifar10, cifar100, diabetes, digits, fashion_mnist, king_james, mnist, moby_dick\n"
        "sys.exit(' '.join({'torch', 'torchvision', 'sklearn'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# --- the stage


def _copy_settings(folder: Path) -> None:
    (folder / "experiments").mkdir()
    for file in (ROOT / "params.yaml", *places.more_params(ROOT)):
        shutil.copy(file, folder / file.relative_to(ROOT))


def test_the_stage_writes_the_file_and_leaves_no_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _copy_settings(tmp_path)
    monkeypatch.chdir(tmp_path)
    download.main("digits")
    assert Form.of(datasets.read_bundle(paths.data("digits"))) == FORM
    assert list(paths.SCRATCH.iterdir()) == []


def test_the_stage_names_the_data_sets_and_looks_at_params_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"params\.yaml is missing"):
        download.main("digits")
    _copy_settings(tmp_path)
    with pytest.raises(UserError, match=r"no data set 'mnst'; it should be one of cifar10, .*mnist"):
        download.main("mnst")
