"""Bundles: validated when made, the same bytes each time they are written, and named when their file is damaged."""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.digits import CLASSES, SHAPE, digits
from pipeline.domain.bundle import Bundle
from pipeline.files import datasets, store
from pipeline.values import paths
from pipeline.values.errors import UserError
from stages import download

ROOT = Path(__file__).parent.parent
COMMAND = "dvc repro --force experiments/dvc.yaml:download@mnist"


def test_digits_are_the_same_each_time(tmp_path: Path) -> None:
    bundle = digits(tmp_path)
    assert (bundle.train_images.shape, bundle.test_images.shape) == ((1437, *SHAPE), (360, 1, 8, 8))
    assert bundle.classes == CLASSES
    assert (bundle.train_images.min(), bundle.train_images.max()) == (0, 255)
    paths_written = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    datasets.write_bundle(paths_written[0], bundle)
    datasets.write_bundle(paths_written[1], digits(tmp_path))
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths_written}
    assert digests == {"ca07b32ba9044cc3f9411771d915565fea7622f298f4b3217cb8452c3841d730"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_images": np.zeros((3, 8, 8), np.uint8)}, "train_images is uint8"),
        ({"test_images": np.zeros((360, 1, 8, 8), np.float32)}, "test_images is float32"),
        ({"test_images": np.zeros((360, 1, 9, 8), np.uint8)}, "as train_images are"),
        ({"test_images": np.zeros((0, 1, 8, 8), np.uint8), "test_labels": np.zeros(0, np.uint8)}, "not empty"),
        ({"test_labels": np.zeros(359, np.uint8)}, "one for each of 360 images"),
        ({"train_labels": np.zeros(1437, np.int64)}, "train_labels is int64"),
        ({"train_labels": np.full(1437, 2, np.uint8)}, r"has the classes \[2\], should have all of 0\.\.2"),
        ({"train_labels": np.zeros(1437, np.uint8)}, "the class 9, which train_labels has not"),
        ({"mean": np.zeros(3, np.float32)}, "mean is float32"),
        ({"mean": np.full(1, np.nan, np.float32)}, "finite"),
        ({"std": np.zeros(1, np.float32)}, "positive"),
    ],
)
def test_a_bundle_is_validated(change: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        replace(digits(tmp_path), **change)


def test_a_damaged_data_file_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = paths.data("mnist")
    with pytest.raises(UserError, match=f"{path} is missing; `{COMMAND}`"):
        datasets.read_bundle(path)
    bundle = digits(tmp_path)
    datasets.write_bundle(path, bundle)
    for field in fields(Bundle):
        np.testing.assert_array_equal(getattr(datasets.read_bundle(path), field.name), getattr(bundle, field.name))
    whole = path.read_bytes()
    for damaged in (whole[:-100], whole[:20], b"", b"\xff" * 100):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=f"{path} is damaged .*; `{COMMAND}` writes it anew"):
            datasets.read_bundle(path)
    store.write_arrays(path, {"train_images": bundle.train_images})
    with pytest.raises(UserError, match=f"{path} is damaged .*missing.*; `{COMMAND}`"):
        datasets.read_bundle(path)


def test_reading_data_needs_no_torch_and_no_sklearn() -> None:
    script = (
        "import sys, pipeline.files.datasets, pipeline.data.mnist, pipeline.data.fashion_mnist, pipeline.data.digits\n"
        "sys.exit(' '.join({'torch', 'torchvision', 'sklearn'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# --- the stage


def test_the_stage_writes_the_file_and_leaves_no_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    download.main("digits")
    assert datasets.read_bundle(paths.data("digits")).classes == 10
    assert list(paths.SCRATCH.iterdir()) == []


def test_the_stage_names_the_data_sets_and_looks_at_params_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"params\.yaml is missing"):
        download.main("digits")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    with pytest.raises(UserError, match="data set 'mnst': should be one of cifar10, digits, fashion_mnist, mnist"):
        download.main("mnst")
